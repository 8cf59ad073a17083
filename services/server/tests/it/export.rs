//! How spans leave: at the end of the process, in parts that a collector takes, past one that is away, slow or unwilling,
//! compressed if that was asked for. Requests never notice.

use std::io::{Read as _, Write as _};

use crate::collector::{Collector, MOST_BYTES, Manner};
use crate::pool_client::until;
use crate::program::{Ended, PATIENCE, Program, http};

/// A house in one process that sends its traces to `url`.
pub(crate) fn traced(url: &str, more: &[(&str, &str)]) -> Program {
    let mut settings = vec![
        ("W2A_UPSTREAM", "embedded"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-header,x-tenant=planted%20one"),
    ];
    settings.extend(more);
    Program::start(&[], &settings)
}

pub(crate) fn stopped(program: Program) -> Ended {
    program.signal("TERM");
    let ended = program.ended();
    assert!(ended.status.success(), "{ended:?}");
    ended
}

/// The numbers of a metric, each with its labels.
fn numbers(program: &Program, name: &str) -> Vec<(String, f64)> {
    let mut socket = std::net::TcpStream::connect(program.shown("gRPC")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert!(!text.contains("planted"), "{text}");
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    lines.filter_map(|(labels, number)| Some((labels.to_owned(), number.parse().ok()?))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_sent_yet_is_sent_at_the_end() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start().await;
        let settings = [("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let program = traced(&collector.url, &settings);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        assert_eq!(collector.requests(), 0, "it waits");

        let ended = stopped(program);

        let spans = collector.all();
        assert!(spans.len() >= 9, "{protocol}: {} spans", spans.len());
        let ids: Vec<_> = spans.iter().map(|(_, span)| &span.span_id).collect();
        for (_, span) in &spans {
            assert!(span.parent_span_id.is_empty() || ids.contains(&&span.parent_span_id), "{span:?}");
        }
        assert!(collector.saw("authorization", "Bearer planted-header"), "{protocol}");
        assert!(collector.saw("x-tenant", "planted one"), "{protocol}");
        assert!(!ended.output().contains("planted") && !collector.everything().contains("planted"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_slow_or_unwilling_costs_spans_and_nothing_else() {
    let away = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let collector = Collector::that(Manner::Sleeps).await;
    for (what, url, manner, protocol) in [
        ("away", &away, Manner::Takes, "http/protobuf"),
        ("away", &away, Manner::Takes, "grpc"),
        ("slow", &collector.url, Manner::Sleeps, "http/protobuf"),
        ("slow", &collector.url, Manner::Sleeps, "grpc"),
        ("unwilling", &collector.url, Manner::Refuses(401), "http/protobuf"),
        ("overloaded", &collector.url, Manner::Refuses(503), "http/protobuf"),
    ] {
        collector.turns(manner);
        let settings = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
            ("W2A_LOG", "info,warp2api_server=trace,opentelemetry=trace,h2=trace,hyper=trace,reqwest=trace"),
        ];
        let program = traced(url, &settings);
        for _ in 0..20 {
            assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "), "{what} {protocol}");
        }
        let lost = || {
            let of = |name: &str| numbers(&program, name).into_iter();
            let dropped = of("otel_sdk_processor_span_processed_total");
            let dropped = dropped.filter(|(labels, _)| labels.contains("error_type=\"queue_full\""));
            let unsent = of("otel_sdk_exporter_span_exported_total");
            let unsent = unsent.filter(|(labels, _)| labels.contains("error_type=\"not_sent\""));
            (dropped.map(|(_, n)| n).sum::<f64>(), unsent.map(|(_, n)| n).sum::<f64>())
        };
        // Each chat has nine spans at least.
        until("what ended is accounted for", || lost().0 + lost().1 >= 8.0 * 20.0).await;
        assert!(what != "slow" || lost().0 > 0.0, "the queue is full");
        let waiting = numbers(&program, "otel_sdk_processor_span_queue_size");
        assert!(waiting.iter().all(|(_, spans)| *spans <= 16.0), "{waiting:?}");

        let ended = stopped(program);

        let told = ended.stderr.lines().filter(|line| line.contains("traces cannot be sent")).count();
        assert_eq!(told, 1, "{what} {protocol}: {}", ended.stderr);
        assert!(!ended.output().contains("planted"), "{what} {protocol}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_sent_again_when_the_collector_is_back_and_smaller_if_asked() {
    let collector = Collector::that(Manner::Refuses(401)).await;
    let settings = [("OTEL_BSP_SCHEDULE_DELAY", "20"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
    for (protocol, header) in [("http/protobuf", "content-encoding"), ("grpc", "grpc-encoding")] {
        collector.turns(Manner::Refuses(401));
        let (asked, came) = (collector.requests(), collector.all().len());
        let settings = [&settings[..], &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]].concat();
        let program = traced(&collector.url, &settings);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        until("the collector refuses", || collector.requests() > asked).await;
        assert_eq!(collector.all().len(), came);

        collector.turns(Manner::Takes);
        until("something comes", || {
            assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
            collector.all().len() > came
        })
        .await;

        assert!(collector.saw(header, "gzip"), "{protocol}");
        let ended = stopped(program);
        assert!(!ended.output().contains("planted"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_conversations_are_sent_in_parts_that_a_collector_takes() {
    const CHATS: usize = 80;
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start().await;
        let settings = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            // All at the end, and all at once.
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2048"),
            ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true"),
        ];
        let program = traced(&collector.url, &settings);
        // With each turn, as much as is told of instructions and of questions at most.
        let long = "some word ".repeat(4000);
        let body = serde_json::json!({"model": "auto", "messages": [
            {"role": "system", "content": long},
            {"role": "user", "content": long},
            {"role": "assistant", "content": "fine"},
            {"role": "user", "content": "say exactly: fine"},
        ]});
        for _ in 0..CHATS {
            let asked = http().post(format!("http://{}/v1/chat/completions", program.edge()));
            let asked = asked.header("content-type", "application/json").body(body.to_string());
            assert_eq!(asked.send().await.unwrap().status(), 200);
        }
        let ended = stopped(program);

        let spans = collector.all();
        let ids: std::collections::BTreeSet<_> = spans.iter().map(|(_, span)| &span.span_id).collect();
        let turns = spans.iter().filter(|(_, span)| span.name.starts_with("chat "));
        assert_eq!(turns.count(), CHATS, "{protocol}: {}", ended.stderr);
        for (_, span) in &spans {
            assert!(span.parent_span_id.is_empty() || ids.contains(&span.parent_span_id), "{protocol}");
        }
        // That they are in traces at all.
        assert_eq!(ended.stderr.matches(" WARN ").count(), 1, "{protocol}: {}", ended.stderr);
        let bytes: usize = spans.iter().map(|(_, span)| prost::Message::encoded_len(span)).sum();
        assert!(bytes > MOST_BYTES, "{bytes} bytes are no long conversations");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_a_collector_rejects_were_not_sent() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::that(Manner::Rejects(3)).await;
        let settings = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
        let program = traced(&collector.url, &settings);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        until("it is counted", || {
            let exported = numbers(&program, "otel_sdk_exporter_span_exported_total");
            exported.iter().any(|(labels, spans)| labels.contains("not_sent") && *spans >= 3.0)
        })
        .await;

        let ended = stopped(program);

        assert!(ended.stderr.contains("rejects others"), "{protocol}: {}", ended.stderr);
        assert!(!ended.output().contains("planted"), "{protocol}: {}", ended.stderr);
    }
}
