use tokio::time::Instant;

use super::*;
use crate::state::Readiness;

const HOUR: u64 = 3600;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + seconds)
}

/// An entry, the number of the last grant, and the time.
struct Bench {
    entry: Entry,
    config: PoolConfig,
    grant: u64,
    second: u64,
}

impl Bench {
    fn new(kind: Kind, secret: &str) -> Self {
        let secret = Secret::new(secret);
        let id = CredentialId::of(kind, &secret);
        let new = NewCredential { tier: Tier::Personal, kind, display_name: None, secret };
        let config = PoolConfig { jitter: 0.0, ..PoolConfig::default() };
        Self { entry: Entry::new(id, 0, new, Source::Settings), config, grant: 0, second: 0 }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Entry, &Context<'_>) -> T) -> T {
        let context =
            Context { now: at(self.second), random: 0.0, last_grant: self.grant, config: &self.config };
        act(&mut self.entry, &context)
    }

    fn exchange(&mut self, token: &str) {
        let exchanged = Exchanged {
            access_token: Secret::new(token),
            refresh_token: None,
            expires: Some(at(self.second + HOUR)),
        };
        self.with(|entry, context| entry.exchanged(&Ok(exchanged), context));
    }

    fn fail(&mut self, error: &ExchangeError) {
        self.with(|entry, context| entry.exchanged(&Err(error.clone()), context));
    }

    /// Grants a lease of the token at hand.
    fn lease(&mut self) -> LeaseRecord {
        let serial = self.entry.bearer(at(self.second), &self.config).map_or(0, |bearer| bearer.serial);
        self.grant += 1;
        self.entry.take_slot(self.grant);
        self.entry.granted(at(self.second));
        let credential = self.entry.id.clone();
        LeaseRecord {
            credential,
            grant: self.grant,
            token_serial: serial,
            expires: Instant::now(),
            lent: true,
        }
    }

    fn report(&mut self, outcome: Outcome, lease: &LeaseRecord) {
        self.with(|entry, context| {
            entry.return_slot(lease.grant);
            entry.report(outcome, None, None, lease, context);
        });
    }

    fn turn(&mut self, outcome: Outcome) {
        let lease = self.lease();
        self.report(outcome, &lease);
    }

    fn bearer(&self) -> Option<String> {
        self.entry.bearer(at(self.second), &self.config).map(|bearer| bearer.secret.expose().to_owned())
    }
}

#[test]
fn a_rejected_access_token_is_dropped_and_only_the_second_in_a_row_counts() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    let mut failures = Vec::new();
    for token in ["one", "two", "three", "four"] {
        bench.exchange(token);
        bench.turn(Outcome::Rejected);
        assert_eq!(bench.bearer(), None, "{token}");
        failures.push(bench.entry.state.failures);
    }

    assert_eq!(failures, [0, 1, 2, 3]);
    assert!(matches!(bench.entry.state.readiness(at(0)), Readiness::Down { recovery: Some(_) }));
}

#[test]
fn a_success_with_the_new_token_forgives_the_rejection_of_the_old_one() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    bench.exchange("one");
    bench.turn(Outcome::Rejected);
    bench.exchange("two");
    bench.turn(Outcome::Success);

    bench.turn(Outcome::Rejected);

    assert_eq!(bench.entry.state.failures, 0);
}

#[test]
fn rejections_of_a_token_that_was_replaced_say_nothing() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    bench.exchange("one");
    let leases: Vec<_> = (0..8).map(|_| bench.lease()).collect();
    bench.report(Outcome::Rejected, &leases[0]);
    bench.exchange("two");

    for lease in &leases[1..] {
        bench.report(Outcome::Rejected, lease);
    }

    assert_eq!((bench.entry.state.failures, bench.bearer().as_deref()), (0, Some("two")));
}

