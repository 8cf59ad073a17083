//! Exchanges and what happens to them as messages of the contract, with contents or without.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost_types::Timestamp;
use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1 as proto;
use warp2api_proto::warp_chat::v1::watch_exchanges_response as told;
use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;
use warp2api_proto::warp_chat::v1::{ExchangeState, WatchExchangesResponse};

use super::live::{Counters, Live};
use super::record::{Credential, Outcome, Phase, Record, Spent};
use super::ring::{Entry, StreamEvent, What};

/// The collection of exchanges in resource names.
pub(super) const COLLECTION: &str = "exchanges/";

/// The resource name of an exchange.
pub(super) fn name(id: u64) -> String {
    format!("{COLLECTION}{id}")
}

/// An exchange as it is now.
pub(super) fn exchange(live: &Live, now: Instant) -> proto::Exchange {
    let record = live.record().clone();
    let spent = record.spent(now);
    let begun = live.begun().cloned().unwrap_or_default();
    let mut exchange = arrived(live);
    exchange.conversation_id = begun.conversation_id;
    exchange.upstream_request_id = begun.upstream_request_id;
    exchange.resumed = begun.resumed;
    exchange.upstream = begun.upstream.unwrap_or(exchange.upstream);
    exchange.state = record.state().into();
    exchange.progress = Some(progress(&live.counters));
    exchange.timings = Some(timings(&spent));
    if let Some(size) = &mut exchange.request_size {
        size.upstream_request_bytes = signed(record.sent_bytes);
    }
    exchange.credentials = record.credentials.iter().map(credential).collect();
    end(record, &mut exchange, live.started + spent.total());
    exchange
}

fn end(record: Record, exchange: &mut proto::Exchange, at: SystemTime) {
    let Phase::Ended(outcome) = record.phase else { return };
    exchange.end_time = Some(Timestamp::from(at));
    match outcome {
        Outcome::Succeeded { finish_reason, usage } => {
            exchange.finish_reason = finish_reason.into();
            exchange.usage = usage;
        }
        Outcome::Failed { reason, message } => {
            exchange.error_reason = reason.into();
            exchange.error_message = message;
        }
        Outcome::Cancelled => exchange.error_reason = ErrorReason::Cancelled.into(),
    }
}

/// An exchange as it arrived.
fn arrived(live: &Live) -> proto::Exchange {
    let about = &live.about;
    proto::Exchange {
        name: name(live.id),
        kind: about.kind.into(),
        state: ExchangeState::Leasing.into(),
        request_id: about.request_id.clone(),
        trace_id: about.trace_id.clone(),
        model: about.model.clone(),
        upstream: about.upstream.clone(),
        start_time: Some(Timestamp::from(live.started)),
        request_size: Some(request_size(live, 0)),
        ..Default::default()
    }
}

fn request_size(live: &Live, upstream_bytes: u64) -> proto::ExchangeRequestSize {
    let about = &live.about;
    proto::ExchangeRequestSize {
        request_bytes: signed(about.request_bytes as u64),
        message_count: count(about.messages),
        tool_count: count(about.tools),
        image_count: count(about.images),
        upstream_request_bytes: signed(upstream_bytes),
    }
}

pub(super) fn progress(counters: &Counters) -> proto::ExchangeProgress {
    let read = |counter: &std::sync::atomic::AtomicU64| signed(counter.load(Ordering::Relaxed));
    proto::ExchangeProgress {
        event_count: read(&counters.events),
        event_bytes: read(&counters.event_bytes),
        character_count: read(&counters.characters),
        reasoning_character_count: read(&counters.reasoning_characters),
        tool_call_count: i32::try_from(read(&counters.tool_calls)).unwrap_or(i32::MAX),
    }
}

fn timings(spent: &Spent) -> proto::ExchangeTimings {
    proto::ExchangeTimings {
        queue_duration: duration(spent.queue),
        lease_duration: duration(spent.lease),
        retry_duration: duration(spent.retry),
        first_event_duration: duration(spent.first_event),
        stream_duration: duration(spent.stream),
        total_duration: duration(spent.total()),
    }
}

fn credential(credential: &Credential) -> proto::ExchangeCredential {
    proto::ExchangeCredential {
        credential: credential.name.clone(),
        display_name: credential.display_name.clone(),
        tier: credential.tier.into(),
        attempt_count: i32::try_from(credential.attempts).unwrap_or(i32::MAX),
        error_reason: credential.failed.into(),
    }
}

/// An event of the upstream.
pub(super) fn stream_event(event: &StreamEvent, with_content: bool) -> proto::ExchangeStreamEvent {
    proto::ExchangeStreamEvent {
        event_number: signed(event.number),
        event_type: event.kind.clone(),
        event_bytes: signed(event.bytes),
        offset: duration(event.offset),
        event: allowed(event.content.as_ref(), with_content),
    }
}

/// Something that happened.
pub(super) fn entry(entry: Entry, with_content: bool, now: Instant) -> WatchExchangesResponse {
    let live = &entry.live;
    let event = match entry.what {
        What::Started => Event::ExchangeStarted(told::ExchangeStarted { exchange: Some(arrived(live)) }),
        What::Leased { credential: leased, before } => Event::LeaseAcquired(told::LeaseAcquired {
            credential: Some(credential(&leased)),
            failover_count: i32::try_from(before).unwrap_or(i32::MAX),
        }),
        What::Sent { attempt, bytes, content } => Event::AttemptStarted(told::AttemptStarted {
            attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
            request_bytes: signed(bytes),
            request: allowed(content.as_ref(), with_content),
            request_size: Some(request_size(live, bytes)),
        }),
        What::AttemptFailed { attempt, reason, message } => Event::AttemptFailed(told::AttemptFailed {
            attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
            reason: reason.into(),
            message,
        }),
        What::FirstEvent { waited } => {
            Event::FirstEventReceived(told::FirstEventReceived { wait_duration: duration(waited) })
        }
        What::Event(event) => Event::StreamEventReceived(told::StreamEventReceived {
            stream_event: Some(stream_event(&event, with_content)),
        }),
        What::Ended => {
            Event::ExchangeFinished(told::ExchangeFinished { exchange: Some(exchange(live, now)) })
        }
    };
    about(live, entry.at, event)
}

/// Something about an exchange.
pub(super) fn about(live: &Live, at: SystemTime, event: Event) -> WatchExchangesResponse {
    WatchExchangesResponse {
        event_time: Some(Timestamp::from(at)),
        exchange: name(live.id),
        request_id: live.about.request_id.clone(),
        trace_id: live.about.trace_id.clone(),
        model: live.about.model.clone(),
        elapsed_duration: at.duration_since(live.started).ok().and_then(duration),
        conversation_id: live.begun().map(|begun| begun.conversation_id.clone()).unwrap_or_default(),
        event: Some(event),
    }
}

/// Something about the watch.
pub(super) fn about_watch(event: Event) -> WatchExchangesResponse {
    WatchExchangesResponse {
        event_time: Some(Timestamp::from(SystemTime::now())),
        event: Some(event),
        ..Default::default()
    }
}

pub(super) fn allowed<T: From<Bytes>>(content: Option<&Bytes>, with_content: bool) -> Option<T> {
    content.filter(|_| with_content).cloned().map(T::from)
}

pub(super) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
