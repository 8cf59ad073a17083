//! Several pools on one PostgreSQL are one pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{
    Acquire, Database, Error, KeySource, NewCredential, Outcome, Pool, PoolConfig, Report, Secret, Store,
    StoreKey, Tier,
};

use crate::bench::{Answer, Endpoint, acquire, config, key, refreshable, report, turn, view, waiting};
use crate::postgres::TestDatabase;
use crate::proxy::Proxy;

const PATIENCE: Duration = Duration::from_secs(60);

fn few() -> PoolConfig {
    PoolConfig { max_in_flight: 2, ..config() }
}

async fn open(
    database: &TestDatabase,
    config: PoolConfig,
    credentials: Vec<NewCredential>,
    endpoint: &Endpoint,
) -> Pool {
    open_with(database, config, credentials, endpoint, keys_of(database)).await.unwrap()
}

async fn open_with(
    database: &TestDatabase,
    config: PoolConfig,
    credentials: Vec<NewCredential>,
    endpoint: &Endpoint,
    keys: KeySource,
) -> anyhow::Result<Pool> {
    let store = Store::open(&Database::Postgres(Secret::new(database.url.clone())), keys).await?;
    Ok(Pool::with_store(config, credentials, endpoint.exchange(), Arc::new(SystemClock), store).await?)
}

fn keys_of(database: &TestDatabase) -> KeySource {
    KeySource::Given(KeySource::parse(&database.key).unwrap())
}

