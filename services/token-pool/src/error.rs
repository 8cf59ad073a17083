//! What can go wrong in the pool, and under which reason a caller hears of it.

use std::time::Duration;

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::credential::CredentialId;

/// How soon to come back when only slots are missing.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// A failure of the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pool is empty.
    #[error("no credential is configured")]
    NothingConfigured,
    /// None is of the tiers and kinds that the caller allows.
    #[error("no credential is of the tiers and kinds that are allowed")]
    NoneFits,
    /// Every credential that could serve failed alike: the upstream is at fault, and left alone for a moment.
    #[error("the upstream fails with every credential and is left alone for a moment")]
    UpstreamDown {
        /// When it is tried again.
        retry_after: Option<Duration>,
    },
    /// The caller excluded those that could serve.
    #[error("every credential that could serve was tried")]
    AllExcluded {
        /// When another one comes back on its own, if any does.
        retry_after: Option<Duration>,
    },
    /// Those that could serve stayed in use for as long as the caller would wait.
    #[error("every credential that could serve is in use")]
    AllBusy,
    /// As many callers wait for a slot as may.
    #[error("too many callers wait for a credential")]
    TooManyWaiters,
    /// None can serve now.
    #[error("no credential can serve now")]
    AllDown {
        /// When the first one comes back on its own, if any does.
        retry_after: Option<Duration>,
    },
    /// Each has used up its quota, but for those that only a person can bring back; or one did whose tier no lesser
    /// one is to stand in for.
    #[error("every credential that may serve has used up its quota")]
    QuotaExhausted {
        /// When the first one has quota again.
        retry_after: Option<Duration>,
    },
    /// Those that could serve had no access token, and none could be had.
    #[error("no access token could be had for any credential that could serve")]
    RefreshFailed {
        /// When the first one comes back on its own, if that is known.
        retry_after: Option<Duration>,
    },
    /// The lease was reported before, or it expired, or it never was.
    #[error("no lease of that name is out")]
    LeaseNotFound,
    /// No credential has that id.
    #[error("no credential credentials/{0} is in the pool; ListCredentials shows those that are")]
    CredentialNotFound(CredentialId),
    /// A credential with that kind and secret is in the pool.
    #[error("the pool has this credential already, as {0}")]
    CredentialExists(CredentialId),
    /// Another credential has the id that a new one is to have.
    #[error("the pool has another credential with the id {0}; choose another id")]
    CredentialIdTaken(CredentialId),
    /// The request id came with another secret before.
    #[error("request_id: was used for another credential")]
    RequestIdReused,
    /// The etag that came with the call is not the current one.
    #[error("credential {0} was changed meanwhile; read it again")]
    CredentialChanged(CredentialId),
    /// What is asked for cannot be done to this credential.
    #[error("credential {credential}: {words}")]
    Unsuitable {
        /// Which one.
        credential: CredentialId,
        /// Why not, and what can be done.
        words: &'static str,
    },
    /// An exchange that somebody asked for failed.
    #[error("no access token could be had: {0}")]
    NotRenewed(String),
    /// What the pool rests on cannot be reached, or does not answer in time.
    #[error("the store of the pool cannot be reached")]
    StoreUnavailable {
        /// When to come back.
        retry_after: Duration,
    },
    /// A change that was asked for is in effect, but the store did not take it in time.
    #[error(
        "the change is in effect but not stored yet: the store does not answer. It is stored as soon as it does, and \
         lost if this process ends before"
    )]
    NotStored {
        /// When to ask again.
        retry_after: Duration,
    },
}

impl Error {
    /// The same, for a caller whose last hope was an access token that could not be had.
    pub(crate) fn after_failed_refresh(self) -> Self {
        match self {
            Self::AllExcluded { retry_after } | Self::AllDown { retry_after } => {
                Self::RefreshFailed { retry_after: retry_after.or(Some(SLOT_WAIT)) }
            }
            other => other,
        }
    }

