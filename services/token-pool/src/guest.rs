//! The guest sign-in: an explicit command, and one identity for an installation. It is stored, reused, and never replaced,
//! whatever its quota; a second attempt is answered with the one there is. Where several processes share the pool, one
//! of them signs in and the others wait for its guest.

use std::time::{Duration, SystemTime};

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::account::AccountError;
use crate::admin::{Addition, unused};
use crate::credential::{CredentialId, Kind, NewCredential, Tier};
use crate::error::Error;
use crate::open::Open;
use crate::pool::Pool;
use crate::quota::Accounts;
use crate::store::kept::Claim;
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
        let claim = match self.guest_or_right().await? {
            Turn::Known(known) => {
                // Another process may have been faster.
                self.forget_sign_in();
                return Ok((*known, false));
            }
            Turn::Mine(claim) => claim,
        };
        let secret = match self.sign_in().await {
            Ok(secret) => secret,
            Err(error) => {
                self.forget_sign_in();
                self.pool().leave_guest(claim).await;
                return Err(error.into());
            }
        };
        let display_name = Some("guest".to_owned());
        let new = NewCredential { tier: Tier::Anonymous, kind: Kind::RefreshToken, display_name, secret };
        let addition = Addition { guest: true, id: Some(CredentialId::guest()), ..Addition::from(new) };
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

/// Who makes the guest.
enum Turn {
    /// There is one.
    Known(Box<CredentialView>),
    /// This process, by this right if there are several.
    Mine(Option<Claim>),
}

impl Accounts {
    /// The guest, or the right to sign in. Waits for the process that is about it, if there is another one.
    async fn guest_or_right(&self) -> Result<Turn, Error> {
        let (pool, patience) = (self.pool(), self.patience());
        loop {
            let mut others = pool.others();
            match pool.transact(move |open| open.claim_guest(patience)).await?? {
                Ok(turn) => return Ok(turn),
                Err(until) => others.news(until, pool.core.clock.now()).await,
            }
        }
    }
}

impl Pool {
    /// Leaves the sign-in to whoever wants it next. If that cannot be stored, the right ends by itself.
    async fn leave_guest(&self, claim: Option<Claim>) {
        let left = self.transact(move |open| {
            if open.inner.guest == claim {
                open.inner.guest = None;
            }
        });
        left.await.ok();
    }
}

impl Open<'_> {
    /// The guest, or the right to sign in; or until when another process has it.
    fn claim_guest(&mut self, patience: Duration) -> Result<Result<Turn, SystemTime>, Error> {
        if let Some(entry) = self.inner.entries.iter().find(|entry| entry.facts.guest) {
            return Ok(Ok(Turn::Known(Box::new(CredentialView::of(entry, self.wall)))));
        }
        if !self.config().uses(Kind::RefreshToken) {
            return Err(unused(CredentialId::guest()));
        }
        Ok(match self.pool.claim(self.inner.guest.as_ref(), self.wall, patience) {
            None => Ok(Turn::Mine(None)),
            Some(Err(until)) => Err(until),
            Some(Ok(claim)) => {
                self.inner.guest = Some(claim.clone());
                Ok(Turn::Mine(Some(claim)))
            }
        })
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
