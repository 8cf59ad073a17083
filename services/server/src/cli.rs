//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Role;
use crate::operate::Operation;
use crate::settings::Settings;
use crate::tokens::TokensArgs;
use crate::tools::{DecodeArgs, EncodeArgs, KeysCommand, Tool, TypesArgs};

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
#[derive(Debug, Subcommand)]
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
    Config(ConfigArgs),
    /// Adds, lists and takes back the API keys of the edge.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Looks after a house that runs.
    #[command(flatten)]
    Operate(Operation),
    /// Looks after the credentials of the pool.
    Tokens(TokensArgs),
    /// Turns the JSON of a message of the upstream's schema into its bytes.
    Encode(EncodeArgs),
    /// Turns the bytes of a message, or a recorded stream of them, into JSON.
    Decode(DecodeArgs),
    /// Lists the message types of the upstream's schema, or shows one.
    Types(TypesArgs),
}

/// How `config` looks at the settings.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// Only says whether they are right: exit code 0, or 64 and every mistake with its place.
    #[arg(long)]
    pub check: bool,
    /// The command that is to use them.
    #[arg(long, value_enum, default_value = "all")]
    pub role: Role,
}

impl Command {
    /// The rooms a command opens. `None` for commands that open none.
    pub fn role(&self) -> Option<Role> {
        Some(match self {
            Self::Serve => Role::All,
            Self::Gateway => Role::Gateway,
            Self::WarpChat => Role::WarpChat,
            Self::Codec => Role::Codec,
            Self::TokenPool => Role::TokenPool,
            Self::Upstream => Role::Upstream,
            Self::Config(_)
            | Self::Keys(_)
            | Self::Operate(_)
            | Self::Tokens(_)
            | Self::Encode(_)
            | Self::Decode(_)
            | Self::Types(_) => {
                return None;
            }
        })
    }

    /// The CAs that were named for a command alone.
    pub fn ca(&self) -> Option<String> {
        match self {
            Self::Operate(operation) => operation.ca().cloned(),
            Self::Tokens(args) => args.trust.ca.clone(),
            _ => None,
        }
    }

    /// The tool that a command is, if it is one: it needs no settings.
    pub fn tool(&self) -> Option<Tool<'_>> {
        match self {
            Self::Encode(args) => Some(Tool::Encode(args)),
            Self::Decode(args) => Some(Tool::Decode(args)),
            Self::Types(args) => Some(Tool::Types(args)),
            _ => None,
        }
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
