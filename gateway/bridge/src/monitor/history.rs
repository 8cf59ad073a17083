//! Packets of the past: those of exchanges that are kept and those of the codec's paths, in the order of their times.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::{Exchange, ExchangeRequestSize, ExchangeState, ListExchangesRequest};
use warp2api_rpc::Failure;

use super::command::Wanted;
use super::exchange;
use super::packet::{Direction, Packet, later, span};
use super::source::{Caller, Content, Source};
use super::{Monitor, PacketLog, access};
use crate::original::failure::Refusal;
use crate::original::text::Text;

/// The most exchanges that are looked at.
const MOST_EXCHANGES: usize = 1000;
/// The most bytes of decoded events in one packet.
const MOST_CONTENT_BYTES: usize = 512 * 1024;

/// What may be asked of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default = "fifty")]
    limit: usize,
}

fn fifty() -> usize {
    50
}

/// `GET /api/packets/history?limit=`: the latest packets, the oldest of them first.
pub(crate) async fn list(
    State(monitor): State<Monitor>,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let headers = access::check(&monitor.guard, &monitor.config.origins, &uri, &headers)?;
    let limit = query.ok().map(|Query(query)| query.limit).filter(|limit| *limit <= MOST_EXCHANGES);
    let limit = limit.ok_or_else(|| Failure::invalid("limit", "must be a number from 0 to 1000"))?;
    let past = Past { source: &monitor.source, caller: &Caller::of(&headers), log: &monitor.config.packets };
    let (packets, total) = past.packets(&Wanted::default(), limit, |_| true).await?;
    let packets: Vec<_> = packets.iter().map(|packet| packet.json()).collect();
    let answer = json!({ "returned_count": packets.len(), "total_count": total, "packets": packets });
    Ok(axum::Json(answer).into_response())
}

/// Where packets of the past are found.
#[derive(Debug)]
pub(crate) struct Past<'a> {
    pub(crate) source: &'a Source,
    pub(crate) caller: &'a Caller,
    pub(crate) log: &'a PacketLog,
}

/// A packet, and the exchange it belongs to.
type Found = (Arc<Packet>, Option<String>);

impl Past<'_> {
    /// The latest packets that are wanted and `fit`, at most `limit` and the oldest of them first; and how many there
    /// are in all.
    ///
    /// # Errors
    /// When WarpChat cannot be asked, or the wish makes no sense.
    pub(crate) async fn packets(
        &self,
        wanted: &Wanted,
        limit: usize,
        fit: impl Fn(&Packet) -> bool,
    ) -> Result<(Vec<Arc<Packet>>, usize), Failure> {
        let filter = wanted.filter().map_err(|words| Failure::invalid("state", words))?;
        let page_size = i32::try_from(MOST_EXCHANGES).unwrap_or(i32::MAX);
        let request = ListExchangesRequest { page_size, filter: Some(filter), ..Default::default() };
        let exchanges = self.source.list(self.caller, request).await?;
        let of_exchanges = exchanges.iter().flat_map(|exchange| {
            of_exchange(exchange).into_iter().map(|packet| (Arc::new(packet), Some(exchange.name.clone())))
        });
        let of_codec = self.log.all().into_iter();
        let of_codec = of_codec.filter(|packet| wanted.wants_codec(&packet.request_id, &packet.trace_id));
        let mut all: Vec<Found> = of_exchanges.chain(of_codec.map(|packet| (packet, None))).collect();
        all.retain(|(packet, _)| fit(packet));
        all.sort_by_key(|(packet, _)| packet.order());
        let total = all.len();
        let latest = all.split_off(total.saturating_sub(limit));
        Ok((self.with_contents(latest, wanted).await, total))
    }

    /// Adds contents, where they are kept.
    async fn with_contents(&self, found: Vec<Found>, wanted: &Wanted) -> Vec<Arc<Packet>> {
        let mut packets = Vec::with_capacity(found.len());
        let mut last: Option<Exchange> = None;
        for (mut packet, name) in found {
            if let Some(name) = name.filter(|_| self.log.captures() && !wanted.without_content) {
                if last.as_ref().is_none_or(|last| last.name != name) {
                    last = self.source.get(self.caller, &name).await;
                }
                if let Some(exchange) = &last {
                    let content = self.content(exchange, packet.direction).await;
                    Arc::make_mut(&mut packet).content = content;
                }
            } else if wanted.without_content && packet.content.is_some() {
                Arc::make_mut(&mut packet).content = None;
            }
            packets.push(packet);
        }
        packets
    }

    /// What is kept of the content of an exchange.
    pub(crate) async fn content(&self, exchange: &Exchange, direction: Direction) -> Option<Value> {
        match direction {
            Direction::Request => {
                let request = exchange.upstream_request.as_ref()?;
                self.source.decode(self.caller, Content::Request, request.bytes.clone()).await
            }
            Direction::Response => self.response(exchange).await,
        }
    }

    async fn response(&self, exchange: &Exchange) -> Option<Value> {
        let (mut text, mut events, mut bytes) = (Text::default(), Vec::new(), 0);
        for event in &exchange.stream_events {
            let Some(content) = &event.event else { continue };
            let Some(parsed) = self.source.decode(self.caller, Content::Event, content.bytes.clone()).await
            else {
                continue;
            };
            text.apply(&parsed);
            bytes += parsed.to_string().len();
            if bytes <= MOST_CONTENT_BYTES {
                events.push(json!({
                    "event_number": event.event_number,
                    "event_type": event.event_type,
                    "parsed_data": parsed,
                }));
            }
        }
        let kept = exchange.stream_events.len();
        (!events.is_empty()).then(|| {
            json!({
                "response": text.whole(),
                "events_count": kept,
                "events_dropped": exchange.stream_events_dropped || events.len() < kept,
                "parsed_events": events,
            })
        })
    }
}

