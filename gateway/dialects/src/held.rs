//! How much of an answer is held in memory until it is whole.

use warp2api_proto::error::v1::ErrorReason;

use crate::error::Problem;

/// The largest answer that is held, in bytes of text, thinking and calls together.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The size of an answer so far.
#[derive(Debug, Default)]
pub(crate) struct Held(usize);

impl Held {
    /// Counts what is about to be kept.
    ///
    /// # Errors
    /// When it is too much.
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), Problem> {
        self.0 = self.0.saturating_add(by);
        if self.0 > MAX_ANSWER_BYTES {
            return Err(Problem::new(ErrorReason::UpstreamFailed, "the answer is larger than can be held"));
        }
        Ok(())
    }
}

/// The turn said that it was over without an end.
pub(crate) fn cut_off() -> Problem {
    Problem::new(ErrorReason::UpstreamInterrupted, "the answer was cut off before its end")
}
