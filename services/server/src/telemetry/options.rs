//! What the settings say about traces and metrics, by the names and with the values of OpenTelemetry. Pure.
//!
//! Nothing is sent unless an endpoint or an exporter was written.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::Sampler;
use warp2api_rpc::propagation::Propagated;

use super::target::{METRICS, TRACES, Target, check_tls};
use super::values::{Value, Written};
use crate::settings::Settings;

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
    pub(super) propagated: Propagated,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            traces: None,
            metrics: None,
            service_name: "warp2api".to_owned(),
            attributes: Vec::new(),
            sampler: Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
            queue: 2048,
            batch: 512,
            delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            metric_interval: Duration::from_secs(60),
            propagated: Propagated::default(),
        }
    }
}

impl Options {
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let written = &Written::of(settings);
        let usual = Self::default();
        // Then the rest may be as wrong as it likes.
        if written.get("OTEL_SDK_DISABLED").is_some_and(|value| value.text.eq_ignore_ascii_case("true")) {
            return Ok(usual);
        }
        let (traces, metrics) = (TRACES.target(written)?, METRICS.target(written)?);
        check_tls(written, &[&traces, &metrics])?;
        if let Some(exporters) = written.get("OTEL_LOGS_EXPORTER") {
            exporters.some_of(&[("none", ())])?;
        }
        let mut attributes = written.get("OTEL_RESOURCE_ATTRIBUTES").map_or(Ok(Vec::new()), Value::pairs)?;
        let named = attributes.iter().position(|(key, _)| key == "service.name");
        let named = named.map(|index| attributes.swap_remove(index).1);
        let time = |env, usual, read: fn(Value<'_>) -> Result<Duration, String>| {
            written.get(env).map_or(Ok(usual), read)
        };
        let count = |env, usual| written.get(env).map_or(Ok(usual), Value::count);
        let queue = count("OTEL_BSP_MAX_QUEUE_SIZE", usual.queue)?;
        Ok(Self {
            traces,
            metrics,
            service_name: match written.get("OTEL_SERVICE_NAME") {
                Some(name) => name.text.to_owned(),
                None => named.unwrap_or(usual.service_name),
            },
            attributes: attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
            sampler: sampler(written)?,
            queue,
            batch: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", usual.batch)?.min(queue),
            delay: time("OTEL_BSP_SCHEDULE_DELAY", usual.delay, |value| value.millis())?,
            export_timeout: time("OTEL_BSP_EXPORT_TIMEOUT", usual.export_timeout, |value| {
                value.some_millis()
            })?,
            metric_interval: time("OTEL_METRIC_EXPORT_INTERVAL", usual.metric_interval, |value| {
                value.some_millis()
            })?
            .max(Duration::from_millis(10)),
            propagated: written.get("OTEL_PROPAGATORS").map_or(Ok(usual.propagated), propagated)?,
        })
    }
}

fn sampler(written: &Written<'_>) -> Result<Sampler, String> {
    let ratio = || written.get("OTEL_TRACES_SAMPLER_ARG").map_or(Ok(1.0), Value::ratio);
    let name = written.get("OTEL_TRACES_SAMPLER");
    let (parent_based, kind) = name.map_or(Ok((true, Kind::On)), |name| {
        name.one_of(&[
            ("always_on", (false, Kind::On)),
            ("always_off", (false, Kind::Off)),
            ("traceidratio", (false, Kind::Ratio)),
            ("parentbased_always_on", (true, Kind::On)),
            ("parentbased_always_off", (true, Kind::Off)),
            ("parentbased_traceidratio", (true, Kind::Ratio)),
        ])
    })?;
    let sampler = match kind {
        Kind::On => Sampler::AlwaysOn,
        Kind::Off => Sampler::AlwaysOff,
        Kind::Ratio => Sampler::TraceIdRatioBased(ratio()?),
    };
    Ok(if parent_based { Sampler::ParentBased(Box::new(sampler)) } else { sampler })
}

#[derive(Clone, Copy)]
enum Kind {
    On,
    Off,
    Ratio,
}

fn propagated(written: Value<'_>) -> Result<Propagated, String> {
    let none = Propagated { trace_context: false, baggage: false };
    let known = [
        ("tracecontext", Propagated { trace_context: true, ..none }),
        ("baggage", Propagated { baggage: true, ..none }),
        ("none", none),
    ];
    let all = written.some_of(&known)?;
    Ok(Propagated {
        trace_context: all.iter().any(|one| one.trace_context),
        baggage: all.iter().any(|one| one.baggage),
    })
}

#[cfg(test)]
mod tests;
