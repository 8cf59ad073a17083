//! The queue of those who wait for a slot: first come, first served.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::grant::Grant;
use crate::open::Open;
use crate::pool::{Pool, Wish};
use crate::select::Unavailable;
use crate::trail;

/// A caller in the queue, as the pool sees it.
pub(crate) struct Waiter {
    id: u64,
    wish: Wish,
    duration: Duration,
    answer: oneshot::Sender<Answer>,
}

impl Waiter {
    /// Turns the caller away.
    pub(crate) fn fail(self, error: Error) {
        drop(self.answer.send(Err(error)));
    }
}

/// A place in the queue, as the caller has it.
struct Place {
    pool: Pool,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

/// What those who waited are told, once the pool is closed.
#[derive(Default)]
pub(crate) struct Answers(Vec<(oneshot::Sender<Answer>, Answer)>);

type Answer = Result<Grant, Error>;

impl Answers {
    /// Tells them that it came to nothing.
    pub(crate) fn fail(self, error: &Error) {
        for (waiter, answer) in self.0 {
            drop(answer);
            drop(waiter.send(Err(error.clone())));
        }
    }

    /// Tells them. The slot of one who has left meanwhile goes back to the pool, so it must not be locked.
    pub(crate) fn send(self) {
        for (waiter, answer) in self.0 {
            drop(waiter.send(answer));
        }
    }
}

/// A slot, or the queue for one.
enum Turn {
    Now(Grant),
    Later(Place),
}

impl Pool {
    /// Gets a slot for a lease of this duration, waiting until `deadline` while those that could serve are in use.
    ///
    /// # Errors
    /// Why none can be had.
    pub(crate) async fn grant(
        &self,
        wish: Wish,
        duration: Duration,
        deadline: Instant,
    ) -> Result<(Grant, Duration), Error> {
        let asked = Instant::now();
        let turn = self.transact(move |open| match open.select(&wish) {
            Ok(chosen) => Ok(Turn::Now(open.grant(chosen, duration))),
            Err(Unavailable::AllBusy) if open.now < deadline => {
                open.queue_up(wish, duration).map(Turn::Later)
            }
            Err(unavailable) => Err(open.error(unavailable)),
        });
        match turn.await?? {
            Turn::Now(grant) => Ok((grant, Duration::ZERO)),
            Turn::Later(mut place) => {
                let granted = place.wait(deadline).await;
                let waited = asked.elapsed();
                trail::waited(waited);
                Ok((granted?, waited))
            }
        }
    }
}

impl Open<'_> {
    fn queue_up(&mut self, wish: Wish, duration: Duration) -> Result<Place, Error> {
        if self.inner.waiters.len() >= self.config().max_waiters {
            return Err(Error::TooManyWaiters);
        }
        self.inner.last_waiter += 1;
        let id = self.inner.last_waiter;
        let (sender, answer) = oneshot::channel();
        self.inner.waiters.push_back(Waiter { id, wish, duration, answer: sender });
        Ok(Place { pool: self.pool.clone(), id, answer })
    }

    /// Gives each of those who wait what there is for it, in the order they came.
    pub(crate) fn serve_waiters(&mut self) {
        let mut index = 0;
        let mut all_busy = false;
        while let Some(waiter) = self.inner.waiters.get(index) {
            if waiter.answer.is_closed() {
                self.inner.waiters.remove(index);
                continue;
            }
            if all_busy && waiter.wish.is_modest() {
                index += 1;
                continue;
            }
            let choice = match self.select(&waiter.wish) {
                Err(Unavailable::AllBusy) => {
                    // The next one that would take any credential need not ask again.
                    all_busy |= waiter.wish.is_modest();
                    index += 1;
                    continue;
                }
                choice => choice,
            };
            let Some(waiter) = self.inner.waiters.remove(index) else { continue };
            let answer = match choice {
                Ok(chosen) => Ok(self.grant(chosen, waiter.duration)),
                Err(unavailable) => Err(self.error(unavailable)),
            };
            self.answers.0.push((waiter.answer, answer));
        }
    }
}

impl Place {
    async fn wait(&mut self, deadline: Instant) -> Result<Grant, Error> {
        let pool = self.pool.clone();
        loop {
            let mut sooner = pin!(pool.core.sooner.notified());
            // From here on no call is missed.
            sooner.as_mut().enable();
            let wake = pool.next_event().unwrap_or(deadline).min(deadline);
            let answer = tokio::select! {
                biased;
                answer = &mut self.answer => answer.ok(),
                () = sooner => continue,
                () = sleep_until(wake) => {
                    // Opening the pool hands out what became free just now.
                    pool.transact(|_| ()).await?;
                    match self.answer.try_recv() {
                        Ok(answer) => Some(answer),
                        Err(_) if wake >= deadline => None,
                        Err(_) => continue,
                    }
                }
            };
            return answer.unwrap_or(Err(Error::AllBusy));
        }
    }
}

impl Drop for Place {
    /// Leaves the queue. A slot that was handed over in the same moment goes back when `answer` is dropped.
    fn drop(&mut self) {
        self.pool.lock().waiters.retain(|waiter| waiter.id != self.id);
    }
}
