//! Sees what passes over the codec's paths, for the monitor: sizes and types from the answer, contents with capture.
//!
//! Answers there are whole and bounded, so they are read here and passed on as they were. A request is read here only
//! with capture; without, its body goes by untouched.

use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use prost_types::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use warp2api_rpc::{CallContext, MAX_MESSAGE_BYTES};

use super::log::PacketLog;
use super::packet::{Direction, Packet};

/// What a path of the codec does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Encode,
    Decode,
    StreamDecode,
}

fn kind(path: &str) -> Option<Kind> {
    match path {
        "/encode" | "/api/encode" => Some(Kind::Encode),
        "/decode" | "/api/decode" => Some(Kind::Decode),
        "/api/stream-decode" => Some(Kind::StreamDecode),
        _ => None,
    }
}

/// Lets a request through and takes note of it, if it is the codec's.
pub(crate) async fn log(State(packets): State<PacketLog>, request: Request, next: Next) -> Response {
    let Some(kind) = kind(request.uri().path()) else { return next.run(request).await };
    let arrived = Instant::now();
    let call = Call::of(request.headers(), arrived);
    let (request, asked) = if packets.captures() { read_request(request).await } else { (request, None) };
    let (head, body) = next.run(request).await.into_parts();
    let body = match axum::body::to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(%error, "an answer of the codec's paths broke");
            return Response::from_parts(head, Body::empty());
        }
    };
    if head.status.is_success()
        && let Ok(answer) = serde_json::from_slice::<Value>(&body)
    {
        let elapsed = arrived.elapsed();
        let content = asked.and_then(|asked| serde_json::from_slice::<Value>(&asked).ok());
        packets.add(packets_of(kind, content, answer).into_iter().map(|packet| call.sign(packet, elapsed)));
    }
    Response::from_parts(head, Body::from(body))
}

/// The request again, and its body if that is within its bounds: if not, the path says so itself.
async fn read_request(request: Request) -> (Request, Option<Bytes>) {
    let (head, body) = request.into_parts();
    match axum::body::to_bytes(body, MAX_MESSAGE_BYTES + 1).await {
        Ok(body) => (Request::from_parts(head, Body::from(body.clone())), Some(body)),
        Err(_) => {
            let too_large = Bytes::from(vec![b' '; MAX_MESSAGE_BYTES + 1]);
            (Request::from_parts(head, Body::from(too_large)), None)
        }
    }
}

/// What is known of a packet beside the call it belongs to.
#[derive(Debug, PartialEq)]
struct Found {
    kind: String,
    direction: Direction,
    size: u64,
    summary: Value,
    content: Option<Value>,
}

/// The packets of one call, as the original named them.
fn packets_of(kind: Kind, asked: Option<Value>, mut answer: Value) -> Vec<Found> {
    let size = |value: &Value| value["size"].as_u64().unwrap_or_default();
    let message_type = take(&mut answer, "message_type");
    let found = |kind: String, direction, size, content| Found {
        kind,
        direction,
        size,
        summary: json!({ "message_type": message_type.clone() }),
        content,
    };
    match kind {
        Kind::Encode => {
            let size = size(&answer).max(decoded_length(&answer["protobuf_bytes"]));
            let content = asked.map(|mut asked| match take(&mut asked, "json_data") {
                Value::Null => asked,
                packet => packet,
            });
            vec![found("encode".to_owned(), Direction::Request, size, content)]
        }
        Kind::Decode => {
            let size = size(&answer);
            vec![found("decode".to_owned(), Direction::Response, size, Some(take(&mut answer, "json_data")))]
        }
        Kind::StreamDecode => {
            let mut packets = Vec::new();
            if let Value::Array(chunks) = take(&mut answer, "chunks") {
                for (index, mut chunk) in chunks.into_iter().enumerate() {
                    let name = format!("stream_decode_chunk_{index}");
                    let size = size(&chunk);
                    packets.push(found(name, Direction::Response, size, Some(take(&mut chunk, "json_data"))));
                }
            }
            let mut complete = take(&mut answer, "complete");
            let size = size(&complete);
            let content = Some(take(&mut complete, "json_data"));
            packets.push(found("stream_decode_complete".to_owned(), Direction::Response, size, content));
            packets
        }
    }
}

/// Takes what stands under `key`, `null` if nothing does.
fn take(value: &mut Value, key: &str) -> Value {
    value.as_object_mut().and_then(|object| object.remove(key)).unwrap_or_default()
}

fn decoded_length(base64: &Value) -> u64 {
    let decoded = base64.as_str().and_then(|text| STANDARD.decode(text).ok());
    decoded.map_or(0, |bytes| bytes.len() as u64)
}

/// The call that packets belong to.
struct Call {
    time: Timestamp,
    request_id: String,
    trace_id: String,
}

impl Call {
    fn of(headers: &HeaderMap, now: Instant) -> Self {
        let context = CallContext::from_headers(headers, now);
        Self {
            time: Timestamp::from(SystemTime::now()),
            request_id: context.request_id().unwrap_or_default().to_owned(),
            trace_id: context.trace_id().unwrap_or_default().to_owned(),
        }
    }

    fn sign(&self, found: Found, elapsed: Duration) -> Packet {
        Packet {
            time: self.time,
            kind: found.kind,
            direction: found.direction,
            size: found.size,
            summary: found.summary,
            content: found.content,
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            conversation_id: String::new(),
            elapsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_gives_the_packets_of_the_original() {
        let names = |kind, asked: Option<Value>, answer: Value| {
            packets_of(kind, asked, answer)
                .into_iter()
                .map(|found| (found.kind, found.size, found.content.unwrap_or_default()))
                .collect::<Vec<_>>()
        };

        let answer = json!({"protobuf_bytes": "EgoyCA==", "size": 4, "message_type": "a.B"});
        assert_eq!(
            names(Kind::Encode, Some(json!({"json_data": {"input": 1}})), answer.clone()),
            [("encode".to_owned(), 4, json!({"input": 1}))]
        );
        assert_eq!(
            names(Kind::Encode, Some(json!({"input": 2})), answer.clone()),
            [("encode".to_owned(), 4, json!({"input": 2}))]
        );
        assert_eq!(names(Kind::Encode, None, answer), [("encode".to_owned(), 4, Value::Null)]);
        assert_eq!(
            names(Kind::Decode, None, json!({"json_data": {"x": 1}, "size": 9, "message_type": "a.B"})),
            [("decode".to_owned(), 9, json!({"x": 1}))]
        );
        let answer = json!({
            "chunks": [{"chunk_index": 0, "json_data": {"a": 1}, "size": 3}, {"chunk_index": 1, "error": "x", "size": 0}],
            "complete": {"json_data": {"b": 2}, "size": 5},
        });
        assert_eq!(
            names(Kind::StreamDecode, None, answer),
            [
                ("stream_decode_chunk_0".to_owned(), 3, json!({"a": 1})),
                ("stream_decode_chunk_1".to_owned(), 0, Value::Null),
                ("stream_decode_complete".to_owned(), 5, json!({"b": 2})),
            ]
        );
    }

    #[test]
    fn answers_of_any_shape_do_no_harm() {
        for answer in [json!(null), json!([1]), json!("x"), json!({"chunks": {"a": 1}, "complete": []})] {
            for kind in [Kind::Encode, Kind::Decode, Kind::StreamDecode] {
                for asked in [None, Some(json!([])), Some(json!(7))] {
                    let _packets = packets_of(kind, asked, answer.clone());
                }
            }
        }
    }
}
