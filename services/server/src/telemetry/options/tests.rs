use super::*;
use crate::telemetry::target::Protocol;

fn read(pairs: &[(&str, &str)]) -> Result<Options, String> {
    Options::read(&Settings::from_variables(|name| {
        pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }))
}

#[test]
fn nothing_is_sent_unless_it_was_asked_for() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    for (pairs, traces, metrics) in [
        (&[][..], None, None),
        (&[("OTEL_SERVICE_NAME", "a")], None, None),
        (&[ENDPOINT], Some("http://c:4318/v1/traces"), Some("http://c:4318/v1/metrics")),
        (
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            Some("http://c:4318/"),
            Some("http://c:4318/"),
        ),
        (&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")], Some("http://c:4318/v1/traces"), None),
        (&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "prometheus")], Some("http://c:4318/v1/traces"), None),
        (
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "otlp, prometheus")],
            None,
            Some("http://c:4318/v1/metrics"),
        ),
        (&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")], None, None),
        (&[("OTEL_TRACES_EXPORTER", "otlp")], Some("http://127.0.0.1:4318/v1/traces"), None),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/x")], Some("http://t:1/x"), None),
    ] {
        let options = read(pairs).unwrap();
        let url = |target: &Option<Target>| target.as_ref().map(|target| target.url.clone());
        assert_eq!(url(&options.traces).as_deref(), traces, "{pairs:?}");
        assert_eq!(url(&options.metrics).as_deref(), metrics, "{pairs:?}");
    }
}

#[test]
fn what_cannot_be_understood_is_named_and_secrets_are_not_shown() {
    const HTTPS: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c");
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    for (pairs, named) in [
        (&[("OTEL_TRACES_SAMPLER", "sometimes")][..], "OTEL_TRACES_SAMPLER"),
        (
            &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")],
            "OTEL_TRACES_SAMPLER_ARG",
        ),
        (&[("OTEL_TRACES_EXPORTER", "jaeger")], "OTEL_TRACES_EXPORTER"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "udp")], "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318")], "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "planted")], "OTEL_EXPORTER_OTLP_HEADERS"),
        (&[("OTEL_BSP_MAX_QUEUE_SIZE", "many")], "OTEL_BSP_MAX_QUEUE_SIZE"),
        (&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")], "OTEL_BSP_MAX_QUEUE_SIZE"),
        (&[("OTEL_BSP_MAX_QUEUE_SIZE", "1000000")], "OTEL_BSP_MAX_QUEUE_SIZE"),
        (&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1")], "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
        (&[("OTEL_BSP_SCHEDULE_DELAY", "soon")], "OTEL_BSP_SCHEDULE_DELAY"),
        (&[("OTEL_BSP_EXPORT_TIMEOUT", "0")], "OTEL_BSP_EXPORT_TIMEOUT"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TIMEOUT", "0")], "OTEL_EXPORTER_OTLP_TIMEOUT"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip")], "OTEL_EXPORTER_OTLP_COMPRESSION"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp")], "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "planted")], "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0")], "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
        (
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "br")],
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        ),
        (
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/a")],
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        ),
        (&[HTTPS, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/a")], "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/a")], "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "planted")], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a:planted@b")],
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        ),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318?key=planted")], "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/a#planted")],
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/a?key=planted"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ],
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ),
        (&[("OTEL_METRICS_EXPORTER", "otlp,console")], "none of `otlp`, `prometheus`, `none`"),
        (&[("OTEL_TRACES_EXPORTER", "console")], "none of `otlp`, `none`"),
        (
            &[("OTEL_LOGS_EXPORTER", "otlp")],
            "otel_logs_exporter (OTEL_LOGS_EXPORTER): `otlp` is not to be had here; `none` is",
        ),
        (&[("OTEL_PROPAGATORS", "tracecontext,b3")], "`b3` is none of `tracecontext`, `baggage`, `none`"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:planted@c:4318")], "OTEL_EXPORTER_OTLP_HEADERS"),
        (&[("OTEL_RESOURCE_ATTRIBUTES", "planted")], "OTEL_RESOURCE_ATTRIBUTES"),
    ] {
        let error = read(pairs).unwrap_err();
        assert!(error.contains(named) && !error.contains("planted"), "{error}");
    }
    let options = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "key=planted%20one")]).unwrap();
    assert_eq!(options.traces.as_ref().unwrap().headers["key"], "planted one");
    assert!(!format!("{options:?}").contains("planted"));
}

