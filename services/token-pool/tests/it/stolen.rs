//! What a thief of the database finds: of SQLite's files at every moment, and of a dump of the PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use warp2api_proto::token_pool::v1::CreateGuestCredentialRequest;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::{
    Addition, Database, Edit, KeySource, Outcome, Pool, Secret, Store, StoreKey, Tier, TokenPoolService,
};

use crate::account::Upstream;
use crate::bench::{Answer, Endpoint, acquire, config, key, refreshable, report, view};
use crate::postgres::TestDatabase;

/// The forms in which a secret may be found: as it is, in hexadecimal as dumps write bytes, and in base64.
fn forms(secret: &str) -> [Vec<u8>; 3] {
    use base64::Engine as _;
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
    [secret.as_bytes().to_vec(), hex.into_bytes(), base64.into_bytes()]
}

fn check(moment: &str, loot: &[u8]) {
    let has = |wanted: &[u8]| loot.windows(wanted.len()).any(|window| window == wanted);
    assert!(has(b"a label"), "{moment}: it is the database, {} bytes", loot.len());
    for secret in [
        "planted-refresh",
        "planted-rotated",
        "planted-replaced",
        "wk-1.planted",
        "planted-guest-1",
        "planted-custom-token",
        "access-1",
        "access-2",
    ] {
        for form in forms(secret) {
            assert!(!has(&form), "{moment}: {secret} can be read as {}", String::from_utf8_lossy(&form));
        }
    }
}

/// Does to a pool whatever leaves something in its store, and has it looked at after each.
async fn live(pool: &Pool, endpoint: &Endpoint, mut look: impl AsyncFnMut(&str)) {
    let named = |mut new: warp2api_token_pool::NewCredential| {
        new.display_name = Some("a label".to_owned());
        Addition { request_id: Some("request".to_owned()), ..Addition::from(new) }
    };
    let operator = pool.operator("me");
    let refresh = operator.add(named(refreshable(Tier::Personal, "planted-refresh"))).await.unwrap().id;
    look("added").await;
    endpoint.next("planted-refresh", Answer::Rotate("planted-rotated"));
    let lease = acquire(pool).await.unwrap();
    look("leased").await;
    let words = Some(format!("the upstream said: Bearer {} is bad", lease.bearer.expose()));
    let told = warp2api_token_pool::Report {
        lease: lease.id,
        continues: false,
        outcome: Outcome::Blocked,
        retry_after: None,
        detail: words,
    };
    pool.report(told).await.unwrap();
    operator.recover(&refresh).await.unwrap();
    operator.disable(&refresh, "planted-rotated was stolen").await.unwrap();
    operator.enable(&refresh).await.unwrap();
    look("decided").await;
    let mut more = key(Tier::Shared, "wk-1.planted");
    more.display_name = None;
    operator.add(more.into()).await.unwrap();
    let edit = Edit { secret: Some(Secret::new("planted-replaced")), ..Edit::default() };
    operator.edit(&refresh, edit).await.unwrap();
    look("replaced").await;
    let lease = acquire(pool).await.unwrap();
    report(pool, &lease, Outcome::Rejected).await;
    let service: TokenPoolService = Upstream::default().service(pool);
    let guest = CreateGuestCredentialRequest {};
    service.create_guest_credential(tonic::Request::new(guest)).await.unwrap();
    look("a guest").await;
    pool.rotate_key().await.unwrap();
    look("another key").await;
    assert_eq!(view(pool, "guest").await.in_flight, 0);
}

/// Everything in a folder but the key.
fn files(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.ends_with("store.key")).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn the_files_of_sqlite_and_its_log_show_no_secret_at_any_moment() {
    let (folder, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::default());
    let keys = KeySource::Own(folder.path().join("store.key"));
    let store = Store::open(&Database::Sqlite(folder.path().join("pool.db")), keys).await.unwrap();
    let clock = Arc::new(SystemClock);
    let pool = Pool::with_store(config(), Vec::new(), endpoint.exchange(), clock, store).await.unwrap();

    live(&pool, &endpoint, async |moment| {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().any(|name| name == "pool.db-wal"), "its log is looked at, too");
        check(moment, &files(folder.path()));
    })
    .await;

    pool.close().await;
    check("closed", &files(folder.path()));
}

/// All that a dump has, by PostgreSQL's own program where there is one, else row by row.
async fn dump(database: &TestDatabase) -> Vec<u8> {
    let url = database.url.clone();
    let dumped = tokio::task::spawn_blocking(move || {
        std::process::Command::new("pg_dump").args(["--no-owner", &url]).output()
    });
    match dumped.await.unwrap() {
        Ok(output) if output.status.success() => output.stdout,
        _ => {
            let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
            let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
            let rows = "SELECT row_to_json(t)::text FROM credentials t UNION ALL SELECT row_to_json(t)::text FROM pool t \
                 UNION ALL SELECT row_to_json(t)::text FROM leases t UNION ALL \
                 SELECT row_to_json(t)::text FROM audit_events t";
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
            rows.concat().into_bytes()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_the_postgres_shows_no_secret_at_any_moment() {
    let Some(database) = TestDatabase::create().await else { return };
    let endpoint = Endpoint::default();
    let keys = [KeySource::parse(&database.key).unwrap(), vec![StoreKey::generate()]].concat();
    let place = Database::Postgres(Secret::new(database.url.clone()));
    let store = Store::open(&place, KeySource::Given(keys)).await.unwrap();
    let clock = Arc::new(SystemClock);
    let pool = Pool::with_store(config(), Vec::new(), endpoint.exchange(), clock, store).await.unwrap();

    live(&pool, &endpoint, async |moment| check(moment, &dump(&database).await)).await;
}
