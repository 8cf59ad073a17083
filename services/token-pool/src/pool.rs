//! The pool itself: a cloneable handle. What it does while it is open is in `open`, the way to a lease in `waiting`
//! and `grant`, the renewal of access tokens in [`refresh`](crate::refresh).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::affinity::Affinity;
use crate::audit::AuditTrail;
use crate::clock::{Clock, SystemClock, instant_after};
use crate::config::PoolConfig;
use crate::credential::{CredentialId, Kind, NewCredential, Tier};
use crate::endpoints::Endpoints;
use crate::entry::Entry;
use crate::error::Error;
use crate::exchange::TokenExchange;
use crate::lease::{Lease, LeaseId, LeaseTable};
use crate::open::Open;
use crate::renewing::Lapsed;
use crate::select::OnQuota;
use crate::state::Outcome;
use crate::store::Backing;
use crate::store::changes::Keeping;
use crate::store::kept::Claim;
use crate::view::{CredentialView, Cursor, PoolStatus, status};
use crate::waiting::Waiter;

/// The credential pool. Clones are handles to the same pool.
#[derive(Clone)]
pub struct Pool {
    pub(crate) core: Arc<Core>,
}

/// What a caller wants of a lease.
#[derive(Debug, Clone, Default)]
pub struct Acquire {
    /// Credentials not to be leased.
    pub excluded: Vec<CredentialId>,
    /// The credential to lease if it can be leased now, whatever its tier.
    pub preferred: Option<CredentialId>,
    /// The tiers that may serve; empty for any.
    pub tiers: Vec<Tier>,
    /// The kinds that may serve; empty for any.
    pub kinds: Vec<Kind>,
    /// Calls with one key get one credential of the best tier for as long as it can be leased.
    pub affinity_key: Option<String>,
    /// What to do about a tier without quota.
    pub on_quota: OnQuota,
    /// How long the lease is to last; `None` means the pool's default.
    pub lease_duration: Option<Duration>,
    /// How long to wait for a slot while those that could serve are in use.
    pub max_wait: Duration,
}

/// Which credentials a caller wants least and most.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) excluded: Vec<CredentialId>,
    pub(crate) preferred: Option<CredentialId>,
    pub(crate) tiers: Vec<Tier>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) on_quota: OnQuota,
}

impl Wish {
    /// Whether any credential will do that will do for anybody.
    pub(crate) fn is_modest(&self) -> bool {
        self.excluded.is_empty()
            && self.tiers.is_empty()
            && self.kinds.is_empty()
            && self.on_quota == OnQuota::Next
    }
}

/// How a credential fared in a lease.
#[derive(Debug, Clone)]
pub struct Report {
    /// The lease that ends.
    pub lease: LeaseId,
    /// Whether it goes on: only what is known so far is told.
    pub continues: bool,
    /// How the credential fared.
    pub outcome: Outcome,
    /// How long the upstream asked to wait.
    pub retry_after: Option<Duration>,
    /// What happened in a few words.
    pub detail: Option<String>,
}

pub(crate) struct Core {
    pub(crate) config: PoolConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) exchange: TokenExchange,
    pub(crate) backing: Backing,
    pub(crate) inner: Mutex<Inner>,
    /// Tells the background task that an exchange is under way or due.
    pub(crate) refresher: Notify,
    /// Tells those who wait that something becomes free earlier than they think.
    pub(crate) sooner: Notify,
    /// Counts how often the pool was open, for those who watch it.
    pub(crate) news: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Inner {
    /// Best tier first, in a tier as they were added.
    pub(crate) entries: Vec<Entry>,
    pub(crate) leases: LeaseTable,
    /// Leases that have expired unreported, as far as this process has seen it.
    pub(crate) lapsed: Lapsed,
    /// What leases and exchanges told about the endpoints.
    pub(crate) endpoints: Endpoints,
    /// Those who wait for a slot, first come first served.
    pub(crate) waiters: VecDeque<Waiter>,
    pub(crate) last_waiter: u64,
    pub(crate) last_grant: u64,
    /// The number of the credential that was added last.
    pub(crate) last_order: u64,
    /// The trail of who changed what, or what of it has to be stored.
    pub(crate) audit: AuditTrail,
    /// The number of the last operation that somebody waits for to be stored.
    pub(crate) last_lasting: u64,
    /// What is known about the store, if there is one.
    pub(crate) keeping: Option<Keeping>,
    /// Which process signs in as a guest, if there are several.
    pub(crate) guest: Option<Claim>,
    /// The instant to which those who wait sleep.
    pub(crate) announced: Option<Instant>,
}

impl Pool {
    /// A pool of these credentials. A secret that comes twice is one credential, of the higher of its tiers.
    pub fn new(config: PoolConfig, credentials: Vec<NewCredential>, exchange: TokenExchange) -> Self {
        Self::with_clock(config, credentials, exchange, Arc::new(SystemClock))
    }

    /// A pool with a clock of the caller's.
    pub fn with_clock(
        config: PoolConfig,
        credentials: Vec<NewCredential>,
        exchange: TokenExchange,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut inner = Inner::default();
        inner.reconcile(credentials, true);
        Self::on(config, inner, exchange, clock, Backing::Memory)
    }

