//! Logs: to standard error, so that standard output stays for what a person asked for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Starts logging as the settings say.
///
/// # Errors
/// When the filter or the format cannot be understood, or logging was started before.
pub fn start(settings: &Settings) -> Result<(), String> {
    let verbose = matches!(settings.verbose.as_deref(), Some("true" | "1" | "yes"));
    let default = if verbose {
        "info,warp2api=debug,warp2api_gateway=debug,warp2api_warp_chat=debug,warp2api_token_pool=debug,warp2api_rpc=debug"
    } else {
        "info"
    };
    let filter = settings.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log (W2A_LOG): {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format.as_deref() {
        None | Some("human") => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Some("json") => builder.json().try_init(),
        Some(other) => {
            return Err(format!("log_format (W2A_LOG_FORMAT): `{other}` is none of `human`, `json`"));
        }
    };
    started.map_err(|error| error.to_string())
}
