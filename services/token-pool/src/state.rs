//! What becomes of a credential: `(state, event, now) -> state`. Pure, and ignorant of where a state is kept.
//!
//! A credential is active until something speaks against it. A rate limit makes it cool down, a used-up quota
//! makes it rest; both end on their own. Three failures of its own in a row trip it: it is disabled, and probed
//! after a delay that grows with every probe that fails. A blocked account, an operator's switch and the expiry of
//! a token that cannot be renewed wait for a person. What is not the credential's fault changes nothing.
//!
//! Leases that were out when something was settled say nothing new about it: eight turns that run into one rate
//! limit are one rate limit. So a state knows up to which grant the pool had come when it last changed.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::{after, until};
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
    /// An operator switched the credential off.
    SwitchedOff,
    /// An operator wants the credential used again.
    Recovered,
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

    /// Whether only a person can bring the credential back.
    pub fn waits_for_a_person(&self) -> bool {
        matches!(self.phase, Phase::SwitchedOff | Phase::Blocked | Phase::Expired)
    }

    /// The state after an event.
    #[must_use]
    pub fn after(&self, event: Event, context: &Context<'_>) -> Self {
        let next = Self { phase: self.phase_at(context.now), ..self.clone() };
        match event {
            Event::Recovered => Self { settled: context.last_grant, ..Self::default() },
            Event::SwitchedOff => next.settled_in(Phase::SwitchedOff, context),
            _ if self.waits_for_a_person() => next,
            Event::Expired => next.settled_in(Phase::Expired, context),
            Event::Exchanged => next.exchanged(),
            Event::ExchangeRefused => next.exchange_failed(context).failed(FailureSource::Exchange, context),
            Event::ExchangeFailed { usable } => next.exchange_failed(context).without_token(usable, context),
            Event::Reported { outcome, retry_after, grant } => {
                let fresh = grant > next.settled;
                next.reported(outcome, retry_after, fresh, context)
            }
        }
    }

    fn reported(
        self,
        outcome: Outcome,
        retry_after: Option<Duration>,
        fresh: bool,
        context: &Context<'_>,
    ) -> Self {
        match outcome {
            Outcome::UpstreamFault | Outcome::RequestFault | Outcome::Abandoned => self,
            Outcome::Blocked => self.settled_in(Phase::Blocked, context),
            Outcome::Success if fresh => self.succeeded(),
            Outcome::Rejected if fresh => self.failed(FailureSource::Upstream, context),
            Outcome::RateLimited => self.limited(retry_after, fresh, context),
            Outcome::QuotaExhausted => self.exhausted(retry_after, fresh, context),
            Outcome::Success | Outcome::Rejected => self,
        }
    }

    /// A turn that went well says nothing about the refresh token: the wait between exchanges stays.
    fn succeeded(self) -> Self {
        Self {
            settled: self.settled,
            failed_exchanges: self.failed_exchanges,
            no_exchange_before: self.no_exchange_before,
            ..Self::default()
        }
    }

    fn failed(mut self, source: FailureSource, context: &Context<'_>) -> Self {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(source);
        self.settled = context.last_grant;
        let over = self.failures.checked_sub(context.config.failures_to_disable.max(1));
        if let Some(over) = over {
            let delay = context.config.probe_delay.delay(over.saturating_add(1));
            self.phase = Phase::Tripped { probe_at: context.later(delay) };
        }
        self
    }

    fn limited(mut self, retry_after: Option<Duration>, fresh: bool, context: &Context<'_>) -> Self {
        self.limits = if fresh { self.limits.saturating_add(1) } else { self.limits.max(1) };
        let ends = context.wait(retry_after, context.config.max_rate_limit, || {
            context.config.rate_limit_cool_down.delay(self.limits)
        });
        match self.phase {
            Phase::Tripped { .. } if !fresh => self,
            // Says nothing about the credential itself, so it stays tripped.
            Phase::Tripped { probe_at } => {
                self.settled_in(Phase::Tripped { probe_at: probe_at.max(ends) }, context)
            }
            Phase::Exhausted { until } => Self { phase: Phase::Exhausted { until: until.max(ends) }, ..self },
            // A wait that was only guessed does not grow because more turns had run into the same limit.
            Phase::CoolingDown { .. } if !fresh && retry_after.is_none() => self,
            Phase::CoolingDown { until } => {
                self.settled_in(Phase::CoolingDown { until: until.max(ends) }, context)
            }
            _ => self.settled_in(Phase::CoolingDown { until: ends }, context),
        }
    }

    fn exhausted(mut self, retry_after: Option<Duration>, fresh: bool, context: &Context<'_>) -> Self {
        if matches!(self.phase, Phase::Tripped { .. }) && !fresh {
            return self;
        }
        self.exhaustions = if fresh { self.exhaustions.saturating_add(1) } else { self.exhaustions.max(1) };
        let ends = context.wait(retry_after, context.config.max_quota_wait, || {
            context.config.quota_cool_down.delay(self.exhaustions)
        });
        if fresh {
            // Who has a quota was recognised.
            (self.failures, self.last_failure) = (0, None);
        }
        match self.phase {
            Phase::Exhausted { .. } if !fresh && retry_after.is_none() => self,
            Phase::Exhausted { until } | Phase::CoolingDown { until } => {
                self.settled_in(Phase::Exhausted { until: until.max(ends) }, context)
            }
            _ => self.settled_in(Phase::Exhausted { until: ends }, context),
        }
    }

    fn exchanged(mut self) -> Self {
        (self.failed_exchanges, self.no_exchange_before) = (0, None);
        if self.last_failure == Some(FailureSource::Exchange) {
            (self.failures, self.last_failure) = (0, None);
            if matches!(self.phase, Phase::Tripped { .. }) {
                self.phase = Phase::Active;
            }
        }
        self
    }

    fn exchange_failed(mut self, context: &Context<'_>) -> Self {
        self.failed_exchanges = self.failed_exchanges.saturating_add(1);
        self.no_exchange_before =
            Some(context.later(context.config.refresh_retry.delay(self.failed_exchanges)));
        self
    }

    fn without_token(mut self, usable: bool, context: &Context<'_>) -> Self {
        let retry = self.no_exchange_before.unwrap_or(context.now);
        match self.phase {
            Phase::Active if !usable => self.phase = Phase::CoolingDown { until: retry },
            Phase::Tripped { probe_at } => self.phase = Phase::Tripped { probe_at: probe_at.max(retry) },
            _ => {}
        }
        self
    }

    fn settled_in(mut self, phase: Phase, context: &Context<'_>) -> Self {
        self.phase = phase;
        self.settled = context.last_grant;
        self
    }
}

impl Context<'_> {
    fn later(&self, delay: Duration) -> SystemTime {
        after(self.now, self.config.stretched(delay, self.random))
    }

    /// What the upstream asked for, between a second and `longest`, else a guess, stretched.
    fn wait(
        &self,
        asked: Option<Duration>,
        longest: Duration,
        guess: impl FnOnce() -> Duration,
    ) -> SystemTime {
        match asked {
            Some(asked) => after(self.now, asked.max(Duration::from_secs(1)).min(longest)),
            None => self.later(guess()),
        }
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
