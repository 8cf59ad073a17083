//! Where the time of a turn went, folded once into the metrics at its end. Pure but for that: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;
use warp2api_rpc::meter::{self, TurnTally};

/// How an answer came in, seen from where it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// Waits for the upstream.
    pub(crate) upstream: Duration,
    /// Reads that brought something, and when the first and the last of them were.
    reads: u32,
    first: Option<Instant>,
    last: Option<Instant>,
    longest_gap: Duration,
    waiting: Option<Instant>,
}

impl Pace {
    /// The answer began after such a wait.
    pub(crate) fn began(waited: Duration) -> Self {
        Self { upstream: waited, ..Self::default() }
    }

    /// Nothing is there to be read.
    pub(crate) fn waits(&mut self) {
        if self.waiting.is_none() {
            self.waiting = Some(Instant::now());
        }
    }

    /// Something came.
    pub(crate) fn read(&mut self, now: Instant) {
        if let Some(since) = self.waiting.take() {
            self.upstream += now.saturating_duration_since(since);
        }
        self.reads = self.reads.saturating_add(1);
        self.longest_gap = self
            .longest_gap
            .max(self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last)));
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

/// A turn's own numbers.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The model if it is known, or `other`.
    model: String,
    first_chunk: Option<Duration>,
    /// Waits for credentials.
    pub(crate) leasing: Duration,
    /// Pauses between attempts.
    pub(crate) pauses: Duration,
    /// Attempts that failed were waits too.
    pub(crate) failed_attempts: Duration,
    /// How the answer came in.
    pub(crate) pace: Pace,
}

impl Tally {
    pub(crate) fn begin(model: &str) -> Self {
        meter::get().active_chats.add(1, &[]);
        Self {
            model: model.to_owned(),
            first_chunk: None,
            leasing: Duration::ZERO,
            pauses: Duration::ZERO,
            failed_attempts: Duration::ZERO,
            pace: Pace::default(),
        }
    }

    pub(crate) fn first_chunk(&mut self, after: Duration) {
        self.first_chunk = Some(after);
    }

    /// The turn is over after so long.
    pub(crate) fn end(&self, total: Duration, error: Option<&str>, usage: Option<UsageReported>) {
        let Pace { first, last, reads, longest_gap, upstream, .. } = self.pace;
        let spread = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
        meter::get().turn_ended(&TurnTally {
            model: &self.model,
            error,
            total,
            first_chunk: self.first_chunk,
            chunks: (reads.saturating_sub(1), spread),
            longest_gap,
            upstream: upstream + self.failed_attempts,
            leasing: self.leasing,
            pauses: self.pauses,
            tokens: usage.map_or((None, None), |usage| (usage.input_tokens, usage.output_tokens)),
        });
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        meter::get().active_chats.add(-1, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_are_counted_once_and_the_longest_silence_is_known() {
        let mut pace = Pace::began(Duration::from_millis(5));
        for (wait, idle) in [(10, 3), (40, 0), (20, 7)] {
            pace.waits();
            tokio::time::advance(Duration::from_millis(wait / 2)).await;
            // Polled again for another reason: the wait goes on.
            pace.waits();
            tokio::time::advance(Duration::from_millis(wait / 2)).await;
            pace.read(Instant::now());
            tokio::time::advance(Duration::from_millis(idle)).await;
        }

        assert_eq!(pace.upstream, Duration::from_millis(5 + 10 + 40 + 20));
        assert_eq!((pace.reads, pace.longest_gap), (3, Duration::from_millis(43)));
    }
}
