//! Whether a connection is in use: from a request until the end of its answer. Tells when there was none for a while,
//! and looks at the answers under way; what to do about it is the accept loop's to decide. Pings are no use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Watched;

/// The requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    asked: bool,
    open: usize,
    /// When the last answer ended.
    ended: Instant,
    /// Answers under way, and some that are over.
    answers: Vec<Weak<dyn Watched>>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            asked: false,
            open: 0,
            ended: Instant::now(),
            answers: Vec::new(),
        })))
    }

    /// Whether there was a request.
    pub(crate) fn was_asked(&self) -> bool {
        self.lock().asked
    }

    /// Waits until there was no request and no answer under way for this long.
    pub(crate) async fn idle(&self, span: Duration) {
        loop {
            let (open, ended) = {
                let state = self.lock();
                (state.open, state.ended)
            };
            let now = Instant::now();
            // One that is in use now cannot be idle any sooner.
            let since = if open > 0 { now } else { ended };
            match since.checked_add(span) {
                Some(end) if open == 0 && end <= now => return,
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Looks at the answers again and again. Those whose reader does not read are taken away after `patience`, or half
    /// as much again.
    pub(crate) async fn look_after(&self, patience: Duration) {
        loop {
            tokio::time::sleep(patience / 2).await;
            let mut answers = std::mem::take(&mut self.lock().answers);
            answers.retain(|answer| {
                let Some(answer) = answer.upgrade() else { return false };
                let taken = answer.look();
                if taken {
                    tracing::debug!("an answer was not read in time");
                }
                !taken
            });
            self.lock().answers.append(&mut answers);
        }
    }

    /// Watches an answer.
    pub(crate) fn watch(&self, answer: Arc<dyn Watched>) {
        let mut state = self.lock();
        if state.answers.len() > 2 * state.open + 8 {
            state.answers.retain(|answer| answer.strong_count() > 0);
        }
        state.answers.push(Arc::downgrade(&answer));
    }

    /// Counts a request until what is returned is dropped.
    pub(crate) fn begin(&self) -> Use {
        let mut state = self.lock();
        state.asked = true;
        state.open += 1;
        Use(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered to the end.
#[derive(Debug)]
pub(crate) struct Use(Activity);

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open = state.open.saturating_sub(1);
        state.ended = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn it_is_idle_as_long_after_the_last_of_its_requests_as_was_said() {
        let activity = Activity::new();
        let start = Instant::now();
        let (short, long) = (activity.begin(), activity.begin());
        let uses = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(short);
            tokio::time::sleep(Duration::from_secs(5000)).await;
            drop(long);
            tokio::time::sleep(Duration::from_secs(599)).await;
            drop(activity.begin());
        };

        let idle = async {
            activity.idle(SPAN).await;
            start.elapsed().as_secs()
        };

        assert_eq!(tokio::join!(uses, idle).1, 5 + 5000 + 599 + 600);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_never_asked_is_idle_from_its_beginning() {
        let (activity, start) = (Activity::new(), Instant::now());

        activity.idle(SPAN).await;

        assert_eq!((start.elapsed(), activity.was_asked()), (SPAN, false));
    }
}