    pub(crate) fn on(
        config: PoolConfig,
        inner: Inner,
        exchange: TokenExchange,
        clock: Arc<dyn Clock>,
        backing: Backing,
    ) -> Self {
        let (refresher, sooner) = (Notify::new(), Notify::new());
        let news = watch::Sender::new(0);
        let inner = Mutex::new(inner);
        let core = Core { config, clock, exchange, backing, inner, refresher, sooner, news };
        Self { core: Arc::new(core) }
    }

    /// Leases the best credential. Waits for a slot as long as the caller asked, first come first served, and for
    /// an access token where there is none; a credential whose token cannot be had is passed over. Dropping the
    /// future gives everything back.
    ///
    /// # Errors
    /// Why no credential can be had.
    pub async fn acquire(&self, request: Acquire) -> Result<Lease, Error> {
        let config = &self.core.config;
        let now = Instant::now();
        let deadline = instant_after(now, request.max_wait.min(config.max_wait));
        let duration = request.lease_duration.unwrap_or(config.lease_duration).min(config.max_lease_duration);
        let mut wish = Wish {
            excluded: request.excluded,
            preferred: request.preferred,
            tiers: request.tiers,
            kinds: request.kinds,
            affinity: request.affinity_key.as_deref().map(Affinity::of),
            on_quota: request.on_quota,
        };
        let mut passed_over = false;
        let mut waited = Duration::ZERO;
        loop {
            let (grant, queued) = match self.grant(wish.clone(), duration, deadline).await {
                Ok(granted) => granted,
                Err(error) if passed_over => return Err(error.after_failed_refresh()),
                Err(error) => return Err(error),
            };
            waited += queued;
            let credential = grant.credential.clone();
            if let Some(lease) = grant.into_lease().await? {
                return Ok(Lease { waited, ..lease });
            }
            passed_over = true;
            wish.excluded.push(credential);
        }
    }

    /// Ends a lease and takes note of how the credential fared. The credential as it is then. That an account is
    /// blocked is stored for good before this returns. A report that cannot be stored now is kept for a while and
    /// made up for when it can.
    ///
    /// # Errors
    /// [`Error::LeaseNotFound`] if the lease was reported before or has expired; [`Error::NotStored`].
    pub async fn report(&self, report: Report) -> Result<CredentialView, Error> {
        let lasting = report.outcome == Outcome::Blocked;
        let kept = report.clone();
        let operation = move |open: &mut Open<'_>| open.report(&report);
        let reported = if lasting {
            self.decide_durably(operation).await
        } else {
            self.transact(operation).await.flatten()
        };
        if let (Err(Error::StoreUnavailable { .. }), Backing::Shared(shared)) =
            (&reported, &self.core.backing)
        {
            shared.keep_report(kept);
        }
        reported
    }

    /// Shows credentials, best tier first, from after `cursor` on; and where to go on if there are more.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub async fn list(
        &self,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<CredentialView>, Option<Cursor>), Error> {
        self.transact(move |open| {
            let mut rest =
                open.inner.entries.iter().filter(|entry| cursor.is_none_or(|c| entry.cursor() > c));
            let page: Vec<_> = rest.by_ref().take(limit.max(1)).collect();
            let next = rest.next().and_then(|_| page.last().map(|entry| entry.cursor()));
            (page.into_iter().map(|entry| CredentialView::of(entry, open.wall)).collect(), next)
        })
        .await
    }

    /// Shows one credential.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn get(&self, id: &CredentialId) -> Result<CredentialView, Error> {
        let id = id.clone();
        self.transact(move |open| Ok(CredentialView::of(open.find(&id)?, open.wall))).await?
    }

    /// Counts the pool.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub async fn status(&self) -> Result<PoolStatus, Error> {
        self.transact(|open| {
            let endpoints = open.endpoints();
            status(&open.inner.entries, endpoints, open.wall, open.config())
        })
        .await
    }

    /// When a slot can become free without anybody reporting, as far as this process knows.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.lock().next_event(self.core.clock.now(), Instant::now())
    }
}

impl Open<'_> {
    pub(crate) fn report(&mut self, report: &Report) -> Result<CredentialView, Error> {
        let lease = if report.continues {
            self.inner.leases.get(&report.lease).cloned()
        } else {
            self.inner.leases.remove(&report.lease)
        };
        let Some(lease) = lease else {
            if !report.continues {
                self.inner.lapsed.take(&report.lease);
            }
            return Err(Error::LeaseNotFound);
        };
        let mut counted = false;
        self.change(&lease.credential, |entry, context| {
            if !report.continues {
                entry.return_slot(lease.grant);
            }
            let failures = entry.state.failures;
            entry.report(report.outcome, report.retry_after, report.detail.as_deref(), &lease, context);
            counted = entry.state.failures > failures;
        })?;
        self.chat_ended(&lease.credential, lease.grant, report.outcome, counted);
        Ok(CredentialView::of(self.find(&lease.credential)?, self.wall))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("config", &self.core.config).finish_non_exhaustive()
    }
}
