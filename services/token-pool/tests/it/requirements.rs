//! What callers ask of their credential: tiers, kinds, one credential for one key, and what a used-up quota means.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{FutureExt as _, poll};
use warp2api_token_pool::{Acquire, Error, Kind, OnQuota, Outcome, Pool, PoolConfig, Report, Tier};

use crate::bench::{acquire, advance, config, key, pool, refreshable, report, turn, view, waiting};

const TIERS: [(Tier, &str); 3] = [(Tier::Personal, "p"), (Tier::Shared, "s"), (Tier::Anonymous, "a")];

fn three(config: PoolConfig) -> Pool {
    pool(config, TIERS.map(|(tier, name)| key(tier, name)).to_vec())
}

fn of_tiers(tiers: &[Tier]) -> Acquire {
    Acquire { tiers: tiers.to_vec(), ..Acquire::default() }
}

async fn served(pool: &Pool, request: Acquire) -> Result<String, Error> {
    let lease = pool.acquire(request).await?;
    report(pool, &lease, Outcome::Success).await;
    Ok(lease.display_name)
}

#[tokio::test(start_paused = true)]
async fn only_the_tiers_and_kinds_that_are_allowed_serve() {
    let pool = pool(
        config(),
        vec![
            key(Tier::Personal, "p"),
            refreshable(Tier::Shared, "r"),
            key(Tier::Shared, "s"),
            key(Tier::Anonymous, "a"),
        ],
    );
    for (tiers, kinds, expected) in [
        (vec![], vec![], Ok("p")),
        (vec![Tier::Anonymous], vec![], Ok("a")),
        (vec![Tier::Anonymous, Tier::Shared], vec![Kind::ApiKey], Ok("s")),
        (vec![], vec![Kind::RefreshToken], Ok("r")),
        (vec![Tier::Personal], vec![Kind::RefreshToken], Err(Error::NoneFits)),
        (vec![], vec![Kind::StaticJwt], Err(Error::NoneFits)),
    ] {
        let request = Acquire { tiers: tiers.clone(), kinds: kinds.clone(), ..Acquire::default() };

        let served = served(&pool, request).await;

        assert_eq!(served, expected.map(str::to_owned), "{tiers:?} {kinds:?}");
    }
    let limited = pool.acquire(of_tiers(&[Tier::Anonymous])).await.unwrap();
    report(&pool, &limited, Outcome::RateLimited).await;
    assert_eq!(
        pool.acquire(of_tiers(&[Tier::Anonymous])).await.unwrap_err(),
        Error::AllDown { retry_after: Some(Duration::from_secs(30)) },
        "others do not count"
    );
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_a_tier_does_not_hold_up_the_others() {
    let pool = three(PoolConfig { max_in_flight: 1, max_in_flight_anonymous: 1, ..config() });
    let mut held = Vec::new();
    for _ in TIERS {
        held.push(acquire(&pool).await.unwrap());
    }
    let only = |tier| Acquire { tiers: vec![tier], ..waiting(60) };
    let mut first = Box::pin(pool.acquire(only(Tier::Anonymous)));
    let mut second = Box::pin(pool.acquire(waiting(60)));
    let mut third = Box::pin(pool.acquire(only(Tier::Personal)));
    for waiter in [&mut first, &mut second, &mut third] {
        assert!(poll!(waiter).is_pending());
    }

    report(&pool, &held[0], Outcome::Success).await;
    assert_eq!(second.now_or_never().unwrap().unwrap().display_name, "p", "who came first and can use it");
    assert!(poll!(&mut first).is_pending() && poll!(&mut third).is_pending());
    report(&pool, &held[2], Outcome::Success).await;
    assert_eq!(first.now_or_never().unwrap().unwrap().display_name, "a");
    assert!(poll!(&mut third).is_pending());
}

fn keyed(key: &str) -> Acquire {
    Acquire { affinity_key: Some(key.to_owned()), ..Acquire::default() }
}

fn many() -> Pool {
    let names = ["x", "y", "z", "v", "w"];
    let mut credentials: Vec<_> = names.iter().map(|name| key(Tier::Personal, name)).collect();
    credentials.push(key(Tier::Shared, "s"));
    pool(PoolConfig { max_in_flight: 2, ..config() }, credentials)
}

#[tokio::test(start_paused = true)]
async fn calls_with_one_key_get_one_credential_for_as_long_as_it_can_serve() {
    let pool = many();
    let usual = served(&pool, keyed("k")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(served(&pool, keyed("k")).await.unwrap(), usual);
        assert_eq!(served(&many(), keyed("k")).await.unwrap(), usual, "in every process");
    }

    let limited = pool.acquire(keyed("k")).await.unwrap();
    report(&pool, &limited, Outcome::RateLimited).await;
    let other = served(&pool, keyed("k")).await.unwrap();
    assert!(other != usual && other != "s", "one of the same tier stands in: {other}");
    assert_eq!(served(&pool, keyed("k")).await.unwrap(), other);
    advance(30).await;
    assert_eq!(served(&pool, keyed("k")).await.unwrap(), usual, "and it is back");

    let first = pool.acquire(keyed("k")).await.unwrap();
    let second = pool.acquire(keyed("k")).await.unwrap();
    let third = pool.acquire(keyed("k")).await.unwrap();
    assert_eq!([&first.display_name, &second.display_name], [&usual, &usual]);
    assert_eq!(third.display_name, other, "where its slots are taken, nobody waits for them");
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_key_make_up_for_those_with_one() {
    let pool = many();
    let mut grants: HashMap<String, u32> = HashMap::new();
    for call in 0..100 {
        let request = if call % 5 == 0 { keyed("k") } else { Acquire::default() };
        *grants.entry(served(&pool, request).await.unwrap()).or_default() += 1;
    }
    let (least, most) = (grants.values().min().unwrap(), grants.values().max().unwrap());

    assert!(grants.len() == 5 && most - least <= 20, "{grants:?}");
    let usual = served(&pool, keyed("k")).await.unwrap();
    let without: Vec<_> =
        grants.iter().filter(|(name, _)| **name != usual).map(|(_, grants)| grants).collect();
    assert!(without.iter().max().unwrap().abs_diff(**without.iter().min().unwrap()) <= 5, "{grants:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_spread_over_the_credentials() {
    let pool = many();
    let mut grants: HashMap<String, u32> = HashMap::new();
    for call in 0..500 {
        *grants.entry(served(&pool, keyed(&format!("key-{call}"))).await.unwrap()).or_default() += 1;
    }

    assert!(grants.len() == 5 && grants.values().all(|grants| (60..140).contains(grants)), "{grants:?}");
}

fn strict() -> Acquire {
    Acquire { on_quota: OnQuota::Fail, ..Acquire::default() }
}

async fn exhaust(pool: &Pool, request: Acquire) -> String {
    let lease = pool.acquire(request).await.unwrap();
    let (name, outcome) = (lease.display_name.clone(), Outcome::QuotaExhausted);
    let retry_after = Some(Duration::from_secs(3600));
    pool.report(Report { lease: lease.id, continues: false, outcome, retry_after, detail: None })
        .await
        .unwrap();
    name
}

#[tokio::test(start_paused = true)]
async fn a_lesser_tier_does_not_stand_in_for_one_without_quota_if_the_caller_says_so() {
    let exhausted = |seconds| Error::QuotaExhausted { retry_after: Some(Duration::from_secs(seconds)) };
    let credentials = vec![key(Tier::Personal, "x"), key(Tier::Personal, "y"), key(Tier::Shared, "s")];
    let pool = pool(PoolConfig { max_in_flight: 1, ..config() }, credentials);
    let id = view(&pool, "x").await.id;

    assert_eq!(exhaust(&pool, strict()).await, "x");
    assert_eq!(served(&pool, strict()).await.unwrap(), "y", "its equals share the load as ever");
    let busy = acquire(&pool).await.unwrap();
    assert_eq!(pool.acquire(strict()).await.unwrap_err(), Error::AllBusy, "and are waited for");
    report(&pool, &busy, Outcome::Success).await;

    assert_eq!(exhaust(&pool, strict()).await, "y");
    assert_eq!(pool.acquire(strict()).await.unwrap_err(), exhausted(3600));
    let tried = Acquire { excluded: vec![id.clone()], ..strict() };
    assert_eq!(pool.acquire(tried).await.unwrap_err(), exhausted(3600), "whatever the turn has tried");
    assert_eq!(turn(&pool, Outcome::Success).await, "s", "others go on");
    let shared = view(&pool, "s").await.id;
    let prefers = Acquire { preferred: Some(shared), ..strict() };
    assert_eq!(served(&pool, prefers).await.unwrap(), "s", "a conversation goes on where it is");
    assert_eq!(served(&pool, Acquire { tiers: vec![Tier::Shared], ..strict() }).await.unwrap(), "s");

    advance(3600).await;
    let refused = acquire(&pool).await.unwrap();
    report(&pool, &refused, Outcome::Blocked).await;
    let limited = acquire(&pool).await.unwrap();
    report(&pool, &limited, Outcome::RateLimited).await;
    assert_eq!(
        served(&pool, strict()).await.unwrap(),
        "s",
        "a tier that is down for other reasons is passed over"
    );
}
