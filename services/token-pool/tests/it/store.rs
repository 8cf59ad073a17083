//! A pool in an SQLite database: what survives its end, who may have it, what a stolen file shows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::store::rotation::RotationError;
use warp2api_token_pool::{
    Acquire, Database, Edit, Error, KeySource, NewCredential, Outcome, Pool, PoolConfig, Report, Store,
    StoreKey, Tier,
};

use crate::bench::{Answer, Endpoint, acquire, config, key, refreshable, report, turn, view};

/// Opens the pool of a folder.
async fn open(folder: &Path, credentials: Vec<NewCredential>, endpoint: &Endpoint) -> Pool {
    open_with(folder, credentials, endpoint, KeySource::Own(folder.join("store.key"))).await.unwrap()
}

async fn open_with(
    folder: &Path,
    credentials: Vec<NewCredential>,
    endpoint: &Endpoint,
    keys: KeySource,
) -> anyhow::Result<Pool> {
    let store = Store::open(&Database::Sqlite(folder.join("pool.db")), keys).await?;
    Ok(Pool::with_store(config(), credentials, endpoint.exchange(), Arc::new(SystemClock), store).await?)
}

fn settings() -> Vec<NewCredential> {
    vec![refreshable(Tier::Personal, "refresh"), key(Tier::Shared, "key")]
}

#[tokio::test]
async fn states_counters_and_leases_survive_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let first = open(folder.path(), settings(), &endpoint).await;
    let lease = acquire(&first).await.unwrap();
    let lost = first
        .acquire(Acquire { lease_duration: Some(Duration::from_millis(1)), ..Acquire::default() })
        .await
        .unwrap();
    for _ in 0..3 {
        let excluded = vec![lease.credential.clone()];
        let key = first.acquire(Acquire { excluded, ..Acquire::default() }).await.unwrap();
        report(&first, &key, Outcome::Rejected).await;
    }
    let before = [view(&first, "refresh").await, view(&first, "key").await];
    first.close().await;
    drop(first);

    let second = open(folder.path(), settings(), &endpoint).await;

    let mut after = [view(&second, "refresh").await, view(&second, "key").await];
    assert!(matches!(after[1].phase, Phase::Tripped { .. }));
    // One lease had a millisecond.
    assert_eq!(after[0].in_flight, 1);
    after[0].in_flight = before[0].in_flight;
    assert_eq!(after, before);
    assert_eq!(report(&second, &lease, Outcome::Success).await.in_flight, 0, "its holder outlived the pool");
    let late = Report {
        lease: lost.id,
        continues: false,
        outcome: Outcome::Success,
        retry_after: None,
        detail: None,
    };
    assert_eq!(second.report(late).await.unwrap_err(), Error::LeaseNotFound);
    assert_eq!(acquire(&second).await.unwrap().bearer.expose(), "access-1", "nothing is exchanged anew");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_anybody_has_its_access_token() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    endpoint.next("refresh", Answer::Rotate("rotated"));
    let first = open(folder.path(), settings(), &endpoint).await;

    acquire(&first).await.unwrap();
    // What the disk holds now is all that a process that is killed leaves behind.
    let copy = tempfile::tempdir().unwrap();
    for name in ["pool.db", "pool.db-wal", "store.key"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }

    let second = open(copy.path(), settings(), &endpoint).await;
    let id = view(&second, "refresh").await.id;
    for _ in 0..2 {
        let lease = acquire(&second).await.unwrap();
        assert_eq!(lease.credential, id);
        report(&second, &lease, Outcome::Rejected).await;
    }
    assert_eq!(endpoint.requests().last().unwrap(), "rotated");
    assert!(!endpoint.requests()[1..].contains(&"refresh".to_owned()), "{:?}", endpoint.requests());
}

#[tokio::test]
async fn what_the_variables_say_and_what_was_added_are_brought_together() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    endpoint.next("refresh", Answer::Rotate("rotated"));
    let first = open(folder.path(), settings(), &endpoint).await;
    turn(&first, Outcome::Success).await;
    let added = first.operator("me").add(key(Tier::Anonymous, "added").into()).await.unwrap();
    let gone = first.operator("me").add(key(Tier::Anonymous, "gone").into()).await.unwrap();
    first.operator("me").remove(&gone.id, None).await.unwrap();
    let known = view(&first, "refresh").await.id;
    first.operator("me").disable(&known, "").await.unwrap();
    first.operator("me").edit(&added.id, Edit { tier: Some(Tier::Shared), ..Edit::default() }).await.unwrap();
    // Not closed: killed.
    std::mem::forget(first.clone());
    let copy = tempfile::tempdir().unwrap();
    for name in ["pool.db", "pool.db-wal", "store.key"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(first);

    let renamed =
        NewCredential { display_name: Some("renamed".into()), ..refreshable(Tier::Shared, "refresh") };
    let second = open(copy.path(), vec![renamed, key(Tier::Personal, "new")], &endpoint).await;

    let shown = second.list(None, 9).await.unwrap().0;
    let shown: Vec<_> = shown.iter().map(|v| (v.display_name.as_str(), v.tier, v.phase)).collect();
    assert_eq!(
        shown,
        [
            ("new", Tier::Personal, Phase::Active),
            ("renamed", Tier::Shared, Phase::SwitchedOff),
            ("added", Tier::Shared, Phase::Active),
        ]
    );
    second.operator("me").recover(&known).await.unwrap();
    let trail = second.list_audit(None, 9).await.unwrap();
    let told: Vec<_> = trail.iter().map(|event| event.change.action.as_str()).collect();
    assert_eq!(told, ["recover", "update", "disable", "delete", "create", "create"]);
}

