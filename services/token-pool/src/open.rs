//! The pool while it is open: asks the pure modules what to do and stores what they say.
//!
//! Everything that happens to the pool goes through [`Pool::transact`]. No task is needed for leases to expire or for
//! waiters to be served: whoever opens the pool settles what is due by then, and hands out what became free when it is
//! done. Those who wait for a slot wake at the next instant at which something can become free.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::audit::Change;
use crate::clock::{instant_after, until};
use crate::config::PoolConfig;
use crate::credential::CredentialId;
use crate::entry::Entry;
use crate::error::Error;
use crate::lease::LeaseId;
use crate::pool::{Inner, Pool, Wish};
use crate::select::{Endpoint, Unavailable, select};
use crate::state::{Context, Outcome, Phase, Readiness};
use crate::store::Backing;
use crate::trail;
use crate::view::{CredentialView, log_change};
use crate::waiting::Answers;

impl Pool {
    /// Opens the pool, with everything settled that is due by now, and lets `operation` work on it. This is the only
    /// way in.
    ///
    /// # Errors
    /// When what the pool rests on cannot be reached; nothing has happened then.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Open<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        match &self.core.backing {
            Backing::Memory | Backing::Local(_) => Ok(self.transact_here(operation)),
            Backing::Shared(shared) => shared.transact(operation).await,
        }
    }

    /// The same for an operation that may come to nothing by itself; what it has changed is stored for good before
    /// this returns.
    ///
    /// # Errors
    /// As [`transact`](Self::transact), and those of the operation, which has changed nothing then; and
    /// [`Error::NotStored`] if it was done but could not be stored in time.
    pub(crate) async fn decide_durably<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Open<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Backing::Local(local) = &self.core.backing else { return self.transact(operation).await? };
        let (result, number) = self.transact_here(|open| {
            let result = operation(open);
            open.inner.last_lasting += u64::from(result.is_ok());
            (result, open.inner.last_lasting)
        });
        let result = result?;
        local.until_stored(number, self.core.config.store_timeout).await?;
        Ok(result)
    }

    /// The same for one that always comes to something.
    ///
    /// # Errors
    /// As [`transact`](Self::transact); and [`Error::NotStored`].
    pub(crate) async fn transact_durably<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Open<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.decide_durably(|open| Ok(operation(open))).await
    }

    /// Takes back a slot that nobody used.
    pub(crate) fn give_back(&self, lease: LeaseId) {
        match &self.core.backing {
            Backing::Memory | Backing::Local(_) => self.transact_here(|open| open.give_back(&lease)),
            Backing::Shared(shared) => shared.give_back(lease),
        }
    }

    /// Works on a pool that is of this process alone.
    fn transact_here<T>(&self, operation: impl FnOnce(&mut Open<'_>) -> T) -> T {
        let mut inner = self.lock();
        let mut open = Open::begin(self, &mut inner, self.core.clock.now(), Instant::now());
        let result = operation(&mut open);
        let answers = open.finish();
        drop(inner);
        answers.send();
        if let Backing::Local(local) = &self.core.backing {
            local.touch();
        }
        result
    }

    /// Looks at the pool of this process, or changes what concerns this process alone.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.core.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool while it is open. Held for a few lines, never across an await.
pub(crate) struct Open<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) inner: &'a mut Inner,
    pub(crate) wall: SystemTime,
    pub(crate) now: Instant,
    /// What those who waited are told once the pool is closed.
    pub(crate) answers: Answers,
}

impl<'a> Open<'a> {
    /// Opens the pool at a time by both clocks.
    pub(crate) fn begin(pool: &'a Pool, inner: &'a mut Inner, wall: SystemTime, now: Instant) -> Self {
        let mut open = Self { pool, inner, wall, now, answers: Answers::default() };
        open.settle();
        open.serve_waiters();
        open
    }

    /// Hands out what became free, and wakes those who sleep too long.
    pub(crate) fn finish(mut self) -> Answers {
        self.serve_waiters();
        self.pool.core.news.send_modify(|count| *count = count.wrapping_add(1));
        if self.inner.waiters.is_empty() {
            self.inner.announced = None;
            return self.answers;
        }
        let next = self.inner.next_event(self.wall, self.now);
        let sooner = match (next, self.inner.announced) {
            (Some(next), Some(announced)) => next < announced,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        self.inner.announced = next;
        if sooner {
            self.pool.core.sooner.notify_waiters();
        }
        self.answers
    }

    pub(crate) fn config(&self) -> &'a PoolConfig {
        &self.pool.core.config
    }

