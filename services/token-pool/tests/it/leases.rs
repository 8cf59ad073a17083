//! Slots, the queue, expiry.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, poll};
use tokio::time::Instant;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Acquire, Error, Lease, LeaseId, Outcome, Pool, PoolConfig, Report, Tier};

use crate::bench::{acquire, advance, config, key, pool, report, turn, view, waiting};

fn one_slot() -> PoolConfig {
    PoolConfig { max_in_flight: 1, max_in_flight_anonymous: 1, ..config() }
}

#[tokio::test(start_paused = true)]
async fn tiers_are_strict_and_a_busy_tier_gives_way() {
    let pool =
        pool(one_slot(), vec![key(Tier::Anonymous, "a"), key(Tier::Shared, "s"), key(Tier::Personal, "p")]);

    let mut names = Vec::new();
    let mut leases = Vec::new();
    for _ in 0..3 {
        let lease = acquire(&pool).await.unwrap();
        names.push(lease.display_name.clone());
        leases.push(lease);
    }
    assert_eq!(names, ["p", "s", "a"]);
    assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy);

    report(&pool, &leases[0], Outcome::Success).await;
    assert_eq!(turn(&pool, Outcome::Success).await, "p");
}

#[tokio::test(start_paused = true)]
async fn turns_go_round_inside_a_tier() {
    let pool = pool(config(), ["x", "y", "z"].map(|name| key(Tier::Personal, name)).to_vec());

    let mut names = Vec::new();
    for _ in 0..7 {
        names.push(turn(&pool, Outcome::Success).await);
    }

    assert_eq!(names, ["x", "y", "z", "x", "y", "z", "x"]);
    assert_eq!(view(&pool, "x").await.granted_count, 3);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_the_order_they_came() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let mut held = acquire(&pool).await.unwrap();
    let mut waiters: Vec<_> = (0..5).map(|_| Box::pin(pool.acquire(waiting(60)))).collect();
    for waiter in &mut waiters {
        assert!(poll!(waiter).is_pending());
    }

    for waiter in waiters {
        assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy, "nobody overtakes");
        report(&pool, &held, Outcome::Success).await;
        assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy, "the slot was handed over");
        held = waiter.now_or_never().expect("the first in the queue is served").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_cannot_use_a_slot_does_not_hold_up_the_others() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let personal = acquire(&pool).await.unwrap();
    let _shared = acquire(&pool).await.unwrap();
    let excluded = vec![personal.credential.clone()];
    let mut first = Box::pin(pool.acquire(Acquire { excluded, ..waiting(60) }));
    let mut second = Box::pin(pool.acquire(waiting(60)));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());

    report(&pool, &personal, Outcome::Success).await;

    assert_eq!(second.now_or_never().unwrap().unwrap().display_name, "p");
    assert!(poll!(&mut first).is_pending());
}

