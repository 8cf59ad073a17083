//! Every number the pool's rules depend on, with the default and the reason for it.

use std::time::Duration;

use crate::breaker::Rule;
use crate::credential::Kind;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The options of a [`Pool`](crate::Pool).
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// How long a lease lasts if the caller asked for nothing. Default 15 minutes, longer than turns are.
    pub lease_duration: Duration,
    /// The longest lease a caller can have. Default 2 hours, longer than the longest turn.
    pub max_lease_duration: Duration,
    /// Leases of one credential that may be out at once. Default 8.
    pub max_in_flight: u32,
    /// The same for a credential of the ANONYMOUS tier. Default 2: the upstream fails such accounts when many
    /// requests come at once.
    pub max_in_flight_anonymous: u32,
    /// The longest a caller can wait for a slot. Default 1 minute.
    pub max_wait: Duration,
    /// How many callers can wait for a slot at once. Default 1000.
    pub max_waiters: usize,

    /// How long the store may take over what must not be lost. Default 5 seconds.
    pub store_timeout: Duration,

    /// How long before its expiry an access token is renewed. Default 5 minutes.
    pub refresh_margin: Duration,
    /// The same in percent of the token's life; the larger of the two applies, but never more than half the life.
    /// Default 10.
    pub refresh_margin_percent: u32,
    /// How long before its expiry an access token is no longer handed out: the request still has to travel, and
    /// clocks differ. Default 10 seconds.
    pub expiry_margin: Duration,
    /// A credential that was not leased for this long is no longer renewed ahead of time, only when it is needed.
    /// Default 2 hours.
    pub refresh_idle_limit: Duration,
    /// How long one request to the token endpoint may take. Default 10 seconds.
    pub exchange_timeout: Duration,
    /// The wait after an exchange that failed. Default 5 seconds, doubled up to 5 minutes.
    pub refresh_retry: Backoff,

    /// Credential failures in a row that disable a credential. Default 3.
    pub failures_to_disable: u32,
    /// The wait until a disabled credential is probed. Default 1 minute, doubled up to 1 hour.
    pub probe_delay: Backoff,
    /// How often in a row the upstream gives a credential no answer before others come first for a moment. Default 3.
    pub faults_to_give_way: u32,
    /// For how long they do. Default 5 seconds, doubled up to 1 minute.
    pub give_way: Backoff,
    /// Failures in a row, of all credentials that could serve, that are taken to be the endpoint's fault: it is left
    /// alone and they are held. Default 5. A single credential never leads to that: refusals disable it as ever.
    pub breaker_failures: u32,
    /// How long such a failure counts if nothing worked in between. Default 2 minutes.
    pub breaker_window: Duration,
    /// How long an endpoint is left alone before one lease tries it. Default 5 seconds, doubled up to 2 minutes.
    pub breaker_delay: Backoff,
    /// Credentials whose exchanges have to fail before the token endpoint is left alone, if there are more than
    /// that. Default 3.
    pub exchange_breaker_credentials: usize,
    /// The cool-down after a rate limit without a Retry-After. Default 30 seconds, doubled up to 10 minutes.
    pub rate_limit_cool_down: Backoff,
    /// The longest Retry-After of a rate limit that is believed. Default 1 hour.
    pub max_rate_limit: Duration,
    /// How long a credential without quota rests if the upstream did not say. Default 10 minutes, doubled up to
    /// 6 hours.
    pub quota_cool_down: Backoff,
    /// The longest wait for quota that is believed. Default 35 days: quotas are monthly.
    pub max_quota_wait: Duration,
    /// The only kind of credentials that this process uses: others are kept and shown, but neither leased nor
    /// exchanged, nor asked about. `None`, the default, means all. For a process on the embedded upstream, which would
    /// refuse what is Warp's.
    pub only: Option<Kind>,
    /// How far delays are stretched at random, as a share of the delay: 0 is never, 0.2 is up to a fifth longer.
    /// Default 0.2.
    pub jitter: f64,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            lease_duration: 15 * MINUTE,
            max_lease_duration: HOUR.saturating_mul(2),
            max_in_flight: 8,
            max_in_flight_anonymous: 2,
            max_wait: MINUTE,
            max_waiters: 1000,
            store_timeout: 5 * SECOND,
            refresh_margin: 5 * MINUTE,
            refresh_margin_percent: 10,
            expiry_margin: 10 * SECOND,
            refresh_idle_limit: 2 * HOUR,
            exchange_timeout: 10 * SECOND,
            refresh_retry: Backoff { base: 5 * SECOND, max: 5 * MINUTE },
            failures_to_disable: 3,
            probe_delay: Backoff { base: MINUTE, max: HOUR },
            faults_to_give_way: 3,
            give_way: Backoff { base: 5 * SECOND, max: MINUTE },
            breaker_failures: 5,
            breaker_window: 2 * MINUTE,
            breaker_delay: Backoff { base: 5 * SECOND, max: 2 * MINUTE },
            exchange_breaker_credentials: 3,
            rate_limit_cool_down: Backoff { base: 30 * SECOND, max: 10 * MINUTE },
            max_rate_limit: HOUR,
            quota_cool_down: Backoff { base: 10 * MINUTE, max: 6 * HOUR },
            max_quota_wait: 35 * 24 * HOUR,
            only: None,
            jitter: 0.2,
        }
    }
}

