//! One exchange of a credential's refresh token from beginning to end: the right to it, where several processes share
//! the pool; the exchange; and what came of it, a rotated refresh token first and for good.

use std::sync::Weak;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use warp2api_rpc::meter;

use crate::credential::{CredentialId, Secret};
use crate::entry::Entry;
use crate::error::Error;
use crate::exchange::{ExchangeError, Exchanged};
use crate::open::Open;
use crate::pool::{Core, Pool};
use crate::store::Backing;
use crate::trail;

/// The wait until a result that could not be stored is stored again, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// A credential's exchanges and access tokens, counted when an exchange began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    exchanges: u64,
    serial: u64,
}

impl Before {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { exchanges: entry.exchanges, serial: entry.serial }
    }
}

/// Who exchanges.
enum Turn {
    /// This process, this refresh token.
    Mine(Secret),
    /// Another process, at most until then.
    Theirs { until: SystemTime },
    /// Another process has. Whether there is a new access token.
    Over { renewed: bool },
}

type Outcome = Result<Exchanged, ExchangeError>;

/// Exchanges the refresh token of a credential, or waits for the process that does. Whether there is a new access
/// token now.
pub(crate) async fn run(core: Weak<Core>, id: CredentialId, before: Before) -> bool {
    let refresh_token = match turn(&core, &id, before).await {
        Some(Turn::Mine(refresh_token)) => refresh_token,
        Some(Turn::Over { renewed }) => return end(&core, &id, renewed),
        Some(Turn::Theirs { .. }) | None => return end(&core, &id, false),
    };
    let Some((exchange, clock, timeout)) =
        core.upgrade().map(|core| (core.exchange.clone(), core.clock.clone(), core.config.exchange_timeout))
    else {
        return false;
    };
    let outcome = exchange.run(&refresh_token, timeout, || clock.now()).await;
    meter::get().refreshed(if outcome.is_ok() { "renewed" } else { "failed" });
    match &outcome {
        Ok(_) => tracing::debug!(credential.id = id.as_str(), "access token renewed"),
        Err(error) => {
            tracing::warn!(credential.id = id.as_str(), error = %error, "access token not renewed");
            trail::not_exchanged(error.is_refusal());
        }
    }
    let Some(pool) = core.upgrade().map(|core| Pool { core }) else { return false };
    match (pool.keep(&id, before, &outcome).await, &pool.core.backing) {
        (Ok(()), _) => end(&core, &id, outcome.is_ok()),
        // Until it is stored nobody else begins, here.
        (Err(Error::StoreUnavailable { .. }), Backing::Shared(shared)) if outcome.is_ok() => {
            tracing::warn!(credential.id = id.as_str(), "a new access token cannot be stored yet");
            shared.tasks.spawn(keep_at_last(core, id, before, outcome));
            false
        }
        (Err(_), _) => end(&core, &id, false),
    }
}

/// Waits for the right to exchange, or for somebody else's result. `None` if it cannot be had.
async fn turn(core: &Weak<Core>, id: &CredentialId, before: Before) -> Option<Turn> {
    loop {
        let pool = Pool { core: core.upgrade()? };
        let mut others = pool.others();
        let wanted = id.clone();
        // For good: a refresh token that is not stored yet is not used.
        let turn = pool.transact_durably(move |open| open.claim(&wanted, before)).await.ok()?;
        let Turn::Theirs { until: bound } = turn else { return Some(turn) };
        let now = pool.core.clock.now();
        drop(pool);
        others.news(bound, now).await;
    }
}

/// Nothing is under way any longer.
fn end(core: &Weak<Core>, id: &CredentialId, renewed: bool) -> bool {
    if let Some(core) = core.upgrade() {
        let pool = Pool { core };
        if let Some(entry) = pool.lock().entries.iter_mut().find(|entry| entry.id == *id) {
            entry.flight = None;
        }
        pool.core.refresher.notify_one();
    }
    renewed
}

/// Stores what came of an exchange once that is possible.
async fn keep_at_last(core: Weak<Core>, id: CredentialId, before: Before, outcome: Outcome) {
    let mut wait = RETRY;
    loop {
        sleep(wait).await;
        let Some(pool) = core.upgrade().map(|core| Pool { core }) else { return };
        match pool.keep(&id, before, &outcome).await {
            Err(Error::StoreUnavailable { .. }) if !pool.is_closing() => {
                wait = wait.saturating_mul(2).min(MAX_RETRY);
            }
            _ => break,
        }
    }
    end(&core, &id, outcome.is_ok());
}

impl Pool {
    /// Stores what came of an exchange, unless somebody else was given an access token meanwhile.
    async fn keep(&self, id: &CredentialId, before: Before, outcome: &Outcome) -> Result<(), Error> {
        let is_current = move |entry: &Entry| entry.serial == before.serial;
        if let Ok(Exchanged { refresh_token: Some(rotated), .. }) = outcome {
            let (id, rotated) = (id.clone(), rotated.clone());
            let rotate = move |entry: &mut Entry| {
                if is_current(entry) {
                    entry.rotate(rotated);
                }
            };
            self.transact_durably(move |open| open.change(&id, |entry, _| rotate(entry))).await??;
        }
        let (id, outcome) = (id.clone(), outcome.clone());
        let change = move |open: &mut Open<'_>| {
            let changed = open.change(&id, |entry, context| {
                entry.flight = None;
                if is_current(entry) {
                    entry.exchanged(&outcome, context);
                }
            });
            open.exchange_ended(&id, &outcome);
            changed
        };
        self.transact(change).await?.map(drop)
    }

    fn is_closing(&self) -> bool {
        matches!(&self.core.backing, Backing::Shared(shared) if shared.closing.is_cancelled())
    }
}

impl Open<'_> {
    /// Takes the right to exchange a refresh token, if it can be had.
    fn claim(&mut self, id: &CredentialId, before: Before) -> Turn {
        let (wall, pool) = (self.wall, self.pool);
        let Some(entry) = self.entry(id) else { return Turn::Over { renewed: false } };
        if entry.exchanges != before.exchanges {
            return Turn::Over { renewed: entry.serial > before.serial };
        }
        match pool.claim(entry.claim.as_ref(), wall, pool.core.config.exchange_timeout) {
            Some(Ok(claim)) => entry.claim = Some(claim),
            Some(Err(until)) => return Turn::Theirs { until },
            None => {}
        }
        Turn::Mine(entry.refresh_token())
    }
}
