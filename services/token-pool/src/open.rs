//! The pool while it is locked: asks the pure modules what to do and stores what they say.
//!
//! No task is needed for leases to expire or for waiters to be served: whoever opens the pool settles what is due
//! by then, and hands out what became free when it is done. Those who wait for a slot wake at the next instant at
//! which something can become free.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock::{after, until};
use crate::credential::CredentialId;
use crate::entry::Entry;
use crate::error::Error;
use crate::lease::{LeaseId, LeaseRecord};
use crate::pool::{Inner, Pool, Wish};
use crate::select::{Candidate, Unavailable, select};
use crate::state::{Context, Outcome, Readiness};
use crate::view::{CredentialView, log_change};
use crate::waiting::Reservation;

impl Pool {
    /// Locks the pool, with everything settled that is due by now.
    pub(crate) fn open(&self) -> Open<'_> {
        let inner = self.core.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = Open { pool: self, inner, wall: self.core.clock.now(), now: Instant::now() };
        open.settle();
        open.serve_waiters();
        open
    }
}

/// The pool while it is locked. Held for a few lines, never across an await.
pub(crate) struct Open<'a> {
    pool: &'a Pool,
    pub(crate) inner: MutexGuard<'a, Inner>,
    pub(crate) wall: SystemTime,
    pub(crate) now: Instant,
}

impl<'a> Open<'a> {
    pub(crate) fn context(&self) -> Context<'a> {
        Context {
            now: self.wall,
            random: random(),
            last_grant: self.inner.last_grant,
            config: &self.pool.core.config,
        }
    }

    /// Changes a credential, tells the operator if that changed where it stands, and shows it.
    pub(crate) fn change(
        &mut self,
        id: &CredentialId,
        change: impl FnOnce(&mut Entry, &Context<'_>),
    ) -> Result<CredentialView, Error> {
        let context = self.context();
        let entry = self.inner.entries.iter_mut().find(|entry| entry.id == *id);
        let entry = entry.ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
        let before = entry.state.phase_at(context.now);
        change(entry, &context);
        log_change(entry, before, context.now, context.config);
        Ok(CredentialView::of(entry, context.now))
    }

    pub(crate) fn select(&self, wish: &Wish) -> Result<usize, Unavailable> {
        let config = &self.pool.core.config;
        let candidate = |entry: &Entry| entry.candidate(wish, self.wall, config);
        let candidates: Vec<Candidate> = self.inner.entries.iter().map(candidate).collect();
        select(&candidates)
    }

    /// Takes a slot of the credential at `index`.
    pub(crate) fn reserve(&mut self, index: usize) -> Reservation {
        self.inner.last_grant += 1;
        let grant = self.inner.last_grant;
        let entry = &mut self.inner.entries[index];
        entry.take_slot(grant);
        Reservation::new(self.pool.clone(), entry.id.clone(), grant)
    }

    /// Puts a lease into the table; when it expires, by both clocks.
    pub(crate) fn lend(&mut self, id: LeaseId, lease: NewLease) -> SystemTime {
        let expires = self.now.checked_add(lease.duration).unwrap_or(self.now);
        let NewLease { credential, grant, token_serial, duration } = lease;
        self.inner.leases.insert(id, LeaseRecord { credential, grant, token_serial, expires });
        after(self.wall, duration)
    }

    /// The next instant at which a slot can become free without anybody reporting.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        let recoveries = self.inner.entries.iter().filter_map(|e| match e.state.readiness(self.wall) {
            Readiness::Down { recovery: Some(recovery) } => {
                self.now.checked_add(until(recovery, self.wall).max(Duration::from_millis(1)))
            }
            Readiness::Down { recovery: None } | Readiness::Ready | Readiness::HalfOpen => None,
        });
        recoveries.chain(self.inner.leases.next_expiry()).min()
    }

    /// Takes back leases that have expired, and notices tokens that have.
    fn settle(&mut self) {
        while let Some(lease) = self.inner.leases.take_expired(self.now) {
            let changed = self.change(&lease.credential, |entry, context| {
                entry.return_slot(lease.grant);
                entry.report(Outcome::Abandoned, None, None, &lease, context);
            });
            if let Ok(view) = changed {
                tracing::warn!(credential.id = view.id.as_str(), "lease expired without a report");
            }
        }
        let (wall, config) = (self.wall, &self.pool.core.config);
        let expired = self.inner.entries.iter().filter(|entry| entry.has_expired(wall, config));
        for id in expired.map(|entry| entry.id.clone()).collect::<Vec<_>>() {
            // The id was found a line above.
            self.change(&id, Entry::expire).ok();
        }
    }

    /// Gives each of those who wait what there is for it, in the order they came.
    fn serve_waiters(&mut self) {
        let mut index = 0;
        let mut all_busy = false;
        while let Some(waiter) = self.inner.waiters.get(index) {
            if all_busy && waiter.wish.excluded.is_empty() {
                index += 1;
                continue;
            }
            let answer = match self.select(&waiter.wish) {
                Err(Unavailable::AllBusy) => {
                    // The next one that would take any credential need not ask again.
                    all_busy |= waiter.wish.excluded.is_empty();
                    index += 1;
                    continue;
                }
                Ok(chosen) => Ok(self.reserve(chosen)),
                Err(unavailable) => Err(unavailable),
            };
            let waiter = self.inner.waiters.remove(index);
            if let Some(Err(Ok(reservation))) = waiter.map(|waiter| waiter.answer.send(answer)) {
                // It left a moment ago. The pool is locked, so the slot goes back by hand.
                let (credential, grant) = reservation.forget();
                self.return_slot(&credential, grant);
            }
        }
    }

    pub(crate) fn return_slot(&mut self, credential: &CredentialId, grant: u64) {
        if let Some(entry) = self.inner.entries.iter_mut().find(|entry| entry.id == *credential) {
            entry.return_slot(grant);
        }
    }
}

impl Drop for Open<'_> {
    /// Hands out what became free, and wakes those who sleep too long.
    fn drop(&mut self) {
        self.serve_waiters();
        if self.inner.waiters.is_empty() {
            self.inner.announced = None;
            return;
        }
        let next = self.next_event();
        let sooner = match (next, self.inner.announced) {
            (Some(next), Some(announced)) => next < announced,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        self.inner.announced = next;
        if sooner {
            self.pool.core.sooner.notify_waiters();
        }
    }
}

/// A lease on its way into the table.
pub(crate) struct NewLease {
    pub(crate) credential: CredentialId,
    pub(crate) grant: u64,
    pub(crate) token_serial: u64,
    pub(crate) duration: Duration,
}

/// A random number in `0..1`.
fn random() -> f64 {
    // 32 of a v4 UUID's random bits.
    let bits = uuid::Uuid::new_v4().as_fields().0;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