    /// Why a lease could not be had, or a credential is not added, in one word for programs.
    fn cause(&self) -> Option<&'static str> {
        match self {
            Self::NothingConfigured => Some("nothing_configured"),
            Self::NoneFits => Some("none_fits"),
            Self::UpstreamDown { .. } => Some("upstream_down"),
            Self::AllExcluded { .. } => Some("all_excluded"),
            Self::AllBusy => Some("all_busy"),
            Self::TooManyWaiters => Some("too_many_waiters"),
            Self::AllDown { .. } | Self::QuotaExhausted { .. } => Some("all_down"),
            Self::RefreshFailed { .. } => Some("refresh_failed"),
            Self::CredentialExists(_) => Some("secret_known"),
            Self::CredentialIdTaken(_) => Some("id_taken"),
            Self::LeaseNotFound
            | Self::CredentialNotFound(_)
            | Self::RequestIdReused
            | Self::CredentialChanged(_)
            | Self::Unsuitable { .. }
            | Self::NotRenewed(_)
            | Self::StoreUnavailable { .. }
            | Self::NotStored { .. } => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::AllBusy | Self::TooManyWaiters => Some(SLOT_WAIT),
            Self::AllExcluded { retry_after }
            | Self::AllDown { retry_after }
            | Self::QuotaExhausted { retry_after }
            | Self::UpstreamDown { retry_after }
            | Self::RefreshFailed { retry_after } => *retry_after,
            Self::StoreUnavailable { retry_after } | Self::NotStored { retry_after } => Some(*retry_after),
            Self::NothingConfigured
            | Self::NoneFits
            | Self::LeaseNotFound
            | Self::CredentialNotFound(_)
            | Self::CredentialExists(_)
            | Self::CredentialIdTaken(_)
            | Self::RequestIdReused
            | Self::CredentialChanged(_)
            | Self::Unsuitable { .. }
            | Self::NotRenewed(_) => None,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::NothingConfigured | Self::NoneFits | Self::AllExcluded { .. } | Self::AllDown { .. } => {
                ErrorReason::NoCredentialAvailable
            }
            Self::QuotaExhausted { .. } => ErrorReason::UpstreamQuotaExhausted,
            Self::UpstreamDown { .. } => ErrorReason::UpstreamUnavailable,
            Self::AllBusy | Self::TooManyWaiters => ErrorReason::Overloaded,
            Self::RefreshFailed { .. } => ErrorReason::CredentialRefreshFailed,
            Self::LeaseNotFound => ErrorReason::LeaseNotFound,
            Self::CredentialNotFound(_) => ErrorReason::CredentialNotFound,
            Self::CredentialExists(_) | Self::CredentialIdTaken(_) => ErrorReason::CredentialExists,
            Self::RequestIdReused => ErrorReason::InvalidField,
            Self::CredentialChanged(_) => ErrorReason::CredentialChanged,
            Self::Unsuitable { .. } => ErrorReason::CredentialUnsuitable,
            Self::NotRenewed(_) => ErrorReason::CredentialRefreshFailed,
            Self::StoreUnavailable { .. } | Self::NotStored { .. } => ErrorReason::StoreUnavailable,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(error.reason(), error.to_string()).with_retry_after(error.retry_after());
        let failure = match error.cause() {
            Some(cause) => failure.with_metadata("cause", cause),
            None => failure,
        };
        match error {
            Error::CredentialNotFound(id)
            | Error::CredentialExists(id)
            | Error::CredentialIdTaken(id)
            | Error::CredentialChanged(id)
            | Error::Unsuitable { credential: id, .. } => {
                failure.with_metadata("credential", format!("credentials/{id}"))
            }
            Error::NotStored { .. } => failure.with_metadata("in_effect", "true"),
            Error::RequestIdReused => failure.with_field("request_id", "was used for another credential"),
            _ => failure,
        }
    }
}
