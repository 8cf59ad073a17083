//! The transitions of a credential's [`State`].

use std::time::{Duration, SystemTime};

use super::{Context, Event, Excused, FailureSource, Outcome, Phase, State};
use crate::clock::after;

impl State {
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
            Event::QuotaSpent { refresh } => next.quota_spent(refresh, context),
            Event::QuotaBack => next.quota_back(context),
            Event::ExchangeRefused => next.exchange_failed(context).failed(FailureSource::Exchange, context),
            Event::ExchangeFailed { usable } => next.exchange_failed(context).without_token(usable, context),
            Event::Excused(excused) => next.excused(excused, context),
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
            Outcome::UpstreamUnavailable if fresh => self.unanswered(context),
            Outcome::RequestFault if fresh => self.answered(),
            Outcome::UpstreamUnavailable
            | Outcome::UpstreamFault
            | Outcome::RequestFault
            | Outcome::Abandoned => self,
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
        self = self.answered();
        self.settled = context.last_grant;
        let over = self.failures.checked_sub(context.config.failures_to_disable.max(1));
        if let Some(over) = over {
            let delay = context.config.probe_delay.delay(over.saturating_add(1));
            self.phase = Phase::Tripped { probe_at: context.later(delay) };
        }
        self
    }

    /// Whether the upstream or the account is at fault shows when another credential is tried.
    fn unanswered(mut self, context: &Context<'_>) -> Self {
        self.faults = self.faults.saturating_add(1);
        self.settled = context.last_grant;
        if let Some(over) = self.faults.checked_sub(context.config.faults_to_give_way.max(1)) {
            let delay = context.config.give_way.delay(over.saturating_add(1));
            self.gives_way_until = Some(context.later(delay));
        }
        self
    }

    fn answered(mut self) -> Self {
        (self.faults, self.gives_way_until) = (0, None);
        self
    }

    fn excused(mut self, excused: Excused, context: &Context<'_>) -> Self {
        self.settled = context.last_grant;
        match excused {
            Excused::Refusals(count) => {
                self.failures = self.failures.saturating_sub(count);
                if self.failures == 0 {
                    self.last_failure = None;
                }
                if matches!(self.phase, Phase::Tripped { .. })
                    && self.failures < context.config.failures_to_disable.max(1)
                {
                    self.phase = Phase::Active;
                }
            }
            Excused::Faults => self = self.answered(),
            Excused::Exchanges => {
                if matches!(self.phase, Phase::CoolingDown { until } if Some(until) == self.no_exchange_before)
                {
                    self.phase = Phase::Active;
                }
                (self.failed_exchanges, self.no_exchange_before) = (0, None);
            }
        }
        self
    }

    fn limited(mut self, retry_after: Option<Duration>, fresh: bool, context: &Context<'_>) -> Self {
        self.limits = if fresh { self.limits.saturating_add(1) } else { self.limits.max(1) };
        self = self.answered();
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
        self = self.answered();
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

    /// Sets when one that has run out comes back. Whether it has is for the turns to say.
    fn quota_spent(self, refresh: Duration, context: &Context<'_>) -> Self {
        let longest = context.config.max_quota_wait;
        match self.phase {
            Phase::Exhausted { .. } => {
                let until = context.wait(Some(refresh), longest, || longest);
                Self { phase: Phase::Exhausted { until }, ..self }
            }
            _ => self,
        }
    }

    fn quota_back(self, context: &Context<'_>) -> Self {
        match self.phase {
            Phase::Exhausted { .. } => self.settled_in(Phase::Active, context),
            _ => self,
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
