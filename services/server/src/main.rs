//! `warp2api`: parse, configure, build, open, wait, drain.

use std::process::ExitCode;

use clap::Parser as _;
use warp2api_server::app::App;
use warp2api_server::cli::{Cli, Command};
use warp2api_server::config::{Config, Role};
use warp2api_server::settings::Settings;
use warp2api_server::{banner, signals, sources, telemetry};

/// The exit code of a program that was told something it cannot use (`EX_USAGE` of BSD's sysexits).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(tool) = cli.command.as_ref().and_then(Command::tool) {
        return tool.run();
    }
    let settings = match sources::gather(cli.settings, cli.config) {
        Ok(settings) => settings,
        Err(error) => return fail(USAGE, &error.into()),
    };
    if let Err(error) = telemetry::start(&settings) {
        return fail(USAGE, &anyhow::anyhow!(error));
    }
    let command = cli.command.unwrap_or(Command::Serve);
    let Some(role) = command.role() else { return show_config(settings) };
    let config = match Config::resolve(role, settings) {
        Ok(config) => config,
        Err(problems) => return fail(USAGE, &problems.into()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error.into()),
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let app = Box::pin(App::build(config)).await?;
    println!("{}", banner::text(&app, &app.addresses()?));
    let running = app.spawn();
    signals::stop().await;
    eprintln!("stopping: open streams may finish; once more to stop at once");
    if !running.drain(signals::stop()).await {
        eprintln!("stopped before everything had finished");
    }
    Ok(())
}

fn show_config(settings: Settings) -> ExitCode {
    let shown = format!("{settings:#?}");
    match Config::resolve(Role::All, settings) {
        Ok(config) => {
            println!("written: {shown}\nresolved: {config:#?}");
            ExitCode::SUCCESS
        }
        Err(problems) => fail(USAGE, &problems.into()),
    }
}

fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("warp2api: {error:#}");
    ExitCode::from(code)
}
