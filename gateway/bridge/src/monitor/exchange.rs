//! An exchange as readers of the socket get it: names in snake_case, times in milliseconds, nothing where nothing is
//! known. Pure.

use serde_json::{Value, json};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::{Exchange, ExchangeCredential, ExchangeProgress, ExchangeTimings};
use warp2api_rpc::reason::reason_name;

use super::packet::{milliseconds, span, text};

/// An exchange.
pub(crate) fn json(exchange: &Exchange) -> Value {
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(ToString::to_string);
    let size = exchange.request_size.unwrap_or_default();
    json!({
        "id": id(&exchange.name),
        "kind": short(exchange.kind().as_str_name(), "EXCHANGE_KIND_"),
        "state": state(exchange),
        "request_id": text(&exchange.request_id),
        "trace_id": text(&exchange.trace_id),
        "conversation_id": text(&exchange.conversation_id),
        "upstream_request_id": text(&exchange.upstream_request_id),
        "model": text(&exchange.model),
        "upstream": text(&exchange.upstream),
        "resumed": exchange.resumed,
        "start_time": time(&exchange.start_time),
        "end_time": time(&exchange.end_time),
        "request": {
            "bytes": size.request_bytes,
            "messages": size.message_count,
            "tools": size.tool_count,
            "images": size.image_count,
            "upstream_bytes": size.upstream_request_bytes,
        },
        "credentials": exchange.credentials.iter().map(credential).collect::<Vec<_>>(),
        "progress": exchange.progress.as_ref().map(progress),
        "timings_ms": exchange.timings.as_ref().map(timings),
        "finish_reason": named(exchange.finish_reason().as_str_name(), "FINISH_REASON_"),
        "usage": exchange.usage.as_ref().map(|usage| json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "credits": usage.credits,
        })),
        "error": error(exchange.error_reason(), &exchange.error_message),
    })
}

/// The id in a resource name.
pub(crate) fn id(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, id)| id)
}

/// `succeeded`, `streaming` and so on.
pub(crate) fn state(exchange: &Exchange) -> String {
    short(exchange.state().as_str_name(), "EXCHANGE_STATE_")
}

/// A credential: its name and label, never more.
pub(crate) fn credential(credential: &ExchangeCredential) -> Value {
    json!({
        "name": credential.credential,
        "display_name": credential.display_name,
        "tier": short(credential.tier().as_str_name(), "CREDENTIAL_TIER_"),
        "attempts": credential.attempt_count,
        "error": error(credential.error_reason(), ""),
    })
}

/// How much has come.
pub(crate) fn progress(progress: &ExchangeProgress) -> Value {
    json!({
        "events": progress.event_count,
        "bytes": progress.event_bytes,
        "characters": progress.character_count,
        "reasoning_characters": progress.reasoning_character_count,
        "tool_calls": progress.tool_call_count,
    })
}

fn timings(timings: &ExchangeTimings) -> Value {
    let ms = |part| milliseconds(span(part));
    json!({
        "queue": ms(timings.queue_duration),
        "lease": ms(timings.lease_duration),
        "retry": ms(timings.retry_duration),
        "first_event": ms(timings.first_event_duration),
        "stream": ms(timings.stream_duration),
        "total": ms(timings.total_duration),
    })
}

/// A failure, `null` if there was none.
pub(crate) fn error(reason: ErrorReason, message: &str) -> Value {
    if reason == ErrorReason::Unspecified {
        return Value::Null;
    }
    json!({ "reason": reason_name(reason), "message": text(message) })
}

/// The value of an enum without its prefix, `null` if it is not set.
fn named(name: &str, prefix: &str) -> Option<String> {
    Some(short(name, prefix)).filter(|name| name != "unspecified")
}

pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}
