//! A pool that is kept in the database of this process. Memory decides; a task writes what has changed, everything
//! that has come together at once. There is no queue: what is to be written is read off the pool when it is.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use warp2api_rpc::meter;

use crate::audit::AuditEvent;
use crate::clock::Clock;
use crate::config::PoolConfig;
use crate::credential::NewCredential;
use crate::error::Error;
use crate::exchange::TokenExchange;
use crate::lease::LeaseTable;
use crate::pool::{Core, Inner, Pool};
use crate::store::Backing;
use crate::store::changes::{Keeping, Rows};
use crate::store::error::OpenError;
use crate::store::key::KeySource;
use crate::store::seal::Keyring;
use crate::store::sqlite::Sqlite;

/// How long changes that nobody waits for gather before they are written.
const PACE: Duration = Duration::from_millis(20);
/// The wait after a write that failed, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(5);
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(10);

/// The database of this process and the task that writes to it.
#[derive(Debug)]
pub(crate) struct Local {
    database: Sqlite,
    pub(crate) keys: KeySource,
    /// Something may have changed.
    changed: Notify,
    /// Somebody waits for it to be written.
    urgent: Notify,
    /// The number of the last operation that is stored for good.
    stored: watch::Sender<u64>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// Opens a pool on a database that was read, brought in line with the credentials of the operator's variables if those
/// are known.
pub(crate) async fn open(
    config: PoolConfig,
    credentials: Option<Vec<NewCredential>>,
    exchange: TokenExchange,
    clock: Arc<dyn Clock>,
    (database, keyring, keys): (Sqlite, Keyring, KeySource),
    rows: &Rows,
) -> Result<Pool, OpenError> {
    let name = database.name();
    let mut inner = Inner {
        keeping: Some(Keeping::new(keyring)),
        leases: LeaseTable::of_store(false),
        ..Inner::default()
    };
    let unreadable = |what: String| OpenError::Row { database: name.clone(), what };
    let loaded = inner.load_all(rows, clock.now(), Instant::now(), false);
    loaded.map_err(|error| unreadable(error.to_string()))?;
    if let Some(credentials) = credentials {
        inner.reconcile(credentials, true);
    }
    let local = Arc::new(Local {
        database,
        keys,
        changed: Notify::new(),
        urgent: Notify::new(),
        stored: watch::Sender::new(0),
        closing: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let pool = Pool::on(config, inner, exchange, clock, Backing::Local(local.clone()));
    local.tasks.spawn(write(Arc::downgrade(&pool.core), local.clone()));
    local.tasks.close();
    // What has come and gone with the variables is there before anybody relies on it.
    pool.transact_durably(|_| ()).await.map_err(|_| OpenError::Silent { database: name })?;
    Ok(pool)
}

impl Local {
    /// Takes note that something may have changed.
    pub(crate) fn touch(&self) {
        self.changed.notify_one();
    }

    /// Waits until the operation with this number is stored for good.
    ///
    /// # Errors
    /// [`Error::NotStored`]: it was done all the same.
    pub(crate) async fn until_stored(&self, number: u64, patience: Duration) -> Result<(), Error> {
        let mut stored = self.stored.subscribe();
        self.urgent.notify_one();
        let waiting = timeout(patience, stored.wait_for(|stored| *stored >= number));
        match waiting.await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::NotStored { retry_after: MAX_RETRY }),
        }
    }

    pub(crate) async fn audit(&self, before: Option<String>, limit: usize) -> Result<Vec<AuditEvent>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.database.audit(before, limit).await.map_err(|error| {
            tracing::error!(error = %error, "the trail cannot be read");
            Error::StoreUnavailable { retry_after: MAX_RETRY }
        })
    }

    /// Writes what there is to write, and ends.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}

/// Writes what has changed until the pool is gone or closed.
async fn write(core: Weak<Core>, local: Arc<Local>) {
    let mut retry = RETRY;
    loop {
        let closing = tokio::select! {
            () = local.closing.cancelled() => true,
            () = local.urgent.notified() => false,
            () = local.changed.notified() => false,
        };
        let Some(pool) = core.upgrade().map(|core| Pool { core }) else { break };
        if closing {
            if timeout(LAST_WRITE, pool.flush(&local)).await.is_ok_and(|stored| stored.is_ok()) {
                tracing::debug!("the pool is stored");
            } else {
                tracing::error!("the last changes of the pool could not be stored");
            }
            break;
        }
        match pool.flush(&local).await {
            Ok(()) => retry = RETRY,
            Err(error) => {
                tracing::error!(error = %error, "the pool cannot be stored; trying again");
                meter::get().store_failed();
                sleep(retry).await;
                retry = retry.saturating_mul(2).min(MAX_RETRY);
                local.changed.notify_one();
                continue;
            }
        }
        drop(pool);
        // Changes that follow at once are written together.
        tokio::select! {
            () = local.closing.cancelled() => {}
            () = local.urgent.notified() => local.urgent.notify_one(),
            () = sleep(PACE) => {}
        }
    }
    local.database.close().await;
}

impl Pool {
    /// Writes what has changed, in one transaction.
    async fn flush(&self, local: &Local) -> sqlx::Result<()> {
        let (changes, number) = {
            let mut inner = self.lock();
            let wall: SystemTime = self.core.clock.now();
            (inner.take_changes(wall, Instant::now()), inner.last_lasting)
        };
        if !changes.is_empty() {
            let lasting = *local.stored.borrow() < number;
            if let Err(error) = local.database.write(&changes, lasting).await {
                self.lock().give_back_changes(changes);
                return Err(error);
            }
        }
        local.stored.send_replace(number);
        Ok(())
    }
}
