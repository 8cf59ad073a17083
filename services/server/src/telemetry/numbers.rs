//! Metrics: kept for whoever asks `/metrics`, and sent by OTLP where that is switched on.

use std::sync::OnceLock;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::options::Options;
use super::otlp;

/// Combinations of labels that a metric can have. Those beyond it are counted as one.
const MOST_SERIES: usize = 500;

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Has everything counted from now on.
pub(super) fn start(options: &Options, resource: Resource) -> Result<SdkMeterProvider, String> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .map_err(|error| error.to_string())?;
    // What the system knows of the process, under the names that Prometheus' own libraries have for it.
    #[cfg(target_os = "linux")]
    registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .map_err(|error| error.to_string())?;
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(exporter)
        .with_view(|_: &Instrument| Stream::builder().with_cardinality_limit(MOST_SERIES).build().ok());
    if let Some(target) = &options.metrics {
        let reader = PeriodicReader::builder(otlp::metrics(target)?).with_interval(options.metric_interval);
        builder = builder.with_reader(reader.build());
    }
    let provider = builder.build();
    opentelemetry::global::set_meter_provider(provider.clone());
    drop(REGISTRY.set(registry));
    Ok(provider)
}

/// What is counted, as Prometheus reads it. `None` where nothing is counted.
pub fn prometheus_text() -> Option<String> {
    let registry = REGISTRY.get()?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).ok()?;
    String::from_utf8(text).ok()
}
