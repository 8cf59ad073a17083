//! How spans leave: at the end of the process, past a collector that is away, slow or unwilling, with the headers and the
//! compression that were asked for. Requests never notice.

use std::io::{Read as _, Write as _};

use crate::collector::{Collector, Manner, attribute};
use crate::pool_client::until;
use crate::program::{Ended, PATIENCE, Program, run};

/// A house in one process that sends its traces to `url`.
fn traced(url: &str, more: &[(&str, &str)]) -> Program {
    let mut settings = vec![
        ("W2A_UPSTREAM", "embedded"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-header,x-tenant=planted%20one"),
    ];
    settings.extend(more);
    Program::start(&[], &settings)
}

fn stopped(program: Program) -> Ended {
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
    let program = traced(&collector.url, &settings);
    assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
    until("the collector refuses", || collector.requests() > 0).await;
    assert!(collector.all().is_empty());

    collector.turns(Manner::Takes);
    until("something comes", || {
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        !collector.all().is_empty()
    })
    .await;

    assert!(collector.saw("content-encoding", "gzip"));
    stopped(program);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_the_process_goes_along_and_switched_off_means_nothing_is_sent() {
    let collector = Collector::start().await;
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,deployment.environment.name=test");
    for (disabled, expected) in [("true", 0), ("false", 1)] {
        let program = traced(&collector.url, &[("OTEL_SDK_DISABLED", disabled), attributes]);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        stopped(program);
        assert_eq!(collector.requests().min(1), expected, "disabled: {disabled}");
    }
    assert!(collector.all().iter().all(|(service, _)| service == "mine"));
    let roots = collector.all().into_iter().filter(|(_, span)| span.parent_span_id.is_empty());
    let routes: Vec<_> = roots.map(|(_, span)| attribute(&span.attributes, "http.route")).collect();
    assert_eq!(routes, ["/v1/chat/completions"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_behind_tls_is_believed_if_its_ca_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::secured(folder.path()).await;
    let authority = folder.path().join("ca.pem");
    for (settings, comes) in
        [(vec![], false), (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.to_str().unwrap())], true)]
    {
        let program = traced(&collector.url, &settings);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        let ended = stopped(program);
        assert_eq!(!collector.all().is_empty(), comes, "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("traces cannot be sent"), !comes, "{}", ended.stderr);
    }
}

#[test]
fn variables_of_opentelemetry_that_mean_nothing_here_are_named() {
    let ended = run(&["config", "--check"], &[("OTEL_LOGS_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "mine")]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("OTEL_LOGS_EXPORTER is in the environment and no setting"), "{ended:?}");
    assert!(!ended.stderr.contains("OTEL_SERVICE_NAME"), "{ended:?}");
}

#[test]
fn settings_that_cannot_be_met_are_refused_by_name() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.test");
    for (settings, words) in [
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null")], "holds no certificate"),
        (vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], "none of `grpc`"),
        (vec![("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")], "OTEL_EXPORTER_OTLP_COMPRESSION"),
        (vec![("OTEL_EXPORTER_OTLP_HEADERS", "a=planted\nb")], "OTEL_EXPORTER_OTLP_HEADERS"),
        (vec![("OTEL_EXPORTER_OTLP_HEADERS", "planted")], "OTEL_EXPORTER_OTLP_HEADERS"),
        (vec![("OTEL_TRACES_SAMPLER", "jaeger_remote")], "OTEL_TRACES_SAMPLER"),
        (
            vec![("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY")],
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        ),
    ] {
        let settings: Vec<_> = settings.into_iter().chain([ENDPOINT]).collect();
        let ended = run(&["config", "--check"], &settings);
        assert_eq!(ended.status.code(), Some(64), "{settings:?}: {ended:?}");
        assert!(ended.stderr.contains(words) && !ended.output().contains("planted"), "{ended:?}");
    }
}
