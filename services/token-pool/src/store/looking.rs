//! A store that is only looked at: nothing is made, nothing brought to another version, nothing written, no lock kept. It
//! is read whole, once; the pool made of it is a picture in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::time::Instant;

use crate::audit::{AuditEvent, MAX_EVENTS};
use crate::clock::Clock;
use crate::config::PoolConfig;
use crate::exchange::TokenExchange;
use crate::lease::LeaseTable;
use crate::pool::{Inner, Pool};
use crate::store::changes::{Keeping, KeyRecord, Rows};
use crate::store::error::OpenError;
use crate::store::held::Held;
use crate::store::kept::{AuditRow, CredentialRow, LeaseRow};
use crate::store::key::KeySource;
use crate::store::postgres::Postgres;
use crate::store::seal::{Keyring, StoreKey};
use crate::store::{Backing, Database, LIST_AUDIT, MIGRATIONS, Opened, Store};

/// How long somebody who writes may keep a reader waiting.
const BUSY: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) name: String,
    keyring: Keyring,
    pub(crate) rows: Rows,
    /// The newest first.
    trail: Vec<AuditEvent>,
}

struct Found {
    key: Option<KeyRecord>,
    rows: Rows,
    trail: Vec<AuditEvent>,
}

/// Reads everything over a connection, whichever database it is of.
macro_rules! read {
    ($connection:expr) => {
        async {
            let connection = $connection;
            let most = i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX);
            let head =
                sqlx::query("SELECT key_id, key_check, state FROM pool").fetch_one(&mut *connection).await?;
            let (id, check): (Option<String>, Option<Vec<u8>>) = (head.try_get(0)?, head.try_get(1)?);
            let credentials = sqlx::query_as::<_, CredentialRow>("SELECT * FROM credentials");
            let leases = sqlx::query_as::<_, LeaseRow>("SELECT * FROM leases");
            let trail = sqlx::query_as::<_, AuditRow>(LIST_AUDIT).bind(None::<String>).bind(most);
            let rows = Rows {
                credentials: credentials.fetch_all(&mut *connection).await?,
                leases: leases.fetch_all(&mut *connection).await?,
                common: head.try_get(2)?,
                ..Rows::default()
            };
            let trail = trail.fetch_all(&mut *connection).await?.into_iter().map(AuditEvent::from).collect();
            Ok::<_, sqlx::Error>(Found {
                key: id.zip(check).map(|(id, check)| KeyRecord { id, check }),
                rows,
                trail,
            })
        }
    };
}

/// The versions a database was brought to.
const VERSIONS: &str = "SELECT version FROM _sqlx_migrations WHERE success";

impl Store {
    /// Looks at a store without changing anything of it.
    ///
    /// # Errors
    /// When there is none, it is of another version, or it cannot be read.
    pub async fn look(database: &Database, keys: KeySource) -> Result<Self, OpenError> {
        let (name, found) = match database {
            Database::Memory => return Ok(Self::memory()),
            Database::Sqlite(path) => (path.display().to_string(), sqlite(path).await?),
            Database::Postgres(url) => {
                let database = Postgres::new(url)?;
                (database.name(), postgres(&database).await?)
            }
        };
        let keyring = match &keys {
            // Nothing is sealed yet, and no key is made for looking.
            KeySource::Own(path) if found.key.is_none() && !path.exists() => {
                let key = StoreKey::generate();
                Keyring::new(std::slice::from_ref(&key), &key.id()).ok_or(OpenError::NoSharedKey)?
            }
            _ => keys.keyring(found.key.as_ref())?.0,
        };
        let picture = Picture { name, keyring, rows: found.rows, trail: found.trail };
        Ok(Self { keys, opened: Opened::Picture(Box::new(picture)) })
    }
}

/// A pool as the picture shows it.
pub(crate) fn pool(
    config: PoolConfig,
    exchange: TokenExchange,
    clock: Arc<dyn Clock>,
    picture: Picture,
) -> Result<Pool, OpenError> {
    let Picture { name, keyring, rows, trail } = picture;
    let mut inner = Inner {
        keeping: Some(Keeping::new(keyring)),
        leases: LeaseTable::of_store(false),
        ..Inner::default()
    };
    inner
        .load_all(&rows, clock.now(), Instant::now(), false)
        .map_err(|error| OpenError::Row { database: name, what: error.to_string() })?;
    inner.audit.put_back(trail.into_iter().rev());
    Ok(Pool::on(config, inner, exchange, clock, Backing::Memory))
}

async fn sqlite(path: &Path) -> Result<Found, OpenError> {
    let name = || path.display().to_string();
    if !path.exists() {
        return Err(OpenError::Missing { database: name() });
    }
    Held::look(path)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        // Otherwise SQLite makes files beside it. After a kill they are there, and hold what is not in it yet.
        .immutable(!has_log)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let failed = |source| OpenError::Database { database: name(), source };
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    sqlx::query("BEGIN").execute(&mut connection).await.map_err(failed)?;
    let versions = sqlx::query_scalar(VERSIONS).fetch_all(&mut connection).await;
    is_of_this_version(versions, &name())?;
    let found = read!(&mut connection).await.map_err(failed)?;
    // It was read; how the connection ends does not matter.
    drop(connection.close().await);
    Ok(found)
}

async fn postgres(database: &Postgres) -> Result<Found, OpenError> {
    let failed = |source| database.failed(source);
    let mut connection = database.connect().await.map_err(failed)?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(begin).execute(&mut connection).await.map_err(failed)?;
    let versions = sqlx::query_scalar(VERSIONS).fetch_all(&mut connection).await;
    is_of_this_version(versions, &database.name())?;
    let found = read!(&mut connection).await.map_err(failed)?;
    drop(connection.close().await);
    Ok(found)
}

/// Whether a database that was brought to these versions is what this program reads.
fn is_of_this_version(versions: sqlx::Result<Vec<i64>>, name: &str) -> Result<(), OpenError> {
    let versions = match versions {
        Ok(versions) => versions,
        Err(sqlx::Error::Database(error))
            if error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table") =>
        {
            return Err(OpenError::Missing { database: name.to_owned() });
        }
        Err(source) => return Err(OpenError::Database { database: name.to_owned(), source }),
    };
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    if versions.iter().any(|version| !known.contains(version)) {
        return Err(OpenError::TooNew);
    }
    if known.iter().any(|version| !versions.contains(version)) {
        return Err(OpenError::Older { database: name.to_owned() });
    }
    Ok(())
}
