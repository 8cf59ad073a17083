//! Whether the caller of an answer reads it. What writes to the caller counts the time in which it was not asked for more;
//! what is asked for the answer, further in, leaves that time out of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the caller of one answer did not read, so far. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Reader(Arc<AtomicU64>);

impl Reader {
    /// It did not read for so long.
    pub fn paused(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
