//! The services behind the monitor: WarpChat's feed, TokenPool's, and Codec for contents.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;
use tonic::Streaming;
use tonic::metadata::{Ascii, MetadataValue};
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::{DecodeMessageRequest, FieldNaming};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{WatchCredentialsRequest, WatchCredentialsResponse};
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::{
    Exchange, GetExchangeRequest, ListExchangesRequest, WatchExchangesRequest, WatchExchangesResponse,
};
use warp2api_rpc::{CallContext, Failure, GrpcEndpoint, MAX_MESSAGE_BYTES};

use super::access::KEY_HEADER;
use crate::Services;

/// The services.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    warp_chat: WarpChatClient<GrpcEndpoint>,
    codec: Option<CodecClient<GrpcEndpoint>>,
    pool: Option<TokenPoolClient<GrpcEndpoint>>,
}

/// On whose behalf the services are called: they may be elsewhere, and ask for the key themselves.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    context: CallContext,
    key: Option<MetadataValue<Ascii>>,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let bearer = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' ')).map(|(_, key)| key.trim());
        let bearer = bearer.and_then(|key| HeaderValue::from_str(key).ok());
        let plain = headers.get(KEY_HEADER).or_else(|| headers.get("x-api-key")).cloned();
        let key = plain.or(bearer).and_then(|key| key.to_str().ok()?.parse().ok());
        let mut context = CallContext::from_headers(headers, Instant::now());
        // A watch has no end that one could set beforehand.
        context.deadline = None;
        Self { context, key }
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = self.context.request(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert(KEY_HEADER, key.clone());
        }
        request
    }
}

/// A type of message that contents are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// What was sent upstream.
    Request,
    /// An event of the upstream.
    Event,
}

impl Source {
    pub(crate) fn new(services: &Services) -> Option<Self> {
        let warp_chat = WarpChatClient::new(services.warp_chat.clone()?);
        let codec = services.codec.clone().map(CodecClient::new);
        Some(Self {
            warp_chat: warp_chat.max_decoding_message_size(MAX_MESSAGE_BYTES),
            codec: codec.map(|codec| {
                codec
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(MAX_MESSAGE_BYTES)
            }),
            pool: services.token_pool.clone().map(TokenPoolClient::new),
        })
    }

    /// Begins to watch.
    pub(crate) async fn watch(
        &self,
        caller: &Caller,
        request: WatchExchangesRequest,
    ) -> Result<Streaming<WatchExchangesResponse>, Failure> {
        let answered = self.warp_chat.clone().watch_exchanges(caller.request(request)).await;
        Ok(answered.map_err(|status| Failure::from(&status))?.into_inner())
    }

    /// Begins to watch credentials.
    ///
    /// # Errors
    /// When there is no TokenPool here, or it does not answer.
    pub(crate) async fn watch_credentials(
        &self,
        caller: &Caller,
    ) -> Result<Streaming<WatchCredentialsResponse>, Failure> {
        let pool = self.pool.clone();
        let mut pool = pool.ok_or_else(|| Failure::invalid("credentials", "there is no token pool here"))?;
        let answered = pool.watch_credentials(caller.request(WatchCredentialsRequest {})).await;
        Ok(answered.map_err(|status| Failure::from(&status))?.into_inner())
    }

    /// The latest exchanges, the oldest of them first.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        request: ListExchangesRequest,
    ) -> Result<Vec<Exchange>, Failure> {
        let answered = self.warp_chat.clone().list_exchanges(caller.request(request)).await;
        let mut exchanges = answered.map_err(|status| Failure::from(&status))?.into_inner().exchanges;
        exchanges.reverse();
        Ok(exchanges)
    }

    /// One exchange with what is kept of its contents; `None` if it is not kept any more.
    pub(crate) async fn get(&self, caller: &Caller, name: &str) -> Option<Exchange> {
        let request = caller.request(GetExchangeRequest { name: name.to_owned() });
        self.warp_chat.clone().get_exchange(request).await.ok()?.into_inner().exchange
    }

    /// The JSON of a content. `None` where there is no Codec, or the content is not of the schema.
    pub(crate) async fn decode(&self, caller: &Caller, content: Content, data: Bytes) -> Option<Value> {
        let name = match content {
            Content::Request => "messageTypes/warp.multi_agent.v1.Request",
            Content::Event => "messageTypes/warp.multi_agent.v1.ResponseEvent",
        };
        let request = DecodeMessageRequest {
            name: name.to_owned(),
            data,
            field_naming: FieldNaming::SnakeCase.into(),
            ..Default::default()
        };
        let decoded = self.codec.clone()?.decode_message(caller.request(request)).await.ok()?;
        serde_json::from_str(&decoded.into_inner().json).ok()
    }
}
