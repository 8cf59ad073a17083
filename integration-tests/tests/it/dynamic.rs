//! A gRPC client that knows only the descriptor set: any method by name, JSON in, JSON out. What it gets is a value to
//! compare: the messages, and the status with everything in its details.

use std::sync::LazyLock;

use bytes::{Buf as _, BufMut as _};
use futures_util::StreamExt as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status, Streaming};
use warp2api_proto::FILE_DESCRIPTOR_SET;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::listener::Address;
use warp2api_rpc::reason::reason_name;
use warp2api_rpc::{Failure, GrpcEndpoint};

static SCHEMA: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the set was written by our build"));

/// How a call ended, and what came before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The messages as proto3 JSON.
    pub(crate) messages: Vec<Value>,
    /// `None` if the call went well.
    pub(crate) refusal: Option<Refusal>,
}

/// A status, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// As in `ErrorInfo`; empty if the status has none of ours.
    pub(crate) reason: &'static str,
    pub(crate) fields: Vec<String>,
    pub(crate) metadata: Vec<(String, String)>,
    /// Whether `RetryInfo` says when to come back.
    pub(crate) wait: bool,
    pub(crate) message: String,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let ours = !status.details().is_empty();
        let failure = Failure::from(status);
        Self {
            code: status.code(),
            reason: if ours { reason_name(failure.reason) } else { "" },
            fields: failure.violations.into_iter().map(|violation| violation.field).collect(),
            metadata: failure.metadata,
            wait: failure.retry_after.is_some(),
            message: status.message().to_owned(),
        }
    }
}

/// The service behind an address.
pub(crate) fn at(address: &Address) -> GrpcEndpoint {
    let place = match address {
        Address::Tcp(address) => Place::Tcp(format!("http://{address}")),
        Address::Unix(path) => Place::Unix(path.clone()),
    };
    endpoint::remote(&place).expect("an address of ours")
}

/// Calls `method`, for example `warp_chat.v1.WarpChat/StreamChat`, unary or streaming, and reads the answer to its end.
pub(crate) async fn call(endpoint: &GrpcEndpoint, method: &str, request: &Value) -> Answer {
    call_at_most(endpoint, method, request, usize::MAX).await
}

/// The same, but leaves after so many messages.
pub(crate) async fn call_at_most(
    endpoint: &GrpcEndpoint,
    method: &str,
    request: &Value,
    most: usize,
) -> Answer {
    let mut messages = Vec::new();
    let mut stream = match open(endpoint, method, request, MetadataMap::new()).await {
        Ok(stream) => stream,
        Err(status) => return Answer { messages, refusal: Some(Refusal::from(&status)) },
    };
    while messages.len() < most
        && let Some(message) = stream.next().await
    {
        match message {
            Ok(message) => {
                messages.push(serde_json::to_value(&message).expect("every message has a JSON form"))
            }
            Err(status) => return Answer { messages, refusal: Some(Refusal::from(&status)) },
        }
    }
    Answer { messages, refusal: None }
}

/// Calls `method` and leaves the answer to be read.
pub(crate) async fn open(
    endpoint: &GrpcEndpoint,
    method: &str,
    request: &Value,
    metadata: MetadataMap,
) -> Result<Streaming<DynamicMessage>, Status> {
    let (service, name) = method.split_once('/').expect("a service and a method");
    let service = SCHEMA.get_service_by_name(&format!("warp2api.{service}")).expect("a service of ours");
    let described = service.methods().find(|method| method.name() == name).expect("a method of the service");
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(described.input(), request, &options)
        .expect("the request fits its type");
    let path = format!("/{}/{name}", service.full_name()).parse().expect("a path");
    let mut client = tonic::client::Grpc::new(endpoint.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), message);
    let answer = client.server_streaming(request, path, DynamicCodec(described.output())).await?;
    Ok(answer.into_inner())
}

/// Reads and writes messages by their descriptor.
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message.encode_to_vec());
        Ok(())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let message = DynamicMessage::decode(self.0.clone(), bytes);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
