//! The pool as it may be shown: no secrets.

use std::time::SystemTime;

use crate::config::PoolConfig;
use crate::credential::{CredentialId, Kind, Source, Tier};
use crate::endpoints::EndpointStatus;
use crate::entry::Entry;
use crate::facts::Quota;
use crate::state::{Phase, Readiness};

/// A credential as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialView {
    /// Its id.
    pub id: CredentialId,
    /// The operator's label, or the id.
    pub display_name: String,
    /// Its tier.
    pub tier: Tier,
    /// What it is.
    pub kind: Kind,
    /// Who put it into the pool.
    pub source: Source,
    /// Where it stands now.
    pub phase: Phase,
    /// When one that is not active comes back on its own.
    pub recovery: Option<SystemTime>,
    /// Credential failures in a row.
    pub failures: u32,
    /// Leases that are out.
    pub in_flight: u32,
    /// Leases granted so far.
    pub granted_count: u64,
    /// When it was leased last.
    pub last_granted_time: Option<SystemTime>,
    /// When the access token at hand expires.
    pub access_token_expire_time: Option<SystemTime>,
    /// Why it is not active, or what its last failure was.
    pub last_error: Option<String>,
    /// Leases that may be out at once, if an operator said so.
    pub max_in_flight: Option<u32>,
    /// What its account may still use, as the upstream said last.
    pub quota: Option<Quota>,
    /// Whether it is the installation's guest identity.
    pub guest: bool,
    /// When it came into the pool.
    pub create_time: Option<SystemTime>,
    /// When an operator changed it last.
    pub update_time: Option<SystemTime>,
    /// Changes whenever an operator changes it.
    pub etag: String,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) tier: Tier,
    pub(crate) order: u64,
}

/// The pool, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// The tiers that have credentials, best first.
    pub tiers: Vec<TierStatus>,
    /// When the first credential comes back, if none is active and one comes back on its own; or when the first one
    /// may be tried, if all wait for an endpoint.
    pub soonest_recovery: Option<SystemTime>,
    /// When it was counted.
    pub time: SystemTime,
    /// How the endpoints fare.
    pub endpoints: [EndpointStatus; 2],
    /// Credentials that this process has no use for.
    pub unused: usize,
}

/// One tier, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierStatus {
    /// The tier.
    pub tier: Tier,
    /// Its credentials.
    pub total: usize,
    /// Of these, the active ones.
    pub active: usize,
    /// Of these, the ones that cool down.
    pub cooling_down: usize,
    /// Of these, the ones without quota.
    pub exhausted: usize,
    /// Of these, the ones that failed, were switched off or have expired.
    pub disabled: usize,
    /// Of these, the blocked ones.
    pub blocked: usize,
    /// Leases that are out.
    pub in_flight: u32,
    /// Of the credentials, those that failed or expired: not those an operator switched off.
    pub failed: usize,
    /// Of the credentials, those with a known quota.
    pub known_quotas: usize,
    /// Of these, those without a limit.
    pub unlimited: usize,
    /// What those with a known limit have left together.
    pub remaining: u64,
}

impl CredentialView {
    pub(crate) fn of(entry: &Entry, now: SystemTime) -> Self {
        let recovery = match (entry.state.readiness(now), entry.state.phase) {
            (Readiness::Down { recovery }, _) => recovery,
            (Readiness::HalfOpen, Phase::Tripped { probe_at }) => Some(probe_at),
            (Readiness::HalfOpen | Readiness::Ready, _) => None,
        };
        Self {
            id: entry.id.clone(),
            display_name: entry.display_name.clone(),
            tier: entry.tier,
            kind: entry.kind,
            source: entry.source,
            phase: entry.state.phase_at(now),
            recovery,
            failures: entry.state.failures,
            in_flight: entry.in_flight(),
            granted_count: entry.granted_count,
            last_granted_time: entry.last_granted_time,
            access_token_expire_time: entry.token_expiry(),
            last_error: entry.last_error.clone(),
            max_in_flight: entry.facts.max_in_flight,
            quota: entry.facts.quota,
            guest: entry.facts.guest,
            create_time: entry.facts.created,
            update_time: entry.facts.updated,
            etag: entry.facts.etag(&entry.id),
        }
    }
}

