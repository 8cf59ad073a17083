//! What is counted while it lasts: whoever holds one of these is one of them.

use std::time::Instant;

use opentelemetry::KeyValue;

use super::{get, table};

/// How somebody fared who stood in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InLine {
    /// It was their turn.
    Served,
    /// It took too long.
    TooLong,
    /// They left.
    Left,
}

/// Somebody who stands in line. Dropped, they have left, unless it was said otherwise.
#[derive(Debug)]
pub struct Waiting {
    since: Instant,
    ended: InLine,
}

impl Waiting {
    pub(super) fn begin() -> Self {
        get().edge_waiting.add(1, &[]);
        Self { since: Instant::now(), ended: InLine::Left }
    }

    /// How it ended.
    pub fn ends(mut self, how: InLine) {
        self.ended = how;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let outcome = match self.ended {
            InLine::Served => "served",
            InLine::TooLong => "too_long",
            InLine::Left => "left",
        };
        get().edge_waiting.add(-1, &[]);
        get().edge_wait.record(self.since.elapsed().as_secs_f64(), &[KeyValue::new(table::OUTCOME, outcome)]);
    }
}

/// Something that goes on until this is dropped.
#[derive(Debug)]
pub struct Ongoing(Thing);

#[derive(Debug, Clone, Copy)]
pub(super) enum Thing {
    Request,
    Connection(&'static str),
    EdgeTurn,
    Chat,
}

impl Thing {
    fn counts(self, by: i64) {
        let meter = get();
        match self {
            Self::Request => meter.active_requests.add(by, &[]),
            Self::Connection(listener) => {
                meter.connections.add(by, &[KeyValue::new(table::LISTENER, listener)]);
            }
            Self::EdgeTurn => meter.edge_active.add(by, &[]),
            Self::Chat => meter.active_chats.add(by, &[]),
        }
    }
}

impl Ongoing {
    pub(super) fn begin(thing: Thing) -> Self {
        thing.counts(1);
        Self(thing)
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.counts(-1);
    }
}
