//! Metrics: kept for whoever asks `/metrics`, and sent by OTLP where that is switched on.

use std::sync::OnceLock;

use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::options::Options;
use super::otlp;

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Has everything counted from now on.
pub(super) fn start(options: &Options) -> Result<SdkMeterProvider, String> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .map_err(|error| error.to_string())?;
    let mut builder =
        SdkMeterProvider::builder().with_resource(otlp::resource(options)).with_reader(exporter);
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
