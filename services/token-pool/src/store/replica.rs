//! One process of several: gathers operations and does them batch by batch, each in a transaction.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::error::Error;
use crate::lease::LeaseId;
use crate::open::Open;
use crate::pool::{Core, Pool};
use crate::store::changes::{Changes, LoadError, Rows};
use crate::store::error::OpenError;
use crate::store::postgres::{self, Head};
use crate::store::shared::{Job, Shared, Verdict};
use crate::waiting::Answers;

/// How soon to come back after a failure.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// How often those who wait look for themselves, should nothing be heard.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// Operations in a batch.
const MAX_BATCH: usize = 512;

/// Does jobs until the pool is gone or closed.
pub(crate) async fn run(core: Weak<Core>, shared: Arc<Shared>, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut replica = Replica { shared: shared.clone(), connection: None, seen: None, down_until: None };
    let mut heard = shared.heard.subscribe();
    loop {
        let mut batch = Vec::new();
        let mut nudged = false;
        tokio::select! {
            job = jobs.recv() => batch.extend(job),
            () = shared.nudge.notified() => nudged = true,
            _ = heard.changed() => {}
            () = sleep(LOOK) => {}
            () = shared.closing.cancelled() => nudged = true,
        }
        while batch.len() < MAX_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let Some(pool) = core.upgrade().map(|core| Pool { core }) else { break };
        // Those who wait for a slot may find one that another process has left.
        let is_due = !batch.is_empty() || nudged || replica.is_down() || !pool.lock().waiters.is_empty();
        if is_due {
            replica.batch(&pool, batch).await;
        }
        if shared.closing.is_cancelled() && jobs.is_empty() {
            break;
        }
    }
    jobs.close();
    while let Ok(job) = jobs.try_recv() {
        job.fail(Error::StoreUnavailable { retry_after: RETRY });
    }
}

struct Replica {
    shared: Arc<Shared>,
    connection: Option<PgConnection>,
    /// The revision that the pool here has; `None` if nobody knows.
    seen: Option<i64>,
    /// While the database is away: when it is tried again.
    down_until: Option<Instant>,
}

/// What a batch came to, before it is stored.
struct Decided {
    verdicts: Vec<Verdict>,
    answers: Answers,
    changes: Changes,
    /// How many of the reports that were kept are in it.
    reports: usize,
    unused: Vec<LeaseId>,
}

