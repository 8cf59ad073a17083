//! The headers of W3C Trace Context and Baggage, as the standards want them. Pure; what is not as they want it counts as
//! not there.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header of W3C Trace Context that names a span.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The one with what tracing systems want to find again.
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The header of W3C Baggage.
pub(crate) static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// A `tracestate` has no more members than these.
const MOST_MEMBERS: usize = 32;
/// So much of a `tracestate` everybody has to hand on.
const MOST_STATE_BYTES: usize = 512;
/// So much of a `baggage` everybody has to hand on.
const MOST_BAGGAGE_BYTES: usize = 8192;

/// The `traceparent`: there is one only, and it names a span.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(&TRACEPARENT).iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    parse(first.to_str().ok()?, TraceState::default()).map(|_| first)
}

/// The `tracestate`, in however many headers it came. One with too many members is none; of one that is too long the
/// members at its end are left out.
pub(crate) fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let members = members(headers, &TRACESTATE)?;
    if members.len() > MOST_MEMBERS { None } else { joined(&members, MOST_STATE_BYTES) }
}

/// The `baggage`, in however many headers it came. Of one that is too long the members at its end are left out.
pub(crate) fn baggage(headers: &HeaderMap) -> Option<HeaderValue> {
    joined(&members(headers, &BAGGAGE)?, MOST_BAGGAGE_BYTES)
}

/// The span that the headers name.
pub(crate) fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let text = traceparent(headers)?.to_str().ok()?;
    let state = tracestate(headers).and_then(|state| state.to_str().ok()?.parse::<TraceState>().ok());
    parse(text, state.unwrap_or_default())
}

/// The id of the trace in a `traceparent`: 32 hexadecimal digits.
pub(crate) fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    traceparent.to_str().ok()?.get(3..35)
}

/// The `traceparent` that names a span.
pub(crate) fn written(trace: TraceId, span: SpanId, flags: TraceFlags) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("00-{trace}-{span}-{:02x}", flags.to_u8())).ok()
}

/// What stands between the commas of all headers of that name. `None` if one of them is not text.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let mut members = Vec::new();
    for value in headers.get_all(name) {
        let parts = value.to_str().ok()?.split(',').map(|member| member.trim_matches([' ', '\t']));
        members.extend(parts.filter(|member| !member.is_empty()));
    }
    Some(members)
}

/// As many members from the beginning as fit. `None` if none does.
fn joined(members: &[&str], most_bytes: usize) -> Option<HeaderValue> {
    let mut text = String::new();
    for member in members {
        let comma = usize::from(!text.is_empty());
        if text.len() + comma + member.len() > most_bytes {
            break;
        }
        text.extend(std::iter::repeat_n(',', comma));
        text.push_str(member);
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

fn parse(text: &str, state: TraceState) -> Option<SpanContext> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more parts; this one has not.
    let fits = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    if !fits || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let context =
        SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, state);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::try_from(*value).unwrap())).collect()
    }

    #[test]
    fn only_what_the_standard_allows_names_a_parent() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for (text, expected) in [
            (format!("00-{trace}-{span}-01"), Some(true)),
            (format!("00-{trace}-{span}-00"), Some(false)),
            (format!("01-{trace}-{span}-01-more"), Some(true)),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{trace}-{span}"), None),
            ("00-1-2-01".to_owned(), None),
            (String::new(), None),
        ] {
            let headers = headers(&TRACEPARENT, &[&text]);
            let parent = parent(&headers);
            assert_eq!(parent.map(|context| context.is_sampled()), expected, "{text}");
            assert_eq!(traceparent(&headers).is_some(), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        for values in [[PARENT, PARENT], [PARENT, "rubbish"]] {
            let mut headers = headers(&TRACEPARENT, &values);
            headers.insert(&TRACESTATE, HeaderValue::from_static("vendor=1"));
            assert_eq!((traceparent(&headers), parent(&headers)), (None, None), "{values:?}");
        }
    }

    #[test]
    fn what_came_in_several_headers_is_one() {
        let (long, many) = ("x".repeat(200), vec!["k=1"; 33].join(","));
        let (a, b, c) = (format!("a={long}"), format!("b={long}"), format!("c={long}"));
        for (values, expected) in [
            (&["vendor=abc"][..], Some("vendor=abc".to_owned())),
            (&["a=1", "b=2,c=3"], Some("a=1,b=2,c=3".into())),
            (&["a=1 ,\tb=2", ""], Some("a=1,b=2".into())),
            (&["a=1,,", " ,b=2"], Some("a=1,b=2".into())),
            (&[&a, &b, &c, "d=1"], Some(format!("{a},{b}"))),
            (&[&many], None),
            (&["", " , "], None),
            (&["a=1", "b=\u{e9}"], None),
            (&[], None),
        ] {
            let state = tracestate(&headers(&TRACESTATE, values));
            assert_eq!(state, expected.map(|text| HeaderValue::try_from(text).unwrap()), "{values:?}");
        }
    }

    #[test]
    fn baggage_is_handed_on_as_far_as_the_standard_bounds_it() {
        let (half, more) = (format!("a={}", "x".repeat(4000)), vec!["k=1"; 64].join(","));
        let kept = |values: &[&str]| {
            let baggage = baggage(&headers(&BAGGAGE, values));
            baggage.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(kept(&["tenant=a", "user=b;secret"]).as_deref(), Some("tenant=a,user=b;secret"));
        assert_eq!(kept(&[&more]).as_deref(), Some(more.as_str()), "as many as the standard asks for");
        assert_eq!(kept(&[&half, &half, &half]), Some(format!("{half},{half}")));
        assert_eq!(kept(&["x".repeat(9000).as_str()]), None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let context = parent(&headers(&TRACEPARENT, &[PARENT])).unwrap();
        let text = written(context.trace_id(), context.span_id(), context.trace_flags()).unwrap();
        assert_eq!(text, PARENT);
        assert_eq!(trace_id(&text), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }
}