    pub(crate) fn context(&self) -> Context<'a> {
        Context { now: self.wall, random: random(), last_grant: self.inner.last_grant, config: self.config() }
    }

    pub(crate) fn find(&self, id: &CredentialId) -> Result<&Entry, Error> {
        let entry = self.inner.entries.iter().find(|entry| entry.id == *id);
        entry.ok_or_else(|| Error::CredentialNotFound(id.clone()))
    }

    /// Changes a credential, tells the operator if that changed where it stands, and shows it.
    pub(crate) fn change(
        &mut self,
        id: &CredentialId,
        change: impl FnOnce(&mut Entry, &Context<'_>),
    ) -> Result<CredentialView, Error> {
        let context = self.context();
        let entry = self.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
        let before = entry.state.phase_at(context.now);
        change(entry, &context);
        log_change(entry, before, context.now, context.config);
        trail::stands(entry, before, context.now);
        let view = CredentialView::of(entry, context.now);
        if let Some(action) = decision(before, view.phase) {
            let detail = view.last_error.clone().unwrap_or_default();
            self.audit(Change { detail, ..Change::to(&view, "pool".to_owned(), action) });
        }
        Ok(view)
    }

    pub(crate) fn entry(&mut self, id: &CredentialId) -> Option<&mut Entry> {
        self.inner.entries.iter_mut().find(|entry| entry.id == *id)
    }

    pub(crate) fn select(&self, wish: &Wish) -> Result<usize, Unavailable> {
        let (inner, wall, config) = (&*self.inner, self.wall, self.config());
        let candidate = |entry| inner.held(entry, Entry::candidate(entry, wish, wall, config), wall, config);
        select(inner.entries.iter().map(candidate), wish.on_quota)
    }

    /// Takes back leases that have expired, and notices tokens that have.
    fn settle(&mut self) {
        while let Some((id, lease)) = self.inner.leases.take_expired(self.now) {
            let changed = self.change(&lease.credential, |entry, context| {
                entry.return_slot(lease.grant);
                if lease.lent {
                    entry.report(Outcome::Abandoned, None, None, &lease, context);
                }
            });
            if let Ok(view) = changed
                && lease.lent
            {
                tracing::warn!(credential.id = view.id.as_str(), "lease expired without a report");
                self.inner.lapsed.put(id, lease, self.now);
            }
        }
        let (wall, config) = (self.wall, self.config());
        for entry in &mut self.inner.entries {
            entry.facts.created.get_or_insert(wall);
        }
        let expired = self.inner.entries.iter().filter(|entry| entry.has_expired(wall, config));
        for id in expired.map(|entry| entry.id.clone()).collect::<Vec<_>>() {
            // The id was found a line above.
            self.change(&id, Entry::expire).ok();
        }
    }

    pub(crate) fn error(&self, unavailable: Unavailable) -> Error {
        let wait = |recovery: Option<_>| recovery.map(|recovery| until(recovery, self.wall));
        match unavailable {
            Unavailable::NothingConfigured => Error::NothingConfigured,
            Unavailable::NoneFits => Error::NoneFits,
            Unavailable::AllBusy => Error::AllBusy,
            Unavailable::EndpointDown { endpoint: Endpoint::Chat, recovery } => {
                Error::UpstreamDown { retry_after: wait(recovery) }
            }
            Unavailable::EndpointDown { endpoint: Endpoint::Token, recovery } => {
                Error::RefreshFailed { retry_after: wait(recovery) }
            }
            Unavailable::AllExcluded { recovery } => Error::AllExcluded { retry_after: wait(recovery) },
            Unavailable::AllDown { recovery, quota: true } => {
                Error::QuotaExhausted { retry_after: wait(recovery) }
            }
            Unavailable::AllDown { recovery, quota: false } => Error::AllDown { retry_after: wait(recovery) },
        }
    }
}

impl Inner {
    /// The next instant at which a slot can become free without anybody reporting.
    pub(crate) fn next_event(&self, wall: SystemTime, now: Instant) -> Option<Instant> {
        let recoveries = self.entries.iter().filter_map(|entry| match entry.state.readiness(wall) {
            Readiness::Down { recovery } => recovery,
            Readiness::Ready | Readiness::HalfOpen => None,
        });
        let recovery = recoveries.chain(self.next_probe(wall)).min();
        let wake = |recovery| instant_after(now, until(recovery, wall).max(Duration::from_millis(1)));
        recovery.map(wake).into_iter().chain(self.leases.next_expiry()).min()
    }
}

/// What the audit trail calls a change of phase, if it takes the credential away for long or brings it back.
fn decision(before: Phase, after: Phase) -> Option<&'static str> {
    let same = std::mem::discriminant(&before) == std::mem::discriminant(&after);
    match after {
        _ if same => None,
        Phase::Tripped { .. } => Some("disabled"),
        Phase::Blocked => Some("blocked"),
        Phase::Expired => Some("expired"),
        Phase::Exhausted { .. } => Some("exhausted"),
        Phase::Active if !matches!(before, Phase::CoolingDown { .. }) => Some("recovered"),
        Phase::Active | Phase::CoolingDown { .. } | Phase::SwitchedOff => None,
    }
}

/// A random number in `0..1`.
fn random() -> f64 {
    // 32 of a v4 UUID's random bits.
    let bits = uuid::Uuid::new_v4().as_fields().0;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
