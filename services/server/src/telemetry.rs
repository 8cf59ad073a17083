//! What leaves the process about what it does: logs, traces, metrics.
//!
//! - `log`: to standard error, so that standard output stays for what a person asked for.
//! - `options`: what the `OTEL_*` settings say; `target` where a signal is sent by them, `values` how they are read.
//! - `otlp`: exporters made of it; `resource` who they say tells. `sending`: what becomes of what they send; `weight` in
//!   bytes, `voice` in the log. `numbers`: metrics, for Prometheus and by OTLP.
//! - `transport`: the way to a collector; `reach` whom it believes, `again` when it is gone once more.
//!
//! Of spans only those that are meant for traces leave, whatever is logged: an allow-list of targets.

mod again;
mod log;
mod numbers;
mod options;
mod otlp;
mod reach;
mod resource;
mod sending;
mod target;
mod transport;
mod values;
mod voice;
mod weight;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

use crate::settings::Settings;
use sending::Ledger;

pub use log::reload;
pub use numbers::prometheus_text;

/// Whose spans and events make traces.
const TRACED: [&str; 2] = [warp2api_rpc::trace::TARGET, "warp2api_warp_chat::trail"];

/// How long what was not sent yet may take when the process ends.
const FLUSH: Duration = Duration::from_secs(5);
/// The same where nobody took anything lately.
const LAST_TRY: Duration = Duration::from_secs(1);

/// What has to be told when the process ends.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<(SdkTracerProvider, Arc<Ledger>)>,
    metrics: SdkMeterProvider,
}

/// Starts logs, traces and metrics as the settings say. Within a tokio runtime, which sends them.
///
/// # Errors
/// When a setting cannot be understood, or this was done before.
pub fn start(settings: &Settings) -> Result<Telemetry, String> {
    let options = options::Options::read(settings)?;
    let logs = log::layer(settings)?;
    warp2api_rpc::propagation::propagate(options.propagated);
    let resource = resource::of(&options, Uuid::new_v4());
    let traces = options.traces.as_ref().map(|target| otlp::traces(&options, target, resource.clone()));
    let traces = traces.transpose().map_err(|error| format!("traces cannot be sent: {error}"))?;
    let metrics = numbers::start(&options, resource)?;
    if let Some((_, ledger)) = &traces {
        ledger.count();
    }
    let spans = traces.as_ref().map(|(provider, _)| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer_with_scope(warp2api_rpc::meter::scope()))
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

/// Starts logs alone: what a command does for a moment is in nobody's traces.
///
/// # Errors
/// When a setting cannot be understood, or this was done before.
pub fn start_log(settings: &Settings) -> Result<(), String> {
    tracing_subscriber::registry().with(log::layer(settings)?).try_init().map_err(|error| error.to_string())
}

/// Whether [`start`] will understand the settings.
///
/// # Errors
/// What it will not.
pub fn check(settings: &Settings) -> Result<(), String> {
    let options = options::Options::read(settings)?;
    options.traces.iter().chain(&options.metrics).try_for_each(reach::check)?;
    log::check(settings)
}

impl Telemetry {
    /// Sends what was not sent yet. Blocks, for seconds at most, whoever does not answer; the runtime must still run.
    pub fn stop(self) {
        let Self { traces, metrics } = self;
        let ledger = traces.as_ref().map(|(_, ledger)| ledger.clone());
        let failing = ledger.as_ref().is_some_and(|ledger| ledger.is_failing());
        let until = Instant::now() + if failing { LAST_TRY } else { FLUSH };
        let (ended, ends) = mpsc::channel::<OTelSdkResult>();
        let of_traces = ended.clone();
        // Not all of it heeds a time, so each is left behind where it does not end.
        let traces = traces.map(|(provider, _)| {
            std::thread::spawn(move || of_traces.send(provider.shutdown_with_timeout(FLUSH)))
        });
        let metrics = std::thread::spawn(move || ended.send(metrics.shutdown_with_timeout(FLUSH)));
        for _ in traces.iter().chain([&metrics]) {
            let spans = ledger.as_ref().map_or(0, |ledger| ledger.waiting());
            match ends.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, spans, "not all traces and metrics were sent"),
                Err(_) => tracing::warn!(spans, "not all traces and metrics were sent in time"),
            }
        }
    }
}
