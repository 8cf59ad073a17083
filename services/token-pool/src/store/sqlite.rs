//! The SQLite database: opened, read whole, written in transactions. Decides nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use warp2api_rpc::private_file;

use crate::audit::{AuditEvent, MAX_EVENTS};
use crate::store::MIGRATIONS;
use crate::store::changes::{Changes, KeyRecord, Rows};
use crate::store::error::OpenError;
use crate::store::held::Held;
use crate::store::kept::{AuditRow, CredentialRow, LeaseRow};

/// How long the database may be busy with somebody who looks at it.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
    _held: Held,
}

impl Sqlite {
    /// Opens the database of this process alone, made if it is not there, and brought to this version's schema.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        prepare(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let held = Held::take(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY)
            // What is replaced is wiped, so that nothing sealed with an old key stays behind.
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(2).acquire_timeout(BUSY);
        let failed = |source| OpenError::Database { database: path.display().to_string(), source };
        let pool = pool.connect_with(options).await.map_err(failed)?;
        let opened = Self { pool, path: path.to_owned(), _held: held };
        match MIGRATIONS.run(&opened.pool).await {
            Ok(()) => Ok(opened),
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..)) => Err(OpenError::TooNew),
            Err(error) => Err(failed(sqlx::Error::Migrate(Box::new(error)))),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn failed(&self, source: sqlx::Error) -> OpenError {
        OpenError::Database { database: self.name(), source }
    }

    /// The key that seals, if the database remembers one.
    pub(crate) async fn key(&self) -> sqlx::Result<Option<KeyRecord>> {
        let row = sqlx::query("SELECT key_id, key_check FROM pool").fetch_one(&self.pool).await?;
        let (id, check): (Option<String>, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(id.zip(check).map(|(id, check)| KeyRecord { id, check }))
    }

    /// Everything.
    pub(crate) async fn load(&self) -> sqlx::Result<Rows> {
        let credentials = sqlx::query_as::<_, CredentialRow>("SELECT * FROM credentials");
        let leases = sqlx::query_as::<_, LeaseRow>("SELECT * FROM leases");
        Ok(Rows {
            credentials: credentials.fetch_all(&self.pool).await?,
            leases: leases.fetch_all(&self.pool).await?,
            common: sqlx::query_scalar("SELECT state FROM pool").fetch_one(&self.pool).await?,
            ..Rows::default()
        })
    }

    /// Writes changes, all of them or none. `lasting` ones survive the machine's power as well.
    pub(crate) async fn write(&self, changes: &Changes, lasting: bool) -> sqlx::Result<()> {
        let mut connection = self.pool.acquire().await?;
        let written = write_lasting(&mut connection, changes, lasting).await;
        if written.is_err() {
            // As after a full disk, SQLite may have ended the transaction by itself, and the two sides count
            // differently from then on: nothing could ever be written on this connection again.
            drop(connection.close().await);
        }
        written
    }

    /// The trail, newest first, before an event.
    pub(crate) async fn audit(&self, before: Option<String>, limit: i64) -> sqlx::Result<Vec<AuditEvent>> {
        let rows = sqlx::query_as::<_, AuditRow>(crate::store::LIST_AUDIT).bind(before).bind(limit);
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(AuditEvent::from).collect())
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Makes the folder and the file, for their owner alone.
fn prepare(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    // What SQLite puts beside it gets the same rights.
    let file = private_file::options().create(true).truncate(false).open(path)?;
    private_file::hand_over(&file, path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    drop(file);
    Ok(())
}

async fn write_lasting(
    connection: &mut SqliteConnection,
    changes: &Changes,
    lasting: bool,
) -> sqlx::Result<()> {
    let level = if lasting { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
    sqlx::query(level).execute(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    write(&mut transaction, changes).await?;
    transaction.commit().await?;
    if changes.key.is_some() {
        // What the old key sealed is in the log still.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write(connection: &mut SqliteConnection, changes: &Changes) -> sqlx::Result<()> {
    for id in &changes.removed {
        sqlx::query("DELETE FROM credentials WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *connection)
            .await?;
    }
    for row in &changes.credentials {
        crate::store::put_credential!(row, 0).execute(&mut *connection).await?;
    }
    for (id, state) in &changes.states {
        let update = sqlx::query("UPDATE credentials SET state = $2 WHERE id = $1");
        update.bind(id.as_str()).bind(state).execute(&mut *connection).await?;
    }
    for row in &changes.leases {
        crate::store::put_lease!(row, 0).execute(&mut *connection).await?;
    }
    for id in &changes.ended {
        sqlx::query("DELETE FROM leases WHERE id = $1").bind(id.as_str()).execute(&mut *connection).await?;
    }
    if let Some(state) = &changes.common {
        sqlx::query("UPDATE pool SET state = $1").bind(state).execute(&mut *connection).await?;
    }
    if let Some(KeyRecord { id, check }) = &changes.key {
        let update = sqlx::query("UPDATE pool SET key_id = $1, key_check = $2");
        update.bind(id).bind(check).execute(&mut *connection).await?;
    }
    for row in &changes.audit {
        crate::store::put_audit!(row).execute(&mut *connection).await?;
    }
    if !changes.audit.is_empty() {
        let most = i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX);
        sqlx::query(crate::store::FORGET_AUDIT).bind(most).execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit belongs to a connection; it says the same as a disk that is full, and ends the transaction as that does.
    #[tokio::test]
    async fn what_did_not_fit_is_written_as_soon_as_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let database = Sqlite::open(&folder.path().join("pool.db")).await.unwrap();
        let mut connections =
            [database.pool.acquire().await.unwrap(), database.pool.acquire().await.unwrap()];
        for connection in &mut connections {
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut **connection).await.unwrap();
        }
        drop(connections);
        let changes = Changes { common: Some("x".repeat(1_000_000)), ..Changes::default() };

        for _ in 0..2 {
            let error = database.write(&changes, true).await.unwrap_err().to_string();
            assert!(error.contains("full"), "{error}");
        }

        database.write(&changes, true).await.unwrap();
        assert_eq!(database.load().await.unwrap().common, changes.common.unwrap());
        database.close().await;
    }
}
