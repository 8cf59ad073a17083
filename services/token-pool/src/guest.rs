//! The guest sign-in: an explicit command, and one identity for an installation. It is stored, reused, and never replaced,
//! whatever its quota; a second attempt is answered with the one there is.

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::account::AccountError;
use crate::admin::Addition;
use crate::credential::{CredentialId, Kind, NewCredential, Tier};
use crate::error::Error;
use crate::pool::Pool;
use crate::quota::Accounts;
use crate::view::CredentialView;

/// Why there is no guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuestError {
    #[error(transparent)]
    Pool(#[from] Error),
    #[error("the guest sign-in failed: {0}")]
    SignIn(#[from] AccountError),
}

impl Accounts {
    /// The guest's credential, and whether it was made by this call. A caller that leaves takes nothing along: the next
    /// one goes on where it was.
    pub(crate) async fn guest(&self, actor: &str) -> Result<(CredentialView, bool), GuestError> {
        if let Some(known) = self.pool().guest().await? {
            return Ok((known, false));
        }
        let secret = match self.sign_in().await {
            Ok(secret) => secret,
            Err(error) => {
                self.forget_sign_in();
                return Err(error.into());
            }
        };
        let display_name = Some("guest".to_owned());
        let new = NewCredential { tier: Tier::Anonymous, kind: Kind::RefreshToken, display_name, secret };
        let addition = Addition { guest: true, id: CredentialId::parse("guest"), ..Addition::from(new) };
        let operator = self.pool().operator(actor);
        let added = match operator.add(addition.clone()).await {
            // Somebody chose that id for another one.
            Err(Error::CredentialIdTaken(_)) => operator.add(Addition { id: None, ..addition }).await,
            added => added,
        };
        let (view, created) = match added {
            Ok(view) => (view, true),
            Err(Error::CredentialExists(id)) => (self.pool().get(&id).await?, false),
            // What was signed in stays for the next attempt.
            Err(error) => return Err(error.into()),
        };
        self.forget_sign_in();
        Ok((view, created))
    }
}

impl Pool {
    async fn guest(&self) -> Result<Option<CredentialView>, Error> {
        self.transact(|open| {
            let guest = open.inner.entries.iter().find(|entry| entry.facts.guest);
            guest.map(|entry| CredentialView::of(entry, open.wall))
        })
        .await
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        let words = error.to_string();
        match error {
            GuestError::Pool(error) => error.into(),
            GuestError::SignIn(error) => Self::new(reason(&error), words),
        }
    }
}

fn reason(error: &AccountError) -> ErrorReason {
    match error {
        AccountError::RateLimited => ErrorReason::UpstreamRateLimited,
        AccountError::Rejected | AccountError::Refused(_) => ErrorReason::UpstreamRejected,
        AccountError::Status(status) if *status < 500 => ErrorReason::UpstreamRejected,
        AccountError::Status(_) | AccountError::Unreachable | AccountError::InvalidUrl => {
            ErrorReason::UpstreamUnavailable
        }
        AccountError::Malformed => ErrorReason::UpstreamMalformed,
        AccountError::TimedOut => ErrorReason::UpstreamTimeout,
    }
}
