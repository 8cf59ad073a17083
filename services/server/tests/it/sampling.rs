//! Which requests are traced: what the caller wants, what the operator wants, and what of the caller's context goes
//! where.

use crate::collector::{Collector, hex};
use crate::pool_client::Upstream;
use crate::program::{Program, http};
use crate::traces::house;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A chat with these headers: the `traceparent` of the answer.
async fn chat(edge: &str, headers: &[(&str, &str)]) -> String {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"say exactly: fine"}]}"#;
    let request = http().post(format!("http://{edge}/v1/chat/completions")).body(body);
    let request = request.header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers()["traceparent"].to_str().unwrap().to_owned()
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-{flags}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samplers_heed_the_caller_where_they_should() {
    // The sampler, its argument; whether a trace is made without a caller's, below a sampled one, below another one.
    for (sampler, argument, alone, sampled, unsampled) in [
        (None, None, true, true, false),
        (Some("always_on"), None, true, true, true),
        (Some("always_off"), None, false, false, false),
        (Some("traceidratio"), Some("0"), false, false, false),
        (Some("traceidratio"), Some("1"), true, true, true),
        (Some("parentbased_always_on"), None, true, true, false),
        (Some("parentbased_always_off"), None, false, true, false),
        (Some("parentbased_traceidratio"), Some("0"), false, true, false),
        (Some("parentbased_traceidratio"), Some("1.0"), true, true, false),
    ] {
        let collector = Collector::start().await;
        let mut settings = vec![
            ("W2A_UPSTREAM", "embedded"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_METRICS_EXPORTER", "none"),
        ];
        settings.extend(sampler.map(|sampler| ("OTEL_TRACES_SAMPLER", sampler)));
        settings.extend(argument.map(|argument| ("OTEL_TRACES_SAMPLER_ARG", argument)));
        let program = Program::start(&[], &settings);
        let mut expected = Vec::new();
        for (headers, traced) in [
            (None, alone),
            (Some(parent("01")), sampled),
            (Some(parent("00").replace("4bf9", "5bf9")), unsampled),
            // Nobody's: as without one.
            (Some(format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))), alone),
            (Some("planted".to_owned()), alone),
        ] {
            let given: Vec<_> = headers.iter().map(|parent| ("traceparent", parent.as_str())).collect();
            let answered = chat(program.edge(), &given).await;
            let (trace, flags) = (answered[3..35].to_owned(), &answered[53..]);
            assert_eq!(flags, if traced { "01" } else { "00" }, "{sampler:?} {headers:?}");
            if let Some(parent) = headers.filter(|parent| parent.contains("f92f3577")) {
                assert_eq!(trace, parent[3..35]);
            }
            expected.extend(traced.then_some(trace));
        }

        program.signal("TERM");
        assert!(program.ended().status.success());

        let spans = collector.all();
        let mut came: Vec<_> = spans.iter().map(|(_, span)| hex(&span.trace_id)).collect();
        came.sort();
        came.dedup();
        expected.sort();
        assert_eq!(came, expected, "{sampler:?}");
        assert!(!collector.everything().contains("planted"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_context_goes_through_every_service_and_no_further() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let keys = [("WARP_REFRESH_TOKEN", "planted-refresh"), ("WARP_FIREBASE_API_KEY", "planted-web-key")];
    let [gateway, ..] = &house(&collector, &upstream.url, &keys, "grpc");

    let parent = parent("01");
    let headers = [
        ("traceparent", parent.as_str()),
        ("tracestate", "vendor=abc"),
        ("tracestate", "other=1"),
        ("baggage", "tenant=callers-own"),
        ("x-request-id", "callers-request"),
    ];
    let answered = chat(gateway.edge(), &headers).await;

    assert_eq!(&answered[3..35], TRACE);
    // Those of the chat, and of the exchange that its lease began.
    let spans = collector.spans(TRACE, 10);
    for service in ["gateway", "warp-chat", "token-pool"] {
        assert!(spans.iter().any(|(of, _)| of == service), "{service}");
    }
    assert!(spans.iter().all(|(_, span)| span.trace_state == "vendor=abc,other=1"), "{spans:?}");
    let record = upstream.simulator.record();
    assert!(!record.chats().is_empty() && !record.exchanges().is_empty());
    let sent = format!("{:?} {:?}", record.chats(), record.exchanges()).to_lowercase();
    for ours in [
        TRACE,
        "00f067aa0ba902b7",
        "vendor=abc",
        "callers-",
        "traceparent",
        "tracestate",
        "baggage",
        "x-request-id",
    ] {
        assert!(!sent.contains(ours), "the upstream is told {ours}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_context_is_gone_on_with_unless_the_operator_wants_otherwise() {
    for (propagators, goes_on) in [("baggage,tracecontext", true), ("baggage", false), ("none", false)] {
        let collector = Collector::start().await;
        let settings = [
            ("W2A_UPSTREAM", "embedded"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_PROPAGATORS", propagators),
        ];
        let program = Program::start(&[], &settings);
        let answered = chat(program.edge(), &[("traceparent", &parent("01"))]).await;
        program.signal("TERM");
        assert!(program.ended().status.success());

        assert_eq!(&answered[3..35] == TRACE, goes_on, "{propagators}");
        let of_the_caller = collector.all().iter().any(|(_, span)| hex(&span.trace_id) == TRACE);
        assert_eq!(of_the_caller, goes_on, "{propagators}");
    }
}