impl Entry {
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { tier: self.tier, order: self.order }
    }
}

/// Counts credentials.
pub(crate) fn status(
    entries: &[Entry],
    endpoints: [EndpointStatus; 2],
    now: SystemTime,
    config: &PoolConfig,
) -> PoolStatus {
    let views: Vec<_> = entries.iter().map(|entry| CredentialView::of(entry, now)).collect();
    let tiers = Tier::ALL.into_iter().filter_map(|tier| count(tier, &views)).collect();
    let active = views.iter().filter(|view| view.phase == Phase::Active).count();
    let held = endpoints.iter().map(|endpoint| endpoint.held).sum::<usize>();
    let waits = endpoints.iter().filter(|endpoint| endpoint.held > 0).filter_map(|endpoint| endpoint.open);
    let soonest = views.iter().filter_map(|view| view.recovery).chain(waits.map(|open| open.until)).min();
    let soonest_recovery = soonest.filter(|_| active <= held).map(|time| time.max(now));
    let unused = entries.iter().filter(|entry| !config.uses(entry.kind)).count();
    PoolStatus { tiers, soonest_recovery, time: now, endpoints, unused }
}

fn count(tier: Tier, views: &[CredentialView]) -> Option<TierStatus> {
    let views = || views.iter().filter(|view| view.tier == tier);
    let with = |wanted: fn(&Phase) -> bool| views().filter(|view| wanted(&view.phase)).count();
    let total = views().count();
    let limited = || views().filter_map(|view| view.quota).filter(|q| !q.unlimited).map(|q| q.remaining());
    (total > 0).then(|| TierStatus {
        tier,
        total,
        active: with(|phase| matches!(phase, Phase::Active)),
        cooling_down: with(|phase| matches!(phase, Phase::CoolingDown { .. })),
        exhausted: with(|phase| matches!(phase, Phase::Exhausted { .. })),
        disabled: with(|phase| matches!(phase, Phase::Tripped { .. } | Phase::SwitchedOff | Phase::Expired)),
        blocked: with(|phase| matches!(phase, Phase::Blocked)),
        in_flight: views().map(|view| view.in_flight).sum(),
        failed: with(|phase| matches!(phase, Phase::Tripped { .. } | Phase::Blocked | Phase::Expired)),
        known_quotas: views().filter(|view| view.quota.is_some()).count(),
        unlimited: views().filter(|view| view.quota.is_some_and(|quota| quota.unlimited)).count(),
        remaining: limited().fold(0, u64::saturating_add),
    })
}

/// A change of phase, told to the operator.
pub(crate) fn log_change(entry: &Entry, before: Phase, now: SystemTime, config: &PoolConfig) {
    let phase = entry.state.phase_at(now);
    if std::mem::discriminant(&phase) == std::mem::discriminant(&before) {
        return;
    }
    let id = entry.id.as_str();
    let name = entry.display_name.as_str();
    let error = entry.last_error.as_deref().unwrap_or_default();
    let wait = crate::state::wait_for(entry.state.readiness(now), now);
    let wait_ms = wait.map_or(u64::MAX, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    match phase {
        Phase::Active => tracing::info!(credential.id = id, credential.name = name, "credential is back"),
        Phase::CoolingDown { .. } => {
            tracing::info!(
                credential.id = id,
                credential.name = name,
                error,
                wait_ms,
                "credential cools down"
            );
        }
        Phase::Exhausted { .. } => {
            tracing::warn!(
                credential.id = id,
                credential.name = name,
                error,
                wait_ms,
                "quota of a credential is used up"
            );
        }
        Phase::Tripped { .. } => {
            let failures = config.failures_to_disable;
            tracing::warn!(
                credential.id = id,
                credential.name = name,
                error,
                wait_ms,
                failures,
                "credential is disabled after failures and will be probed"
            );
        }
        Phase::Blocked | Phase::Expired | Phase::SwitchedOff => {
            tracing::warn!(
                credential.id = id,
                credential.name = name,
                error,
                "credential waits for the operator"
            );
        }
    }
}