/// The packets of an exchange: what was sent upstream, and what came back once that is over.
pub(crate) fn of_exchange(exchange: &Exchange) -> Vec<Packet> {
    if exchange.request_size.unwrap_or_default().upstream_request_bytes == 0 {
        return Vec::new();
    }
    let mut packets = vec![request_of(exchange)];
    packets.extend(response_of(exchange));
    packets
}

fn request_of(exchange: &Exchange) -> Packet {
    let size = exchange.request_size.unwrap_or_default();
    let timings = exchange.timings.unwrap_or_default();
    let before = [timings.queue_duration, timings.lease_duration, timings.retry_duration];
    let elapsed = before.into_iter().map(span).sum();
    Packet {
        time: later(exchange.start_time, elapsed),
        kind: "warp_request".to_owned(),
        direction: Direction::Request,
        size: size.upstream_request_bytes.unsigned_abs(),
        summary: request_summary(&exchange.model, size),
        elapsed,
        ..of(exchange)
    }
}

/// What may be said of a request without its content.
pub(crate) fn request_summary(model: &str, size: ExchangeRequestSize) -> Value {
    json!({
        "model": model,
        "messages": size.message_count,
        "tools": size.tool_count,
        "images": size.image_count,
    })
}

/// What came back, if the exchange is over: `warp_response`, or `warp_error` where that ended in one.
pub(crate) fn response_of(exchange: &Exchange) -> Option<Packet> {
    let progress = exchange.progress.unwrap_or_default();
    let state = exchange.state();
    let (kind, summary) = match state {
        ExchangeState::Succeeded | ExchangeState::Cancelled => ("warp_response", {
            json!({
                "state": exchange::state(exchange),
                "events": progress.event_count,
                "characters": progress.character_count,
                "tool_calls": progress.tool_call_count,
            })
        }),
        ExchangeState::Failed => {
            let error = exchange::error(exchange.error_reason(), &exchange.error_message);
            ("warp_error", json!({ "error": error }))
        }
        _ => return None,
    };
    if exchange.error_reason() == ErrorReason::Cancelled && progress.event_count == 0 {
        return None;
    }
    let elapsed = span(exchange.timings.unwrap_or_default().total_duration);
    Some(Packet {
        time: exchange.end_time.unwrap_or_else(|| later(exchange.start_time, elapsed)),
        kind: kind.to_owned(),
        direction: Direction::Response,
        size: progress.event_bytes.unsigned_abs(),
        summary,
        elapsed,
        ..of(exchange)
    })
}

fn of(exchange: &Exchange) -> Packet {
    Packet {
        time: exchange.start_time.unwrap_or_default(),
        kind: String::new(),
        direction: Direction::Request,
        size: 0,
        summary: Value::Null,
        content: None,
        request_id: exchange.request_id.clone(),
        trace_id: exchange.trace_id.clone(),
        conversation_id: exchange.conversation_id.clone(),
        elapsed: std::time::Duration::ZERO,
    }
}
