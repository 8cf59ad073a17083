//! `warp2api`: parse, configure, build, open, wait, drain.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where nobody hears them: `say` does not"
)]

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use warp2api_server::app::App;
use warp2api_server::cli::{Cli, Command, ConfigArgs};
use warp2api_server::config::{Config, Role};
use warp2api_server::operate::{self, Note, NoteFile, Operation, Written};
use warp2api_server::reload::Reloader;
use warp2api_server::settings::Settings;
use warp2api_server::sources::{Gathered, Origins, Sources};
use warp2api_server::{aside, banner, check, keys, say, signals, supervisor, telemetry, tokens};

/// The exit code of a program that was told something it cannot use (`EX_USAGE` of BSD's sysexits).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    if let Some(tool) = cli.command.as_ref().and_then(Command::tool) {
        return tool.run();
    }
    if let Some(ca) = cli.command.as_ref().and_then(Command::ca) {
        cli.settings.service_ca = Some(ca);
    }
    if let Some(Command::Tokens(args)) = &cli.command {
        return tokens::run(args, cli.settings, cli.config);
    }
    let sources = Sources::new(cli.settings, cli.config);
    if let Some(Command::Operate(operation)) = &cli.command {
        return operate_on(operation, &sources);
    }
    let (Gathered { settings, origins, strangers }, mut problems) = match sources.look() {
        Ok(found) => found,
        Err(error) => return fail(USAGE, &error.into()),
    };
    let command = cli.command.unwrap_or(Command::Serve);
    if let Command::Keys(keys) = &command {
        if !problems.0.is_empty() {
            return fail(USAGE, &problems.into());
        }
        return match keys::file_of(settings, origins)
            .and_then(|path| keys.run(&path, &mut std::io::stdout().lock()))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        };
    }
    problems.0.extend(telemetry::check(&settings).err());
    let role = match &command {
        Command::Config(args) => args.role,
        other => other.role().unwrap_or(Role::All),
    };
    if matches!(&command, Command::Config(args) if args.check) {
        // A start would take the usual place; whoever checks wants to hear that nobody has written it.
        problems.0.extend(role.missing_place(&settings));
    }
    let config = match Config::resolve_from(role, settings.clone(), origins.clone()) {
        Ok(config) if problems.0.is_empty() => config,
        Ok(_) => return fail(USAGE, &problems.into()),
        Err(more) => {
            problems.0.extend(more.0);
            return fail(USAGE, &problems.into());
        }
    };
    if matches!(command, Command::Config(_)) || command.role().is_some() {
        for stranger in &strangers {
            aside!("warp2api: {stranger}");
        }
    }
    if let Command::Config(args) = command {
        if args.check
            && let Err(error) = check::files(&config)
        {
            return fail(USAGE, &error);
        }
        return if show_config(&args, &settings, &origins, &config) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error.into()),
    };
    let (stops, hangups) = {
        // Before anything is built: a signal that comes early must not end it unheard.
        let _within = runtime.enter();
        signals::install()
    };
    let started = {
        // What is sent is sent from there.
        let _within = runtime.enter();
        telemetry::start(&settings)
    };
    let telemetry = match started {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(USAGE, &anyhow::anyhow!(error)),
    };
    let reloader = Reloader::new(sources, role, settings);
    match runtime.block_on(run(config, reloader, stops, hangups)) {
        Ok(()) => {
            telemetry.stop();
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &error),
    }
}

async fn run(
    config: Config,
    reloader: Reloader,
    mut stops: signals::Stops,
    hangups: signals::Hangups,
) -> anyhow::Result<()> {
    if config.chat.trace_content {
        tracing::warn!(
            "what is asked and answered is sent along with traces \
             (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)"
        );
    }
    let app = tokio::select! {
        app = Box::pin(App::build(config)) => app?,
        () = stops.stop() => {
            aside!("stopped before it had started");
            return Ok(());
        }
    };
    say::greeting(banner::text(&app, &app.addresses()?));
    let mut note = leave_note(&app)?;
    let running = app.spawn();
    supervisor::ready();
    let mut watchdog = std::pin::pin!(supervisor::watchdog());
    tokio::select! {
        () = stops.stop() => {}
        () = reloader.run(&running, hangups) => {}
        () = watchdog.as_mut() => {}
    }
    if let Some(Err(error)) = note.as_mut().map(|note| note.stops(SystemTime::now())) {
        tracing::warn!(%error, "a second `warp2api stop` will not know that this process stops already");
    }
    supervisor::stopping();
    aside!("stopping: open streams may finish; once more to stop at once");
    let finished = tokio::select! {
        finished = running.drain(stops.hurry()) => finished,
        () = watchdog => false,
    };
    if !finished {
        aside!("stopped before everything had finished");
    }
    Ok(())
}

/// Whatever is wrong with the settings: these commands are there for that.
fn operate_on(operation: &Operation, sources: &Sources) -> ExitCode {
    let (found, mut problems) = sources.look_anyway();
    problems.0.extend(telemetry::check(&found.settings).err());
    let written = Written { found, problems };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(operate::run(operation, &written)),
        Err(error) => fail(1, &error.into()),
    }
}

/// Tells `warp2api stop` and `status` that it runs. Where nothing can be written it runs all the same.
fn leave_note(app: &App) -> anyhow::Result<Option<NoteFile>> {
    let note =
        Note::of_this_process(app.config().role, &app.addresses()?).with_certificates(&app.config().security);
    let unfound = "`warp2api stop` and `status` will not find this process";
    let Some(folder) = app.config().store.notes_folder() else {
        tracing::warn!("{unfound}: there is no folder for its note; W2A_DATA_DIR names one");
        return Ok(None);
    };
    let left = NoteFile::leave(&folder, note);
    Ok(left.inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "{unfound}")).ok())
}

fn show_config(args: &ConfigArgs, settings: &Settings, origins: &Origins, config: &Config) -> bool {
    if args.check {
        return say::answer(format!(
            "the settings are right: {} of them are written\n",
            settings.written().len()
        ));
    }
    let written = settings.shown();
    let lines = written.iter().map(|(key, value)| {
        let place = origins.of(key).unwrap_or_default();
        format!("{key} = {value:?}  # {place}\n")
    });
    say::answer(format!("# written\n{}\n# resolved\n{config:#?}\n", lines.collect::<String>()))
}

/// What clap has to say: help and the version, or what was typed that it does not know.
fn unparsed(error: &clap::Error) -> ExitCode {
    // Nobody may hear it.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    aside!("warp2api: {error:#}");
    ExitCode::from(code)
}
