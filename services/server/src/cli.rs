//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Role;
use crate::settings::Settings;

/// Warp2Api: an OpenAI-compatible edge, gRPC-first, in front of Warp's AI backend.
#[derive(Debug, Parser)]
#[command(name = "warp2api", version, about, propagate_version = true)]
pub struct Cli {
    /// What to run. Without a word, everything.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A TOML file with settings. Flags, the environment (W2A_CONFIG names the file) and `.env` are stronger.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings given as flags.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to run.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Everything in one process: the edge and all services.
    Serve,
    /// The edge alone; `--warp-chat` says where the services are.
    Gateway,
    /// WarpChat alone; `--token-pool` says where the pool is, `--upstream` where chats run.
    WarpChat,
    /// Codec alone.
    Codec,
    /// TokenPool alone.
    TokenPool,
    /// The embedded upstream on a port of its own.
    Upstream,
    /// Prints the settings as they would be used, secrets hidden.
    Config,
}

impl Command {
    /// The rooms a command opens. `None` for commands that open none.
    pub fn role(self) -> Option<Role> {
        Some(match self {
            Self::Serve => Role::All,
            Self::Gateway => Role::Gateway,
            Self::WarpChat => Role::WarpChat,
            Self::Codec => Role::Codec,
            Self::TokenPool => Role::TokenPool,
            Self::Upstream => Role::Upstream,
            Self::Config => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_are_flags_of_every_command() {
        let cli =
            Cli::try_parse_from(["warp2api", "gateway", "--port", "1", "--warp-chat", "unix:/a"]).unwrap();

        assert_eq!(cli.settings.port.as_deref(), Some("1"));
        assert_eq!(cli.settings.warp_chat.as_deref(), Some("unix:/a"));
    }
}
