//! From what the feed tells to the frames of the socket: the original's packets and stream events, and the steps of
//! exchanges, which it did not have.

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::{Value, json};
use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;
use warp2api_proto::warp_chat::v1::{Exchange, ExchangeState, ExchangeStreamEvent, WatchExchangesResponse};

use super::command::Wanted;
use super::exchange::{self, credential, error, id};
use super::history::{Past, request_summary, response_of};
use super::packet::{Direction, Packet, milliseconds, span, text};
use super::source::Content;

/// The most chunks that a completed stream lists.
const MOST_CHUNKS: usize = 500;

/// A frame: `event` and what belongs to it.
pub(crate) fn frame(event: &str, mut rest: Value) -> Value {
    let mut frame = serde_json::Map::new();
    frame.insert("event".to_owned(), json!(event));
    if let Some(rest) = rest.as_object_mut() {
        frame.append(rest);
    }
    Value::Object(frame)
}

/// A packet as it happens.
pub(crate) fn captured(packet: &Packet) -> Value {
    frame("packet_captured", json!({ "packet": packet.json() }))
}

/// A packet of the past.
pub(crate) fn past(packet: &Packet) -> Value {
    frame("packet_history", json!({ "packet": packet.json() }))
}

/// How much a reader missed.
pub(crate) fn lagged(dropped: u64) -> Value {
    frame("lagged", json!({ "dropped": dropped }))
}

/// Makes frames for one reader.
pub(crate) struct Framer<'a> {
    pub(crate) past: Past<'a>,
    pub(crate) wanted: &'a Wanted,
}

