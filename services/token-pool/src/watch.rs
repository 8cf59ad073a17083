//! The credentials as they change: first all of them, then each that is not as it was when it was last shown.
//!
//! A watcher keeps what it has shown and compares. So it costs the pool a look now and then, however fast the pool
//! changes and however slow the watcher's reader is: what happened in between is skipped, the last is not.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::credential::CredentialId;
use crate::error::Error;
use crate::pool::Pool;
use crate::view::CredentialView;

/// How often a watcher looks at most.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it looks at least: waits end without anybody doing anything, and other processes change the pool.
const LOOK: Duration = Duration::from_secs(2);
/// The silence after which a reader hears that nothing has happened.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a watcher shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// A credential that is new to the reader, or is not as it was.
    Changed(Box<CredentialView>),
    /// One that is gone.
    Removed(CredentialId),
    /// Every credential has been shown.
    Synced,
    /// Nothing has happened for a while.
    Heartbeat,
}

struct Watcher {
    pool: Pool,
    news: watch::Receiver<u64>,
    /// What the reader knows.
    shown: HashMap<CredentialId, CredentialView>,
    /// What it is to be told, not more than there are credentials.
    pending: VecDeque<Sighting>,
    synced: bool,
    /// When the pool was opened last.
    looked: Option<Instant>,
    /// When it was looked at last, in either way.
    glanced: Instant,
    spoken: Instant,
}

impl Pool {
    /// Watches the credentials until `stop`.
    pub fn watch(
        &self,
        stop: CancellationToken,
    ) -> impl Stream<Item = Result<Sighting, Error>> + Send + 'static {
        let watcher = Watcher {
            pool: self.clone(),
            news: self.core.news.subscribe(),
            shown: HashMap::new(),
            pending: VecDeque::new(),
            synced: false,
            looked: None,
            glanced: Instant::now(),
            spoken: Instant::now(),
        };
        stream::unfold((watcher, stop), |(mut watcher, stop)| async move {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                next = watcher.next() => next,
            };
            Some((next, (watcher, stop)))
        })
    }

    /// The credentials as this process knows them. Does not open the pool, so that those who watch do not wake each
    /// other.
    fn glance(&self) -> Vec<CredentialView> {
        let now = self.core.clock.now();
        self.lock().entries.iter().map(|entry| CredentialView::of(entry, now)).collect()
    }

    async fn views(&self) -> Result<Vec<CredentialView>, Error> {
        self.transact(|open| {
            open.inner.entries.iter().map(|entry| CredentialView::of(entry, open.wall)).collect()
        })
        .await
    }
}

impl Watcher {
    async fn next(&mut self) -> Result<Sighting, Error> {
        loop {
            if let Some(sighting) = self.pending.pop_front() {
                self.spoken = Instant::now();
                return Ok(sighting);
            }
            if let Some(looked) = self.looked {
                sleep_until(self.glanced + PAUSE).await;
                let quiet = self.spoken + HEARTBEAT;
                tokio::select! {
                    // One who did not read for long hears of changes before it hears that nothing has happened.
                    biased;
                    // The pool outlives its watchers; were it gone, looking now and then would do.
                    Ok(()) = self.news.changed() => {
                        self.compare(self.pool.glance());
                        continue;
                    }
                    () = sleep_until(looked + LOOK) => {}
                    () = sleep_until(quiet) => self.pending.push_back(Sighting::Heartbeat),
                }
            }
            let views = self.pool.views().await?;
            self.looked = Some(Instant::now());
            self.compare(views);
        }
    }

    fn compare(&mut self, views: Vec<CredentialView>) {
        // What was news until now has been seen, and looking is none.
        self.news.mark_unchanged();
        self.glanced = Instant::now();
        self.pending.extend(difference(&mut self.shown, views));
        if !std::mem::replace(&mut self.synced, true) {
            self.pending.push_back(Sighting::Synced);
        }
    }
}

/// What a reader that was shown `shown` has to hear of to know `views`. From here on it knows them. Pure.
fn difference(
    shown: &mut HashMap<CredentialId, CredentialView>,
    views: Vec<CredentialView>,
) -> Vec<Sighting> {
    let mut told = Vec::new();
    let mut before = std::mem::take(shown);
    for view in views {
        if before.remove(&view.id).as_ref() != Some(&view) {
            told.push(Sighting::Changed(Box::new(view.clone())));
        }
        shown.insert(view.id.clone(), view);
    }
    let mut removed: Vec<_> = before.into_keys().collect();
    removed.sort();
    told.extend(removed.into_iter().map(Sighting::Removed));
    told
}
