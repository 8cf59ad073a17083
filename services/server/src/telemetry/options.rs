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
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { protocol, url, headers, timeout } = self;
        let mut shown = f.debug_struct("Target");
        shown.field("protocol", protocol).field("url", url).field("headers", &headers.len());
        shown.field("timeout", timeout).finish()
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
        let queue = number(&settings.otel_bsp_max_queue_size, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)?;
        let batch = number(&settings.otel_bsp_max_export_batch_size, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?;
        Ok(Self {
            traces: if off { None } else { traces.target(settings)? },
            metrics: if off { None } else { metrics.target(settings)? },
            service_name: settings.otel_service_name.clone().unwrap_or_else(|| "warp2api".to_owned()),
            attributes: pairs(&settings.otel_resource_attributes, "OTEL_RESOURCE_ATTRIBUTES")?
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            sampler: sampler(settings)?,
            queue: queue.clamp(1, 1 << 20),
            batch: batch.clamp(1, queue.max(1)),
            delay: millis(&settings.otel_bsp_schedule_delay, "OTEL_BSP_SCHEDULE_DELAY", 5000)?,
            metric_interval: millis(
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
        let timeout = millis(&settings.otel_exporter_otlp_timeout, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?;
        Ok(Some(Target { protocol, url, headers: headers.into_iter().collect(), timeout }))
    }
}

fn check_url(url: &str, protocol: Protocol) -> Result<(), String> {
    let name = "otel_exporter_otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)";
    let uri: Option<http::Uri> = url.parse().ok();
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

fn number(written: &Option<String>, name: &str, default: usize) -> Result<usize, String> {
    written.as_deref().map_or(Ok(default), |text| {
        text.parse().map_err(|_| format!("{name}: `{text}` is not a whole number"))
    })
}

fn millis(written: &Option<String>, name: &str, default: u32) -> Result<Duration, String> {
    let millis = written.as_deref().map_or(Ok(default), |text| {
        text.parse().map_err(|_| format!("{name}: `{text}` is not a number of milliseconds"))
    });
    millis.map(|millis| Duration::from_millis(millis.into()))
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
        ] {
            let error = read(pairs).unwrap_err();
            assert!(error.contains(named) && !error.contains("planted"), "{error}");
        }
        let options = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "key=planted%20one")]).unwrap();
        assert_eq!(options.traces.as_ref().unwrap().headers["key"], "planted one");
        assert!(!format!("{options:?}").contains("planted"));
    }
}