#[test]
fn a_key_keeps_its_secret_and_each_rejection_in_a_row_counts() {
    let mut bench = Bench::new(Kind::ApiKey, "wk-1");
    for failures in 1..=3 {
        bench.turn(Outcome::Rejected);
        assert_eq!((bench.entry.state.failures, bench.bearer().as_deref()), (failures, Some("wk-1")));
    }
    assert!(matches!(bench.entry.state.readiness(at(0)), Readiness::Down { recovery: Some(_) }));
}

#[test]
fn tokens_are_renewed_ahead_of_time_but_serve_until_they_expire() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    bench.exchange("t");
    bench.lease();
    let mut at_second = |second: u64| {
        bench.second = second;
        let bearer = bench.entry.bearer(at(second), &bench.config);
        (bearer.is_some(), bearer.is_some_and(|b| b.renewal_due))
    };

    for (second, expected) in [
        (0, (true, false)),
        // A tenth of an hour is more than five minutes.
        (HOUR - 361, (true, false)),
        (HOUR - 360, (true, true)),
        (HOUR - 11, (true, true)),
        (HOUR - 10, (false, false)),
    ] {
        assert_eq!(at_second(second), expected, "{second}");
    }
    assert_eq!(bench.entry.exchange_due(&bench.config), Some(at(HOUR - 360)));
}

#[test]
fn a_credential_nobody_uses_is_not_renewed_ahead_of_time() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    bench.exchange("t");
    assert_eq!(bench.entry.exchange_due(&bench.config), None, "never leased");

    bench.lease();
    assert!(bench.entry.exchange_due(&bench.config).is_some());
    bench.second = 3 * HOUR;
    bench.exchange("u");

    assert_eq!(bench.entry.exchange_due(&bench.config), None, "leased hours ago");
}

#[test]
fn failed_renewals_wait_and_the_token_at_hand_serves_on() {
    let mut bench = Bench::new(Kind::RefreshToken, "r");
    bench.exchange("t");
    bench.lease();
    bench.second = HOUR - 300;

    bench.fail(&ExchangeError::Status(503));
    bench.fail(&ExchangeError::Refused("TOKEN_EXPIRED"));

    assert_eq!(bench.bearer().as_deref(), Some("t"));
    assert_eq!(bench.entry.exchange_due(&bench.config), Some(at(HOUR - 300 + 10)));
    assert_eq!((bench.entry.state.failures, bench.entry.state.phase), (1, Phase::Active));
}

#[test]
fn a_static_jwt_serves_to_its_end_and_then_waits_for_the_operator() {
    // Expires 100,000,000 seconds after the bench's beginning.
    let mut bench = Bench::new(Kind::StaticJwt, "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln");
    bench.second = 99_999_999;
    assert!(bench.bearer().is_some() && !bench.entry.has_expired(at(bench.second), &bench.config));

    bench.second = 100_000_000;
    assert!(bench.bearer().is_none() && bench.entry.has_expired(at(bench.second), &bench.config));
    bench.with(Entry::expire);

    assert_eq!(bench.entry.state.readiness(at(bench.second)), Readiness::Down { recovery: None });
    assert!(bench.entry.last_error.as_deref().unwrap().contains("expired"));
}

#[test]
fn what_is_noted_holds_no_secret_and_is_cut() {
    let mut bench = Bench::new(Kind::RefreshToken, "planted-refresh");
    bench.exchange("planted-access");
    for (detail, expected) in [
        (Some("slow down"), "slow down".to_owned()),
        (Some("  "), "the upstream asked to slow down".to_owned()),
        (None, "the upstream asked to slow down".to_owned()),
        (Some("Bearer planted-access is odd"), "the upstream asked to slow down".to_owned()),
        (Some("planted-refresh"), "the upstream asked to slow down".to_owned()),
        (Some(&"ü".repeat(300)), "ü".repeat(200)),
    ] {
        let lease = bench.lease();
        bench.with(|entry, context| entry.report(Outcome::RateLimited, None, detail, &lease, context));
        assert_eq!(bench.entry.last_error.as_ref(), Some(&expected), "{detail:?}");
    }
}
