//! What the settings say about traces and metrics, by the names and with the values of OpenTelemetry. Pure.
//!
//! Nothing is sent unless an endpoint or an exporter was written.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;

use crate::settings::Settings;

/// Where a signal is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) protocol: Protocol,
    pub(super) url: String,
    /// May hold keys: never shown.
    pub(super) headers: HashMap<String, String>,
    pub(super) timeout: Duration,
    /// The file of the CAs that the collector's certificate must come from, in PEM.
    pub(super) certificate: Option<String>,
    pub(super) gzip: bool,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { protocol, url, headers, timeout, certificate, gzip } = self;
        let mut shown = f.debug_struct("Target");
        shown.field("protocol", protocol).field("url", url).field("headers", &headers.len());
        shown.field("timeout", timeout).field("certificate", certificate).field("gzip", gzip).finish()
    }
}

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// Everything about traces and metrics.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    pub(super) service_name: String,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) sampler: Sampler,
    pub(super) queue: usize,
    pub(super) batch: usize,
    pub(super) delay: Duration,
    pub(super) export_timeout: Duration,
    pub(super) metric_interval: Duration,
}

impl Options {
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let off = flag(settings.otel_sdk_disabled.as_deref());
        let traces = Signal {
            exporter: (&settings.otel_traces_exporter, "otel_traces_exporter (OTEL_TRACES_EXPORTER)"),
            endpoint: &settings.otel_exporter_otlp_traces_endpoint,
            path: "/v1/traces",
        };
        let metrics = Signal {
            exporter: (&settings.otel_metrics_exporter, "otel_metrics_exporter (OTEL_METRICS_EXPORTER)"),
            endpoint: &settings.otel_exporter_otlp_metrics_endpoint,
            path: "/v1/metrics",
        };
        let queue = count(&settings.otel_bsp_max_queue_size, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)?;
        let batch = count(&settings.otel_bsp_max_export_batch_size, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?;
        let mut attributes = pairs(&settings.otel_resource_attributes, "OTEL_RESOURCE_ATTRIBUTES")?;
        let named = attributes.iter().position(|(key, _)| key == "service.name");
        let named = named.map(|index| attributes.swap_remove(index).1);
        Ok(Self {
            traces: if off { None } else { traces.target(settings)? },
            metrics: if off { None } else { metrics.target(settings)? },
            service_name: settings
                .otel_service_name
                .clone()
                .or(named)
                .unwrap_or_else(|| "warp2api".to_owned()),
            attributes: attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
            sampler: sampler(settings)?,
            queue,
            batch: batch.min(queue),
            delay: millis(&settings.otel_bsp_schedule_delay, "OTEL_BSP_SCHEDULE_DELAY", 5000)?,
            export_timeout: some_millis(
                &settings.otel_bsp_export_timeout,
                "OTEL_BSP_EXPORT_TIMEOUT",
                30_000,
            )?,
            metric_interval: some_millis(
                &settings.otel_metric_export_interval,
                "OTEL_METRIC_EXPORT_INTERVAL",
                60_000,
            )?
            .max(Duration::from_millis(10)),
        })
    }
}

/// One of the things that are sent.
struct Signal<'a> {
    exporter: (&'a Option<String>, &'static str),
    endpoint: &'a Option<String>,
    path: &'static str,
}

impl Signal<'_> {
    fn target(&self, settings: &Settings) -> Result<Option<Target>, String> {
        let (exporter, name) = self.exporter;
        let general = &settings.otel_exporter_otlp_endpoint;
        let wanted = match exporter.as_deref() {
            None => self.endpoint.is_some() || general.is_some(),
            Some("otlp") => true,
            Some("none") => false,
            Some(other) => return Err(format!("{name}: `{other}` is none of `otlp`, `none`")),
        };
        if !wanted {
            return Ok(None);
        }
        let protocol = match settings.otel_exporter_otlp_protocol.as_deref() {
            Some("grpc") => Protocol::Grpc,
            None | Some("http/protobuf") => Protocol::Http,
            Some(other) => {
                return Err(format!(
                    "otel_exporter_otlp_protocol (OTEL_EXPORTER_OTLP_PROTOCOL): `{other}` is none of `grpc`, \
                     `http/protobuf`"
                ));
            }
        };
        let default = match protocol {
            Protocol::Grpc => "http://127.0.0.1:4317",
            Protocol::Http => "http://127.0.0.1:4318",
        };
        let url = match (self.endpoint, protocol) {
            // One of its own is taken as it is.
            (Some(own), _) => own.clone(),
            (None, Protocol::Grpc) => general.as_deref().unwrap_or(default).to_owned(),
            (None, Protocol::Http) => {
                format!("{}{}", general.as_deref().unwrap_or(default).trim_end_matches('/'), self.path)
            }
        };
        check_url(&url, protocol)?;
        let headers = pairs(&settings.otel_exporter_otlp_headers, "OTEL_EXPORTER_OTLP_HEADERS")?;
        let timeout =
            some_millis(&settings.otel_exporter_otlp_timeout, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?;
        let certificate = settings.otel_exporter_otlp_certificate.clone();
        if certificate.is_some() && !url.starts_with("https:") {
            let name = "otel_exporter_otlp_certificate (OTEL_EXPORTER_OTLP_CERTIFICATE)";
            return Err(format!("{name}: is for a collector at an https address, and this one is not"));
        }
        let gzip = gzip(settings, protocol)?;
        Ok(Some(Target { protocol, url, headers: headers.into_iter().collect(), timeout, certificate, gzip }))
    }
}

