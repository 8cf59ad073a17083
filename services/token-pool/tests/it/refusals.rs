//! Refusals, of refresh tokens and of access tokens, and token endpoints that fail: what counts against a credential, what
//! does not, and who serves meanwhile.

use futures_util::future::join_all;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Error, Outcome, Pool, Tier};

use crate::bench::{
    Answer, Endpoint, acquire, advance, config, key, pool_with, refreshable, report, turn, view,
};
use crate::refresh::{beside_refresh, many_slots, thousand};

const REFUSED: Answer = Answer::Error(400, "TOKEN_EXPIRED");

#[tokio::test(start_paused = true)]
async fn three_refused_exchanges_disable_and_a_probe_brings_it_back() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    endpoint.usually("r", REFUSED);

    for failures in 1..=3 {
        let error = acquire(&pool).await.unwrap_err();
        assert!(matches!(error, Error::RefreshFailed { retry_after: Some(_) }), "{error:?}");
        assert_eq!(view(&pool, "r").await.failures, failures);
    }
    let disabled = view(&pool, "r").await;
    assert!(matches!(disabled.phase, Phase::Tripped { .. }) && disabled.recovery.is_some());
    assert!(disabled.last_error.unwrap().contains("TOKEN_EXPIRED"));
    assert!(matches!(acquire(&pool).await.unwrap_err(), Error::AllDown { retry_after: Some(_) }));
    assert_eq!(endpoint.requests().len(), 3, "a disabled one is left alone");

    advance(60).await;
    assert!(acquire(&pool).await.is_err(), "a probe that fails");
    advance(119).await;
    assert!(acquire(&pool).await.is_err(), "the next one is later");
    assert_eq!(endpoint.requests().len(), 4);
    endpoint.usually("r", Answer::Token);
    advance(1).await;
    turn(&pool, Outcome::Success).await;

    let back = view(&pool, "r").await;
    assert_eq!((back.phase, back.failures, back.last_error), (Phase::Active, 0, None));
}

