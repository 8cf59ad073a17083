//! Commands that convert in this process and end: `encode`, `decode`, `types`. They need no service, no settings and no
//! network, read a file or a pipe and write another.

mod decode;
mod encode;
mod failure;
mod form;
mod input;
mod keys;
mod names;
mod output;
mod pretty;
mod types;

pub use decode::DecodeArgs;
pub use encode::EncodeArgs;
pub use keys::{AddArgs, KeysCommand};
pub use types::TypesArgs;

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use failure::Failure;

/// A command of this kind.
#[derive(Debug, Clone, Copy)]
pub enum Tool<'a> {
    /// JSON to the bytes of a message.
    Encode(&'a EncodeArgs),
    /// The bytes of a message, or a stream of them, to JSON.
    Decode(&'a DecodeArgs),
    /// What types there are.
    Types(&'a TypesArgs),
}

impl Tool<'_> {
    /// Runs it to its end. A reader that has seen enough, such as `head`, is no failure.
    pub fn run(self) -> ExitCode {
        let result = match self {
            Self::Encode(args) => encode::run(args),
            Self::Decode(args) => decode::run(args, &mut std::io::stderr().lock()),
            Self::Types(args) => types::run(args),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) if failure.is_a_reader_that_left() => ExitCode::SUCCESS,
            Err(failure) => {
                crate::aside!("warp2api: {failure}");
                ExitCode::from(failure.exit_code())
            }
        }
    }
}

/// What to do with fields that the schema does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Unknown {
    /// They go through the key `@unknown`.
    Keep,
    /// They are an error.
    Refuse,
    /// They are left out.
    Ignore,
}

impl From<Unknown> for warp2api_codec::Unknown {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Keep => Self::Keep,
            Unknown::Refuse => Self::Refuse,
            Unknown::Ignore => Self::Ignore,
        }
    }
}

/// Says that a person is expected to type, where nothing else would.
fn invite(input: &input::Input, what: &str) {
    if input.is_stdin() && std::io::stdin().is_terminal() {
        crate::aside!("reading {what} from the terminal; Ctrl-D ends it, `--help` tells more");
    }
}

/// Writes a text as a line of its own and lets it go.
fn line(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Failure::Write)
}
