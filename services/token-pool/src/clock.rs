//! The wall clock, as something that can be given.
//!
//! Cool-downs and the expiry of tokens are wall-clock times: they are shown, they will be stored, and they must
//! hold across a machine's sleep. Leases and waits run on `tokio::time::Instant` and need no clock of ours.

use std::fmt;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tells the time of day.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> SystemTime;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Longer than anybody waits; times that far away can still be represented.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `now` plus `delay`, held back to where times can still be represented.
pub(crate) fn after(now: SystemTime, delay: Duration) -> SystemTime {
    now.checked_add(delay.min(CENTURY)).unwrap_or(now)
}

/// The same for an instant.
pub(crate) fn instant_after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay.min(CENTURY)).unwrap_or(now)
}

/// How long until `then`; zero once it has passed.
pub(crate) fn until(then: SystemTime, now: SystemTime) -> Duration {
    then.duration_since(now).unwrap_or_default()
}