/// Why a batch came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the database does not answer")]
    Silent,
    #[error(transparent)]
    Row(#[from] LoadError),
    #[error(transparent)]
    Key(#[from] OpenError),
}

impl Replica {
    fn is_down(&self) -> bool {
        self.down_until.is_some()
    }

    /// Does jobs in one transaction, and tells what came of them.
    async fn batch(&mut self, pool: &Pool, mut jobs: Vec<Box<dyn Job>>) {
        jobs.retain(|job| job.is_wanted());
        if self.down_until.is_some_and(|until| until > Instant::now()) && !self.shared.closing.is_cancelled()
        {
            return self.fail(pool, jobs);
        }
        let patience = pool.core.config.store_timeout;
        let begun = match timeout(patience, self.begin(pool)).await.unwrap_or(Err(Failed::Silent)) {
            // A connection that was idle may have died meanwhile; nothing was asked of it yet.
            Err(Failed::Database(_) | Failed::Silent) => {
                self.connection = None;
                timeout(patience, self.begin(pool)).await.unwrap_or(Err(Failed::Silent))
            }
            begun => begun,
        };
        let (head, rows) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.lose(&error);
                return self.fail(pool, jobs);
            }
        };
        let decided = match self.decide(pool, &head, rows, jobs) {
            Ok(decided) => decided,
            Err((error, jobs)) => {
                self.lose(&error);
                return self.fail(pool, jobs);
            }
        };
        let Decided { verdicts, answers, changes, reports, unused } = decided;
        let storing = timeout(patience, self.store(&head, &changes));
        match storing.await.unwrap_or(Err(Failed::Silent)) {
            Ok(revision) => {
                self.seen = Some(revision);
                if self.down_until.take().is_some() {
                    tracing::info!("the pool's database is back");
                }
                self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner).drain(..reports);
                verdicts.into_iter().for_each(|verdict| verdict(Ok(())));
                answers.send();
            }
            Err(error) => {
                // Whether it was committed nobody knows; the pool is read anew, and what was granted is given back.
                self.lose(&error);
                self.shared.unused.lock().unwrap_or_else(PoisonError::into_inner).extend(unused);
                let error = self.unavailable();
                verdicts.into_iter().for_each(|verdict| verdict(Err(error.clone())));
                answers.fail(&error);
                self.fail(pool, Vec::new());
            }
        }
    }

    /// Takes the lock and loads what has changed. `None` if nothing has.
    async fn begin(&mut self, pool: &Pool) -> Result<(Head, Option<(bool, Rows)>), Failed> {
        if self.connection.is_none() {
            self.seen = None;
            self.connection = Some(self.shared.database.connect().await?);
            self.shared.listen_again.notify_one();
        }
        let Some(connection) = &mut self.connection else { return Err(Failed::Silent) };
        let head = postgres::begin(connection).await?;
        settle_key(&self.shared, pool, &head)?;
        let since = self.seen.filter(|seen| (head.forgotten..=head.revision).contains(seen));
        let rows = match since {
            Some(seen) if seen == head.revision => None,
            since => Some((since.is_none(), postgres::load(connection, &head, since.unwrap_or(-1)).await?)),
        };
        Ok((head, rows))
    }

    /// Does the jobs on the pool as it is in the database.
    fn decide(
        &mut self,
        pool: &Pool,
        head: &Head,
        rows: Option<(bool, Rows)>,
        jobs: Vec<Box<dyn Job>>,
    ) -> Result<Decided, (Failed, Vec<Box<dyn Job>>)> {
        self.shared.clock.set(head.now);
        let (wall, now) = (pool.core.clock.now(), Instant::now());
        let mut inner = pool.lock();
        let loaded = match rows {
            None => Ok(()),
            Some((true, rows)) => inner.load_all(&rows, wall, now, true),
            Some((false, rows)) => inner.load_changes(&rows, wall, now),
        };
        if let Err(error) = loaded {
            return Err((error.into(), jobs));
        }
        // From here on the pool here is ahead of the one there.
        self.seen = None;
        let mut open = Open::begin(pool, &mut inner, wall, now);
        let unused = std::mem::take(&mut *self.shared.unused.lock().unwrap_or_else(PoisonError::into_inner));
        unused.iter().for_each(|lease| open.give_back(lease));
        let reports = self.redo_reports(&mut open);
        let verdicts = jobs.into_iter().map(|job| job.run(&mut open)).collect();
        let answers = open.finish();
        let changes = inner.take_changes(wall, now);
        Ok(Decided { verdicts, answers, changes, reports, unused })
    }

    fn redo_reports(&self, open: &mut Open<'_>) -> usize {
        let mut reports = self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|(until, _)| *until > open.now);
        for (_, report) in reports.iter() {
            // It may have been stored after all, or its lease has expired.
            open.report(report).ok();
        }
        reports.len()
    }

    /// Writes what a batch has changed and commits; the revision the pool has then.
    async fn store(&mut self, head: &Head, changes: &Changes) -> Result<i64, Failed> {
        let Some(connection) = &mut self.connection else { return Err(Failed::Silent) };
        let mut revision = head.revision;
        if !changes.is_empty() {
            revision += 1;
            postgres::write(connection, changes, revision, &self.shared.name).await?;
        }
        postgres::commit(connection).await?;
        Ok(revision)
    }

    /// The database is away, or cannot be used.
    fn lose(&mut self, error: &Failed) {
        (self.connection, self.seen) = (None, None);
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if !self.is_down() {
            tracing::error!(error = %error, cause, "the pool's database cannot be used; nothing is granted");
        }
        warp2api_rpc::meter::get().store_failed();
        self.down_until = Some(Instant::now() + RETRY);
    }

    fn unavailable(&self) -> Error {
        let left = self.down_until.map(|until| until.saturating_duration_since(Instant::now()));
        Error::StoreUnavailable { retry_after: left.unwrap_or(RETRY).max(Duration::from_millis(100)) }
    }

    /// Says so to those who asked, and to those who wait.
    fn fail(&self, pool: &Pool, jobs: Vec<Box<dyn Job>>) {
        let error = self.unavailable();
        jobs.into_iter().for_each(|job| job.fail(error.clone()));
        let waiters = std::mem::take(&mut pool.lock().waiters);
        waiters.into_iter().for_each(|waiter| waiter.fail(error.clone()));
    }
}

/// Follows another process that has changed the key.
fn settle_key(shared: &Shared, pool: &Pool, head: &Head) -> Result<(), Failed> {
    let mut inner = pool.lock();
    let (Some(keeping), Some(record)) = (&mut inner.keeping, &head.key) else { return Ok(()) };
    if keeping.keys.current().id() != record.id {
        keeping.keys = shared.keys.keyring(Some(record))?.0;
    }
    Ok(())
}
