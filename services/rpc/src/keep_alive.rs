//! The clock of the signs of life in a streamed body: it goes off when nothing was written for a while.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Goes off when nothing was written for a while, and again for as long as that lasts.
///
/// Writing costs no more than a look at the clock: the timer is moved only when it goes off.
#[derive(Debug)]
pub struct KeepAlive {
    every: Duration,
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    /// A clock that goes off after `every` of silence. `None` if that is zero: no signs of life are wanted.
    pub fn new(every: Duration) -> Option<Self> {
        let timer = (!every.is_zero()).then(|| Box::pin(tokio::time::sleep(every)))?;
        Some(Self { every, last: Instant::now(), timer })
    }

    /// Something was written: the silence begins anew.
    pub fn written(&mut self) {
        self.last = Instant::now();
    }

    /// Ready each time that the silence has lasted long enough. Whoever then writes nothing polls again, to be woken.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.last + self.every;
            let now = Instant::now();
            self.timer.as_mut().reset(if now < due { due } else { now + self.every });
            if now >= due {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn without_a_time_there_is_no_clock() {
        assert!(KeepAlive::new(Duration::ZERO).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_after_silence_only_and_again_while_it_lasts() {
        let start = Instant::now();
        let mut clock = KeepAlive::new(Duration::from_secs(10)).unwrap();
        let mut heard = Vec::new();

        tokio::time::sleep(Duration::from_secs(7)).await;
        clock.written();
        for _ in 0..3 {
            poll_fn(|cx| clock.poll(cx)).await;
            heard.push(start.elapsed().as_secs());
        }

        assert_eq!(heard, [17, 27, 37]);
    }
}
