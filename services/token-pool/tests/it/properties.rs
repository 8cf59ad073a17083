//! What holds whatever happens: random turns, waits and failures against the whole pool.

use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Acquire, Lease, Outcome, Pool, PoolConfig, Report, Tier};

use crate::bench::{Answer, Endpoint, config, key, pool_with, refreshable, report, waiting};

const LEASE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
enum Step {
    Acquire { excluded: usize },
    Report { lease: usize, outcome: Outcome, retry_after: Option<u64> },
    Lose { lease: usize },
    Sleep { seconds: u64 },
    Endpoint { works: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Success),
        3 => Just(Outcome::Rejected),
        1 => Just(Outcome::QuotaExhausted),
        1 => Just(Outcome::RateLimited),
        1 => Just(Outcome::UpstreamFault),
        1 => Just(Outcome::Abandoned),
    ];
    prop_oneof![
        6 => (0..8usize).prop_map(|excluded| Step::Acquire { excluded }),
        5 => (0..8usize, outcome, prop::option::of(0..500u64))
            .prop_map(|(lease, outcome, retry_after)| Step::Report { lease, outcome, retry_after }),
        1 => (0..8usize).prop_map(|lease| Step::Lose { lease }),
        2 => (0..1500u64).prop_map(|seconds| Step::Sleep { seconds }),
        1 => any::<bool>().prop_map(|works| Step::Endpoint { works }),
    ]
}

fn small() -> PoolConfig {
    PoolConfig { max_in_flight: 2, max_in_flight_anonymous: 1, ..config() }
}

async fn check(pool: &Pool, out: usize) -> Result<(), TestCaseError> {
    let now = pool.status().await.unwrap().soonest_recovery;
    let views = pool.list(None, 100).await.unwrap().0;
    prop_assert_eq!(views.iter().map(|view| view.in_flight as usize).sum::<usize>(), out);
    for view in views {
        let limit = if view.tier == Tier::Anonymous { 1 } else { 2 };
        prop_assert!(view.in_flight <= limit, "{:?}", view);
        let waits_for_a_person = matches!(view.phase, Phase::Blocked | Phase::SwitchedOff | Phase::Expired);
        let down = view.phase != Phase::Active;
        prop_assert_eq!(view.recovery.is_some(), down && !waits_for_a_person, "{:?}", view);
        if down {
            prop_assert!(view.last_error.is_some(), "{:?}", view);
        }
    }
    prop_assert!(now.is_none() || pool.status().await.unwrap().tiers.iter().all(|tier| tier.active == 0));
    Ok(())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let endpoint = Endpoint::default();
    let credentials = vec![
        refreshable(Tier::Personal, "r"),
        key(Tier::Personal, "p"),
        refreshable(Tier::Shared, "s"),
        key(Tier::Anonymous, "a"),
    ];
    let pool = pool_with(small(), credentials, &endpoint);
    let ids: Vec<_> = pool.list(None, 100).await.unwrap().0.into_iter().map(|view| view.id).collect();
    // Those whose holder is alive, and those whose holder is not, with the time of the grant.
    let mut leases: Vec<(Lease, Instant)> = Vec::new();
    let mut lost: Vec<Instant> = Vec::new();
    for step in steps {
        match step {
            Step::Acquire { excluded } => {
                let excluded = ids.get(excluded).cloned().into_iter().collect::<Vec<_>>();
                let lease_duration = Some(LEASE);
                let request = Acquire { excluded: excluded.clone(), lease_duration, ..Acquire::default() };
                if let Ok(lease) = pool.acquire(request).await {
                    prop_assert!(!excluded.contains(&lease.credential));
                    leases.push((lease, Instant::now()));
                }
            }
            Step::Report { lease, outcome, retry_after } if lease < leases.len() => {
                let lease = leases.remove(lease).0.id;
                let retry_after = retry_after.map(Duration::from_secs);
                pool.report(Report { lease, continues: false, outcome, retry_after, detail: None })
                    .await
                    .unwrap();
            }
            Step::Lose { lease } if lease < leases.len() => {
                lost.push(leases.remove(lease).1);
            }
            Step::Report { .. } | Step::Lose { .. } => {}
            Step::Sleep { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                leases.retain(|(_, granted)| granted.elapsed() < LEASE);
                lost.retain(|granted| granted.elapsed() < LEASE);
            }
            Step::Endpoint { works } => {
                for name in ["r", "s"] {
                    let answer = if works { Answer::Token } else { Answer::Error(400, "TOKEN_EXPIRED") };
                    endpoint.usually(name, answer);
                }
            }
        }
        check(&pool, leases.len() + lost.len()).await?;
    }
    // However it went: when every lease is over and time has passed, the best credential serves again.
    endpoint.usually("r", Answer::Token);
    endpoint.usually("s", Answer::Token);
    tokio::time::sleep(Duration::from_secs(12 * 3600)).await;
    check(&pool, 0).await?;
    let served = pool.acquire(Acquire::default()).await.unwrap();
    prop_assert_eq!(served.tier, Tier::Personal);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn slots_add_up_and_every_credential_comes_back(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps))?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_many_threads_that_come_wait_and_leave_lose_no_slot() {
    let endpoint = Endpoint::default();
    let credentials = vec![key(Tier::Personal, "p"), refreshable(Tier::Shared, "s")];
    let pool = pool_with(small(), credentials, &endpoint);
    let mut callers = JoinSet::new();
    for caller in 0..64_u64 {
        let pool = pool.clone();
        callers.spawn(async move {
            let mut served = 0;
            for turn in 0..20_u64 {
                let acquire = pool.acquire(waiting(30));
                // A third of the turns is given up after a moment, at whatever point they are.
                let patience =
                    if (caller + turn).is_multiple_of(3) { Duration::from_micros(turn * 40) } else { LEASE };
                let Ok(lease) = tokio::time::timeout(patience, acquire).await else { continue };
                tokio::task::yield_now().await;
                report(&pool, &lease.unwrap(), Outcome::Success).await;
                served += 1;
            }
            served
        });
    }

    let served =
        tokio::time::timeout(Duration::from_secs(60), callers.join_all()).await.expect("nobody is stuck");

    assert!(served.into_iter().sum::<u64>() >= 64 * 12);
    assert!(pool.status().await.unwrap().tiers.iter().all(|tier| tier.in_flight == 0));
}
