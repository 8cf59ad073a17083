//! Commands that look after a house: `status`, `stop`, `doctor`, `smoke`. They meet it as everybody does, over its ports
//! and by the note it leaves in the data folder, and change nothing but what `stop` is for.

mod ask;
mod doctor;
mod note;
mod remote;
mod report;
mod smoke;
mod status;
mod stop;

pub use note::{Note, NoteFile};

use std::process::ExitCode;
use std::time::Duration;

use warp2api_rpc::admin_keys::named_keys;

use crate::banner::reachable;
use crate::config::Config;
use crate::settings::Settings;

/// What to do with a house.
#[derive(Debug, Clone, PartialEq, clap::Subcommand)]
pub enum Operation {
    /// Says what runs, on which upstream, whether it can serve, and what it does. Exit code 1 if nothing can serve.
    Status(Output),
    /// Stops what runs on this data folder and waits until streams have finished. Exit code 1 if it does not end in time.
    Stop(StopArgs),
    /// Looks for what is wrong: settings, store, clock, ports, upstream, streams. Exit code 1 if something is.
    Doctor(DoctorArgs),
    /// Asks a running edge for models, a whole answer, a stream and a tool call. Exit code 1 if one of them fails.
    Smoke(SmokeArgs),
}

/// How to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Output {
    /// As JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// How to stop.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct StopArgs {
    /// Ends streams at once, each with an error as its last frame.
    #[arg(long)]
    pub now: bool,
    /// Seconds to wait for the end. Without it, a little more than the drain may take by the settings.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// How to say it.
    #[command(flatten)]
    pub output: Output,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct DoctorArgs {
    /// The edge to look at, as clients see it, for example through a proxy. Without it, the one of the settings.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The API key to send. Without it, the first one of API_TOKEN.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// How to say it.
    #[command(flatten)]
    pub output: Output,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct SmokeArgs {
    /// The edge to ask. Without it, the one of the settings.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The API key to send. Without it, the first one of API_TOKEN.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The model to ask.
    #[arg(long, default_value = "auto")]
    pub model: String,
    /// Spends quota of a real upstream: three or four short turns.
    #[arg(long)]
    pub yes: bool,
    /// How to say it.
    #[command(flatten)]
    pub output: Output,
}

/// Where a house is, and how to be let in. Its `Debug` shows no key.
pub(crate) struct House {
    config: Config,
    /// Of the edge, without a slash at the end.
    edge: String,
    /// Of the services, if they are on a TCP port.
    services: Option<String>,
    api_key: Option<String>,
    admin_key: Option<String>,
}

impl House {
    fn new(config: Config, settings: &Settings, url: Option<&String>, key: Option<&String>) -> Self {
        let first = |keys: &Option<String>| {
            let (_, key) = named_keys(keys.as_deref()?, "").into_iter().next()?;
            Some(key.to_owned())
        };
        let admin_key = first(&settings.admin_key);
        let edge = format!("{}://{}", config.security.edge_scheme(), reachable(&config.edge));
        let edge = url.map_or(edge, |url| {
            let url = url.trim_end_matches('/');
            url.strip_suffix("/v1").unwrap_or(url).to_owned()
        });
        let services = match &config.grpc {
            warp2api_rpc::listener::Address::Tcp(_) => {
                Some(format!("{}://{}", config.security.grpc_scheme(), reachable(&config.grpc)))
            }
            warp2api_rpc::listener::Address::Unix(_) => None,
        };
        let api_key = key.cloned().or_else(|| first(&settings.api_token));
        Self { config, edge, services, api_key, admin_key }
    }

    /// Goes to where a running process says that it listens.
    fn at(mut self, notes: &[Note]) -> Self {
        if let Some(edge) = notes.iter().find_map(|note| note.edge.clone()) {
            self.edge = format!("{}://{edge}", self.config.security.edge_scheme());
        }
        if let Some(services) = notes.iter().find_map(|note| note.grpc.clone()) {
            let scheme = self.config.security.grpc_scheme();
            self.services = (!services.starts_with("unix:")).then(|| format!("{scheme}://{services}"));
        }
        self
    }
}

/// Does it.
pub async fn run(operation: &Operation, config: Config, settings: &Settings) -> ExitCode {
    let folder = config.store.folder();
    let notes = folder.as_deref().map(note::running).unwrap_or_default();
    let well = match operation {
        Operation::Status(output) => {
            let house = House::new(config, settings, None, None).at(&notes);
            status::run(&house, &notes, *output).await
        }
        Operation::Stop(args) => {
            let usual = config.drain_window + config.drain_timeout + Duration::from_secs(10);
            stop::run(folder.as_deref(), notes, args, usual).await
        }
        Operation::Doctor(args) => {
            let house = House::new(config, settings, args.url.as_ref(), args.key.as_ref());
            let house = if args.url.is_none() { house.at(&notes) } else { house };
            doctor::run(&house, &notes, args.output).await
        }
        Operation::Smoke(args) => {
            let house = House::new(config, settings, args.url.as_ref(), args.key.as_ref());
            let house = if args.url.is_none() { house.at(&notes) } else { house };
            smoke::run(&house, args).await
        }
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
