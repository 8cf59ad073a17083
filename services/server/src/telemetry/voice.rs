//! What the log is told of sending: when it begins to go badly, now and then while it does, and when all is well again. Pure.

use std::time::{Duration, Instant};

/// How long it is said again that things go badly.
const AGAIN: Duration = Duration::from_secs(60);
/// How long they must have gone well before that is said.
const WELL: Duration = Duration::from_secs(10);

/// What the log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Badly,
    Well,
}

/// What the log was told last.
#[derive(Debug, Default)]
pub(super) struct Voice {
    /// When it was said that things go badly, if they still do.
    said: Option<Instant>,
    last_bad: Option<Instant>,
    dropped: u64,
}

impl Voice {
    /// What to say after a sending that failed or not, when so many were dropped in all.
    pub(super) fn hear(&mut self, failed: bool, dropped: u64, now: Instant) -> Option<Line> {
        let bad = failed || dropped > self.dropped;
        self.dropped = dropped;
        if bad {
            self.last_bad = Some(now);
            if self.said.is_some_and(|said| now.duration_since(said) < AGAIN) {
                return None;
            }
            self.said = Some(now);
            return Some(Line::Badly);
        }
        let well = self.last_bad.is_some_and(|bad| now.duration_since(bad) >= WELL);
        (well && self.said.take().is_some()).then_some(Line::Well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_when_it_begins_now_and_then_and_when_it_ends() {
        let start = Instant::now();
        let mut voice = Voice::default();
        let mut told = Vec::new();
        // Each second: whether sending failed, and how many were dropped so far.
        for second in 0..200 {
            let (failed, dropped) = match second {
                0..5 => (false, 0),
                5..100 => (true, 0),
                100..110 => (false, second),
                _ => (false, 110),
            };
            if let Some(line) = voice.hear(failed, dropped, start + Duration::from_secs(second)) {
                told.push((second, line));
            }
        }

        assert_eq!(told, [(5, Line::Badly), (65, Line::Badly), (120, Line::Well)]);
    }
}