fn gzip(settings: &Settings, protocol: Protocol) -> Result<bool, String> {
    let name = "otel_exporter_otlp_compression (OTEL_EXPORTER_OTLP_COMPRESSION)";
    match (settings.otel_exporter_otlp_compression.as_deref(), protocol) {
        (None | Some("none"), _) => Ok(false),
        (Some("gzip"), Protocol::Http) => Ok(true),
        (Some("gzip"), Protocol::Grpc) => {
            Err(format!("{name}: `gzip` goes over `http/protobuf` only; set OTEL_EXPORTER_OTLP_PROTOCOL"))
        }
        (Some(other), _) => Err(format!("{name}: `{other}` is none of `gzip`, `none`")),
    }
}

fn check_url(url: &str, protocol: Protocol) -> Result<(), String> {
    let name = "otel_exporter_otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)";
    let uri: Option<http::Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(http::Uri::authority);
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        // Addresses are shown.
        return Err(format!("{name}: must not hold a password; OTEL_EXPORTER_OTLP_HEADERS can"));
    }
    let scheme = uri.as_ref().filter(|uri| uri.host().is_some()).and_then(http::Uri::scheme_str);
    match (scheme, protocol) {
        (Some("http"), _) | (Some("https"), Protocol::Http) => Ok(()),
        (Some("https"), Protocol::Grpc) => {
            Err(format!("{name}: over https only `http/protobuf` is spoken; set OTEL_EXPORTER_OTLP_PROTOCOL"))
        }
        _ => Err(format!("{name}: wants an http or https address such as http://127.0.0.1:4318")),
    }
}

fn sampler(settings: &Settings) -> Result<Sampler, String> {
    let name = "otel_traces_sampler_arg (OTEL_TRACES_SAMPLER_ARG)";
    let ratio = || match settings.otel_traces_sampler_arg.as_deref().map(str::parse::<f64>) {
        None => Ok(1.0),
        Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Some(_) => Err(format!("{name}: wants a number from 0 to 1")),
    };
    let parent_based = |sampler| Sampler::ParentBased(Box::new(sampler));
    Ok(match settings.otel_traces_sampler.as_deref() {
        None | Some("parentbased_always_on") => parent_based(Sampler::AlwaysOn),
        Some("parentbased_always_off") => parent_based(Sampler::AlwaysOff),
        Some("parentbased_traceidratio") => parent_based(Sampler::TraceIdRatioBased(ratio()?)),
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("traceidratio") => Sampler::TraceIdRatioBased(ratio()?),
        Some(other) => {
            return Err(format!(
                "otel_traces_sampler (OTEL_TRACES_SAMPLER): `{other}` is none of `always_on`, `always_off`, \
                 `traceidratio`, `parentbased_always_on`, `parentbased_always_off`, `parentbased_traceidratio`"
            ));
        }
    })
}

/// `key=value` separated by commas, percent-encoded. Errors do not show the value: it may be a secret.
fn pairs(written: &Option<String>, name: &str) -> Result<Vec<(String, String)>, String> {
    let written = written.as_deref().unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    written
        .map(|text| pair(text).ok_or_else(|| format!("{name}: wants key=value, separated by commas")))
        .collect()
}

/// Of spans: some, and not so many that the room for them matters.
fn count(written: &Option<String>, name: &str, default: usize) -> Result<usize, String> {
    let number = written.as_deref().map_or(Ok(default), str::parse);
    match number {
        Ok(number @ 1..=65_536) => Ok(number),
        _ => Err(format!("{name}: wants a whole number from 1 to 65536")),
    }
}

fn millis(written: &Option<String>, name: &str, default: u32) -> Result<Duration, String> {
    let millis = written.as_deref().map_or(Ok(default), |text| {
        text.parse().map_err(|_| format!("{name}: `{text}` is not a number of milliseconds"))
    });
    millis.map(|millis| Duration::from_millis(millis.into()))
}

/// The same, and not none.
fn some_millis(written: &Option<String>, name: &str, default: u32) -> Result<Duration, String> {
    match millis(written, name, default)? {
        Duration::ZERO => Err(format!("{name}: wants a number of milliseconds above 0")),
        time => Ok(time),
    }
}

fn flag(written: Option<&str>) -> bool {
    written.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (
                &[
                    ENDPOINT,
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ],
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:planted@c:4318")], "OTEL_EXPORTER_OTLP_HEADERS"),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ),
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
            assert_eq!(
                team.map(|pair| pair.value.to_string()),
                (!pairs.is_empty()).then(|| "b c".to_owned())
            );
            assert!(!options.attributes.iter().any(|pair| pair.key.as_str() == "service.name"));
        }
    }
}
