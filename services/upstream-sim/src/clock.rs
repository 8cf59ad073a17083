//! The time, on a clock that tests can pause: the wall clock's origin plus what tokio's clock says has passed.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Duration,
}

impl Clock {
    /// A clock that starts at `now` of the wall clock.
    pub(crate) fn starting_at(now: SystemTime) -> Self {
        let started_at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at }
    }

    /// The time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }
}
