//! Commands that look after a house: `status`, `stop`, `doctor`, `smoke`. They meet it as everybody does, over its ports
//! and by the note it leaves in the data folder, and change nothing but what `stop` is for.

mod ask;
mod doctor;
mod note;
mod note_file;
mod remote;
mod report;
mod rooms;
mod smoke;
mod status;
mod stop;
mod whereabouts;

pub(crate) use ask::chain;
pub use note::Note;
pub use note_file::NoteFile;
pub use rooms::implied;
pub use whereabouts::Whereabouts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use warp2api_rpc::admin_keys::named_keys;
use warp2api_rpc::listener::Address;
use warp2api_rpc::tls::TlsFiles;

use crate::banner::reachable;
use crate::config::{Config, Role};
use crate::settings::Settings;
use crate::trust;

/// What to do with a house.
#[derive(Debug, Clone, PartialEq, clap::Subcommand)]
pub enum Operation {
    /// Says what runs, on which upstream, whether it can serve, and what it does. Exit code 1 if nothing can serve.
    Status(StatusArgs),
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

/// How to look.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct StatusArgs {
    /// How to say it.
    #[command(flatten)]
    pub output: Output,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Whom to trust over TLS.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct TrustArgs {
    /// The CAs (PEM) to trust besides the system's. Without it, those of W2A_SERVICE_CA; the certificate of a house that
    /// runs with these settings or on this data folder is trusted anyway.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<String>,
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
    /// The part of a house in several processes to look at. Without it, the one that runs on the data folder, or that
    /// W2A_WARP_CHAT or W2A_TOKEN_POOL make of it.
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// How to say it.
    #[command(flatten)]
    pub output: Output,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: TrustArgs,
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
    /// Whom to trust.
    #[command(flatten)]
    pub trust: TrustArgs,
}

impl Operation {
    /// The CAs that were named for it.
    pub fn ca(&self) -> Option<&String> {
        match self {
            Self::Status(args) => args.trust.ca.as_ref(),
            Self::Doctor(args) => args.trust.ca.as_ref(),
            Self::Smoke(args) => args.trust.ca.as_ref(),
            Self::Stop(_) => None,
        }
    }
}

/// A port of a house.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    /// Without a slash at the end.
    url: String,
    /// The file with the certificate it shows, if it is known.
    certificate: Option<PathBuf>,
}

impl Port {
    fn of(scheme: &str, address: &str, certificate: Option<PathBuf>) -> Self {
        Self { url: format!("{scheme}://{address}"), certificate }
    }

    /// Where a process says that it listens. Those that do not say whether over TLS do as the settings have it.
    fn noted(address: &str, certificate: Option<&PathBuf>, before: &Self) -> Self {
        let scheme = if certificate.is_some() || before.url.starts_with("https:") { "https" } else { "http" };
        Self::of(scheme, address, certificate.cloned().or_else(|| before.certificate.clone()))
    }
}

/// Where a house is, and how to be let in. Its `Debug` shows no key.
pub(crate) struct House {
    config: Config,
    edge: Port,
    /// Of the services, if they are on a TCP port.
    services: Option<Port>,
    /// Whether the edge was named on the command line.
    is_named: bool,
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
        let certificate = |files: &Option<TlsFiles>| files.as_ref().and_then(|files| files.cert.clone());
        let security = &config.security;
        let own = || Port::of(security.edge_scheme(), &reachable(&config.edge), certificate(&security.edge));
        // As clients see it, who know no file of this machine.
        let edge = url.map_or_else(own, |url| {
            let url = url.trim_end_matches('/');
            Port { url: url.strip_suffix("/v1").unwrap_or(url).to_owned(), certificate: None }
        });
        let services = match &config.grpc {
            Address::Tcp(_) => {
                let certificate = certificate(&security.grpc);
                Some(Port::of(security.grpc_scheme(), &reachable(&config.grpc), certificate))
            }
            Address::Unix(_) => None,
        };
        let api_key = key.cloned().or_else(|| first(&settings.api_token));
        Self { config, edge, services, is_named: url.is_some(), api_key, admin_key }
    }

    /// Goes to where a running process says that it listens.
    fn at(mut self, notes: &[Note]) -> Self {
        if let Some((note, edge)) = notes.iter().find_map(|note| Some((note, note.edge.clone()?))) {
            self.edge = Port::noted(&edge, note.edge_certificate.as_ref(), &self.edge);
        }
        if let Some((note, services)) = notes.iter().find_map(|note| Some((note, note.grpc.clone()?))) {
            let scheme = self.config.security.grpc_scheme();
            let before = self.services.take().unwrap_or_else(|| Port::of(scheme, "", None));
            let is_tcp = !services.starts_with("unix:");
            self.services = is_tcp.then(|| Port::noted(&services, note.grpc_certificate.as_ref(), &before));
        }
        self
    }

    /// What keeps a command from a port, and what to set.
    fn advised(&self, port: &Port, words: String) -> String {
        match trust::advice(&words, &port.url, &self.config) {
            Some(advice) => format!("{words}; {advice}"),
            None => words,
        }
    }
}

/// Does it.
pub async fn run(operation: &Operation, config: Config, settings: &Settings) -> ExitCode {
    let folder = config.store.notes_folder();
    let found = folder.as_deref().map_or_else(|| Ok(Vec::new()), note_file::running);
    let notes = found.as_ref().map(Vec::clone).unwrap_or_default();
    let well = match operation {
        Operation::Status(args) => {
            let house = House::new(config, settings, None, None).at(&notes);
            status::run(&house, &notes, args.output).await
        }
        Operation::Stop(args) => {
            let usual = config.drain_window + config.drain_timeout + Duration::from_secs(10);
            stop::run(folder.as_deref(), found, args, usual).await
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
