//! `warp2api tokens ...`: the pool in the hands of its operator, on the command line.
//!
//! Every command is a call or some of `TokenPool`: to the service that runs, or, where none does, to the same service
//! opened in this process on the store alone (`session`). What comes back is shown as tables for people, or as the
//! JSON of the contract.

mod args;
mod client;
mod env_file;
mod export;
mod failure;
mod import;
mod json;
mod names;
mod run;
mod secret;
mod session;
mod several;
mod show;
mod table;

pub use args::TokensArgs;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use failure::Failure;

use crate::settings::Settings;
use crate::sources::Sources;
use crate::telemetry;

/// Runs a command to its end, with the settings from everywhere a service takes them from. Exit codes: 0 if it is done,
/// 1 if it could not be, 2 if it was not understood.
pub fn run(args: &TokensArgs, flags: Settings, config_file: Option<PathBuf>) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = perform(args, flags, config_file, &mut out);
    match result.and_then(|()| out.flush().map_err(Failure::Write)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_a_reader_that_left() => ExitCode::SUCCESS,
        Err(failure) => {
            crate::aside!("warp2api: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn perform(
    args: &TokensArgs,
    flags: Settings,
    config_file: Option<PathBuf>,
    out: &mut dyn std::io::Write,
) -> Result<(), Failure> {
    let mut settings = Sources::new(flags, config_file).gather()?.settings;
    if settings.verbose.is_none() {
        // What the pool tells its log is no answer to a command.
        settings.log.get_or_insert_with(|| "warn".to_owned());
    }
    telemetry::start_log(&settings).map_err(Failure::Usage)?;
    let prepared = run::prepare(&args.command)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let session = Box::pin(session::open(settings, args.command.only_looks())).await?;
        let result = run::run(&args.command, prepared, args.json, &session.client, out).await;
        session.close().await;
        result
    })
}
