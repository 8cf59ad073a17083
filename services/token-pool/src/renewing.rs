//! Leases that go on because their holder lives. A holder that says nothing for as long as a lease lasts is taken to be
//! gone, and its slots go to others; if it was only cut off, it gets them back when it is heard of again, above the cap if
//! need be, and the log says so.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::instant_after;
use crate::error::Error;
use crate::lease::{LeaseId, LeaseRecord};
use crate::open::Open;
use crate::pool::Pool;

/// How many leases that expired unreported are remembered, and for how long: longer than turns are.
const MAX_LAPSED: usize = 10_000;
const MEMORY: Duration = Duration::from_secs(2 * 3600);

impl Pool {
    /// Lets these leases last `duration` from now on, or the pool's default; none shorter than before. Those that the
    /// pool does not know are the answer.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub async fn renew(
        &self,
        leases: Vec<LeaseId>,
        duration: Option<Duration>,
    ) -> Result<Vec<LeaseId>, Error> {
        let config = &self.core.config;
        let duration = duration.unwrap_or(config.lease_duration).min(config.max_lease_duration);
        self.transact(move |open| open.renew_leases(&leases, duration)).await
    }
}

impl Open<'_> {
    fn renew_leases(&mut self, leases: &[LeaseId], duration: Duration) -> Vec<LeaseId> {
        let expires = instant_after(self.now, duration);
        let lost =
            leases.iter().filter(|id| !self.inner.leases.renew(id, expires) && !self.revive(id, expires));
        lost.cloned().collect()
    }

    /// Takes up a lease that had expired. Whether it could be.
    fn revive(&mut self, id: &LeaseId, expires: Instant) -> bool {
        let Some(record) = self.inner.lapsed.take(id) else { return false };
        let taken = self.change(&record.credential, |entry, _| entry.keep_slot(record.grant));
        let Ok(view) = taken else { return false };
        tracing::warn!(
            credential.id = view.id.as_str(),
            in_flight = view.in_flight,
            "a holder that was not heard of is back, and has its lease again"
        );
        self.inner.leases.insert(id.clone(), LeaseRecord { expires, ..record });
        true
    }
}

/// Leases that expired although nobody reported them, for a while.
#[derive(Debug, Default)]
pub(crate) struct Lapsed(HashMap<LeaseId, (Instant, LeaseRecord)>);

impl Lapsed {
    pub(crate) fn put(&mut self, id: LeaseId, record: LeaseRecord, now: Instant) {
        if self.0.len() >= MAX_LAPSED {
            self.0.retain(|_, (until, _)| *until > now);
        }
        if self.0.len() < MAX_LAPSED {
            self.0.insert(id, (instant_after(now, MEMORY), record));
        }
    }

    pub(crate) fn take(&mut self, id: &LeaseId) -> Option<LeaseRecord> {
        self.0.remove(id).map(|(_, record)| record)
    }
}