#[tokio::test]
async fn a_second_process_hears_who_has_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let first = open(folder.path(), settings(), &endpoint).await;
    let keys = KeySource::Own(folder.path().join("store.key"));

    let refused = open_with(folder.path(), settings(), &endpoint, keys).await.unwrap_err().to_string();

    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    first.close().await;
    drop(first);
    open(folder.path(), settings(), &endpoint).await;
}

#[tokio::test]
async fn a_stolen_database_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    endpoint.next("planted-refresh", Answer::Rotate("planted-rotated"));
    let secrets = vec![refreshable(Tier::Personal, "planted-refresh"), key(Tier::Shared, "wk-planted")];
    let named = |(index, new): (usize, NewCredential)| NewCredential {
        display_name: Some(format!("label {index}")),
        ..new
    };
    let pool = open(folder.path(), secrets.into_iter().enumerate().map(named).collect(), &endpoint).await;
    let lease = acquire(&pool).await.unwrap();
    pool.append_audit(warp2api_token_pool::audit::Change {
        actor: "me".into(),
        action: "look".into(),
        credential: Some(lease.credential.clone()),
        detail: String::new(),
    })
    .await
    .unwrap();
    let while_open = bytes_of(folder.path());
    pool.close().await;

    for bytes in [while_open, bytes_of(folder.path())] {
        assert!(contains(&bytes, b"label 0"), "it is the database");
        for secret in ["planted", "access-1"] {
            assert!(!contains(&bytes, secret.as_bytes()), "{secret} can be read");
        }
    }
    #[cfg(unix)]
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
        assert!(name == "pool.db.pid" || mode == 0, "{name} can be read by others");
    }
}

/// Everything in a folder but the key.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.ends_with("store.key")).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test]
async fn the_wrong_key_opens_nothing_and_damages_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    open(folder.path(), settings(), &endpoint).await.close().await;

    let wrong = KeySource::Given(vec![StoreKey::generate()]);
    let refused = open_with(folder.path(), settings(), &endpoint, wrong).await.unwrap_err().to_string();
    assert!(refused.contains("W2A_STORE_KEY"), "{refused}");
    std::fs::rename(folder.path().join("store.key"), folder.path().join("elsewhere")).unwrap();
    let lost = KeySource::Own(folder.path().join("store.key"));
    assert!(open_with(folder.path(), settings(), &endpoint, lost).await.is_err(), "no second key is made");

    std::fs::rename(folder.path().join("elsewhere"), folder.path().join("store.key")).unwrap();
    let pool = open(folder.path(), settings(), &endpoint).await;
    assert_eq!(turn(&pool, Outcome::Success).await, "refresh");
}

#[tokio::test]
async fn another_key_takes_over_in_one_step_and_the_old_one_opens_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let pool = open(folder.path(), settings(), &endpoint).await;
    turn(&pool, Outcome::Success).await;
    let old = KeySource::parse(&std::fs::read_to_string(folder.path().join("store.key")).unwrap()).unwrap();

    let rotation = pool.rotate_key().await.unwrap();

    let new = KeySource::parse(&std::fs::read_to_string(folder.path().join("store.key")).unwrap()).unwrap();
    assert_eq!((rotation.from, rotation.to), (old[0].id(), new[0].id()));
    assert_eq!((old.len(), new.len()), (1, 1));
    turn(&pool, Outcome::Success).await;
    pool.close().await;
    assert!(!contains(&bytes_of(folder.path()), old[0].id().as_bytes()), "nothing of the old key is left");
    drop(pool);
    let with_old = open_with(folder.path(), settings(), &endpoint, KeySource::Given(old.clone())).await;
    assert!(with_old.is_err());
    let both = KeySource::Given([old, new].concat());
    let pool = open_with(folder.path(), settings(), &endpoint, both).await.unwrap();
    assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "access-1");

    let back = pool.rotate_key().await.unwrap();
    assert_ne!(back.from, back.to, "the other one of those that were given");
    pool.close().await;
}

#[tokio::test]
async fn a_key_can_only_change_to_one_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let given = KeySource::Given(vec![StoreKey::generate()]);
    let pool = open_with(folder.path(), settings(), &Endpoint::default(), given).await.unwrap();
    assert!(matches!(pool.rotate_key().await, Err(RotationError::NoOtherKey)));

    let memory = Pool::new(config(), settings(), Endpoint::default().exchange());
    assert!(matches!(memory.rotate_key().await, Err(RotationError::NothingSealed)));
}