/// Asks the database itself.
async fn number(database: &TestDatabase, query: &'static str) -> i64 {
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

async fn three(database: &TestDatabase, credentials: &[NewCredential], endpoint: &Endpoint) -> [Pool; 3] {
    let pools = (0..3).map(|_| open(database, few(), credentials.to_vec(), endpoint));
    join_all(pools).await.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn caps_hold_across_pools_and_everybody_is_served() {
    let Some(database) = TestDatabase::create().await else { return };
    let credentials = [key(Tier::Personal, "p"), key(Tier::Personal, "q"), key(Tier::Shared, "s")];
    let pools = three(&database, &credentials, &Endpoint::default()).await;
    let out: Arc<[AtomicUsize; 3]> = Arc::default();
    let mut callers = JoinSet::new();
    for caller in 0..90 {
        let (pool, out) = (pools[caller % 3].clone(), out.clone());
        callers.spawn(async move {
            for _ in 0..4 {
                let lease = pool.acquire(waiting(60)).await.unwrap();
                let index = ["p", "q", "s"].iter().position(|name| *name == lease.display_name).unwrap();
                assert!(
                    out[index].fetch_add(1, Ordering::SeqCst) < 2,
                    "more than two of {}",
                    lease.display_name
                );
                tokio::time::sleep(Duration::from_millis(3)).await;
                out[index].fetch_sub(1, Ordering::SeqCst);
                // Another pool than the one that granted it may hear of its end.
                report(&pool, &lease, Outcome::Success).await;
            }
        });
    }

    tokio::time::timeout(PATIENCE, callers.join_all()).await.expect("nobody is stuck");

    for pool in &pools {
        let views = pool.list(None, 9).await.unwrap().0;
        assert_eq!(views.iter().map(|view| view.granted_count).sum::<u64>(), 360);
        assert!(views.iter().all(|view| view.in_flight == 0), "{views:?}");
        // Turns go round across processes.
        assert!(views[0].granted_count.abs_diff(views[1].granted_count) <= 120, "{views:?}");
    }
    assert_eq!(number(&database, "SELECT count(*) FROM leases").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn turns_go_round_across_pools_and_a_lease_ends_wherever_it_is_reported() {
    let Some(database) = TestDatabase::create().await else { return };
    let credentials = [key(Tier::Personal, "x"), key(Tier::Personal, "y"), key(Tier::Personal, "z")];
    let pools = three(&database, &credentials, &Endpoint::default()).await;

    let mut served = Vec::new();
    for round in 0..7 {
        let lease = acquire(&pools[round % 3]).await.unwrap();
        report(&pools[(round + 1) % 3], &lease, Outcome::Success).await;
        served.push(lease.display_name);
    }

    assert_eq!(served, ["x", "y", "z", "x", "y", "z", "x"]);
    let lease = acquire(&pools[0]).await.unwrap();
    report(&pools[1], &lease, Outcome::RateLimited).await;
    assert!(matches!(view(&pools[2], &lease.display_name).await.phase, Phase::CoolingDown { .. }));
    let again = Report {
        lease: lease.id,
        outcome: Outcome::Blocked,
        retry_after: None,
        detail: None,
        continues: false,
    };
    assert_eq!(pools[2].report(again).await.unwrap_err(), Error::LeaseNotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_happens_once_and_all_use_it() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    endpoint.next("r", Answer::Rotate("r2"));
    let credentials = vec![refreshable(Tier::Personal, "r")];
    let many = PoolConfig { max_in_flight: 1000, ..config() };
    let pools = join_all((0..3).map(|_| open(&database, many.clone(), credentials.clone(), &endpoint))).await;

    let leases = join_all((0..90).map(|caller| acquire(&pools[caller % 3]))).await;

    let leases: Vec<_> = leases.into_iter().map(Result::unwrap).collect();
    assert!(leases.iter().all(|lease| lease.bearer.expose() == "access-1"));
    assert_eq!(endpoint.requests(), ["r"]);
    for _ in 0..2 {
        let lease = acquire(&pools[2]).await.unwrap();
        report(&pools[1], &lease, Outcome::Rejected).await;
        assert_eq!(acquire(&pools[0]).await.unwrap().bearer.expose().len(), "access-1".len());
    }
    assert!(endpoint.requests()[1..].iter().all(|token| token == "r2"), "{:?}", endpoint.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_that_failed_fails_for_all_and_is_counted_once() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    endpoint.usually("r", Answer::Error(400, "TOKEN_EXPIRED"));
    let credentials = vec![refreshable(Tier::Personal, "r")];
    let pools = join_all((0..3).map(|_| open(&database, config(), credentials.clone(), &endpoint))).await;

    let answers = join_all(pools.iter().map(acquire)).await;

    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::RefreshFailed { .. }))), "{answers:?}");
    let exchanges = endpoint.requests().len();
    assert_eq!(view(&pools[0], "r").await.failures as usize, exchanges);
    assert!(exchanges < 3, "those who came together had one result");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_died_in_an_exchange_blocks_nobody_for_long() {
    let Some(database) = TestDatabase::create().await else { return };
    let (dead, alive) = (Endpoint::default(), Endpoint::default());
    dead.usually("r", Answer::Hang);
    let slow = PoolConfig { exchange_timeout: Duration::from_millis(500), ..config() };
    let credentials = vec![refreshable(Tier::Personal, "r")];
    let first = open(&database, slow, credentials.clone(), &dead).await;
    let second = open(&database, config(), credentials, &alive).await;
    let dying = tokio::time::timeout(Duration::from_millis(200), acquire(&first)).await;
    assert!(dying.is_err(), "it is in the middle of it");
    drop(first);
    let bound = "SELECT (state::json -> 'claim' -> 'until' ->> 'secs_since_epoch')::bigint FROM credentials";
    let bound = number(&database, bound).await;

    let lease = tokio::time::timeout(PATIENCE, acquire(&second)).await.unwrap().unwrap();

    assert_eq!((lease.bearer.expose(), alive.requests().len()), ("access-1", 1));
    let now = number(&database, "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint").await;
    assert!(now >= bound, "it waited for the claim to end: {now} and {bound}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_who_waits_hears_at_once_of_a_slot_that_became_free_elsewhere() {
    let Some(database) = TestDatabase::create().await else { return };
    let pools = three(&database, &[key(Tier::Personal, "p")], &Endpoint::default()).await;
    let mut held = vec![acquire(&pools[0]).await.unwrap(), acquire(&pools[0]).await.unwrap()];
    let (callers, mut waits) = (TaskTracker::new(), Vec::new());
    for round in 0..20 {
        let pool = pools[1 + round % 2].clone();
        let waiter = callers.spawn(async move { (pool.acquire(waiting(60)).await, Instant::now()) });
        tokio::time::sleep(Duration::from_millis(30)).await;
        let start = Instant::now();
        report(&pools[0], &held.remove(0), Outcome::Success).await;
        let (lease, served) = tokio::time::timeout(PATIENCE, waiter).await.unwrap().unwrap();
        held.push(lease.unwrap());
        waits.push(served.duration_since(start));
    }
    waits.sort();

    eprintln!("woken after {:?} (median), {:?} (longest)", waits[10], waits[19]);
    assert!(waits[10] < Duration::from_millis(500), "it is told, it need not look: {waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_is_cut_off_grants_nothing_keeps_reports_and_is_right_again_afterwards() {
    let Some(database) = TestDatabase::create().await else { return };
    let (proxy, url) = Proxy::before(&database.url).await;
    let by_proxy = TestDatabase { url, ..database.clone() };
    let endpoint = Endpoint::default();
    let quick = PoolConfig { store_timeout: Duration::from_secs(1), ..few() };
    let credentials = vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")];
    let cut = open(&by_proxy, quick.clone(), credentials.clone(), &endpoint).await;
    let whole = open(&database, quick, credentials, &endpoint).await;
    let lease = acquire(&cut).await.unwrap();
    let other = acquire(&cut).await.unwrap();

    proxy.cut();
    let refused = tokio::time::timeout(PATIENCE, acquire(&cut)).await.unwrap().unwrap_err();
    let Error::StoreUnavailable { retry_after } = refused else { panic!("{refused:?}") };
    assert!(retry_after > Duration::ZERO && retry_after < Duration::from_secs(10));
    let lost = Report {
        lease: lease.id,
        outcome: Outcome::RateLimited,
        retry_after: None,
        detail: None,
        continues: false,
    };
    assert!(matches!(cut.report(lost).await, Err(Error::StoreUnavailable { .. })));
    assert!(tokio::time::timeout(PATIENCE, acquire(&cut)).await.unwrap().is_err());
    // The others go on, and take the place of the one that is cut off in the middle of whatever it did.
    assert_eq!(tokio::time::timeout(PATIENCE, turn(&whole, Outcome::Success)).await.unwrap(), "s");
    assert_eq!(view(&whole, "p").await.in_flight, 2);
    report(&whole, &other, Outcome::Success).await;

    proxy.mend();
    let back = async {
        while acquire(&cut).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it is back");

    let after = view(&whole, "p").await;
    assert!(matches!(after.phase, Phase::CoolingDown { .. }), "the report was kept: {after:?}");
    assert_eq!(after.in_flight, 0);
    assert_eq!(view(&cut, "s").await.in_flight, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_is_frozen_with_the_lock_loses_it() {
    let Some(database) = TestDatabase::create().await else { return };
    let pool = open(&database, few(), vec![key(Tier::Personal, "p")], &Endpoint::default()).await;
    // What a process does that is stopped in the middle of its work.
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let mut frozen = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let lock =
        "SET idle_in_transaction_session_timeout = '2s'; BEGIN; SELECT pg_advisory_xact_lock(7813047120)";
    sqlx::Executor::execute(&mut frozen, sqlx::raw_sql(lock)).await.unwrap();

    let lease = tokio::time::timeout(PATIENCE, acquire(&pool)).await.unwrap();

    assert_eq!(lease.unwrap().display_name, "p");
    let said = sqlx::Executor::execute(&mut frozen, sqlx::raw_sql("COMMIT")).await;
    assert!(said.is_err(), "it has no session any more, and no lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_there_again_is_used_without_a_word() {
    let Some(database) = TestDatabase::create().await else { return };
    let pool = open(&database, few(), vec![key(Tier::Personal, "p")], &Endpoint::default()).await;
    turn(&pool, Outcome::Success).await;
    for _ in 0..3 {
        let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(number(&database, all).await > 0);

        assert_eq!(turn(&pool, Outcome::Success).await, "p");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_others_add_and_remove_and_restart_is_seen_by_all() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    let first = open(&database, few(), vec![key(Tier::Shared, "a")], &endpoint).await;
    let second = open(&database, few(), vec![key(Tier::Shared, "b")], &endpoint).await;
    let added = first.operator("me").add(key(Tier::Personal, "added").into()).await.unwrap();
    let gone = second.operator("me").add(key(Tier::Personal, "gone").into()).await.unwrap();
    first.operator("me").remove(&gone.id, None).await.unwrap();
    second.operator("me").disable(&added.id, "").await.unwrap();

    let third = open(&database, few(), Vec::new(), &endpoint).await;

    for pool in [&first, &second, &third] {
        let names: Vec<_> = pool.list(None, 9).await.unwrap().0.into_iter().map(|v| v.display_name).collect();
        assert_eq!(names, ["added", "a", "b"], "what one process has in its variables serves all");
        assert_eq!(view(pool, "added").await.phase, Phase::SwitchedOff);
        let trail = pool.list_audit(None, 9).await.unwrap();
        assert_eq!(
            trail.iter().map(|e| e.change.action.as_str()).collect::<Vec<_>>(),
            ["disable", "delete", "create", "create"]
        );
    }
    let lease = acquire(&first).await.unwrap();
    first.close().await;
    drop(first);
    assert_eq!(report(&third, &lease, Outcome::Success).await.in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_key_is_the_same_for_all_and_changes_for_all() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    let credentials = vec![refreshable(Tier::Personal, "planted-refresh")];
    let next = StoreKey::generate();
    let both = KeySource::Given([KeySource::parse(&database.key).unwrap(), vec![next.clone()]].concat());
    let first = open_with(&database, few(), credentials.clone(), &endpoint, both.clone()).await.unwrap();
    let second = open_with(&database, few(), credentials.clone(), &endpoint, both).await.unwrap();
    turn(&first, Outcome::Success).await;

    let own = KeySource::Own("/nowhere/key".into());
    let refused = open_with(&database, few(), Vec::new(), &endpoint, own).await.unwrap_err().to_string();
    assert!(refused.contains("W2A_STORE_KEY"), "{refused}");
    let wrong = KeySource::Given(vec![StoreKey::generate()]);
    assert!(open_with(&database, few(), Vec::new(), &endpoint, wrong).await.is_err());

    let rotation = first.rotate_key().await.unwrap();

    assert_eq!(rotation.to, next.id());
    assert_eq!(acquire(&second).await.unwrap().bearer.expose(), "access-1", "the other one follows");
    report(&second, &acquire(&second).await.unwrap(), Outcome::Success).await;
    turn(&first, Outcome::Success).await;
    assert!(open_with(&database, few(), Vec::new(), &endpoint, keys_of(&database)).await.is_err());
    let sealed = "SELECT count(*) FROM credentials WHERE position('planted'::bytea IN secret) > 0 \
         OR position('access'::bytea IN token) > 0 OR state LIKE '%planted%' OR state LIKE '%access-%'";
    assert_eq!(number(&database, sealed).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lease_is_renewed_by_any_pool_and_taken_up_again_by_those_that_saw_it_expire() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    let credentials = vec![key(Tier::Personal, "p")];
    let [first, second, third] = three(&database, &credentials, &endpoint).await;
    let lease_duration = Some(Duration::from_secs(2));
    let held = first.acquire(Acquire { lease_duration, ..Acquire::default() }).await.unwrap();
    let lapsing = first.acquire(Acquire { lease_duration, ..Acquire::default() }).await.unwrap();
    assert_eq!(view(&second, "p").await.in_flight, 2);
    let hour = Some(Duration::from_secs(3600));

    assert_eq!(second.renew(vec![held.id.clone()], hour).await.unwrap(), []);
    let expired = async {
        while view(&third, "p").await.in_flight > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expired).await.expect("the one that nobody renewed expires");

    assert_eq!(view(&first, "p").await.in_flight, 1);
    assert_eq!(second.renew(vec![lapsing.id.clone()], hour).await.unwrap(), []);
    assert_eq!(view(&third, "p").await.in_flight, 2);
    for lease in [&held, &lapsing] {
        report(&third, lease, Outcome::Success).await;
    }
    assert_eq!(view(&first, "p").await.in_flight, 0);
}
