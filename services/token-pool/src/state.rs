//! What becomes of a credential: `(state, event, now) -> state`. Pure, and ignorant of where a state is kept.
//!
//! A credential is active until something speaks against it. A rate limit makes it cool down, a used-up quota
//! makes it rest; both end on their own. Three failures of its own in a row trip it: it is disabled, and probed
//! after a delay that grows with every probe that fails. A blocked account, an operator's switch and the expiry of
//! a token that cannot be renewed wait for a person. What is not the credential's fault is not counted as a failure;
//! but when the upstream gave it no answer a few times in a row, it gives way to others for a moment, so that one of
//! them shows whose fault it is. Where all fail alike, what was counted is taken back (see
//! [`breaker`](crate::breaker)).
//!
//! Leases that were out when something was settled say nothing new about it: eight turns that run into one rate
//! limit are one rate limit. So a state knows up to which grant the pool had come when it last changed.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::until;
use crate::config::PoolConfig;

/// The state of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// Credential failures in a row.
    pub failures: u32,
    /// Where the last of them came from.
    pub last_failure: Option<FailureSource>,
    /// Rate limits in a row.
    pub limits: u32,
    /// Used-up quotas in a row.
    pub exhaustions: u32,
    /// How often in a row the upstream gave no answer. Not held against the credential, but after a few times another
    /// one is tried.
    pub faults: u32,
    /// Others come before it until then.
    pub gives_way_until: Option<SystemTime>,
    /// Exchanges in a row that failed, for whatever reason.
    pub failed_exchanges: u32,
    /// No exchange is tried ahead of time before this.
    pub no_exchange_before: Option<SystemTime>,
    /// Leases granted up to this number were out when the state changed last.
    pub settled: u64,
}

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing speaks against it.
    #[default]
    Active,
    /// Was limited, or could not be refreshed, a moment ago.
    CoolingDown {
        /// When it is active again.
        until: SystemTime,
    },
    /// Has used up its quota.
    Exhausted {
        /// When it is active again.
        until: SystemTime,
    },
    /// Failed too often. Half-open from `probe_at` on: one lease at a time may try it.
    Tripped {
        /// When it may be tried.
        probe_at: SystemTime,
    },
    /// An operator switched it off.
    SwitchedOff,
    /// The upstream blocked the account.
    Blocked,
    /// Its token has expired and cannot be renewed.
    Expired,
}

/// Where a credential failure came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureSource {
    /// The upstream refused the access token.
    Upstream,
    /// The token endpoint refused the refresh token.
    Exchange,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A lease ended.
    Reported {
        /// How the credential fared.
        outcome: Outcome,
        /// How long the upstream asked to wait.
        retry_after: Option<Duration>,
        /// The number of the grant.
        grant: u64,
    },
    /// The token endpoint gave an access token.
    Exchanged,
    /// The token endpoint refused the refresh token.
    ExchangeRefused,
    /// The exchange failed, but not because of the credential.
    ExchangeFailed {
        /// Whether there is an access token that can serve meanwhile.
        usable: bool,
    },
    /// The token has expired and cannot be renewed.
    Expired,
    /// The upstream said that the quota is used up.
    QuotaSpent {
        /// How long until it comes back.
        refresh: Duration,
    },
    /// The upstream said that a quota that was used up has come back.
    QuotaBack,
    /// An operator switched the credential off.
    SwitchedOff,
    /// An operator wants the credential used again.
    Recovered,
    /// Others failed in the same way: it was not the credential's fault.
    Excused(Excused),
}

/// What is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excused {
    /// So many refusals of the upstream.
    Refusals(u32),
    /// That the upstream gave no answer.
    Faults,
    /// Exchanges that failed, but were not refused.
    Exchanges,
}

/// How a credential fared in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The turn went well.
    Success,
    /// The upstream refused the credential.
    Rejected,
    /// The upstream blocked the account.
    Blocked,
    /// The quota is used up.
    QuotaExhausted,
    /// The upstream asked to slow down.
    RateLimited,
    /// The upstream failed on its own account.
    UpstreamFault,
    /// The upstream was not there: no connection, no answer in time, or a 5xx.
    UpstreamUnavailable,
    /// The request was at fault.
    RequestFault,
    /// The caller left, or the lease expired.
    Abandoned,
}

/// Whether a credential can be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// One lease at a time can try it.
    HalfOpen,
    /// It cannot.
    Down {
        /// When that ends on its own; `None` if a person has to see to it.
        recovery: Option<SystemTime>,
    },
}

/// What a transition depends on besides the state and the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time.
    pub now: SystemTime,
    /// A random number in `0..1`, to stretch delays with.
    pub random: f64,
    /// The number of the last grant of the pool.
    pub last_grant: u64,
    /// The rules' numbers.
    pub config: &'a PoolConfig,
}

impl State {
    /// Whether the credential can be leased.
    pub fn readiness(&self, now: SystemTime) -> Readiness {
        match self.phase {
            Phase::Active => Readiness::Ready,
            Phase::CoolingDown { until } | Phase::Exhausted { until } if until <= now => Readiness::Ready,
            Phase::CoolingDown { until } | Phase::Exhausted { until } => {
                Readiness::Down { recovery: Some(until) }
            }
            Phase::Tripped { probe_at } if probe_at <= now => Readiness::HalfOpen,
            Phase::Tripped { probe_at } => Readiness::Down { recovery: Some(probe_at) },
            Phase::SwitchedOff | Phase::Blocked | Phase::Expired => Readiness::Down { recovery: None },
        }
    }

    /// The phase as it is at `now`: waits that are over have ended.
    pub fn phase_at(&self, now: SystemTime) -> Phase {
        match self.readiness(now) {
            Readiness::Ready => Phase::Active,
            Readiness::HalfOpen | Readiness::Down { .. } => self.phase,
        }
    }

    /// Whether others come before it.
    pub fn gives_way(&self, now: SystemTime) -> bool {
        self.gives_way_until.is_some_and(|until| until > now)
    }

    /// Whether only a person can bring the credential back.
    pub fn waits_for_a_person(&self) -> bool {
        matches!(self.phase, Phase::SwitchedOff | Phase::Blocked | Phase::Expired)
    }
}

/// How long until a credential that is down comes back on its own.
pub(crate) fn wait_for(readiness: Readiness, now: SystemTime) -> Option<Duration> {
    match readiness {
        Readiness::Ready | Readiness::HalfOpen => Some(Duration::ZERO),
        Readiness::Down { recovery } => recovery.map(|recovery| until(recovery, now)),
    }
}

#[cfg(test)]
mod tests;
mod transition;
