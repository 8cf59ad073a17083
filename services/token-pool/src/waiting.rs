//! The way from a wish to a lease: a place in the queue, then a reserved slot, then an access token. What a caller
//! holds on that way is given back when it is dropped, so a caller can leave at any point.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::clock::until;
use crate::credential::CredentialId;
use crate::entry::{Bearer, Entry};
use crate::error::Error;
use crate::lease::{Lease, LeaseId};
use crate::open::{NewLease, Open};
use crate::pool::{Pool, Wish};
use crate::refresh::FlightFuture;
use crate::select::Unavailable;
use crate::state::Readiness;

/// How often a caller waits for an access token that was withdrawn again before it could take it.
const EXCHANGES: usize = 2;

/// A caller in the queue, as the pool sees it.
pub(crate) struct Waiter {
    id: u64,
    pub(crate) wish: Wish,
    pub(crate) answer: oneshot::Sender<Result<Reservation, Unavailable>>,
}

/// A place in the queue, as the caller has it.
struct Place {
    pool: Pool,
    id: u64,
    answer: oneshot::Receiver<Result<Reservation, Unavailable>>,
}

/// A slot that is taken, on its way to become a lease.
pub(crate) struct Reservation {
    /// `None` once the slot is someone else's to return.
    pool: Option<Pool>,
    credential: CredentialId,
    grant: u64,
}

impl Pool {
    /// Reserves a slot, waiting until `deadline` while those that could serve are in use.
    pub(crate) async fn reserve(&self, wish: &Wish, deadline: Instant) -> Result<Reservation, Error> {
        let mut place = {
            let mut open = self.open();
            match open.select(wish) {
                Ok(chosen) => return Ok(open.reserve(chosen)),
                Err(Unavailable::AllBusy) if open.now < deadline => self.queue_up(&mut open, wish)?,
                Err(unavailable) => return Err(open.error(unavailable)),
            }
        };
        place.wait(deadline).await
    }

    fn queue_up(&self, open: &mut Open<'_>, wish: &Wish) -> Result<Place, Error> {
        if open.inner.waiters.len() >= self.core.config.max_waiters {
            return Err(Error::TooManyWaiters);
        }
        open.inner.last_waiter += 1;
        let id = open.inner.last_waiter;
        let (sender, answer) = oneshot::channel();
        open.inner.waiters.push_back(Waiter { id, wish: wish.clone(), answer: sender });
        Ok(Place { pool: self.clone(), id, answer })
    }
}

impl Place {
    async fn wait(&mut self, deadline: Instant) -> Result<Reservation, Error> {
        let pool = self.pool.clone();
        loop {
            let mut sooner = pin!(pool.core.sooner.notified());
            // From here on no call is missed.
            sooner.as_mut().enable();
            let wake = pool.open().next_event().unwrap_or(deadline).min(deadline);
            let answer = tokio::select! {
                biased;
                answer = &mut self.answer => answer.ok(),
                () = sooner => continue,
                () = sleep_until(wake) => {
                    // Opening the pool hands out what became free just now.
                    drop(pool.open());
                    match self.answer.try_recv() {
                        Ok(answer) => Some(answer),
                        Err(_) if wake >= deadline => None,
                        Err(_) => continue,
                    }
                }
            };
            return answer.unwrap_or(Err(Unavailable::AllBusy)).map_err(|why| pool.open().error(why));
        }
    }
}

impl Drop for Place {
    /// Leaves the queue. A slot that was handed over in the same moment goes back when `answer` is dropped.
    fn drop(&mut self) {
        self.pool.open().inner.waiters.retain(|waiter| waiter.id != self.id);
    }
}

impl Reservation {
    pub(crate) fn new(pool: Pool, credential: CredentialId, grant: u64) -> Self {
        Self { pool: Some(pool), credential, grant }
    }

    pub(crate) fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// The access token, exchanged first if there is none. `None` if none can be had, or the credential has gone
    /// down meanwhile.
    pub(crate) async fn bearer(&self) -> Option<Bearer> {
        let pool = self.pool.as_ref()?;
        for _ in 0..EXCHANGES {
            let exchange = match pool.open().bearer(pool, &self.credential)? {
                Ok(bearer) => return Some(bearer),
                Err(exchange) => exchange,
            };
            if !exchange.await {
                return None;
            }
        }
        pool.open().bearer(pool, &self.credential)?.ok()
    }

    /// Turns the slot into a lease. `None` if the credential is gone.
    pub(crate) fn into_lease(mut self, bearer: Bearer, duration: Duration) -> Option<Lease> {
        let pool = self.pool.take()?;
        let id = LeaseId::random();
        let mut open = pool.open();
        let wall = open.wall;
        let entry = open.entry(&self.credential)?;
        entry.granted(wall);
        let (display_name, tier) = (entry.display_name.clone(), entry.tier);
        let refreshable = entry.kind.is_refreshable();
        let credential = self.credential.clone();
        let lease = NewLease { credential, grant: self.grant, token_serial: bearer.serial, duration };
        let expire_time = open.lend(id.clone(), lease);
        if bearer.renewal_due {
            pool.core.refresher.notify_one();
        }
        let credential = self.credential.clone();
        Some(Lease { id, credential, display_name, tier, bearer: bearer.secret, expire_time, refreshable })
    }

    /// Leaves the slot to the caller.
    pub(crate) fn forget(mut self) -> (CredentialId, u64) {
        self.pool = None;
        (self.credential.clone(), self.grant)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.open().return_slot(&self.credential, self.grant);
        }
    }
}

impl Open<'_> {
    pub(crate) fn entry(&mut self, id: &CredentialId) -> Option<&mut Entry> {
        self.inner.entries.iter_mut().find(|entry| entry.id == *id)
    }

    /// The access token of a credential, or the exchange to wait for. `None` if the credential is gone or down.
    fn bearer(&mut self, pool: &Pool, id: &CredentialId) -> Option<Result<Bearer, FlightFuture>> {
        let wall = self.wall;
        let entry = self.entry(id)?;
        if matches!(entry.state.readiness(wall), Readiness::Down { .. }) {
            return None;
        }
        Some(entry.bearer(wall, &pool.core.config).ok_or_else(|| pool.exchange(entry)))
    }

    fn error(&self, unavailable: Unavailable) -> Error {
        let wait = |recovery: Option<_>| recovery.map(|recovery| until(recovery, self.wall));
        match unavailable {
            Unavailable::NothingConfigured => Error::NothingConfigured,
            Unavailable::AllBusy => Error::AllBusy,
            Unavailable::AllExcluded { recovery } => Error::AllExcluded { retry_after: wait(recovery) },
            Unavailable::AllDown { recovery, quota: true } => {
                Error::QuotaExhausted { retry_after: wait(recovery) }
            }
            Unavailable::AllDown { recovery, quota: false } => Error::AllDown { retry_after: wait(recovery) },
        }
    }
}
