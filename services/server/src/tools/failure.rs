//! What can go wrong in a command that converts, in words that show a way out. Exit codes are those of BSD's sysexits.

use std::io::ErrorKind;

use warp2api_codec::Error;

const USAGE: u8 = 64;
const DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const IO: u8 = 74;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no message type `{name}`{hint}; `warp2api types` lists all", hint = did_you_mean(like))]
    NoSuchType { name: String, like: Vec<String> },
    #[error("`{name}` could be any of {of}; write more of the name", of = quoted(like))]
    Ambiguous { name: String, like: Vec<String> },
    #[error("cannot open {name}: {source}")]
    Open { name: String, source: std::io::Error },
    #[error("cannot read {name}: {source}")]
    Read { name: String, source: std::io::Error },
    #[error("cannot write: {0}")]
    Write(#[source] std::io::Error),
    #[error("{name} has more than {max} bytes, which is more than a message may have")]
    TooLarge { name: String, max: usize },
    #[error("{name} is empty; a message without content is `{{}}`")]
    NoJson { name: String },
    #[error("{name} is not UTF-8, so it is no JSON; `warp2api decode` reads bytes")]
    NotText { name: String },
    #[error("{name} is not base64; --hex and --raw say what else it may be")]
    NotBase64 { name: String },
    #[error("{name} is not hexadecimal; --base64 and --raw say what else it may be")]
    NotHex { name: String },
    #[error("raw bytes would garble the terminal; write to a file with `-o FILE`, or leave out --raw")]
    RawToTerminal,
    #[error("{name}: {source}{hint}", hint = hint.unwrap_or_default())]
    Malformed { name: String, source: Error, hint: Option<&'static str> },
    #[error("{faults} of {frames} frames could not be decoded")]
    Faults { faults: u64, frames: u64 },
    #[error("there is no message in {name}; --framing says how messages follow each other")]
    NoFrames { name: String },
}

impl Failure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NoSuchType { .. } | Self::Ambiguous { .. } | Self::RawToTerminal => USAGE,
            Self::Open { .. } => NO_INPUT,
            Self::Read { .. } | Self::Write(_) => IO,
            Self::TooLarge { .. }
            | Self::NoJson { .. }
            | Self::NotText { .. }
            | Self::NotBase64 { .. }
            | Self::NotHex { .. }
            | Self::Malformed { .. }
            | Self::Faults { .. }
            | Self::NoFrames { .. } => DATA,
        }
    }

    /// Whether who reads what this command writes wants no more of it.
    pub(super) fn is_a_reader_that_left(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", quoted(names)) }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
