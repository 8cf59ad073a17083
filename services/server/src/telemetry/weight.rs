//! How many bytes spans are when they are sent: at most, and without encoding them, since it is asked where each span
//! ends. And how a batch is cut so that no part is more than collectors take.

use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// The most bytes that are sent at once. Collectors refuse messages above 4 MiB unless they are told otherwise; what is not
/// spans, the resource above all, has the rest.
pub(super) const MOST_AT_ONCE: usize = 3 << 20;

/// Tags, lengths and numbers of one entry of a message, more than there can be.
const ENTRY: usize = 48;
/// The same of a span: ids, times, kind, flags, counts.
const SPAN: usize = 192;

/// The bytes of a span, rather more than less.
pub(super) fn of(span: &SpanData) -> usize {
    let of_event =
        |event: &opentelemetry::trace::Event| ENTRY + event.name.len() + of_attributes(&event.attributes);
    let of_link = |link: &opentelemetry::trace::Link| {
        SPAN + link.span_context.trace_state().header().len() + of_attributes(&link.attributes)
    };
    let status = match &span.status {
        opentelemetry::trace::Status::Error { description } => description.len(),
        opentelemetry::trace::Status::Unset | opentelemetry::trace::Status::Ok => 0,
    };
    SPAN + span.name.len()
        + span.span_context.trace_state().header().len()
        + status
        + of_attributes(&span.attributes)
        + span.events.iter().map(of_event).sum::<usize>()
        + span.links.iter().map(of_link).sum::<usize>()
}

fn of_attributes(attributes: &[KeyValue]) -> usize {
    attributes.iter().map(|pair| ENTRY + pair.key.as_str().len() + of_value(&pair.value)).sum()
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(all)) => all.iter().map(|text| ENTRY + text.as_str().len()).sum(),
        Value::Array(Array::Bool(all)) => all.len() * ENTRY,
        Value::Array(Array::I64(all)) => all.len() * ENTRY,
        Value::Array(Array::F64(all)) => all.len() * ENTRY,
        // Numbers, and what there may be one day.
        _ => 0,
    }
}

/// Cuts `all` into parts of at most `most` bytes by what each weighs; one that is more is a part of its own.
pub(super) fn parts<T>(all: Vec<T>, most: usize, weight: impl Fn(&T) -> usize) -> Vec<(Vec<T>, usize)> {
    let mut parts: Vec<(Vec<T>, usize)> = Vec::new();
    for one in all {
        let bytes = weight(&one);
        match parts.last_mut() {
            Some((part, sum)) if *sum + bytes <= most => {
                part.push(one);
                *sum += bytes;
            }
            _ => parts.push((vec![one], bytes)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{
        Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry_proto::tonic::trace::v1::Span;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use prost::Message as _;

    use super::*;

    fn span(text: &str) -> SpanData {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let state = TraceState::from_key_value([("vendor", "abc"), ("other", "1")]).unwrap();
        let (trace, id) = (TraceId::from_bytes([255; 16]), SpanId::from_bytes([255; 8]));
        let context = SpanContext::new(trace, id, TraceFlags::SAMPLED, true, state);
        let attributes = vec![
            KeyValue::new(text.to_owned(), text.to_owned()),
            KeyValue::new("number", i64::MIN),
            KeyValue::new("flag", true),
            KeyValue::new("float", 0.1),
            KeyValue::new("list", Value::Array(Array::String(vec![text.to_owned().into(); 3]))),
            KeyValue::new("numbers", Value::Array(Array::I64(vec![i64::MIN; 9]))),
            KeyValue::new("floats", Value::Array(Array::F64(vec![f64::MAX; 9]))),
            KeyValue::new("flags", Value::Array(Array::Bool(vec![true; 9]))),
        ];
        let mut events = SpanEvents::default();
        events.events = vec![Event::new(text.to_owned(), now, attributes.clone(), u32::MAX); 3];
        let mut links = SpanLinks::default();
        links.links = vec![Link::new(context.clone(), attributes.clone(), u32::MAX); 2];
        SpanData {
            span_context: context,
            parent_span_id: SpanId::from_bytes([255; 8]),
            parent_span_is_remote: true,
            span_kind: SpanKind::Consumer,
            name: text.to_owned().into(),
            start_time: now,
            end_time: now,
            attributes,
            dropped_attributes_count: u32::MAX,
            events,
            links,
            status: Status::error(text.to_owned()),
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_span_weighs_no_less_than_it_is_when_it_is_sent() {
        for text in [String::new(), "short".to_owned(), "ü".repeat(300), "long ".repeat(100_000)] {
            let span = span(&text);
            let (weight, bytes) = (of(&span), Span::from(span).encoded_len());
            assert!(weight >= bytes, "{weight} of {bytes}");
            // Nor much more: what waits would be dropped too early.
            assert!(weight <= bytes * 5, "{weight} of {bytes}");
        }
    }

    #[test]
    fn a_batch_is_cut_in_order_and_nothing_is_left_out() {
        for (all, expected) in [
            (vec![], vec![]),
            (vec![1, 2, 3], vec![(vec![1, 2, 3], 6)]),
            (vec![5, 5, 1], vec![(vec![5, 5], 10), (vec![1], 1)]),
            (vec![4, 99, 4], vec![(vec![4], 4), (vec![99], 99), (vec![4], 4)]),
        ] {
            assert_eq!(parts(all, 10, |one| *one), expected);
        }
    }
}
