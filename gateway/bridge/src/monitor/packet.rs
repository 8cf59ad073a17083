//! A packet as the original shows it, and as it is kept: what went over a wire, when, and how large it was; what it said
//! only with capture.

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::{Value, json};

use super::preview::preview;

/// What went over a wire.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) time: Timestamp,
    /// For example `warp_request`, `encode`.
    pub(crate) kind: String,
    pub(crate) direction: Direction,
    /// Bytes.
    pub(crate) size: u64,
    /// What may be said of it without its content.
    pub(crate) summary: Value,
    /// Its content. Only with capture.
    pub(crate) content: Option<Value>,
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) conversation_id: String,
    /// Since the call that it belongs to arrived.
    pub(crate) elapsed: Duration,
}

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To whoever was asked.
    Request,
    /// Back.
    Response,
}

impl Packet {
    /// The original's keys, and ours after them.
    pub(crate) fn json(&self) -> Value {
        json!({
            "timestamp": self.time.to_string(),
            "type": self.kind,
            "size": self.size,
            "data_preview": preview(self.content.as_ref().unwrap_or(&self.summary)),
            "full_data": self.content,
            "request_id": text(&self.request_id),
            "trace_id": text(&self.trace_id),
            "conversation_id": text(&self.conversation_id),
            "direction": match self.direction {
                Direction::Request => "request",
                Direction::Response => "response",
            },
            "elapsed_ms": milliseconds(self.elapsed),
        })
    }

    /// When it went, to put packets in order.
    pub(crate) fn order(&self) -> (i64, i32) {
        (self.time.seconds, self.time.nanos)
    }
}

/// A text, `null` if it is empty.
pub(crate) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::from(text) }
}

/// Milliseconds with their fraction to the microsecond.
pub(crate) fn milliseconds(span: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "spans of a chat are far below 2^53 microseconds")]
    let milliseconds = span.as_micros() as f64 / 1000.0;
    milliseconds
}

/// A span of the contract.
pub(crate) fn span(span: Option<prost_types::Duration>) -> Duration {
    span.and_then(|span| Duration::try_from(span).ok()).unwrap_or_default()
}

/// `time`, later by `by`.
pub(crate) fn later(time: Option<Timestamp>, by: Duration) -> Timestamp {
    let time = std::time::SystemTime::try_from(time.unwrap_or_default());
    let later = time.ok().and_then(|time| time.checked_add(by));
    later.map(Timestamp::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_the_keys_of_the_original_and_ours() {
        let packet = Packet {
            time: Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 },
            kind: "warp_request".to_owned(),
            direction: Direction::Request,
            size: 17,
            summary: json!({"model": "auto"}),
            content: None,
            request_id: "r".to_owned(),
            trace_id: String::new(),
            conversation_id: "c".to_owned(),
            elapsed: Duration::from_micros(1500),
        };

        let expected = json!({
            "timestamp": "2023-11-14T22:13:20.500Z",
            "type": "warp_request",
            "size": 17,
            "data_preview": "{\"model\":\"auto\"}",
            "full_data": null,
            "request_id": "r",
            "trace_id": null,
            "conversation_id": "c",
            "direction": "request",
            "elapsed_ms": 1.5,
        });
        assert_eq!(packet.json(), expected);
        let captured = Packet { content: Some(json!({"input": "x"})), ..packet };
        assert_eq!(captured.json()["full_data"], json!({"input": "x"}));
        assert_eq!(captured.json()["data_preview"], "{\"input\":\"x\"}");
    }
}
