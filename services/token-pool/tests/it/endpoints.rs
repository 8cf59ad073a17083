//! Endpoints that are at fault: nobody pays for them, they are left alone, and one lease tries them.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, poll};
use tokio::time::Instant;
use warp2api_token_pool::breaker::Reason;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Endpoint, EndpointStatus, Error, Lease, Outcome, Pool, PoolConfig, Report, Tier};

use crate::bench::{
    Answer, Endpoint as TokenEndpoint, acquire, advance, config, key, pool, pool_with, refreshable, report,
    turn, view, waiting,
};

fn personal(count: usize) -> Pool {
    pool(config(), ["x", "y", "z"][..count].iter().map(|name| key(Tier::Personal, name)).collect())
}

async fn chat(pool: &Pool) -> EndpointStatus {
    pool.status().await.unwrap().endpoints[0]
}

async fn down_for(pool: &Pool) -> u64 {
    match acquire(pool).await {
        Err(Error::UpstreamDown { retry_after: Some(wait) }) => wait.as_secs(),
        other => panic!("{other:?}"),
    }
}

async fn progress(pool: &Pool, lease: &Lease, outcome: Outcome) {
    let report =
        Report { lease: lease.id.clone(), continues: true, outcome, retry_after: None, detail: None };
    pool.report(report).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_refuses_everybody_disables_nobody() {
    let pool = personal(3);

    for _ in 0..5 {
        turn(&pool, Outcome::Rejected).await;
    }

    let status = chat(&pool).await;
    assert_eq!((status.endpoint, status.held), (Endpoint::Chat, 3));
    assert_eq!(status.open.unwrap().reason, Reason::Refusals);
    assert_eq!(down_for(&pool).await, 5);
    for _ in 0..20 {
        advance(pool.status().await.unwrap().soonest_recovery.map_or(0, |_| 120)).await;
        turn(&pool, Outcome::Rejected).await;
    }
    for name in ["x", "y", "z"] {
        let view = view(&pool, name).await;
        assert_eq!((view.phase, view.failures), (Phase::Active, 0), "{name}");
    }
    advance(120).await;
    turn(&pool, Outcome::Success).await;
    assert_eq!(chat(&pool).await.open, None);
    let served = join_all((0..24).map(|_| acquire(&pool))).await;
    assert!(served.iter().all(Result::is_ok), "all are back at once");
}

#[tokio::test(start_paused = true)]
async fn a_bad_credential_beside_good_ones_is_disabled_and_so_is_one_that_is_alone() {
    let pool = pool(config(), vec![key(Tier::Personal, "bad"), key(Tier::Shared, "good")]);
    for _ in 0..3 {
        let bad = acquire(&pool).await.unwrap();
        report(&pool, &bad, Outcome::Rejected).await;
        let mut good = waiting(0);
        good.excluded = vec![bad.credential];
        let good = pool.acquire(good).await.unwrap();
        report(&pool, &good, Outcome::Success).await;
    }
    assert!(matches!(view(&pool, "bad").await.phase, Phase::Tripped { .. }));
    assert_eq!(turn(&pool, Outcome::Success).await, "good");

    let alone = personal(1);
    for _ in 0..3 {
        turn(&alone, Outcome::Rejected).await;
    }
    assert!(matches!(view(&alone, "x").await.phase, Phase::Tripped { .. }));
    assert_eq!(chat(&alone).await.open, None);
}

#[tokio::test(start_paused = true)]
async fn faults_let_the_next_tier_show_whose_fault_it_is() {
    let three = || {
        let credentials = [(Tier::Personal, "p"), (Tier::Shared, "s"), (Tier::Anonymous, "a")];
        pool(config(), credentials.map(|(tier, name)| key(tier, name)).to_vec())
    };
    let account = three();
    for _ in 0..3 {
        assert_eq!(turn(&account, Outcome::UpstreamUnavailable).await, "p");
    }
    assert_eq!(turn(&account, Outcome::Success).await, "s");
    let gives_way = view(&account, "p").await;
    assert_eq!((gives_way.phase, gives_way.failures), (Phase::Active, 0));
    advance(5).await;
    assert_eq!(turn(&account, Outcome::UpstreamUnavailable).await, "p", "tried again");
    assert_eq!(turn(&account, Outcome::Success).await, "s");
    advance(10).await;
    assert_eq!(turn(&account, Outcome::Success).await, "p", "and back");

    let upstream = three();
    let mut tried = Vec::new();
    while chat(&upstream).await.open.is_none() {
        tried.push(turn(&upstream, Outcome::UpstreamUnavailable).await);
    }
    assert_eq!(tried, ["p", "p", "p", "s", "s", "s", "a"]);
    assert_eq!(down_for(&upstream).await, 5);
    for name in ["p", "s", "a"] {
        assert_eq!(view(&upstream, name).await.phase, Phase::Active, "{name} is not at fault");
    }
    advance(5).await;
    assert_eq!(turn(&upstream, Outcome::Success).await, "p");
}

#[tokio::test(start_paused = true)]
async fn one_credential_alone_serves_whatever_the_upstream_does() {
    let alone = personal(1);
    for _ in 0..20 {
        assert_eq!(turn(&alone, Outcome::UpstreamUnavailable).await, "x");
    }
    assert_eq!(chat(&alone).await.open, None);

    let busy = pool(
        PoolConfig { max_in_flight: 1, ..config() },
        vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")],
    );
    for _ in 0..3 {
        turn(&busy, Outcome::UpstreamUnavailable).await;
    }
    let _held = acquire(&busy).await.unwrap();
    assert_eq!(
        acquire(&busy).await.unwrap().display_name,
        "p",
        "who gives way serves where there is no other"
    );
}

#[tokio::test(start_paused = true)]
async fn limits_and_quotas_and_requests_at_fault_leave_the_endpoint_alone() {
    for outcome in [
        Outcome::RateLimited,
        Outcome::QuotaExhausted,
        Outcome::Blocked,
        Outcome::RequestFault,
        Outcome::UpstreamFault,
    ] {
        let pool = personal(2);
        for _ in 0..8 {
            let Ok(lease) = acquire(&pool).await else { break };
            report(&pool, &lease, outcome).await;
        }
        assert_eq!(chat(&pool).await.open, None, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_one_lease_tries_while_the_others_wait_to_hear() {
    let pool = personal(2);
    for _ in 0..5 {
        turn(&pool, Outcome::UpstreamUnavailable).await;
    }
    assert_eq!(down_for(&pool).await, 5);
    advance(5).await;

    let probe = acquire(&pool).await.unwrap();
    assert!(probe.probe);
    let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(pool.acquire(waiting(60)))).collect();
    for waiter in &mut waiters {
        assert!(poll!(waiter).is_pending());
    }
    assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy);

    report(&pool, &probe, Outcome::UpstreamUnavailable).await;
    for waiter in waiters {
        let error = waiter.now_or_never().expect("they hear at once").unwrap_err();
        assert_eq!(error, Error::UpstreamDown { retry_after: Some(Duration::from_secs(10)) });
    }
    advance(10).await;
    let lost = acquire(&pool).await.unwrap();
    report(&pool, &lost, Outcome::Abandoned).await;
    let probe = acquire(&pool).await.unwrap();
    assert!(probe.probe, "a probe that told nothing is repeated");
    let mut waiter = Box::pin(pool.acquire(waiting(60)));
    assert!(poll!(&mut waiter).is_pending());

    progress(&pool, &probe, Outcome::Success).await;

    assert!(!waiter.now_or_never().expect("it began to answer").unwrap().probe);
    assert_eq!(pool.status().await.unwrap().tiers[0].in_flight, 2, "and goes on");
    report(&pool, &probe, Outcome::Success).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_holder_died_is_followed_by_another() {
    let config = PoolConfig { lease_duration: Duration::from_secs(30), ..config() };
    let pool = pool(config, vec![key(Tier::Personal, "x"), key(Tier::Personal, "y")]);
    for _ in 0..5 {
        turn(&pool, Outcome::UpstreamUnavailable).await;
    }
    advance(5).await;
    let lost = acquire(&pool).await.unwrap();
    assert!(lost.probe);
    let start = Instant::now();

    let next = pool.acquire(waiting(60)).await.unwrap();

    assert_eq!((start.elapsed().as_secs(), next.probe), (30, true));
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_comes_back_or_is_vouched_for_is_tried_at_once() {
    let pool = personal(3);
    let limited = acquire(&pool).await.unwrap();
    report(&pool, &limited, Outcome::RateLimited).await;
    for _ in 0..5 {
        turn(&pool, Outcome::Rejected).await;
    }
    assert_eq!(down_for(&pool).await, 5);

    let vouched = view(&pool, "y").await.id;
    pool.operator("me").recover(&vouched).await.unwrap();
    assert_eq!(turn(&pool, Outcome::Rejected).await, "y");
    assert_eq!(down_for(&pool).await, 5, "which does not make the others wait longer");

    let back = view(&pool, "x").await.id;
    pool.operator("me").recover(&back).await.unwrap();
    assert_eq!(turn(&pool, Outcome::Success).await, "x");
    assert_eq!(chat(&pool).await.open, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_fails_is_not_asked_for_every_credential() {
    let endpoint = TokenEndpoint::default();
    let names: Vec<_> = (0..20).map(|n| format!("r{n}")).collect();
    let credentials = names.iter().map(|name| refreshable(Tier::Personal, name)).collect();
    let pool = pool_with(config(), credentials, &endpoint);
    for name in &names {
        endpoint.usually(name, Answer::Hang);
    }
    let start = Instant::now();

    let error = acquire(&pool).await.unwrap_err();

    assert_eq!(error, Error::RefreshFailed { retry_after: Some(Duration::from_secs(5)) });
    assert_eq!(
        (endpoint.requests().len(), start.elapsed().as_secs()),
        (3, 30),
        "not twenty times ten seconds"
    );
    let status = pool.status().await.unwrap().endpoints[1];
    assert_eq!((status.endpoint, status.held), (Endpoint::Token, 20));
    assert!(matches!(acquire(&pool).await, Err(Error::RefreshFailed { .. })));
    assert_eq!(endpoint.requests().len(), 3);

    advance(5).await;
    let both = join_all((0..40).map(|_| acquire(&pool))).await;
    assert!(both.iter().all(Result::is_err));
    assert_eq!(endpoint.requests().len(), 4, "one tries");
    for name in &names {
        endpoint.usually(name, Answer::Token);
    }
    advance(10).await;
    turn(&pool, Outcome::Success).await;
    let leases = join_all((0..40).map(|_| acquire(&pool))).await;
    assert!(leases.iter().all(Result::is_ok), "then all are back");
    assert_eq!(pool.status().await.unwrap().tiers[0].active, 20);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_need_no_exchange_do_not_care_about_the_token_endpoint() {
    let endpoint = TokenEndpoint::default();
    let credentials =
        vec![refreshable(Tier::Personal, "a"), refreshable(Tier::Personal, "b"), key(Tier::Shared, "k")];
    let pool = pool_with(config(), credentials, &endpoint);
    for name in ["a", "b"] {
        endpoint.usually(name, Answer::Error(503, ""));
    }

    assert_eq!(turn(&pool, Outcome::Success).await, "k");
    assert_eq!(endpoint.requests(), ["a", "b"]);
    assert_eq!(turn(&pool, Outcome::Success).await, "k");
    assert_eq!(endpoint.requests().len(), 2);
    advance(5).await;
    endpoint.usually("a", Answer::Token);
    assert_eq!(turn(&pool, Outcome::Success).await, "a", "personal comes first again");
}
