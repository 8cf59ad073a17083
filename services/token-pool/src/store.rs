//! Where the pool is kept: nowhere, in an SQLite database of this process, or in a PostgreSQL that several processes
//! share.
//!
//! - Memory: the pool ends with the process.
//! - SQLite: memory decides, and a task writes what has changed (`local`). Only what must not be lost waits for it.
//! - PostgreSQL: each batch of operations is a transaction under one lock, on the pool as the database has it
//!   (`shared`).
//!
//! What decides is the same code on the same types; rows and types become each other in `kept` and `changes`,
//! secrets are sealed on the way (`seal`).

pub(crate) mod changes;
pub mod error;
pub mod held;
pub(crate) mod kept;
pub mod key;
mod listening;
pub(crate) mod local;
mod looking;
mod postgres;
pub(crate) mod replica;
pub mod rotation;
pub mod seal;
pub(crate) mod shared;
mod sqlite;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use error::OpenError;
pub use key::KeySource;
pub use seal::StoreKey;

use crate::clock::Clock;
use crate::config::PoolConfig;
use crate::credential::NewCredential;
use crate::error::Error;
use crate::exchange::TokenExchange;
use crate::pool::Pool;
use changes::Rows;
use local::Local;
use looking::Picture;
use postgres::Postgres;
use seal::Keyring;
use shared::Shared;
use sqlite::Sqlite;

pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/migrations");

/// The trail before an event, newest first.
pub(crate) const LIST_AUDIT: &str =
    "SELECT * FROM audit_events WHERE ($1 IS NULL OR id < $1) ORDER BY id DESC LIMIT $2";
/// Drops what is older than so many events.
pub(crate) const FORGET_AUDIT: &str = "DELETE FROM audit_events WHERE id <= \
     (SELECT id FROM audit_events ORDER BY id DESC LIMIT 1 OFFSET $1)";

/// Writes a row of `credentials`, whichever database it is.
macro_rules! put_credential {
    ($row:expr, $revision:expr) => {
        sqlx::query(
            "INSERT INTO credentials (id, origin, display_name, tier, kind, source, place, key_id, secret, token, \
             state, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, tier = excluded.tier, \
             source = excluded.source, place = excluded.place, key_id = excluded.key_id, secret = excluded.secret, \
             token = excluded.token, state = excluded.state, revision = excluded.revision",
        )
        .bind(&$row.id)
        .bind(&$row.origin)
        .bind(&$row.display_name)
        .bind(&$row.tier)
        .bind(&$row.kind)
        .bind(&$row.source)
        .bind($row.place)
        .bind(&$row.key_id)
        .bind(&$row.secret)
        .bind(&$row.token)
        .bind(&$row.state)
        .bind::<i64>($revision)
    };
}

/// Writes a row of `leases`.
macro_rules! put_lease {
    ($row:expr, $revision:expr) => {
        sqlx::query(
            "INSERT INTO leases (id, credential_id, grant_number, token_serial, lent, expires_at, revision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
             token_serial = excluded.token_serial, lent = excluded.lent, expires_at = excluded.expires_at, \
             revision = excluded.revision",
        )
        .bind(&$row.id)
        .bind(&$row.credential_id)
        .bind($row.grant_number)
        .bind($row.token_serial)
        .bind($row.lent)
        .bind($row.expires_at)
        .bind::<i64>($revision)
    };
}

/// Writes a row of `audit_events`; once, however often.
macro_rules! put_audit {
    ($row:expr) => {
        sqlx::query(
            "INSERT INTO audit_events (id, happened_at, actor, action, credential_id, detail) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&$row.id)
        .bind($row.happened_at)
        .bind(&$row.actor)
        .bind(&$row.action)
        .bind(&$row.credential_id)
        .bind(&$row.detail)
    };
}

pub(crate) use {put_audit, put_credential, put_lease};

/// Where the pool is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// Nowhere.
    Memory,
    /// In a file of this process.
    Sqlite(PathBuf),
    /// In a PostgreSQL that several processes may share, by its URL.
    Postgres(crate::credential::Secret),
}

impl Database {
    /// Reads the address of a database.
    ///
    /// # Errors
    /// When it is none of the known forms; the words quote nothing, since it may hold a password.
    pub fn parse(url: &str) -> Result<Self, InvalidDatabase> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(crate::credential::Secret::new(url)));
        }
        Err(InvalidDatabase)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://[redacted]"),
        }
    }
}

/// A text is not the address of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `memory:`, `sqlite:/path/to/file` or `postgres://user@host/database`")]
pub struct InvalidDatabase;

/// A store that is open, and not yet a pool's.
#[derive(Debug)]
pub struct Store {
    keys: KeySource,
    opened: Opened,
}

#[derive(Debug)]
enum Opened {
    Memory,
    Sqlite {
        database: Sqlite,
        keyring: Keyring,
        rows: Rows,
    },
    Postgres {
        database: Postgres,
        keyring: Keyring,
        credentials: i64,
    },
    /// Nothing of it is ever written.
    Picture(Box<Picture>),
}

impl Store {
    /// No store: the pool ends with the process.
    pub fn memory() -> Self {
        Self { keys: KeySource::Given(Vec::new()), opened: Opened::Memory }
    }

