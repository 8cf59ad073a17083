//! The PostgreSQL database: one lock for the whole pool, what has changed since a revision, what is to be written.
//! Decides nothing.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::time::timeout;

use crate::audit::{AuditEvent, MAX_EVENTS};
use crate::credential::Secret;
use crate::store::changes::{Changes, KeyRecord, Rows};
use crate::store::error::OpenError;
use crate::store::kept::{AuditRow, CredentialRow, LeaseRow};
use crate::store::key::KeySource;
use crate::store::seal::Keyring;
use crate::store::{FORGET_AUDIT, LIST_AUDIT, MIGRATIONS, put_audit, put_credential};

/// Where processes tell each other that something has changed.
pub(crate) const CHANNEL: &str = "warp2api_pool";
/// How long the database may take to answer where nobody has another bound.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Every so many revisions removals are forgotten that are older than so many.
const FORGET_EVERY: i64 = 1024;
const REMEMBERED: i64 = 16 * 1024;

/// A process that is stopped or cut off while it has the lock loses it after two seconds, and nobody waits for the lock
/// longer than for that.
const SESSION: &str = "SET application_name = 'warp2api'; SET lock_timeout = '4s'; SET statement_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '2s'; SET default_transaction_isolation = 'read committed'";

/// Takes the lock. Only then is looked at what there is.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(7813047120); \
     SELECT revision, forgotten, key_id, key_check, state, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM pool";

/// The way to a database.
pub(crate) struct Postgres {
    options: PgConnectOptions,
    /// For what needs no lock.
    pub(crate) pool: PgPool,
}

impl fmt::Debug for Postgres {
    /// The options hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.name()).finish()
    }
}

/// What a process finds once it has the lock.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) revision: i64,
    pub(crate) forgotten: i64,
    pub(crate) key: Option<KeyRecord>,
    pub(crate) common: String,
    /// What time it is in the database, in microseconds since 1970.
    pub(crate) now: i64,
}

impl Postgres {
    /// Prepares the way; connects to nothing.
    pub(crate) fn new(url: &Secret) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url.expose());
        // Its error may quote the URL, and with it the password.
        let options = options.map_err(|_| OpenError::InvalidUrl)?.disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT);
        let pool = pool.connect_lazy_with(options.clone());
        Ok(Self { options, pool })
    }

    /// The database, without a password.
    pub(crate) fn name(&self) -> String {
        let Self { options, .. } = self;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("postgres://{}:{}/{database}", options.get_host(), options.get_port())
    }

    pub(crate) fn failed(&self, source: sqlx::Error) -> OpenError {
        OpenError::Database { database: self.name(), source }
    }

    /// A connection whose every wait has an end.
    pub(crate) async fn connect(&self) -> sqlx::Result<PgConnection> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            connection.execute(sqlx::raw_sql(SESSION)).await?;
            Ok(connection)
        };
        timeout(CONNECT, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Brings the database to this version's schema.
    pub(crate) async fn migrate(&self) -> Result<(), OpenError> {
        let connecting = timeout(2 * CONNECT, PgConnection::connect_with(&self.options));
        let connection = connecting.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let mut connection = connection.map_err(|error| self.failed(error))?;
        match MIGRATIONS.run(&mut connection).await {
            Ok(()) => Ok(()),
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..)) => Err(OpenError::TooNew),
            Err(error) => Err(self.failed(sqlx::Error::Migrate(Box::new(error)))),
        }
    }

    /// The trail, newest first, before an event.
    pub(crate) async fn audit(&self, before: Option<String>, limit: i64) -> sqlx::Result<Vec<AuditEvent>> {
        let rows = sqlx::query_as::<_, AuditRow>(LIST_AUDIT).bind(before).bind(limit);
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(AuditEvent::from).collect())
    }
}

/// The keys for a database, which remembers the first key it is opened with; and how many credentials are in it.
pub(crate) async fn settle(database: &Postgres, keys: &KeySource) -> Result<(Keyring, i64), OpenError> {
    let failed = |error| database.failed(error);
    let mut connection = database.connect().await.map_err(failed)?;
    let head = begin(&mut connection).await.map_err(failed)?;
    let (keyring, record) = keys.keyring(head.key.as_ref())?;
    if let Some(KeyRecord { id, check }) = record {
        let update = sqlx::query("UPDATE pool SET key_id = $1, key_check = $2").bind(id).bind(check);
        update.execute(&mut connection).await.map_err(failed)?;
    }
    let count = sqlx::query_scalar("SELECT count(*) FROM credentials").fetch_one(&mut connection).await;
    commit(&mut connection).await.map_err(failed)?;
    Ok((keyring, count.map_err(failed)?))
}

/// Begins a transaction and takes the lock.
pub(crate) async fn begin(connection: &mut PgConnection) -> sqlx::Result<Head> {
    let rows = connection.fetch_all(sqlx::raw_sql(BEGIN)).await?;
    let row: &PgRow = rows.last().ok_or(sqlx::Error::RowNotFound)?;
    let (id, check): (Option<String>, Option<Vec<u8>>) = (row.try_get("key_id")?, row.try_get("key_check")?);
    Ok(Head {
        revision: row.try_get("revision")?,
        forgotten: row.try_get("forgotten")?,
        key: id.zip(check).map(|(id, check)| KeyRecord { id, check }),
        common: row.try_get("state")?,
        now: row.try_get("now")?,
    })
}

