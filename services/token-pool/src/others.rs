//! What other processes do, where several share a pool: a right that one of them holds for a while, and the wait for
//! what comes of it.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::{after, until};
use crate::pool::Pool;
use crate::store::Backing;
use crate::store::kept::Claim;
use crate::store::replica::LOOK;

/// What a process needs besides its two requests until others hear of their result.
const CLAIM_SLACK: Duration = Duration::from_secs(5);

/// News of other processes, from the moment on at which it was made.
pub(crate) struct Others(Option<watch::Receiver<u64>>);

/// How long one process may have the right to two requests that take no longer than `patience` each.
pub(crate) fn longest_claim(patience: Duration) -> Duration {
    patience.saturating_mul(2).saturating_add(CLAIM_SLACK)
}

impl Pool {
    /// Listens to other processes.
    pub(crate) fn others(&self) -> Others {
        Others(match &self.core.backing {
            Backing::Memory | Backing::Local(_) => None,
            Backing::Shared(shared) => Some(shared.heard.subscribe()),
        })
    }

    /// The right of this process to do something in two requests that take no longer than `patience` each; or until when
    /// another one has it. `None` if there are no others.
    pub(crate) fn claim(
        &self,
        held: Option<&Claim>,
        now: SystemTime,
        patience: Duration,
    ) -> Option<Result<Claim, SystemTime>> {
        let Backing::Shared(shared) = &self.core.backing else { return None };
        Some(match held {
            Some(claim) if claim.owner != shared.name && claim.until > now => Err(claim.until),
            _ => Ok(Claim { owner: shared.name.clone(), until: after(now, longest_claim(patience)) }),
        })
    }
}

impl Others {
    /// Waits until there is news, or it is time to look. `bound` is when nobody else has the right any longer.
    pub(crate) async fn news(&mut self, bound: SystemTime, now: SystemTime) {
        let left = until(bound, now).min(LOOK).max(Duration::from_millis(10));
        let news = async {
            match &mut self.0 {
                Some(heard) => drop(heard.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = news => {}
            () = sleep(left) => {}
        }
    }
}