#[tokio::test]
async fn a_disk_that_fails_holds_up_what_must_not_be_lost_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let database = Database::Sqlite(folder.path().join("pool.db"));
    let keys = KeySource::Own(folder.path().join("store.key"));
    let store = Store::open(&database, keys).await.unwrap();
    let impatient = PoolConfig { store_timeout: Duration::from_millis(300), ..config() };
    let clock = Arc::new(SystemClock);
    let pool = Pool::with_store(impatient, settings(), endpoint.exchange(), clock, store).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("pool.db"));
    let mut disk = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let mut act = async |statement: &'static str| sqlx::query(statement).execute(&mut disk).await.unwrap();
    act("ALTER TABLE credentials RENAME TO elsewhere").await;

    let id = view(&pool, "key").await.id;
    // What an operator does is in effect at once, and the answer says that it is not stored yet.
    let switched_off = pool.operator("me").disable(&id, "").await;
    assert!(matches!(switched_off, Err(Error::NotStored { .. })), "{switched_off:?}");
    assert_eq!(view(&pool, "key").await.phase, Phase::SwitchedOff);
    let added = pool.operator("me").add(key(Tier::Shared, "added").into()).await;
    let failure = Failure::from(added.unwrap_err());
    assert_eq!((failure.reason, failure.retry_after.is_some()), (ErrorReason::StoreUnavailable, true));
    assert_eq!(failure.metadata, [("in_effect".to_owned(), "true".to_owned())]);
    assert!(failure.message.contains("in effect but not stored yet"), "{failure:?}");
    // What changes nothing does not wait for the disk, and says why it came to nothing.
    let again = pool.operator("me").add(key(Tier::Shared, "added").into()).await;
    assert!(matches!(again, Err(Error::CredentialExists(_))), "{again:?}");
    let still_off = pool.operator("me").enable(&id).await;
    assert!(matches!(still_off, Err(Error::NotStored { .. })), "{still_off:?}");
    let off_again = pool.operator("me").disable(&id, "").await;
    assert!(matches!(off_again, Err(Error::NotStored { .. })), "{off_again:?}");
    assert!(matches!(pool.list_audit(None, 9).await, Err(Error::StoreUnavailable { .. })));
    let excluded = vec![id.clone(), view(&pool, "added").await.id];
    let no_token = pool.acquire(Acquire { excluded: excluded.clone(), ..Acquire::default() }).await;
    assert!(matches!(no_token, Err(Error::RefreshFailed { .. })), "{no_token:?}");
    assert_eq!(endpoint.requests().len(), 0, "what cannot be stored is not asked for");
    assert_eq!(acquire(&pool).await.unwrap().display_name, "added", "a key needs nothing stored");

    act("ALTER TABLE elsewhere RENAME TO credentials").await;
    let back = async {
        while pool.acquire(Acquire { excluded: excluded.clone(), ..Acquire::default() }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("it is back");
    pool.operator("me").disable(&id, "").await.expect("what is done again is stored now");
    pool.close().await;
    drop(pool);
    let pool = open(folder.path(), settings(), &endpoint).await;
    assert_eq!(view(&pool, "key").await.phase, Phase::SwitchedOff, "nothing was lost meanwhile");
    assert_eq!(view(&pool, "added").await.granted_count, 1);
}

#[tokio::test]
async fn a_lease_is_answered_without_waiting_for_the_disk_and_written_soon() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let many = PoolConfig { max_in_flight: 1000, ..config() };
    let database = Database::Sqlite(folder.path().join("pool.db"));
    let keys = KeySource::Own(folder.path().join("store.key"));
    let store = Store::open(&database, keys).await.unwrap();
    let credentials = vec![key(Tier::Personal, "key")];
    let pool = Pool::with_store(many, credentials, endpoint.exchange(), Arc::new(SystemClock), store).await;
    let pool = pool.unwrap();
    for _ in 0..100 {
        let lease = acquire(&pool);
        futures_util::pin_mut!(lease);
        assert!(futures_util::poll!(lease).is_ready(), "nothing is waited for");
    }
    // Whatever waits for its own commit waits for everything before it.
    pool.operator("me").disable(&view(&pool, "key").await.id, "").await.unwrap();

    let copy = tempfile::tempdir().unwrap();
    for name in ["pool.db", "pool.db-wal", "store.key"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let second = open(copy.path(), vec![key(Tier::Personal, "key")], &endpoint).await;
    let after = view(&second, "key").await;
    assert_eq!((after.in_flight, after.granted_count), (100, 100));
    assert!(after.last_granted_time.is_some_and(|time| time <= SystemTime::now()));
}

#[tokio::test]
async fn a_renewal_survives_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::default();
    let first = open(folder.path(), settings(), &endpoint).await;
    let lease_duration = Some(Duration::from_millis(1));
    let lapsing = first.acquire(Acquire { lease_duration, ..Acquire::default() }).await.unwrap();
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(first.renew(vec![lapsing.id.clone()], hour).await.unwrap(), []);
    first.close().await;
    drop(first);

    let second = open(folder.path(), settings(), &endpoint).await;

    assert_eq!(view(&second, "refresh").await.in_flight, 1);
    assert_eq!(report(&second, &lapsing, Outcome::Success).await.in_flight, 0);
}