    /// Opens a store, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be used; nothing in it was changed then.
    pub async fn open(database: &Database, keys: KeySource) -> Result<Self, OpenError> {
        let opened = match database {
            Database::Memory => Opened::Memory,
            Database::Sqlite(path) => {
                let database = Sqlite::open(path).await?;
                let known = database.key().await.map_err(|error| database.failed(error))?;
                let (keyring, record) = keys.keyring(known.as_ref())?;
                if record.is_some() {
                    let changes = changes::Changes { key: record, ..changes::Changes::default() };
                    database.write(&changes, true).await.map_err(|error| database.failed(error))?;
                }
                let rows = database.load().await.map_err(|error| database.failed(error))?;
                Opened::Sqlite { database, keyring, rows }
            }
            Database::Postgres(url) => {
                if matches!(keys, KeySource::Own(_)) {
                    return Err(OpenError::NoSharedKey);
                }
                let database = Postgres::new(url)?;
                database.migrate().await?;
                let (keyring, credentials) = postgres::settle(&database, &keys).await?;
                Opened::Postgres { database, keyring, credentials }
            }
        };
        Ok(Self { keys, opened })
    }

    /// Whether what it holds outlives the process.
    pub fn is_kept(&self) -> bool {
        !matches!(self.opened, Opened::Memory)
    }

    /// Whether it holds credentials that are there whatever the operator's variables say.
    pub fn has_credentials(&self) -> bool {
        match &self.opened {
            Opened::Memory => false,
            Opened::Sqlite { rows, .. } => rows.credentials.iter().any(|row| row.source == "admin"),
            // Those of other processes' variables stay, too.
            Opened::Postgres { credentials, .. } => *credentials > 0,
            Opened::Picture(picture) => !picture.rows.credentials.is_empty(),
        }
    }
}

/// What a pool rests on.
#[derive(Debug)]
pub(crate) enum Backing {
    Memory,
    Local(Arc<Local>),
    Shared(Arc<Shared>),
}

impl Pool {
    /// A pool of what a store holds and of these credentials of the operator's. One that the store knows keeps its
    /// state; one of the operator's that is no longer among them leaves a store of this process alone.
    ///
    /// # Errors
    /// When the store holds what cannot be read, or fails.
    pub async fn with_store(
        config: PoolConfig,
        credentials: Vec<NewCredential>,
        exchange: TokenExchange,
        clock: Arc<dyn Clock>,
        store: Store,
    ) -> Result<Self, OpenError> {
        Self::on_store(config, Some(credentials), exchange, clock, store).await
    }

    /// A pool of what a store holds, as it stands there: for somebody who looks after it while no service runs, and does
    /// not know the variables of the service.
    ///
    /// # Errors
    /// When the store holds what cannot be read, or fails.
    pub async fn as_stored(
        config: PoolConfig,
        exchange: TokenExchange,
        clock: Arc<dyn Clock>,
        store: Store,
    ) -> Result<Self, OpenError> {
        Self::on_store(config, None, exchange, clock, store).await
    }

    /// `credentials` are those of the operator's variables; `None` if they are not known.
    async fn on_store(
        config: PoolConfig,
        credentials: Option<Vec<NewCredential>>,
        exchange: TokenExchange,
        clock: Arc<dyn Clock>,
        store: Store,
    ) -> Result<Self, OpenError> {
        match store.opened {
            Opened::Memory => Ok(Self::with_clock(config, credentials.unwrap_or_default(), exchange, clock)),
            Opened::Sqlite { database, keyring, rows } => {
                local::open(config, credentials, exchange, clock, (database, keyring, store.keys), &rows)
                    .await
            }
            Opened::Postgres { database, keyring, .. } => {
                let credentials = credentials.unwrap_or_default();
                shared::open(config, credentials, exchange, clock, (database, keyring, store.keys)).await
            }
            Opened::Picture(picture) => looking::pool(config, exchange, clock, *picture),
        }
    }

    /// Stores what there is to store and lets the store go. For the end of the process; until then the pool works.
    pub async fn close(&self) {
        match &self.core.backing {
            Backing::Memory => {}
            Backing::Local(local) => local.close().await,
            Backing::Shared(shared) => shared.close().await,
        }
    }

    /// Shows the trail, newest first, from before the event with the id `before` on.
    ///
    /// # Errors
    /// When what the pool rests on cannot be reached.
    pub async fn list_audit(
        &self,
        before: Option<String>,
        limit: usize,
    ) -> Result<Vec<crate::audit::AuditEvent>, Error> {
        match &self.core.backing {
            Backing::Memory => {
                self.transact(move |open| open.inner.audit.page(before.as_deref(), limit)).await
            }
            Backing::Local(local) => {
                // What was told is there before it is read.
                let stored = self.transact_durably(|_| ()).await;
                stored.map_err(|error| match error {
                    Error::NotStored { retry_after } => Error::StoreUnavailable { retry_after },
                    error => error,
                })?;
                local.audit(before, limit).await
            }
            Backing::Shared(shared) => shared.audit(before, limit).await,
        }
    }
}
