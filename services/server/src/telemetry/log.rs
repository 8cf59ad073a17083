//! Logs: what is written, in which form, and how that changes while the process runs.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::settings::Settings;

type Change = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// How the filter of this process is changed, once there is one.
static CHANGE: OnceLock<Change> = OnceLock::new();

/// The logs of the process.
pub(super) fn layer<S>(settings: &Settings) -> Result<Box<dyn Layer<S> + Send + Sync>, String>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let written = fmt::layer().with_writer(std::io::stderr);
    let layer = match form(settings)? {
        Form::Human => written.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
        Form::Json => written.json().with_filter(filter).boxed(),
    };
    let change = move |filter| handle.reload(filter).map_err(|error: reload::Error| error.to_string());
    // A second start is refused where the subscriber is set.
    drop(CHANGE.set(Box::new(change)));
    Ok(layer)
}

/// Logs what these settings say from now on. Nothing happens where logging was not started.
///
/// # Errors
/// When the filter cannot be understood; the old one stays.
pub fn reload(settings: &Settings) -> Result<(), String> {
    let filter = filter(settings)?;
    CHANGE.get().map_or(Ok(()), |change| change(filter))
}

/// Whether the settings can be understood.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    filter(settings)?;
    form(settings).map(drop)
}

/// How lines are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Human,
    Json,
}

fn form(settings: &Settings) -> Result<Form, String> {
    match settings.log_format.as_deref() {
        None | Some("human") => Ok(Form::Human),
        Some("json") => Ok(Form::Json),
        Some(other) => Err(format!("log_format (W2A_LOG_FORMAT): `{other}` is none of `human`, `json`")),
    }
}

fn filter(settings: &Settings) -> Result<EnvFilter, String> {
    let verbose = matches!(settings.verbose.as_deref(), Some("true" | "1" | "yes"));
    let default = if verbose {
        "info,warp2api=debug,warp2api_gateway=debug,warp2api_warp_chat=debug,warp2api_token_pool=debug,warp2api_rpc=debug"
    } else {
        "info"
    };
    let filter = settings.log.as_deref().unwrap_or(default);
    EnvFilter::try_new(filter).map_err(|error| format!("log (W2A_LOG): {error}"))
}
