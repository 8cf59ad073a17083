//! Databases of their own for tests, on the server that `W2A_TEST_POSTGRES` names; `.ci/postgres` starts one.

use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use warp2api_token_pool::StoreKey;

/// A database for one test.
#[derive(Debug, Clone)]
pub(crate) struct TestDatabase {
    /// Its URL.
    pub(crate) url: String,
    /// The key of its credentials, in hexadecimal.
    pub(crate) key: String,
}

impl TestDatabase {
    /// A new one. `None`, said aloud, where there is no server.
    pub(crate) async fn create() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "how `.ci/postgres` tells tests where it is")]
        let Ok(server) = std::env::var("W2A_TEST_POSTGRES") else {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!(
                "SKIPPED {test}: W2A_TEST_POSTGRES names no PostgreSQL; `.ci/postgres cargo test` starts one"
            );
            return None;
        };
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let options: sqlx::postgres::PgConnectOptions = server.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        connection
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))))
            .await
            .unwrap();
        connection.close().await.unwrap();
        let (root, _) = server.rsplit_once('/').unwrap();
        Some(Self { url: format!("{root}/{name}"), key: StoreKey::generate().text().expose().to_owned() })
    }
}
