//! `/encode`, `/decode`, `/api/encode`, `/api/decode`, `/api/stream-decode` and `/api/warp/encode_raw`: any message to
//! JSON and back, by `Codec`. What the schema does not have is an error that names it, where the original dropped it.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::{DecodeMessageRequest, EncodeMessageRequest, FieldNaming};
use warp2api_rpc::{Failure, GrpcEndpoint, Guard, MAX_MESSAGE_BYTES};

use super::base64;
use super::caller::Admitted;
use super::failure::Refusal;
use super::packet::{self, Packet, REQUEST_TYPE};
use crate::Services;

const ENCODE: &str = "/warp2api.codec.v1.Codec/EncodeMessage";
const DECODE: &str = "/warp2api.codec.v1.Codec/DecodeMessage";
/// The type of chunks that say none: what the upstream streams.
const EVENT_TYPE: &str = "warp.multi_agent.v1.ResponseEvent";
/// The most chunks that one request may hold.
const MAX_CHUNKS: usize = 10_000;

/// A client of Codec.
#[derive(Debug, Clone)]
pub(crate) struct Translator {
    pub(super) codec: CodecClient<GrpcEndpoint>,
    pub(super) guard: Guard,
}

impl Translator {
    pub(crate) fn new(services: &Services) -> Option<Self> {
        let codec = CodecClient::new(services.codec.clone()?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Some(Self { codec, guard: services.guard.clone() })
    }

    async fn encoded(&self, request: Request) -> Result<(Bytes, Admitted, String), Failure> {
        let admitted = Admitted::read(&self.guard, ENCODE, request).await?;
        let Packet { json, message_type } = packet::read(&admitted.body)?;
        let request = EncodeMessageRequest {
            name: format!("messageTypes/{message_type}"),
            json: Value::Object(json).to_string(),
            ..Default::default()
        };
        let answer = self.codec.clone().encode_message(admitted.call(request)).await;
        let data = answer.map_err(|status| Failure::from(&status))?.into_inner().data;
        Ok((data, admitted, message_type))
    }

    async fn decoded(&self, admitted: &Admitted, message_type: &str, data: Bytes) -> Result<Value, Failure> {
        let request = DecodeMessageRequest {
            name: format!("messageTypes/{message_type}"),
            data,
            field_naming: FieldNaming::SnakeCase.into(),
            show_server_message_data: true,
            ..Default::default()
        };
        let answer = self.codec.clone().decode_message(admitted.call(request)).await;
        let json = answer.map_err(|status| Failure::from(&status))?.into_inner().json;
        serde_json::from_str(&json)
            .map_err(|_| Failure::bug("a message was decoded into something that is not JSON"))
    }
}

/// `POST /encode`, `POST /api/encode`: a packet as base64.
pub(crate) async fn encode(
    State(translator): State<Translator>,
    request: Request,
) -> Result<Response, Refusal> {
    let (data, _, message_type) = translator.encoded(request).await?;
    Ok(object(json!({
        "protobuf_bytes": base64::encode(&data),
        "size": data.len(),
        "message_type": message_type,
    })))
}

/// `POST /api/warp/encode_raw`: a packet as bytes, or with `?output=base64` as base64 under a key of its own.
pub(crate) async fn encode_raw(
    State(translator): State<Translator>,
    request: Request,
) -> Result<Response, Refusal> {
    let wanted = output(request.uri().query().unwrap_or_default())?;
    let (data, _, message_type) = translator.encoded(request).await?;
    Ok(match wanted {
        Output::Raw => ([(CONTENT_TYPE, "application/x-protobuf")], data).into_response(),
        Output::Base64 => object(json!({
            "protobuf_base64": base64::encode(&data),
            "size": data.len(),
            "message_type": message_type,
        })),
    })
}

/// `POST /decode`, `POST /api/decode`: base64 as JSON.
pub(crate) async fn decode(
    State(translator): State<Translator>,
    request: Request,
) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&translator.guard, DECODE, request).await?;
    let mut body = packet::object(&admitted.body)?;
    let message_type = packet::message_type(&mut body, REQUEST_TYPE)?;
    let text = match body.remove("protobuf_bytes") {
        Some(Value::String(text)) if !text.is_empty() => text,
        None | Some(Value::Null) => return Err(Failure::invalid("protobuf_bytes", "must be set").into()),
        Some(_) => return Err(Failure::invalid("protobuf_bytes", "must be base64, and not empty").into()),
    };
    let data = base64::decode(&text, "protobuf_bytes")?;
    let size = data.len();
    let json_data = translator.decoded(&admitted, &message_type, data.into()).await?;
    Ok(object(json!({ "json_data": json_data, "size": size, "message_type": message_type })))
}

/// `POST /api/stream-decode`: each chunk on its own, then all of them as one message.
pub(crate) async fn stream_decode(
    State(translator): State<Translator>,
    request: Request,
) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&translator.guard, DECODE, request).await?;
    let mut body = packet::object(&admitted.body)?;
    let message_type = packet::message_type(&mut body, EVENT_TYPE)?;
    let Some(Value::Array(chunks)) = body.remove("protobuf_chunks") else {
        return Err(Failure::invalid("protobuf_chunks", "must be a list of base64 texts").into());
    };
    if chunks.len() > MAX_CHUNKS {
        return Err(Failure::invalid("protobuf_chunks", format!("has more than {MAX_CHUNKS} items")).into());
    }
    let mut all = Vec::new();
    let mut shown = Vec::with_capacity(chunks.len());
    for (index, chunk) in chunks.iter().enumerate() {
        let field = format!("protobuf_chunks[{index}]");
        let Some(text) = chunk.as_str() else {
            return Err(Failure::invalid(field, "must be base64").into());
        };
        let data = base64::decode(text, &field)?;
        all.extend_from_slice(&data);
        let mut entry = Map::from_iter([("chunk_index".to_owned(), json!(index))]);
        entry.extend(translator.part(&admitted, &message_type, data).await?);
        shown.push(Value::Object(entry));
    }
    let total_size = all.len();
    let complete = translator.part(&admitted, &message_type, all).await?;
    Ok(object(json!({
        "chunks": shown,
        "complete": complete,
        "total_chunks": chunks.len(),
        "total_size": total_size,
        "message_type": message_type,
    })))
}

impl Translator {
    /// A part of a stream: what it says, or why it says nothing. Only what is wrong with the call is a failure.
    async fn part(
        &self,
        admitted: &Admitted,
        message_type: &str,
        data: Vec<u8>,
    ) -> Result<Map<String, Value>, Failure> {
        use warp2api_proto::error::v1::ErrorReason as R;
        let size = json!(data.len());
        let (key, value) = match self.decoded(admitted, message_type, data.into()).await {
            Ok(json) => ("json_data", json),
            Err(failure) if failure.reason == R::MalformedMessage => ("error", json!(failure.message)),
            Err(failure) => return Err(failure),
        };
        Ok(Map::from_iter([(key.to_owned(), value), ("size".to_owned(), size)]))
    }
}

enum Output {
    Raw,
    Base64,
}

/// What `?output=` asks for.
fn output(query: &str) -> Result<Output, Failure> {
    let mut wanted = query.split('&').filter_map(|pair| pair.strip_prefix("output="));
    match wanted.next() {
        None | Some("raw") => Ok(Output::Raw),
        Some("base64") => Ok(Output::Base64),
        Some(_) => Err(Failure::invalid("output", "must be raw or base64")),
    }
}

pub(super) fn object(value: Value) -> Response {
    axum::Json(value).into_response()
}
