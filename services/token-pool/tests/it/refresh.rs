//! Access tokens: one exchange at a time, ahead of time, each for as long as it lives.

use futures_util::future::join_all;
use futures_util::poll;
use tokio_util::sync::CancellationToken;
use warp2api_token_pool::{Acquire, Outcome, Pool, PoolConfig, Tier, refresh};

use crate::bench::{
    Answer, Endpoint, acquire, advance, config, key, pool_with, refreshable, report, turn, view,
};

pub(crate) fn many_slots() -> PoolConfig {
    PoolConfig { max_in_flight: 1000, ..config() }
}

/// Acquires a thousand times at once; the bearers.
pub(crate) async fn thousand(pool: &Pool) -> Vec<String> {
    let leases = join_all((0..1000).map(|_| acquire(pool))).await;
    let leases: Vec<_> = leases.into_iter().map(Result::unwrap).collect();
    for lease in &leases {
        report(pool, lease, Outcome::Success).await;
    }
    leases.into_iter().map(|lease| lease.bearer.expose().to_owned()).collect()
}

/// Runs the background task beside `work` and stops it in the end.
pub(crate) async fn beside_refresh<T>(pool: &Pool, work: impl Future<Output = T>) -> T {
    let shutdown = CancellationToken::new();
    let work = async {
        let result = work.await;
        shutdown.cancel();
        result
    };
    tokio::join!(refresh::run(pool.clone(), shutdown.clone()), work).1
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_without_a_token_make_one_exchange() {
    let endpoint = Endpoint::default();
    let pool = pool_with(many_slots(), vec![refreshable(Tier::Personal, "r")], &endpoint);

    let bearers = thousand(&pool).await;

    assert!(bearers.iter().all(|bearer| bearer == "access-1"));
    assert_eq!(endpoint.requests(), ["r"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_near_expiry_make_one_exchange_and_do_not_wait_for_it() {
    let endpoint = Endpoint::default();
    let pool = pool_with(many_slots(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    turn(&pool, Outcome::Success).await;
    advance(3600 - 300).await;

    beside_refresh(&pool, async {
        assert!(
            thousand(&pool).await.iter().all(|bearer| bearer == "access-1"),
            "the old one serves meanwhile"
        );
        advance(1).await;
        assert!(thousand(&pool).await.iter().all(|bearer| bearer == "access-2"));
    })
    .await;

    assert_eq!(endpoint.requests(), ["r", "r"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_past_expiry_make_one_exchange() {
    let endpoint = Endpoint::default();
    let pool = pool_with(many_slots(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    turn(&pool, Outcome::Success).await;
    advance(3600 - 10).await;

    assert!(thousand(&pool).await.iter().all(|bearer| bearer == "access-2"));
    assert_eq!(endpoint.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_outlives_the_caller_that_began_it() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    endpoint.next("r", Answer::Rotate("r2"));

    beside_refresh(&pool, async {
        let mut leaves = Box::pin(acquire(&pool));
        assert!(poll!(&mut leaves).is_pending());
        drop(leaves);
        assert_eq!(view(&pool, "r").await.in_flight, 0, "its slot is back");
        advance(1).await;
    })
    .await;

    assert!(view(&pool, "r").await.access_token_expire_time.is_some());
    assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "access-1");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_refresh_token_is_used_next_time_and_the_id_stays() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    let id = view(&pool, "r").await.id;
    endpoint.next("r", Answer::Rotate("r2"));
    endpoint.next("r2", Answer::Rotate("r3"));

    for _ in 0..3 {
        turn(&pool, Outcome::Success).await;
        advance(3600).await;
    }

    assert_eq!(endpoint.requests(), ["r", "r2", "r3"]);
    assert_eq!(view(&pool, "r").await.id, id);
}

#[tokio::test(start_paused = true)]
async fn the_background_task_keeps_used_tokens_fresh_and_lets_idle_ones_lapse() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);

    beside_refresh(&pool, async {
        turn(&pool, Outcome::Success).await;
        advance(24 * 3600).await;
    })
    .await;

    // Renewals are due every 54 minutes; those within two hours of the last lease happen.
    assert_eq!(endpoint.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_an_ageing_token_has_it_renewed_at_once() {
    let endpoint = Endpoint::default();
    let config = PoolConfig { refresh_idle_limit: std::time::Duration::from_secs(600), ..config() };
    let pool = pool_with(config, vec![refreshable(Tier::Personal, "r")], &endpoint);

    beside_refresh(&pool, async {
        turn(&pool, Outcome::Success).await;
        advance(3300).await;
        assert_eq!(endpoint.requests().len(), 1, "nobody used it");
        assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "access-1");
        advance(1).await;
        assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "access-2");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_keeps_the_old_token_serving_until_it_expires() {
    let endpoint = Endpoint::default();
    let credentials = vec![refreshable(Tier::Personal, "r"), key(Tier::Shared, "s")];
    let pool = pool_with(config(), credentials, &endpoint);
    turn(&pool, Outcome::Success).await;
    endpoint.usually("r", Answer::Error(500, ""));

    beside_refresh(&pool, async {
        for _ in 0..35 {
            advance(100).await;
            assert_eq!(turn(&pool, Outcome::Success).await, "r");
        }
        advance(100).await;
        assert_eq!(turn(&pool, Outcome::Success).await, "s", "it has expired");
    })
    .await;

    assert!(view(&pool, "r").await.failures == 0 && endpoint.requests().len() > 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_slow_is_waited_for_and_its_token_is_not_believed_for_longer_than_it_lives() {
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    endpoint.next("r", Answer::Late(9));
    let start = tokio::time::Instant::now();

    let waiting = join_all((0..8).map(|_| acquire(&pool))).await;

    assert_eq!((start.elapsed().as_secs(), endpoint.requests().len()), (9, 1));
    assert!(waiting.into_iter().all(|lease| lease.unwrap().bearer.expose() == "access-1"));
    let expires = view(&pool, "r").await.access_token_expire_time.unwrap();
    let since_start =
        expires.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() - 1_600_000_000;
    assert_eq!(since_start, 3600, "counted from when it was asked for");

    endpoint.next("r", Answer::Late(11));
    advance(3600).await;
    let start = tokio::time::Instant::now();
    assert!(acquire(&pool).await.is_err(), "longer than that nobody waits");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_differs_from_ours_neither_wastes_tokens_nor_hands_out_dead_ones() {
    for ahead in [0, 7200, -7200] {
        let endpoint = Endpoint::default();
        let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
        endpoint.usually("r", Answer::Ahead(ahead));

        turn(&pool, Outcome::Success).await;
        advance(3000).await;
        turn(&pool, Outcome::Success).await;
        assert_eq!(endpoint.requests().len(), 1, "{ahead}: it still lives");
        advance(600).await;
        turn(&pool, Outcome::Success).await;
        assert_eq!(endpoint.requests().len(), 2, "{ahead}: it does not live any more");
    }
}

#[tokio::test(start_paused = true)]
async fn an_excluded_credential_is_not_exchanged() {
    let endpoint = Endpoint::default();
    let credentials = vec![refreshable(Tier::Personal, "r"), refreshable(Tier::Shared, "s")];
    let pool = pool_with(config(), credentials, &endpoint);
    let excluded = vec![view(&pool, "r").await.id];

    let lease = pool.acquire(Acquire { excluded, ..Acquire::default() }).await.unwrap();

    assert_eq!(lease.display_name, "s");
    assert_eq!(endpoint.requests(), ["s"]);
}