#[tokio::test(start_paused = true)]
async fn every_code_that_speaks_against_the_credential_counts_and_no_other() {
    for (answer, counted) in [
        (Answer::Error(400, "TOKEN_EXPIRED"), 1),
        (Answer::Error(400, "INVALID_REFRESH_TOKEN"), 1),
        (Answer::Error(400, "invalid_grant"), 1),
        (Answer::Error(400, "USER_DISABLED"), 1),
        (Answer::Error(400, "USER_NOT_FOUND"), 1),
        (Answer::Error(400, "API key not valid"), 0),
        (Answer::Error(429, "QUOTA_EXCEEDED"), 0),
        (Answer::Error(500, "TOKEN_EXPIRED"), 0),
        (Answer::Error(503, ""), 0),
        (Answer::Stall, 0),
        (Answer::Hang, 0),
    ] {
        let endpoint = Endpoint::default();
        let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
        endpoint.usually("r", answer.clone());

        assert!(acquire(&pool).await.is_err());

        assert_eq!(view(&pool, "r").await.failures, counted, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_cools_the_credential_down_and_never_disables_it() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    endpoint.usually("r", Answer::Error(503, ""));

    let mut waits = Vec::new();
    for _ in 0..10 {
        let Err(Error::RefreshFailed { retry_after: Some(wait) }) = acquire(&pool).await else { panic!() };
        assert!(matches!(view(&pool, "r").await.phase, Phase::CoolingDown { .. }));
        assert!(matches!(acquire(&pool).await, Err(Error::AllDown { .. })), "nobody waits for it meanwhile");
        waits.push(wait.as_secs());
        tokio::time::sleep(wait).await;
    }

    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    assert_eq!(endpoint.requests().len(), 10);
    endpoint.usually("r", Answer::Token);
    assert_eq!(turn(&pool, Outcome::Success).await, "r");
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_hangs_is_given_up_and_the_next_credential_serves() {
    let endpoint = Endpoint::default();
    let credentials = vec![refreshable(Tier::Personal, "r"), key(Tier::Shared, "s")];
    let pool = pool_with(config(), credentials, &endpoint);
    endpoint.usually("r", Answer::Hang);
    let start = tokio::time::Instant::now();

    assert_eq!(turn(&pool, Outcome::Success).await, "s");

    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(turn(&pool, Outcome::Success).await, "s");
    assert_eq!(start.elapsed().as_secs(), 10, "and nobody waits for it again");
}

#[tokio::test(start_paused = true)]
async fn tiers_fall_back_in_order_and_personal_is_first_again_when_it_recovers() {
    let endpoint = Endpoint::default();
    let credentials = vec![
        refreshable(Tier::Anonymous, "anonymous"),
        refreshable(Tier::Shared, "shared"),
        refreshable(Tier::Personal, "personal"),
    ];
    let pool = pool_with(config(), credentials, &endpoint);
    endpoint.usually("personal", REFUSED);

    for _ in 0..3 {
        assert_eq!(turn(&pool, Outcome::Success).await, "shared", "in the same call that failed");
    }
    assert!(matches!(view(&pool, "personal").await.phase, Phase::Tripped { .. }));
    let first_calls = endpoint.requests();
    assert_eq!(first_calls, ["personal", "shared", "personal", "personal"]);

    endpoint.usually("shared", REFUSED);
    let shared = acquire(&pool).await.unwrap();
    assert_eq!(report(&pool, &shared, Outcome::Rejected).await.failures, 0, "a new token is tried first");
    for _ in 0..3 {
        assert_eq!(turn(&pool, Outcome::Success).await, "anonymous");
    }
    assert!(matches!(view(&pool, "shared").await.phase, Phase::Tripped { .. }));

    endpoint.usually("personal", Answer::Token);
    endpoint.usually("shared", Answer::Token);
    assert_eq!(turn(&pool, Outcome::Success).await, "anonymous");
    beside_refresh(&pool, advance(62)).await;
    assert_eq!(view(&pool, "personal").await.phase, Phase::Active, "the background task probed it");
    assert_eq!(turn(&pool, Outcome::Success).await, "personal");
    assert_eq!(view(&pool, "shared").await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_renewed_by_the_next_acquire() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    let first = acquire(&pool).await.unwrap();
    assert!(first.refreshable);

    let after = report(&pool, &first, Outcome::Rejected).await;

    assert_eq!((after.failures, after.access_token_expire_time), (0, None));
    let second = acquire(&pool).await.unwrap();
    assert_eq!((first.bearer.expose(), second.bearer.expose()), ("access-1", "access-2"));
    assert_eq!(report(&pool, &second, Outcome::Rejected).await.failures, 1);
}

#[tokio::test(start_paused = true)]
async fn one_half_open_lease_at_a_time_tries_a_rejected_key() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")], &endpoint);
    for _ in 0..3 {
        assert_eq!(turn(&pool, Outcome::Rejected).await, "p");
    }
    assert_eq!(turn(&pool, Outcome::Success).await, "s");
    advance(60).await;

    let probe = acquire(&pool).await.unwrap();
    assert_eq!((probe.display_name.as_str(), turn(&pool, Outcome::Success).await.as_str()), ("p", "s"));
    report(&pool, &probe, Outcome::Abandoned).await;
    let probe = acquire(&pool).await.unwrap();
    assert_eq!(probe.display_name, "p", "a probe that told nothing is repeated");
    report(&pool, &probe, Outcome::Success).await;

    let leases = join_all((0..8).map(|_| acquire(&pool))).await;
    assert!(leases.into_iter().all(|lease| lease.unwrap().display_name == "p"));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_asked_when_the_first_endpoint_fails_but_not_when_it_refuses() {
    for (answer, works) in [(Answer::Error(503, ""), true), (REFUSED, false)] {
        let endpoint = Endpoint::default();
        endpoint.next("r", answer.clone());
        let mut exchange = endpoint.exchange();
        exchange.fallback_url = Some("https://fallback.test/v1/token".to_owned());
        let pool = Pool::with_clock(
            config(),
            vec![refreshable(Tier::Personal, "r")],
            exchange,
            crate::bench::TokioClock::start(),
        );

        assert_eq!(acquire(&pool).await.is_ok(), works, "{answer:?}");
        assert_eq!(endpoint.requests().len(), if works { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_wait_no_longer_than_one_when_the_exchange_fails() {
    let endpoint = Endpoint::default();
    let credentials = vec![refreshable(Tier::Personal, "r"), key(Tier::Shared, "s")];
    let pool = pool_with(many_slots(), credentials, &endpoint);
    for (answer, waited) in [(Answer::Error(500, ""), 0), (REFUSED, 0), (Answer::Hang, 10)] {
        endpoint.next("r", answer.clone());
        let (before, start) = (endpoint.requests().len(), tokio::time::Instant::now());

        assert!(thousand(&pool).await.iter().all(|bearer| bearer == "s"), "{answer:?}");

        assert_eq!(
            (endpoint.requests().len(), start.elapsed().as_secs()),
            (before + 1, waited),
            "{answer:?}"
        );
        advance(600).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_bearer_is_renewed_once_then_counts_and_the_third_disables() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    let mut failures = Vec::new();
    for _ in 0..4 {
        let lease = acquire(&pool).await.unwrap();
        failures.push(report(&pool, &lease, Outcome::Rejected).await.failures);
    }

    assert_eq!((failures, endpoint.requests().len()), (vec![0, 1, 2, 3], 4));
    assert!(matches!(view(&pool, "r").await.phase, Phase::Tripped { .. }));
    advance(60).await;
    turn(&pool, Outcome::Success).await;
    let lease = acquire(&pool).await.unwrap();
    assert_eq!(report(&pool, &lease, Outcome::Rejected).await.failures, 0, "a success ends the suspicion");
}