#[tokio::test(start_paused = true)]
async fn the_preferred_credential_is_leased_if_it_can_be_and_the_usual_one_if_not() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let shared = view(&pool, "s").await.id;
    let prefer = |waiting: Acquire| Acquire { preferred: Some(shared.clone()), ..waiting };

    let first = pool.acquire(prefer(Acquire::default())).await.unwrap();
    let second = pool.acquire(prefer(Acquire::default())).await.unwrap();
    assert_eq!((&*first.display_name, &*second.display_name), ("s", "p"));

    let mut waits = Box::pin(pool.acquire(prefer(waiting(60))));
    assert!(poll!(&mut waits).is_pending());
    report(&pool, &second, Outcome::Success).await;
    assert_eq!(waits.now_or_never().expect("any slot will do").unwrap().display_name, "p");

    report(&pool, &first, Outcome::Success).await;
    let excluded = vec![shared.clone()];
    let refused = pool.acquire(Acquire { excluded, ..prefer(Acquire::default()) }).await;
    assert_eq!(refused.unwrap_err(), Error::AllBusy, "what is excluded is not preferred");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_bound() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let _held = acquire(&pool).await.unwrap();
    for (asked, waited) in [(0, 0), (7, 7), (9999, 60)] {
        let start = Instant::now();

        assert_eq!(pool.acquire(waiting(asked)).await.unwrap_err(), Error::AllBusy);

        assert_eq!(start.elapsed().as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let pool = pool(PoolConfig { max_waiters: 3, ..one_slot() }, vec![key(Tier::Personal, "p")]);
    let _held = acquire(&pool).await.unwrap();

    let answers = join_all((0..10).map(|_| pool.acquire(waiting(5)))).await;

    let turned_away = answers.iter().filter(|a| matches!(a, Err(Error::TooManyWaiters))).count();
    assert_eq!(turned_away, 7);
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_the_queue_leaves_nothing_behind() {
    let pool = pool(PoolConfig { max_waiters: 2, ..one_slot() }, vec![key(Tier::Personal, "p")]);
    let held = acquire(&pool).await.unwrap();
    let mut stays = Box::pin(pool.acquire(waiting(60)));
    for _ in 0..5 {
        let mut leaves = Box::pin(pool.acquire(waiting(60)));
        assert!(poll!(&mut leaves).is_pending());
        assert!(poll!(&mut stays).is_pending());
    }
    let mut served = Box::pin(pool.acquire(waiting(60)));
    assert!(poll!(&mut served).is_pending());

    report(&pool, &held, Outcome::Success).await;
    // The slot was handed to it, and it leaves without looking.
    drop(stays);

    assert!(served.now_or_never().unwrap().is_ok(), "the next one has it");
    assert_eq!(pool.status().await.unwrap().tiers[0].in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_nobody_reports_expires_and_its_slot_goes_to_the_next() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let duration = Some(Duration::from_secs(20));
    let lost = pool.acquire(Acquire { lease_duration: duration, ..Acquire::default() }).await.unwrap();
    let start = Instant::now();

    let next = pool.acquire(waiting(60)).await.unwrap();

    assert_eq!(start.elapsed().as_secs(), 20);
    let late = Report {
        lease: lost.id,
        continues: false,
        outcome: Outcome::Rejected,
        retry_after: None,
        detail: None,
    };
    assert_eq!(pool.report(late).await.unwrap_err(), Error::LeaseNotFound);
    let after = report(&pool, &next, Outcome::Success).await;
    assert_eq!((after.phase, after.failures, after.in_flight), (Phase::Active, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn leases_last_as_long_as_asked_within_the_pools_bounds() {
    let pool = pool(config(), vec![key(Tier::Personal, "p")]);
    for (asked, lasts) in [(None, 900), (Some(5), 5), (Some(999_999), 7200)] {
        let lease_duration = asked.map(Duration::from_secs);
        pool.acquire(Acquire { lease_duration, ..Acquire::default() }).await.unwrap();

        advance(lasts - 1).await;
        assert_eq!(view(&pool, "p").await.in_flight, 1, "{asked:?}");
        advance(1).await;
        assert_eq!(view(&pool, "p").await.in_flight, 0, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_without_end_are_cut_and_break_nothing() {
    const EVER: Duration = Duration::MAX;
    let config = PoolConfig {
        max_lease_duration: EVER,
        max_wait: EVER,
        max_rate_limit: EVER,
        max_quota_wait: EVER,
        max_in_flight: 1,
        ..config()
    };
    for outcome in [Outcome::Success, Outcome::RateLimited, Outcome::QuotaExhausted] {
        let pool = pool(config.clone(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
        let endless = Acquire { lease_duration: Some(EVER), max_wait: EVER, ..Acquire::default() };
        let lease = pool.acquire(endless.clone()).await.unwrap();
        let other = pool.acquire(endless.clone()).await.unwrap();
        advance(10_000_000).await;
        assert_eq!(view(&pool, "p").await.in_flight, 1, "it does not end early");
        let mut waits = Box::pin(pool.acquire(endless));
        assert!(poll!(&mut waits).is_pending());
        let (lease, retry_after) = (lease.id, Some(EVER));
        pool.report(Report { lease, continues: false, outcome, retry_after, detail: None }).await.unwrap();
        report(&pool, &other, Outcome::Success).await;

        assert!(waits.await.is_ok(), "{outcome:?}");
        pool.status().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_reported_once() {
    let pool = pool(config(), vec![key(Tier::Personal, "p")]);
    let lease = acquire(&pool).await.unwrap();
    report(&pool, &lease, Outcome::Success).await;

    for lease in [lease.id, LeaseId::new("never was")] {
        let again =
            Report { lease, continues: false, outcome: Outcome::Blocked, retry_after: None, detail: None };
        assert_eq!(pool.report(again).await.unwrap_err(), Error::LeaseNotFound);
    }
    assert_eq!(view(&pool, "p").await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_hear_at_once_when_nothing_can_come() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let lease = acquire(&pool).await.unwrap();
    let mut waiter = Box::pin(pool.acquire(waiting(60)));
    assert!(poll!(&mut waiter).is_pending());

    report(&pool, &lease, Outcome::RateLimited).await;

    let error = waiter.now_or_never().unwrap().unwrap_err();
    assert_eq!(error, Error::AllDown { retry_after: Some(Duration::from_secs(30)) });
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_is_sooner_than_thought_wakes_those_who_wait() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let personal = acquire(&pool).await.unwrap();
    let _held = acquire(&pool).await.unwrap();
    let start = Instant::now();

    let (lease, ()) = tokio::join!(pool.acquire(waiting(60)), async {
        advance(3).await;
        report(&pool, &personal, Outcome::RateLimited).await;
    });

    assert_eq!((lease.unwrap().display_name.as_str(), start.elapsed().as_secs()), ("p", 33));
}

#[tokio::test(start_paused = true)]
async fn the_answer_says_why_there_is_none() {
    let minute = Some(Duration::from_secs(60));
    let empty = pool(config(), Vec::new());
    assert_eq!(acquire(&empty).await.unwrap_err(), Error::NothingConfigured);

    let two = pool(config(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let excluded: Vec<_> = two.list(None, 10).await.unwrap().0.into_iter().map(|view| view.id).collect();
    let all = Acquire { excluded, ..Acquire::default() };
    assert_eq!(two.acquire(all.clone()).await.unwrap_err(), Error::AllExcluded { retry_after: None });

    for name in ["p", "s"] {
        let lease = acquire(&two).await.unwrap();
        assert_eq!(lease.display_name, name);
        let outcome = Outcome::QuotaExhausted;
        two.report(Report { lease: lease.id, continues: false, outcome, retry_after: minute, detail: None })
            .await
            .unwrap();
    }
    assert_eq!(acquire(&two).await.unwrap_err(), Error::QuotaExhausted { retry_after: minute });
    assert_eq!(two.acquire(all).await.unwrap_err(), Error::QuotaExhausted { retry_after: minute });

    advance(60).await;
    let blocked = acquire(&two).await.unwrap();
    report(&two, &blocked, Outcome::Blocked).await;
    let off = view(&two, "s").await.id;
    two.operator("me").disable(&off, "").await.unwrap();
    assert_eq!(acquire(&two).await.unwrap_err(), Error::AllDown { retry_after: None });

    two.operator("me").recover(&off).await.unwrap();
    assert_eq!(turn(&two, Outcome::Success).await, "s");
}

#[tokio::test(start_paused = true)]
async fn anonymous_credentials_have_fewer_slots() {
    let pool = pool(config(), vec![key(Tier::Anonymous, "a"), key(Tier::Shared, "s")]);

    let answers = join_all((0..12).map(|_| acquire(&pool))).await;

    let served = |name: &str| answers.iter().flatten().filter(|lease| lease.display_name == name).count();
    assert_eq!((served("s"), served("a")), (8, 2));
}

/// A lease of 30 seconds.
async fn short(pool: &Pool) -> Lease {
    let lease_duration = Some(Duration::from_secs(30));
    pool.acquire(Acquire { lease_duration, ..Acquire::default() }).await.unwrap()
}

async fn renew(pool: &Pool, lease: &Lease, seconds: u64) -> Vec<LeaseId> {
    pool.renew(vec![lease.id.clone()], Some(Duration::from_secs(seconds))).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lease_goes_on_as_long_as_it_is_renewed_and_its_slot_is_free_half_a_minute_after_that() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let held = short(&pool).await;
    for _ in 0..30 {
        advance(20).await;
        assert_eq!(renew(&pool, &held, 30).await, []);
        assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy);
    }
    let start = Instant::now();

    pool.acquire(waiting(60)).await.unwrap();

    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_makes_no_lease_shorter_or_longer_than_the_pool_allows() {
    let pool = pool(config(), vec![key(Tier::Personal, "p")]);
    let held = acquire(&pool).await.unwrap();

    assert_eq!(renew(&pool, &held, 1).await, []);
    advance(899).await;
    assert_eq!(view(&pool, "p").await.in_flight, 1);
    assert_eq!(renew(&pool, &held, 999_999).await, []);
    advance(7199).await;
    assert_eq!(view(&pool, "p").await.in_flight, 1);
    advance(1).await;
    assert_eq!(view(&pool, "p").await.in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_cut_off_gets_its_slot_back_and_nobody_else_comes_in_until_there_is_room() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let cut_off = short(&pool).await;
    advance(60).await;
    let other = short(&pool).await;

    assert_eq!(renew(&pool, &cut_off, 30).await, []);

    assert_eq!(view(&pool, "p").await.in_flight, 2);
    report(&pool, &other, Outcome::Success).await;
    assert_eq!(acquire(&pool).await.unwrap_err(), Error::AllBusy);
    assert_eq!(report(&pool, &cut_off, Outcome::Success).await.in_flight, 0);
    assert_eq!(turn(&pool, Outcome::Success).await, "p");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_reported_or_never_was_is_not_taken_up_again() {
    let pool = pool(one_slot(), vec![key(Tier::Personal, "p")]);
    let reported = short(&pool).await;
    report(&pool, &reported, Outcome::Success).await;
    let late = short(&pool).await;
    advance(31).await;
    let report = Report {
        lease: late.id.clone(),
        continues: false,
        outcome: Outcome::Success,
        retry_after: None,
        detail: None,
    };
    assert_eq!(pool.report(report).await.unwrap_err(), Error::LeaseNotFound);
    let unheard = LeaseId::new("unheard");

    let asked = vec![reported.id, late.id, unheard];

    assert_eq!(pool.renew(asked.clone(), None).await.unwrap(), asked);
    assert_eq!(view(&pool, "p").await.in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_credential_that_is_gone_is_lost() {
    let pool = pool(one_slot(), vec![]);
    let added = pool.operator("me").add(key(Tier::Personal, "p").into()).await.unwrap();
    let held = short(&pool).await;
    advance(31).await;
    assert_eq!(view(&pool, "p").await.in_flight, 0);
    pool.operator("me").remove(&added.id, None).await.unwrap();

    assert_eq!(renew(&pool, &held, 30).await, std::slice::from_ref(&held.id));
}