impl PoolConfig {
    /// Whether this process uses credentials of a kind.
    pub fn uses(&self, kind: Kind) -> bool {
        self.only.is_none_or(|only| only == kind)
    }

    /// How long before its expiry a token of this life is renewed. `random` is in `0..1`.
    pub fn margin(&self, life: Duration, random: f64) -> Duration {
        let share = life / 100 * self.refresh_margin_percent.min(100);
        self.stretched(self.refresh_margin.max(share), random).min(life / 2)
    }

    /// When the chat endpoint is at fault.
    pub fn chat_rule(&self) -> Rule {
        Rule {
            failures: self.breaker_failures.max(1),
            credentials: 2,
            enough_credentials: None,
            window: self.breaker_window,
            delay: self.breaker_delay,
        }
    }

    /// When the token endpoint is. An exchange that fails but is not refused speaks against no credential, so a few
    /// are enough; a single one has its own pause.
    pub fn exchange_rule(&self) -> Rule {
        let enough = self.exchange_breaker_credentials.max(2);
        Rule { failures: 1, enough_credentials: Some(enough), ..self.chat_rule() }
    }

    /// `delay`, stretched at random. `random` is in `0..1`.
    pub fn stretched(&self, delay: Duration, random: f64) -> Duration {
        let stretch = 1.0 + (self.jitter * random).clamp(0.0, 1.0);
        Duration::try_from_secs_f64(delay.as_secs_f64() * stretch).unwrap_or(delay)
    }
}

/// A delay that doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Backoff {
    /// The delay after `count` failures in a row; the first has the count 1.
    pub fn delay(&self, count: u32) -> Duration {
        let doublings = count.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_their_cap() {
        let backoff = Backoff { base: 30 * SECOND, max: 10 * MINUTE };

        let delays: Vec<_> = (0..8).map(|count| backoff.delay(count).as_secs()).collect();

        assert_eq!(delays, [30, 30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(backoff.delay(u32::MAX), 10 * MINUTE);
    }

    #[test]
    fn the_margin_is_five_minutes_or_a_tenth_but_never_more_than_half_a_life() {
        let config = PoolConfig { jitter: 0.0, ..PoolConfig::default() };
        for (life, margin) in [
            (40 * MINUTE, 5 * MINUTE),
            (60 * MINUTE, 6 * MINUTE),
            (10 * HOUR, HOUR),
            (4 * MINUTE, 2 * MINUTE),
        ] {
            assert_eq!(config.margin(life, 0.9), margin, "{life:?}");
        }
    }

    #[test]
    fn jitter_only_ever_lengthens() {
        let config = PoolConfig::default();
        for (random, expected) in [(0.0, 100.0), (0.5, 110.0), (1.0, 120.0)] {
            let delay = config.stretched(100 * SECOND, random);
            assert!((delay.as_secs_f64() - expected).abs() < 1e-6, "{delay:?}");
        }
    }
}
