//! A slot that was given to somebody, on its way to a lease: a lease at once where there is an access token, else a
//! reservation until one was exchanged. Whoever drops it gives the slot back, so a caller can leave at any point.

use std::time::Duration;

use crate::clock::{after, instant_after};
use crate::credential::CredentialId;
use crate::entry::Bearer;
use crate::error::Error;
use crate::lease::{Lease, LeaseId, LeaseRecord};
use crate::open::Open;
use crate::others::longest_claim;
use crate::pool::Pool;
use crate::refresh::FlightFuture;
use crate::state::Readiness;
use crate::trail;

/// How often a caller waits for an access token that was withdrawn again before it could take it.
const EXCHANGES: usize = 2;
/// How long a slot is kept for a caller that waits for an access token beyond what that may take.
const RESERVATION_SLACK: Duration = Duration::from_secs(5);

/// A slot that was given to somebody.
pub(crate) struct Grant {
    /// `None` once the slot is someone else's to return.
    pool: Option<Pool>,
    lease: LeaseId,
    pub(crate) credential: CredentialId,
    duration: Duration,
    stage: Stage,
}

/// How far a slot is on its way to a lease.
pub(crate) enum Stage {
    /// It is one.
    Lent(Box<Lease>),
    /// It waits for an access token.
    Exchanging(FlightFuture),
    /// No access token can be had.
    Lost,
}

impl Grant {
    /// The lease, once there is an access token. `None` if none can be had, or the credential has gone down
    /// meanwhile.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub(crate) async fn into_lease(mut self) -> Result<Option<Lease>, Error> {
        for _ in 0..EXCHANGES {
            let Stage::Exchanging(exchange) = &self.stage else { break };
            let Some(pool) = self.pool.clone() else { break };
            trail::awaits_token(&self.credential);
            if !exchange.clone().await {
                return Ok(None);
            }
            let (lease, duration) = (self.lease.clone(), self.duration);
            self.stage = pool.transact(move |open| open.lend(&lease, duration)).await?;
        }
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Lent(lease) => {
                self.pool = None;
                Ok(Some(*lease))
            }
            Stage::Exchanging(_) | Stage::Lost => Ok(None),
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(self.lease.clone());
        }
    }
}

impl Open<'_> {
    /// Gives a slot of the credential at `index` away, as a lease if there is an access token.
    pub(crate) fn grant(&mut self, index: usize, duration: Duration) -> Grant {
        self.inner.last_grant += 1;
        let grant = self.inner.last_grant;
        let entry = &mut self.inner.entries[index];
        entry.take_slot(grant);
        let credential = entry.id.clone();
        self.probe_chat(&credential, grant);
        let lease = LeaseId::random();
        let record = LeaseRecord {
            credential: credential.clone(),
            grant,
            token_serial: 0,
            expires: self.now,
            lent: false,
        };
        let stage = self.stage(&lease, record, duration);
        Grant { pool: Some(self.pool.clone()), lease, credential, duration, stage }
    }

    /// Makes a reservation a lease, if there is an access token now.
    pub(crate) fn lend(&mut self, id: &LeaseId, duration: Duration) -> Stage {
        match self.inner.leases.remove(id) {
            Some(record) => self.stage(id, record, duration),
            None => Stage::Lost,
        }
    }

    /// How far a slot is, and the record of it in the table.
    fn stage(&mut self, id: &LeaseId, mut record: LeaseRecord, duration: Duration) -> Stage {
        let (wall, now, pool) = (self.wall, self.now, self.pool);
        let (probes, exchanges) = (self.is_probe(record.grant), self.allowed_exchanges());
        let Some(entry) = self.entry(&record.credential) else { return Stage::Lost };
        let stage = if matches!(entry.state.readiness(wall), Readiness::Down { .. }) {
            Stage::Lost
        } else {
            match entry.bearer(wall, &pool.core.config) {
                None if entry.flight.is_none() && exchanges == 0 => Stage::Lost,
                None => {
                    // An exchange of another process may have to end first. Where nobody is left to give the slot back,
                    // it is free after that.
                    let longest = longest_claim(pool.core.config.exchange_timeout).saturating_mul(2);
                    record.expires = instant_after(now, longest.saturating_add(RESERVATION_SLACK));
                    Stage::Exchanging(pool.exchange(entry))
                }
                Some(Bearer { secret: bearer, serial, renewal_due }) => {
                    entry.granted(wall);
                    record.lent = true;
                    record.token_serial = serial;
                    record.expires = instant_after(now, duration);
                    if renewal_due {
                        pool.core.refresher.notify_one();
                    }
                    Stage::Lent(Box::new(Lease {
                        id: id.clone(),
                        credential: entry.id.clone(),
                        display_name: entry.display_name.clone(),
                        tier: entry.tier,
                        bearer,
                        expire_time: after(wall, duration),
                        refreshable: entry.kind.is_refreshable(),
                        probe: probes || entry.state.readiness(wall) == Readiness::HalfOpen,
                        waited: Duration::ZERO,
                    }))
                }
            }
        };
        self.inner.leases.insert(id.clone(), record);
        stage
    }

    /// Takes back a slot that nobody used.
    pub(crate) fn give_back(&mut self, id: &LeaseId) {
        let Some(record) = self.inner.leases.remove(id) else { return };
        if let Some(entry) = self.entry(&record.credential) {
            entry.return_slot(record.grant);
            if record.lent {
                entry.ungranted();
            }
        }
    }
}
