//! What the settings of OpenTelemetry say is what a collector sees: headers, TLS, who sends. What cannot be met is refused, and
//! what means nothing here has no effect.

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use crate::collector::{Collector, attribute};
use crate::export::{stopped, traced};
use crate::program::{Program, run};

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
async fn a_collector_behind_tls_is_believed_if_its_ca_was_named_and_may_ask_who_sends() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["ca.pem", "key.pem"].map(|file| folder.path().join(file).to_str().unwrap().to_owned());
    let authority = ("OTEL_EXPORTER_OTLP_CERTIFICATE", files[0].as_str());
    let own = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", files[0].as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", files[1].as_str()),
    ];
    let certified = [&[authority][..], &own].concat();
    for protocol in ["http/protobuf", "grpc"] {
        for (asks, settings, comes) in [
            (false, vec![], false),
            (false, vec![authority], true),
            (true, vec![authority], false),
            (true, certified.clone(), true),
        ] {
            let collector = Collector::secured(folder.path(), asks).await;
            let settings = [&settings[..], &[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]].concat();
            let program = traced(&collector.url, &settings);
            assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
            let ended = stopped(program);
            assert_eq!(!collector.all().is_empty(), comes, "{protocol} {settings:?}: {}", ended.stderr);
            assert_eq!(
                ended.stderr.contains("traces cannot be sent"),
                !comes,
                "{protocol}: {}",
                ended.stderr
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_headers_that_won_and_no_others() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start().await;
        let settings = [
            ("W2A_UPSTREAM", "embedded"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            // For another collector, by whoever set up the machine.
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=of-the-machine,x-machine=yes"),
        ];
        let flags = ["--otel-exporter-otlp-headers", "x-tenant=of-the-flag"];
        let of_traces = ["--otel-exporter-otlp-traces-headers", "x-tenant=of-traces"];
        for (flags, expected) in [
            (flags.to_vec(), ["of-the-flag"].as_slice()),
            ([flags, of_traces].concat(), &["of-the-flag", "of-traces"]),
        ] {
            let before = collector.values("x-tenant").len();
            let program = Program::start(&flags, &settings);
            assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
            stopped(program);

            let mut tenants = collector.values("x-tenant").split_off(before);
            tenants.sort();
            tenants.dedup();
            assert_eq!(tenants, expected, "{protocol} {flags:?}");
            assert!(collector.values("x-machine").is_empty(), "{protocol} {flags:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_can_be_told_apart_and_variables_that_mean_nothing_have_no_effect() {
    let collector = Collector::start().await;
    let settings = [
        ("W2A_UPSTREAM", "embedded"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_SERVICE_NAME", "replica"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ];
    for _ in 0..2 {
        let program = Program::start(&[], &settings);
        assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));
        stopped(program);
    }

    let metrics = collector.metrics("replica");
    let mut sources = collector.sources();
    for sent in &metrics {
        let resource = sent.resource.clone().unwrap().attributes;
        sources.extend(sent.scope_metrics.iter().map(|of| (resource.clone(), of.scope.clone().unwrap())));
    }
    for (resource, scope) in &sources {
        for (key, value) in [("telemetry.sdk.name", "opentelemetry"), ("telemetry.sdk.language", "rust")] {
            assert_eq!(attribute(resource, key), value);
        }
        assert!(!attribute(resource, "telemetry.sdk.version").is_empty());
        assert_eq!((scope.name.as_str(), scope.version.as_str()), ("warp2api", env!("CARGO_PKG_VERSION")));
    }
    let instances = |sources: &mut dyn Iterator<Item = &Vec<_>>| -> std::collections::BTreeSet<String> {
        sources.map(|resource| attribute(resource, "service.instance.id")).collect()
    };
    let all = instances(&mut sources.iter().map(|(resource, _)| resource));
    let of_traces = instances(&mut collector.sources().iter().map(|(resource, _)| resource));
    assert!(all.len() == 2 && all == of_traces && !all.contains(""), "{all:?}, {of_traces:?}");

    let spans = collector.all();
    assert!(spans.iter().any(|(_, span)| span.attributes.len() > 1 && span.dropped_attributes_count == 0));
    let sums = metrics.iter().flat_map(|sent| &sent.scope_metrics).flat_map(|of| &of.metrics);
    let sums = sums.filter_map(|metric| match metric.data.as_ref() {
        Some(Data::Sum(sum)) => Some(sum.aggregation_temporality),
        _ => None,
    });
    let sums: Vec<_> = sums.collect();
    assert!(!sums.is_empty() && sums.iter().all(|sum| *sum == AggregationTemporality::Cumulative as i32));
}

#[test]
fn variables_of_opentelemetry_that_mean_nothing_here_are_named() {
    let nothing = ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"];
    let something = [
        ("OTEL_SERVICE_NAME", "mine"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key=value"),
    ];
    let settings: Vec<_> = nothing.map(|name| (name, "1")).into_iter().chain(something).collect();

    let ended = run(&["config", "--check"], &settings);

    assert!(ended.status.success(), "{ended:?}");
    for name in nothing {
        assert!(ended.stderr.contains(&format!("{name} is in the environment and no setting")), "{ended:?}");
    }
    for (name, _) in something {
        assert!(!ended.stderr.contains(name), "{ended:?}");
    }
}

#[test]
fn where_nothing_is_sent_nothing_about_it_can_be_wrong() {
    let settings = [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "jaeger_remote")];
    assert!(run(&["config", "--check"], &settings).status.success());
}

#[test]
fn settings_that_cannot_be_met_are_refused_by_name() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.test");
    for (settings, words) in [
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null")], "holds no certificate"),
        (
            vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null")],
            "holds no certificate",
        ),
        (
            vec![
                ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/dev/null"),
                ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/dev/null"),
                ("OTEL_METRICS_EXPORTER", "none"),
            ],
            "(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE): /dev/null holds no certificate with a key",
        ),
        (vec![("OTEL_METRICS_EXPORTER", "console")], "none of `otlp`, `prometheus`, `none`"),
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
