//! A pool that several processes share. Operations come together in batches; each batch is a transaction under the
//! pool's one lock: what others changed is loaded, the same code as anywhere decides, what it changed is written, and
//! only when that is committed does anybody hear of it. The clock is the database's.
//!
//! A process that cannot reach the database grants nothing. It keeps the reports of leases that end meanwhile, and the
//! refresh tokens it was given, and takes up where the others are when the database is back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::audit::AuditEvent;
use crate::clock::Clock;
use crate::config::PoolConfig;
use crate::credential::NewCredential;
use crate::error::Error;
use crate::exchange::TokenExchange;
use crate::lease::{LeaseId, LeaseTable};
use crate::open::Open;
use crate::pool::{Inner, Pool, Report};
use crate::store::changes::Keeping;
use crate::store::error::OpenError;
use crate::store::key::KeySource;
use crate::store::postgres::{self, Postgres};
use crate::store::seal::Keyring;
use crate::store::{Backing, listening, replica};

/// Operations that may wait for a batch.
const MAX_JOBS: usize = 10_000;
/// Reports that are kept while the database is away, and for how long.
const MAX_REPORTS: usize = 10_000;
const REPORT_AGE: Duration = Duration::from_secs(900);

/// What a process knows about the pool it shares.
pub(crate) struct Shared {
    pub(crate) database: Postgres,
    pub(crate) keys: KeySource,
    /// Names this process to the others.
    pub(crate) name: String,
    jobs: mpsc::Sender<Box<dyn Job>>,
    /// Slots that nobody used, to be given back with the next batch.
    pub(crate) unused: Mutex<Vec<LeaseId>>,
    /// Reports that could not be stored.
    pub(crate) reports: Mutex<VecDeque<(Instant, Report)>>,
    /// There is something to do that is not a job.
    pub(crate) nudge: Notify,
    /// The listener is to connect anew.
    pub(crate) listen_again: Notify,
    /// Counts what was heard of changes of others.
    pub(crate) heard: watch::Sender<u64>,
    pub(crate) clock: Arc<DatabaseClock>,
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An operation on its way to the pool.
pub(crate) trait Job: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Does it. What comes of it is told once it is known whether it was stored.
    fn run(self: Box<Self>, open: &mut Open<'_>) -> Verdict;
    /// Says that it was not done.
    fn fail(self: Box<Self>, error: Error);
}

/// Tells what came of an operation, or that it came to nothing.
pub(crate) type Verdict = Box<dyn FnOnce(Result<(), Error>) + Send>;

struct Operation<F, T> {
    operation: F,
    answer: oneshot::Sender<Result<T, Error>>,
    /// The call's, which is told what came of it.
    span: Span,
}

impl<T: Send + 'static, F: FnOnce(&mut Open<'_>) -> T + Send> Job for Operation<F, T> {
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(self: Box<Self>, open: &mut Open<'_>) -> Verdict {
        let Self { operation, answer, span } = *self;
        let result = span.in_scope(|| operation(open));
        Box::new(move |stored| drop(answer.send(stored.map(|()| result))))
    }

    fn fail(self: Box<Self>, error: Error) {
        drop(self.answer.send(Err(error)));
    }
}

impl Shared {
    /// Has an operation done in the next batch.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Open<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, result) = oneshot::channel();
        let job = Box::new(Operation { operation, answer, span: Span::current() });
        self.jobs.try_send(job).map_err(|_| Error::StoreUnavailable { retry_after: replica::RETRY })?;
        result.await.unwrap_or(Err(Error::StoreUnavailable { retry_after: replica::RETRY }))
    }

    /// Gives a slot back that nobody used.
    pub(crate) fn give_back(&self, lease: LeaseId) {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
        self.nudge.notify_one();
    }

    /// Keeps a report until it can be stored, within bounds.
    pub(crate) fn keep_report(&self, report: Report) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() < MAX_REPORTS {
            let until = Instant::now().checked_add(REPORT_AGE);
            reports.extend(until.map(|until| (until, report)));
        }
    }

    pub(crate) async fn audit(&self, before: Option<String>, limit: usize) -> Result<Vec<AuditEvent>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let reading = tokio::time::timeout(postgres::PATIENCE, self.database.audit(before, limit));
        match reading.await {
            Ok(Ok(events)) => Ok(events),
            _ => Err(Error::StoreUnavailable { retry_after: replica::RETRY }),
        }
    }

    /// Does what is left to do, and ends.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
        self.database.pool.close().await;
    }
}

/// The clock of the database, as far as it was heard last.
#[derive(Debug)]
pub(crate) struct DatabaseClock {
    machine: Arc<dyn Clock>,
    /// By how many microseconds the database is ahead of the machine.
    ahead: AtomicI64,
}

impl DatabaseClock {
    /// Takes note of what time it is there, in microseconds since 1970.
    pub(crate) fn set(&self, now: i64) {
        let here = crate::store::kept::micros(self.machine.now());
        self.ahead.store(now.saturating_sub(here), Ordering::Relaxed);
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> SystemTime {
        let here = crate::store::kept::micros(self.machine.now());
        crate::store::kept::time(here.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }
}

/// Opens a pool on a database that was prepared. Credentials of the variables that are not in it are added; none is
/// removed, since other processes may have others.
pub(crate) async fn open(
    config: PoolConfig,
    credentials: Vec<NewCredential>,
    exchange: TokenExchange,
    clock: Arc<dyn Clock>,
    (database, keyring, keys): (Postgres, Keyring, KeySource),
) -> Result<Pool, OpenError> {
    let (jobs, queue) = mpsc::channel(MAX_JOBS);
    let clock = Arc::new(DatabaseClock { machine: clock, ahead: AtomicI64::new(0) });
    let name = database.name();
    let shared = Arc::new(Shared {
        database,
        keys,
        name: uuid::Uuid::new_v4().simple().to_string(),
        jobs,
        unused: Mutex::default(),
        reports: Mutex::default(),
        nudge: Notify::new(),
        listen_again: Notify::new(),
        heard: watch::Sender::new(0),
        clock: clock.clone(),
        closing: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let keeping = Some(Keeping::new(keyring));
    let inner = Inner { keeping, leases: LeaseTable::of_store(true), ..Inner::default() };
    let pool = Pool::on(config, inner, exchange, clock, Backing::Shared(shared.clone()));
    let core = Arc::downgrade(&pool.core);
    shared.tasks.spawn(replica::run(Weak::clone(&core), shared.clone(), queue));
    shared.tasks.spawn(listening::run(core, shared.clone()));
    shared.tasks.close();
    let reconciled = pool.transact(move |open| open.inner.reconcile(credentials, false)).await;
    reconciled.map_err(|_| OpenError::Silent { database: name })?;
    Ok(pool)
}
