//! Where the time of a turn went, folded once into the metrics at its end. Pure but for that: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;
use warp2api_rpc::meter::{self, Gaps, Ongoing, Reader, TurnTally, Waits};

use crate::trail::CANCELLED;

/// How an answer came in, seen from where it is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Waits for the upstream.
    upstream: Duration,
    /// When the last read was that brought something.
    last: Option<Moment>,
    gaps: Gaps,
    longest_gap: Option<Duration>,
    waiting: Option<Moment>,
    reader: Reader,
}

/// A moment, and for how long the caller had not read by then.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    unread: Duration,
}

impl Moment {
    /// How long ago it was, without the time in which the caller did not read.
    fn until(self, now: Self) -> Duration {
        let paused = now.unread.saturating_sub(self.unread);
        now.at.saturating_duration_since(self.at).saturating_sub(paused)
    }
}

impl Pace {
    /// The answer began after such a wait, for that caller.
    pub(crate) fn began(waited: Duration, reader: Reader) -> Self {
        Self { upstream: waited, reader, ..Self::default() }
    }

    /// Nothing is there to be read.
    pub(crate) fn waits(&mut self) {
        if self.waiting.is_none() {
            self.waiting = Some(self.moment(Instant::now()));
        }
    }

    /// It is over: nothing is waited for any more.
    pub(crate) fn ended(&mut self, now: Instant) {
        if let Some(since) = self.waiting.take() {
            self.upstream += since.until(self.moment(now));
        }
    }

    fn moment(&self, at: Instant) -> Moment {
        Moment { at, unread: self.reader.total() }
    }

    /// Something came.
    pub(crate) fn read(&mut self, now: Instant) {
        let now = self.moment(now);
        if let Some(since) = self.waiting.take() {
            self.upstream += since.until(now);
        }
        if let Some(last) = self.last.replace(now) {
            let gap = last.until(now);
            self.gaps.add(gap);
            self.longest_gap = self.longest_gap.max(Some(gap));
        }
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
    _counted: Ongoing,
}

impl Tally {
    pub(crate) fn begin(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            first_chunk: None,
            leasing: Duration::ZERO,
            pauses: Duration::ZERO,
            failed_attempts: Duration::ZERO,
            pace: Pace::default(),
            _counted: meter::get().chat(),
        }
    }

    pub(crate) fn first_chunk(&mut self, after: Duration) {
        self.first_chunk = Some(after);
    }

    /// The turn is over after so long.
    pub(crate) fn end(&self, total: Duration, error: Option<&str>, usage: Option<UsageReported>) {
        let Pace { gaps, longest_gap, upstream, reader, .. } = &self.pace;
        // Of one who left before the upstream answered nobody knows what was being waited for.
        let waits = (self.first_chunk.is_some() || error != Some(CANCELLED)).then(|| Waits {
            upstream: *upstream + self.failed_attempts,
            leasing: self.leasing,
            pauses: self.pauses,
            reader: reader.total(),
        });
        meter::get().turn_ended(&TurnTally {
            model: &self.model,
            error,
            total,
            first_chunk: self.first_chunk,
            gaps: *gaps,
            longest_gap: *longest_gap,
            waits,
            tokens: usage.map_or((None, None), |usage| (usage.input_tokens, usage.output_tokens)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_are_counted_once_and_the_longest_silence_is_known() {
        let reader = Reader::default();
        let mut pace = Pace::began(Duration::from_millis(5), reader.clone());
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
        assert_eq!(pace.longest_gap, Some(Duration::from_millis(43)));
        assert_eq!(pace.gaps.each().count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_does_not_read_is_neither_the_upstream_nor_us() {
        let reader = Reader::default();
        let mut pace = Pace::began(Duration::ZERO, reader.clone());
        pace.read(Instant::now());
        // What was read is handed on, and only after a minute is more wanted; by then it has long been there.
        pace.waits();
        tokio::time::advance(Duration::from_secs(60)).await;
        reader.paused(Duration::from_secs(60));
        pace.read(Instant::now());
        // Then the upstream is silent, until the caller leaves.
        pace.waits();
        tokio::time::advance(Duration::from_secs(2)).await;
        pace.ended(Instant::now());
        pace.ended(Instant::now());

        assert_eq!(pace.upstream, Duration::from_secs(2));
        assert_eq!(pace.longest_gap, Some(Duration::ZERO));
    }
}
