//! Where conversions run: short ones at once, long ones on a thread of their own, where they hold nobody up.

use std::sync::Arc;

use tokio::sync::Semaphore;
use warp2api_rpc::Failure;

/// What takes more bytes than this is taken to a thread. Up to here a conversion takes well under a millisecond, an
/// exceptional one (a list of enum values with long names) a few.
pub(crate) const SHORT: usize = 64 * 1024;
/// How many threads convert at a time at most. Each may need several times the memory of its message.
const THREADS: usize = 4;

/// Runs conversions.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    threads: Arc<Semaphore>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        Self { threads: Arc::new(Semaphore::new(threads)) }
    }

    /// Does `work` on something of that many bytes. Who gives up waiting does not stop work that has begun; it ends
    /// soon, since what it works on is bounded.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        if bytes <= SHORT {
            return Ok(work());
        }
        let failed = || Failure::bug("a conversion could not be run");
        let permit = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| failed())?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| failed())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn what_is_long_does_not_run_where_it_is_polled() {
        let workshop = Workshop::new();
        let here = std::thread::current().id();
        for (bytes, elsewhere) in [(0, false), (SHORT, false), (SHORT + 1, true)] {
            let mut run = pin!(workshop.run(bytes, || std::thread::current().id()));
            let first = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));

            assert_eq!(first.is_pending(), elsewhere, "{bytes}");
            let ran_on = match first {
                Poll::Ready(ran_on) => ran_on,
                Poll::Pending => run.await,
            };
            assert_eq!(ran_on.unwrap() != here, elsewhere);
        }
    }

    #[tokio::test]
    async fn no_more_run_at_a_time_than_there_are_threads_for() {
        let workshop = Workshop::new();
        let threads = workshop.threads.available_permits();
        let held = Arc::clone(&workshop.threads).acquire_many_owned(threads as u32).await.unwrap();
        let mut run = pin!(workshop.run(SHORT + 1, || ()));
        let waits = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(waits.is_pending());

        drop(held);

        run.await.unwrap();
        assert_eq!(workshop.threads.available_permits(), threads);
    }
}