/// What has changed since a revision; with -1, everything.
pub(crate) async fn load(connection: &mut PgConnection, head: &Head, since: i64) -> sqlx::Result<Rows> {
    let credentials =
        sqlx::query_as::<_, CredentialRow>("SELECT * FROM credentials WHERE revision > $1").bind(since);
    let leases = sqlx::query_as::<_, LeaseRow>("SELECT * FROM leases WHERE revision > $1").bind(since);
    let mut rows = Rows {
        credentials: credentials.fetch_all(&mut *connection).await?,
        leases: leases.fetch_all(&mut *connection).await?,
        common: head.common.clone(),
        ..Rows::default()
    };
    if since >= 0 {
        let removals = sqlx::query("SELECT kind, id FROM removals WHERE revision > $1").bind(since);
        for row in removals.fetch_all(&mut *connection).await? {
            let (kind, id): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if kind == "lease" { rows.ended.push(id) } else { rows.removed.push(id) }
        }
    }
    Ok(rows)
}

/// Writes changes as a revision, and tells the other processes with the commit; `from` is who tells.
pub(crate) async fn write(
    connection: &mut PgConnection,
    changes: &Changes,
    revision: i64,
    from: &str,
) -> sqlx::Result<()> {
    remove(
        connection,
        "credential",
        "DELETE FROM credentials WHERE id = ANY($1)",
        &changes.removed,
        revision,
        |id| id.as_str(),
    )
    .await?;
    for row in &changes.credentials {
        put_credential!(row, revision).execute(&mut *connection).await?;
    }
    if !changes.states.is_empty() {
        let (ids, states): (Vec<&str>, Vec<&str>) =
            changes.states.iter().map(|(id, state)| (id.as_str(), state.as_str())).unzip();
        let update = sqlx::query(
            "UPDATE credentials SET state = new.state, revision = $3 \
             FROM UNNEST($1::text[], $2::text[]) AS new (id, state) WHERE credentials.id = new.id",
        );
        update.bind(ids).bind(states).bind(revision).execute(&mut *connection).await?;
    }
    put_leases(connection, &changes.leases, revision).await?;
    remove(connection, "lease", "DELETE FROM leases WHERE id = ANY($1)", &changes.ended, revision, |id| {
        id.as_str()
    })
    .await?;
    for row in &changes.audit {
        put_audit!(row).execute(&mut *connection).await?;
    }
    if !changes.audit.is_empty() {
        let most = i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX);
        sqlx::query(FORGET_AUDIT).bind(most).execute(&mut *connection).await?;
    }
    if revision % FORGET_EVERY == 0 {
        let forgotten = (revision - REMEMBERED).max(0);
        sqlx::query("DELETE FROM removals WHERE revision <= $1")
            .bind(forgotten)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE pool SET forgotten = $1").bind(forgotten).execute(&mut *connection).await?;
    }
    let key = changes.key.as_ref();
    let update = sqlx::query(
        "UPDATE pool SET revision = $1, state = COALESCE($2, state), key_id = COALESCE($3, key_id), \
         key_check = COALESCE($4, key_check) RETURNING pg_notify($5, $6)",
    );
    let update = update.bind(revision).bind(&changes.common);
    let update = update.bind(key.map(|key| &key.id)).bind(key.map(|key| &key.check));
    update.bind(CHANNEL).bind(from).execute(&mut *connection).await?;
    Ok(())
}

/// Ends the transaction; the lock goes with it.
pub(crate) async fn commit(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute(sqlx::raw_sql("COMMIT")).await.map(drop)
}

async fn put_leases(connection: &mut PgConnection, leases: &[LeaseRow], revision: i64) -> sqlx::Result<()> {
    if leases.is_empty() {
        return Ok(());
    }
    let text = |column: fn(&LeaseRow) -> &str| leases.iter().map(column).collect::<Vec<_>>();
    let number = |column: fn(&LeaseRow) -> i64| leases.iter().map(column).collect::<Vec<_>>();
    let insert = sqlx::query(
        "INSERT INTO leases (id, credential_id, grant_number, token_serial, lent, expires_at, revision) \
         SELECT *, $7 FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) \
         ON CONFLICT (id) DO UPDATE SET token_serial = excluded.token_serial, lent = excluded.lent, \
         expires_at = excluded.expires_at, revision = excluded.revision",
    );
    let insert = insert.bind(text(|row| &row.id)).bind(text(|row| &row.credential_id));
    let insert = insert.bind(number(|row| row.grant_number)).bind(number(|row| row.token_serial));
    let insert = insert.bind(number(|row| row.lent)).bind(number(|row| row.expires_at));
    insert.bind(revision).execute(connection).await.map(drop)
}

async fn remove<T>(
    connection: &mut PgConnection,
    kind: &'static str,
    delete: &'static str,
    ids: &[T],
    revision: i64,
    text: impl Fn(&T) -> &str,
) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ids.iter().map(text).collect();
    sqlx::query(delete).bind(&ids).execute(&mut *connection).await?;
    let remember = sqlx::query("INSERT INTO removals (revision, kind, id) SELECT $1, $2, UNNEST($3::text[])");
    remember.bind(revision).bind(kind).bind(ids).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_shows_the_password() {
        let database = Postgres::new(&Secret::new("postgres://me:planted@db.test:5433/pool")).unwrap();
        let failed = database.failed(sqlx::Error::PoolTimedOut);

        let shown = format!("{database:?} {failed:?} {failed} {}", database.name());

        assert!(shown.contains("db.test:5433/pool") && !shown.contains("planted"), "{shown}");
        let wrong = Postgres::new(&Secret::new("postgres://me:planted@db.test:port/pool")).unwrap_err();
        assert!(!format!("{wrong:?} {wrong}").contains("planted"));
    }
}
