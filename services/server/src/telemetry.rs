//! What leaves the process about what it does: logs, traces, metrics.
//!
//! - `log`: to standard error, so that standard output stays for what a person asked for.
//! - `options`: what the `OTEL_*` settings say. `otlp`: exporters made of it. `numbers`: metrics, for Prometheus and by
//!   OTLP.
//!
//! Of spans only those that are meant for traces leave, whatever is logged: an allow-list of targets.

mod log;
mod numbers;
mod options;
mod otlp;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::Settings;

pub use log::reload;
pub use numbers::prometheus_text;

/// Whose spans and events make traces.
const TRACED: [&str; 2] = [warp2api_rpc::trace::TARGET, "warp2api_warp_chat::trail"];

/// How long what was not sent yet may take when the process ends.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(5);

/// What has to be told when the process ends.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
}

/// Starts logs, traces and metrics as the settings say. Within a tokio runtime, which sends them.
///
/// # Errors
/// When a setting cannot be understood, or this was done before.
pub fn start(settings: &Settings) -> Result<Telemetry, String> {
    let options = options::Options::read(settings)?;
    let logs = log::layer(settings)?;
    let traces = options.traces.as_ref().map(|target| otlp::traces(&options, target)).transpose()?;
    let metrics = numbers::start(&options)?;
    let spans = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("warp2api"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_targets(TRACED.map(|target| (target, LevelFilter::DEBUG))))
    });
    tracing_subscriber::registry().with(spans).with(logs).try_init().map_err(|error| error.to_string())?;
    Ok(Telemetry { traces, metrics })
}

/// Whether [`start`] will understand the settings.
///
/// # Errors
/// What it will not.
pub fn check(settings: &Settings) -> Result<(), String> {
    options::Options::read(settings)?;
    log::check(settings)
}

impl Telemetry {
    /// Sends what was not sent yet. Blocks, for seconds at most; the runtime must still run.
    pub fn stop(self) {
        let traces = self.traces.map(|provider| provider.shutdown_with_timeout(FLUSH));
        let metrics = self.metrics.shutdown_with_timeout(FLUSH);
        for result in traces.into_iter().chain([metrics]) {
            if let Err(error) = result {
                tracing::warn!(%error, "not all traces and metrics were sent");
            }
        }
    }
}
