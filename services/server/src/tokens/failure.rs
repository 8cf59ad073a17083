//! Why a command did not do what it was asked for, in words that show a way out.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use warp2api_proto::error::v1::ErrorReason;

use crate::read::Problems;
use crate::sources::SourceError;

const FAILED: u8 = 1;
const USAGE: u8 = 64;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] Problems),
    #[error("{}", chain(.0))]
    Source(#[from] SourceError),
    #[error("cannot start: {0}")]
    Runtime(#[source] Error),
    #[error("the service at {place} cannot be reached: {words}")]
    Unreachable { place: String, words: String },
    #[error("a file for TLS cannot be used: {words}")]
    Tls { words: String },
    #[error(
        "no service answers at {place}, and a pool in memory is only where a service runs; start it, or name a \
             store (W2A_DATA_DIR, W2A_DATABASE_URL)"
    )]
    NoStore { place: String },
    #[error(
        "no service answers at {place}, and {path} is in use by {holder}: say with --grpc-addr (W2A_GRPC_ADDR) where \
             that one listens, or stop it"
    )]
    Held { place: String, path: PathBuf, holder: String },
    #[error("no service answers at {place}, and the store cannot be opened: {error:#}")]
    Open { place: String, error: anyhow::Error },
    #[error("{0}")]
    Call(Box<Refusal>),
    #[error("{0}; `warp2api tokens list` shows all")]
    Name(String),
    #[error("cannot open {name}: {source}")]
    Input { name: String, source: Error },
    #[error("{name}: {words}")]
    Malformed { name: String, words: String },
    #[error("{failed} of {all} {what}")]
    Some { failed: usize, all: usize, what: &'static str },
    #[error("cannot write: {0}")]
    Write(#[source] Error),
}

/// What a service answered in place of what was asked for.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Where it is.
    pub(super) place: String,
    /// Whether a key was sent.
    pub(super) with_key: bool,
    /// What to set, if TLS is to blame.
    pub(super) advice: Option<&'static str>,
    /// Its words.
    pub(super) failure: warp2api_rpc::Failure,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, with_key, advice, failure } = self;
        if let Some(advice) = advice {
            return write!(f, "the service at {place} cannot be reached: {advice}");
        }
        match failure.reason {
            ErrorReason::AdminKeyInvalid if *with_key => write!(
                f,
                "the service at {place} refuses the admin key: W2A_ADMIN_KEY here must hold one that the service has"
            ),
            ErrorReason::AdminKeyInvalid => write!(
                f,
                "the service at {place} wants an admin key: set W2A_ADMIN_KEY to one that the service has"
            ),
            ErrorReason::ServiceUnreachable => write!(
                f,
                "nothing that answers as a service of warp2api can be reached at {place}; --grpc-addr (W2A_GRPC_ADDR) \
                 says where the service is"
            ),
            ErrorReason::MethodNotFound => write!(
                f,
                "the service at {place} has no pool, or is of another version: {failure}; --token-pool (W2A_TOKEN_POOL) \
                 says where the pool is"
            ),
            ErrorReason::DeadlinePassed => write!(f, "the service at {place} did not answer in time"),
            _ => {
                write!(f, "{failure}")?;
                match failure.retry_after {
                    Some(wait) => write!(f, "; try again in {}", super::show::span(wait)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Failure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) | Self::Source(_) => USAGE,
            _ => FAILED,
        }
    }

    /// Whether who reads what this command writes wants no more of it.
    pub(super) fn is_a_reader_that_left(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

/// An error and what it comes from.
fn chain(error: &SourceError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
