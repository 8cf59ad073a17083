//! Pools in each of the places where one can be kept, on a token endpoint that answers at once.

use std::path::Path;
use std::sync::Arc;

use axum::routing::post;
use warp2api_rpc::http_endpoint;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::{
    Acquire, Database, KeySource, Kind, NewCredential, Outcome, Pool, PoolConfig, Report, Secret, Store,
    Tier, TokenExchange,
};

use crate::postgres::TestDatabase;

/// Credentials of a pool that is measured.
pub(crate) const CREDENTIALS: usize = 16;

pub(crate) async fn in_memory() -> Pool {
    open(&Database::Memory, KeySource::Given(Vec::new()), CREDENTIALS, 64).await
}

pub(crate) async fn in_sqlite(folder: &Path) -> Pool {
    let keys = KeySource::Own(folder.join("store.key"));
    open(&Database::Sqlite(folder.join("pool.db")), keys, CREDENTIALS, 64).await
}

pub(crate) async fn in_postgres(database: &TestDatabase, credentials: usize, most: u32) -> Pool {
    let keys = KeySource::Given(KeySource::parse(&database.key).unwrap());
    open(&Database::Postgres(Secret::new(database.url.clone())), keys, credentials, most).await
}

/// A pool whose credentials have their access tokens.
async fn open(database: &Database, keys: KeySource, credentials: usize, max_in_flight: u32) -> Pool {
    let answer = r#"{"id_token":"an-access-token","refresh_token":"a-refresh-token","expires_in":"3600"}"#;
    let exchange = TokenExchange {
        endpoint: http_endpoint::local(axum::Router::new().route("/", post(async move || answer))),
        url: "https://token.test/".to_owned(),
        fallback_url: None,
        headers: Vec::new(),
    };
    let credential = |number| NewCredential {
        tier: Tier::Personal,
        kind: Kind::RefreshToken,
        display_name: Some(format!("credential {number}")),
        secret: Secret::new(format!("refresh-token-{number}")),
    };
    let config = PoolConfig { max_in_flight, ..PoolConfig::default() };
    let store = Store::open(database, keys).await.unwrap();
    let credentials: Vec<_> = (0..credentials).map(credential).collect();
    let count = credentials.len();
    let pool = Pool::with_store(config, credentials, exchange, Arc::new(SystemClock), store).await.unwrap();
    for _ in 0..count {
        let lease = pool.acquire(Acquire::default()).await.unwrap().id;
        let report =
            Report { lease, continues: false, outcome: Outcome::Success, retry_after: None, detail: None };
        pool.report(report).await.unwrap();
    }
    pool
}