#[test]
fn every_sampler_of_the_standard_is_understood() {
    let parent_based = |sampler| Sampler::ParentBased(Box::new(sampler));
    for (name, argument, expected) in [
        (None, None, parent_based(Sampler::AlwaysOn)),
        (Some("always_on"), None, Sampler::AlwaysOn),
        (Some("always_off"), None, Sampler::AlwaysOff),
        (Some("traceidratio"), Some("0.25"), Sampler::TraceIdRatioBased(0.25)),
        (Some("traceidratio"), None, Sampler::TraceIdRatioBased(1.0)),
        (Some("parentbased_always_on"), None, parent_based(Sampler::AlwaysOn)),
        (Some("parentbased_always_off"), None, parent_based(Sampler::AlwaysOff)),
        (Some("parentbased_traceidratio"), Some("0"), parent_based(Sampler::TraceIdRatioBased(0.0))),
    ] {
        let name = name.map(|name| ("OTEL_TRACES_SAMPLER", name));
        let argument = argument.map(|argument| ("OTEL_TRACES_SAMPLER_ARG", argument));
        let pairs: Vec<_> = name.into_iter().chain(argument).collect();
        assert_eq!(format!("{:?}", read(&pairs).unwrap().sampler), format!("{expected:?}"), "{pairs:?}");
    }
}

#[test]
fn a_service_is_called_what_was_said_most_clearly() {
    const ATTRIBUTES: (&str, &str) = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=b%20c");
    for (pairs, expected) in
        [(&[][..], "warp2api"), (&[ATTRIBUTES], "a"), (&[ATTRIBUTES, ("OTEL_SERVICE_NAME", "d")], "d")]
    {
        let options = read(pairs).unwrap();
        assert_eq!(options.service_name, expected, "{pairs:?}");
        let team = options.attributes.iter().find(|pair| pair.key.as_str() == "team");
        assert_eq!(team.map(|pair| pair.value.to_string()), (!pairs.is_empty()).then(|| "b c".to_owned()));
        assert!(!options.attributes.iter().any(|pair| pair.key.as_str() == "service.name"));
    }
}

#[test]
fn what_is_written_for_one_signal_wins_there_and_nowhere_else() {
    let options = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://both"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=both,other=both"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/both.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://one/x?key=planted"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key=one"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/one.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/mine.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/mine.key"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
    ])
    .unwrap();
    assert!(!format!("{options:?}").contains("planted"));
    let (traces, metrics) = (options.traces.unwrap(), options.metrics.unwrap());

    assert_eq!((traces.url.as_str(), traces.protocol), ("https://one/x?key=planted", Protocol::Http));
    assert_eq!((metrics.url.as_str(), metrics.protocol), ("https://both", Protocol::Grpc));
    assert_eq!((traces.headers.len(), traces.headers["key"].as_bytes()), (1, &b"one"[..]));
    assert_eq!((metrics.headers.len(), metrics.headers["key"].as_bytes()), (2, &b"both"[..]));
    let millis = [&traces, &metrics].map(|target| target.timeout.as_millis());
    assert_eq!((millis, traces.gzip, metrics.gzip), ([2, 1], false, true));
    let authorities = [&traces, &metrics].map(|target| target.authorities.as_ref().unwrap().path.as_str());
    assert_eq!(authorities, ["/one.pem", "/both.pem"]);
    assert!(traces.identity.is_some() && metrics.identity.is_none());
}

#[test]
fn what_is_for_tls_may_be_for_one_signal_only() {
    let options = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://c/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
    ])
    .unwrap();
    assert!(options.traces.unwrap().authorities.is_none());
    assert!(options.metrics.unwrap().authorities.is_some());
}

#[test]
fn where_it_is_switched_off_nothing_else_is_looked_at() {
    let options = read(&[
        ("OTEL_SDK_DISABLED", "TRUE"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_PROPAGATORS", "xray"),
    ])
    .unwrap();
    assert!(options.traces.is_none() && options.metrics.is_none());
}

#[test]
fn what_is_propagated_is_what_was_named() {
    for (written, trace_context, baggage) in [
        (None, true, true),
        (Some("tracecontext,baggage"), true, true),
        (Some("baggage , tracecontext"), true, true),
        (Some("tracecontext"), true, false),
        (Some("baggage"), false, true),
        (Some("none"), false, false),
    ] {
        let written: Vec<_> = written.iter().map(|written| ("OTEL_PROPAGATORS", *written)).collect();
        assert_eq!(read(&written).unwrap().propagated, Propagated { trace_context, baggage }, "{written:?}");
    }
}