impl Framer<'_> {
    /// The frames of something the feed told, in order.
    pub(crate) async fn frames(&self, told: WatchExchangesResponse) -> Vec<Value> {
        let about = About::of(&told);
        match told.event {
            Some(Event::Recalled(recalled)) => {
                let running = recalled.exchange.iter().map(exchange::json);
                running.map(|exchange| frame("exchange_running", json!({ "exchange": exchange }))).collect()
            }
            Some(Event::ExchangeStarted(started)) => {
                let exchange = started.exchange.unwrap_or_default();
                vec![frame("exchange_started", json!({ "exchange": exchange::json(&exchange) }))]
            }
            Some(Event::LeaseAcquired(leased)) => {
                let name = if leased.failover_count > 0 { "exchange_failed_over" } else { "exchange_leased" };
                let leased_to = leased.credential.as_ref().map(credential);
                vec![
                    about.frame(name, json!({ "credential": leased_to, "failovers": leased.failover_count })),
                ]
            }
            Some(Event::AttemptStarted(sent)) => {
                let content = match sent.request {
                    Some(request) => {
                        self.past.source.decode(self.past.caller, Content::Request, request.bytes).await
                    }
                    None => None,
                };
                let summary = request_summary(&told.model, sent.request_size.unwrap_or_default());
                vec![captured(&about.request(sent.request_bytes.unsigned_abs(), summary, content))]
            }
            Some(Event::AttemptFailed(failed)) => {
                let failure = error(failed.reason(), &failed.message);
                vec![
                    about.frame(
                        "exchange_attempt_failed",
                        json!({ "attempt": failed.attempt, "error": failure }),
                    ),
                ]
            }
            Some(Event::FirstEventReceived(first)) => {
                let waited = milliseconds(span(first.wait_duration));
                vec![about.frame("exchange_first_event", json!({ "wait_ms": waited }))]
            }
            Some(Event::Progressed(progressed)) => {
                let progress = progressed.progress.as_ref().map(exchange::progress);
                vec![about.frame("exchange_progress", json!({ "progress": progress }))]
            }
            Some(Event::StreamEventReceived(received)) => match received.stream_event {
                Some(event) => vec![self.chunk(&about, event).await],
                None => Vec::new(),
            },
            Some(Event::ExchangeFinished(finished)) => {
                self.end(&about, finished.exchange.unwrap_or_default()).await
            }
            Some(Event::Lagged(missed)) => vec![lagged(missed.dropped_count.unsigned_abs())],
            Some(Event::Heartbeat(beat)) => {
                let rest = json!({ "timestamp": about.time, "live": beat.live_count, "watchers": beat.watcher_count });
                vec![frame("heartbeat", rest)]
            }
            Some(Event::CaughtUp(_)) | None => Vec::new(),
        }
    }

    async fn chunk(&self, about: &About, event: ExchangeStreamEvent) -> Value {
        let mut chunk = json!({
            "chunk_index": event.event_number - 1,
            "size": event.event_bytes,
            "timestamp": about.time,
            "event_type": event.event_type,
            "elapsed_ms": milliseconds(span(event.offset)),
        });
        if event.event_type == warp2api_proto::event_type::MALFORMED {
            chunk["error"] = json!("the upstream sent an event that is not of its schema");
            chunk["parsed_successfully"] = json!(false);
            return about.frame("stream_chunk_error", json!({ "chunk": chunk }));
        }
        chunk["json_data"] = json!(self.parsed(&event).await);
        chunk["parsed_successfully"] = json!(true);
        about.frame("stream_chunk_parsed", json!({ "chunk": chunk }))
    }

    /// An event's content as JSON, where it is told.
    async fn parsed(&self, event: &ExchangeStreamEvent) -> Option<Value> {
        let content = event.event.as_ref()?.bytes.clone();
        self.past.source.decode(self.past.caller, Content::Event, content).await
    }

    /// An exchange ended: the packet that came back, the stream it was, and the exchange itself.
    async fn end(&self, about: &About, exchange: Exchange) -> Vec<Value> {
        let contents = self.past.log.captures() && !self.wanted.without_content;
        let kept = match contents || self.wanted.stream_events {
            true => self.past.source.get(self.past.caller, &exchange.name).await,
            false => None,
        };
        let mut frames = Vec::new();
        let answered = exchange.request_size.unwrap_or_default().upstream_request_bytes > 0;
        if let Some(mut packet) = response_of(&exchange).filter(|_| answered) {
            if let Some(kept) = kept.as_ref().filter(|_| contents) {
                packet.content = self.past.content(kept, Direction::Response).await;
            }
            let message = packet.content.as_ref().and_then(|content| content.get("response")).cloned();
            frames.push(captured(&packet));
            if exchange.state() == ExchangeState::Succeeded {
                let chunks = self.chunks(kept.as_ref(), contents).await;
                frames.push(about.frame(
                    "stream_completed",
                    json!({ "result": {
                    "session_id": id(&exchange.name),
                    "chunk_count": exchange.progress.unwrap_or_default().event_count,
                    "total_size": packet.size,
                    "duration_seconds": packet.elapsed.as_secs_f64(),
                    "chunks": chunks,
                    "complete_message": message,
                } }),
                ));
            }
        }
        frames.push(frame("exchange_finished", json!({ "exchange": exchange::json(&exchange) })));
        frames
    }

    /// The chunks of a stream that are kept, with their contents if they may be told.
    async fn chunks(&self, kept: Option<&Exchange>, contents: bool) -> Vec<Value> {
        let mut chunks = Vec::new();
        for event in kept.into_iter().flat_map(|kept| &kept.stream_events).take(MOST_CHUNKS) {
            let content = event.event.as_ref().filter(|_| contents);
            let hex = content.map(|content| hex(&content.bytes));
            let parsed = if contents { self.parsed(event).await } else { None };
            chunks.push(json!({
                "index": event.event_number - 1,
                "size": event.event_bytes,
                "event_type": event.event_type,
                "hex_preview": hex,
                "parsed_data": parsed,
            }));
        }
        chunks
    }
}

/// The first bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

/// What every frame about an exchange says of it.
struct About {
    time: String,
    event_time: Timestamp,
    elapsed: Duration,
    exchange: String,
    request_id: String,
    trace_id: String,
    conversation_id: String,
}

impl About {
    fn of(told: &WatchExchangesResponse) -> Self {
        let event_time = told.event_time.unwrap_or_default();
        Self {
            time: event_time.to_string(),
            event_time,
            elapsed: span(told.elapsed_duration),
            exchange: id(&told.exchange).to_owned(),
            request_id: told.request_id.clone(),
            trace_id: told.trace_id.clone(),
            conversation_id: told.conversation_id.clone(),
        }
    }

    fn frame(&self, event: &str, rest: Value) -> Value {
        let mut whole = frame(
            event,
            json!({
                "stream_id": self.exchange,
                "timestamp": self.time,
                "elapsed_ms": milliseconds(self.elapsed),
                "request_id": text(&self.request_id),
                "trace_id": text(&self.trace_id),
                "conversation_id": text(&self.conversation_id),
            }),
        );
        if let (Value::Object(whole), Value::Object(mut rest)) = (&mut whole, rest) {
            whole.append(&mut rest);
        }
        whole
    }

    fn request(&self, size: u64, summary: Value, content: Option<Value>) -> Packet {
        Packet {
            time: self.event_time,
            kind: "warp_request".to_owned(),
            direction: Direction::Request,
            size,
            summary,
            content,
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            conversation_id: self.conversation_id.clone(),
            elapsed: self.elapsed,
        }
    }
}
