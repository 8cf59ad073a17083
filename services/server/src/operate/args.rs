//! The commands that look after a house, as they are typed.

use crate::config::Role;

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
    /// Only asks the processes of this data folder whether they can serve: a line for each, exit code 1 if one cannot.
    /// For health checks of containers and probes; it leaves nothing in a log.
    #[arg(long)]
    pub ready: bool,
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
    /// The part of a house in several processes to look at. Without it, all that run on the data folder, or the one that
    /// W2A_WARP_CHAT or W2A_TOKEN_POOL make of it.
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// Takes what is only doubtful for wrong: a warning makes the exit code 1, too.
    #[arg(long)]
    pub strict: bool,
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
    /// Takes what is only doubtful for wrong, such as a stream that was held back: a warning makes the exit code 1, too.
    #[arg(long)]
    pub strict: bool,
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
