//! The command line of the benchmark, and the plan of measurements that follows from it.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures what a streamed chat costs, as ratios to a bare bridge.
#[derive(Debug, Parser)]
#[command(name = "chat")]
pub(crate) struct Options {
    /// One short round of everything: a check that replies are whole, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// How many requests at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    at_once: Vec<usize>,
    /// How the house is divided.
    #[arg(long, value_delimiter = ',')]
    topologies: Vec<Topology>,
    /// What is asked for.
    #[arg(long, value_delimiter = ',', default_values_t = [Load::Burst, Load::Paced, Load::Short, Load::Idle])]
    loads: Vec<Load>,
    /// How often floor and houses take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long a round lasts, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    round: u64,
    /// Given by `cargo bench`. Without it (`cargo test --all-targets`), `--quick` is meant.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What this executable is in a process of its own.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// A part of what is measured. It ends when its standard input does.
    #[command(hide = true)]
    Part(Part),
}

/// A part that runs in a process of its own.
#[derive(Debug, Clone, Args)]
pub(crate) struct Part {
    /// Which.
    #[arg(value_enum)]
    pub(crate) kind: PartKind,
    /// Where its gRPC services listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) grpc: String,
    /// Where the upstream is.
    #[arg(long)]
    pub(crate) upstream: Option<String>,
    /// Where TokenPool is.
    #[arg(long)]
    pub(crate) token_pool: Option<String>,
    /// Where WarpChat is.
    #[arg(long)]
    pub(crate) warp_chat: Option<String>,
    /// Where traces are sent; every one is.
    #[arg(long)]
    pub(crate) otlp: Option<String>,
}

/// The kinds of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartKind {
    /// The embedded upstream.
    Upstream,
    /// The bare bridge.
    Floor,
    /// A collector that forgets.
    Sink,
    /// The house in one process.
    All,
    /// The edge alone.
    Gateway,
    /// WarpChat alone.
    WarpChat,
    /// Codec alone.
    Codec,
    /// TokenPool alone.
    TokenPool,
}

/// How the house is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topology {
    /// One process.
    InProcess,
    /// One process that sends every trace to a collector in another one. Its ratio to the untraced one is printed where
    /// both are asked for. Not asked for by default.
    Traced,
    /// Gateway, chat, codec and pool in processes of their own, over unix sockets.
    #[cfg(unix)]
    Unix,
    /// The same over TCP.
    Tcp,
}

/// What is asked for, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Load {
    /// Replies of 100 chunks, all at once: what our own code costs.
    Burst,
    /// Replies of 100 chunks, one every 5 ms: what a stream costs, system calls included.
    Paced,
    /// Replies of 20 chunks, one every 100 ms: for `--at-once 1000` and the memory it takes. Not asked for by default.
    Slow,
    /// Replies of one chunk: what a request costs.
    Short,
    /// One request at a time, ten chunks, one every 3 ms: how long the first one takes when nothing else happens.
    Idle,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Burst => "burst",
            Self::Paced => "paced",
            Self::Slow => "slow",
            Self::Short => "short",
            Self::Idle => "idle",
        })
    }
}

impl Load {
    /// What to call it in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Burst => "100 chunks, all at once",
            Self::Paced => "100 chunks, one every 5 ms",
            Self::Slow => "20 chunks, one every 100 ms",
            Self::Short => "one chunk",
            Self::Idle => "idle: 10 chunks, one every 3 ms",
        }
    }

    /// How many chunks a reply has, and the time between two.
    pub(crate) fn chunks(self) -> (u32, Duration) {
        match self {
            Self::Burst => (100, Duration::ZERO),
            Self::Paced => (100, Duration::from_millis(5)),
            Self::Slow => (20, Duration::from_millis(100)),
            Self::Short => (1, Duration::ZERO),
            Self::Idle => (10, Duration::from_millis(3)),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What is asked for, and how many times at once.
    pub(crate) loads: Vec<(Load, usize)>,
    /// How often floor and houses take turns.
    pub(crate) rounds: usize,
    /// How long a round lasts. A reply that was begun is always read to its end.
    pub(crate) round: Duration,
}

impl Options {
    /// The topologies that were asked for, or all but the traced one.
    pub(crate) fn topologies(&self) -> Vec<Topology> {
        if self.topologies.is_empty() {
            let untraced =
                Topology::value_variants().iter().filter(|topology| **topology != Topology::Traced);
            untraced.copied().collect()
        } else {
            self.topologies.clone()
        }
    }

    /// The plan that was asked for.
    pub(crate) fn plan(&self) -> Plan {
        let of_load = |load: &Load| {
            let at_once = if *load == Load::Idle { &[1][..] } else { &self.at_once[..] };
            at_once.iter().map(|at_once| (*load, *at_once)).collect::<Vec<_>>()
        };
        let loads = self.loads.iter().flat_map(of_load).collect();
        if self.quick || !self.bench {
            return Plan { loads, rounds: 1, round: Duration::from_millis(20) };
        }
        Plan { loads, rounds: self.rounds.max(1), round: Duration::from_millis(self.round) }
    }
}
