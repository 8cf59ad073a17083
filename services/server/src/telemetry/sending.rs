//! What becomes of spans on their way out: how many wait, how many were dropped because too many did, by number or by
//! bytes, how many were lost because nobody took them. Counted for `/metrics`, and told to the log when it begins and when
//! it ends, not each time.
//!
//! Requests never wait for any of it: a span that finds the queue full is dropped where it ends.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use warp2api_rpc::meter::{self, Metric};
use warp2api_rpc::semconv;

use super::voice::{Line, Voice};
use super::weight;

/// The most bytes that wait to be sent or are being sent, whatever the queue's room is in spans: with what was said in them
/// two thousand spans may be hundreds of megabytes.
const MOST_BYTES: usize = 64 << 20;

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    room: usize,
    waiting: AtomicUsize,
    /// What waits and what is being sent weighs.
    bytes: AtomicUsize,
    dropped: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
    failing: AtomicBool,
    voice: Mutex<Voice>,
}

impl Ledger {
    /// Books of a queue with so much room.
    pub(super) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            voice: Mutex::default(),
        })
    }

    /// Whether the last attempt to send failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// How many wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Has them counted, by the names of OpenTelemetry's conventions for SDKs.
    pub(super) fn count(self: &Arc<Self>) {
        let counting = global::meter_with_scope(meter::scope());
        let why = |error: &'static str| [KeyValue::new(semconv::ERROR_TYPE, error)];
        let books = self.clone();
        let _processed = counting
            .u64_observable_counter("otel.sdk.processor.span.processed")
            .with_unit("{span}")
            .with_description(about("otel.sdk.processor.span.processed"))
            .with_callback(move |observer| {
                let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
                observer.observe(read(&books.sent) + read(&books.lost), &[]);
                observer.observe(read(&books.dropped), &why("queue_full"));
            })
            .build();
        let books = self.clone();
        let _exported = counting
            .u64_observable_counter("otel.sdk.exporter.span.exported")
            .with_unit("{span}")
            .with_description(about("otel.sdk.exporter.span.exported"))
            .with_callback(move |observer| {
                let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
                observer.observe(read(&books.sent), &[]);
                observer.observe(read(&books.lost), &why("not_sent"));
            })
            .build();
        let books = self.clone();
        let _size = counting
            .i64_observable_up_down_counter("otel.sdk.processor.span.queue.size")
            .with_unit("{span}")
            .with_description(about("otel.sdk.processor.span.queue.size"))
            .with_callback(move |observer| {
                observer.observe(i64::try_from(books.waiting()).unwrap_or(i64::MAX), &[]);
            })
            .build();
    }

    /// A span has ended that weighs so much: whether there is room for it.
    fn admits(&self, bytes: usize) -> bool {
        let room = self.waiting.fetch_add(1, Ordering::Relaxed) < self.room;
        if room && self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= MOST_BYTES {
            return true;
        }
        if room {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// So many are about to be sent.
    pub(super) fn taken(&self, spans: usize) {
        self.waiting.fetch_sub(spans.min(self.waiting()), Ordering::Relaxed);
    }

    /// A sending has ended.
    pub(super) fn ended(&self, sending: &Sending<'_>, now: Instant) {
        let Sending { spans, bytes, rejected, error } = *sending;
        self.bytes.fetch_sub(bytes.min(self.bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
        let lost = if error.is_some() { spans } else { rejected.min(spans) };
        self.sent.fetch_add((spans - lost) as u64, Ordering::Relaxed);
        self.lost.fetch_add(lost as u64, Ordering::Relaxed);
        self.failing.store(error.is_some(), Ordering::Relaxed);
        let (dropped, all_lost) = (self.dropped.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
        let mut voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let line = voice.hear(lost > 0, dropped, now);
        drop(voice);
        self.tell(line, error, lost, (dropped, all_lost));
    }

    fn tell(&self, line: Option<Line>, error: Option<&str>, rejected: usize, sums: (u64, u64)) {
        let (dropped, lost) = sums;
        match (line, error) {
            (Some(Line::Badly), Some(error)) => {
                tracing::warn!(
                    error,
                    dropped,
                    lost,
                    "traces cannot be sent; requests go on, their traces are lost"
                );
            }
            (Some(Line::Badly), None) if rejected > 0 => {
                tracing::warn!(rejected, dropped, lost, "the collector takes some spans and rejects others");
            }
            (Some(Line::Badly), None) => {
                let (room, room_bytes) = (self.room, MOST_BYTES);
                tracing::warn!(
                    dropped,
                    lost,
                    room,
                    room_bytes,
                    "more spans end than can be sent; some are dropped"
                );
            }
            (Some(Line::Well), _) => tracing::info!(dropped, lost, "traces are sent again"),
            (None, _) => {}
        }
    }
}

/// A sending that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending<'a> {
    /// How many it was about.
    pub(super) spans: usize,
    /// What they weighed.
    pub(super) bytes: usize,
    /// How many of them the collector did not want.
    pub(super) rejected: usize,
    /// Why it came to nothing, if it did.
    pub(super) error: Option<&'a str>,
}

/// What the table of metrics says of one.
fn about(name: &str) -> &'static str {
    Metric::named(name).map_or("", |metric| metric.about)
}

/// Lets no more spans into a processor than there is room for.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    pub(super) inner: P,
    pub(super) ledger: Arc<Ledger>,
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.ledger.admits(weight::of(&span)) {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn more_than_there_is_room_for_is_dropped_and_counted() {
        let ledger = Ledger::new(3);
        let admitted = (0..10).filter(|_| ledger.admits(1)).count();
        assert_eq!((admitted, ledger.waiting(), read(&ledger.dropped)), (3, 3, 7));

        let sending = Sending { spans: 2, bytes: 2, rejected: 0, error: None };
        ledger.taken(2);
        ledger.ended(&Sending { error: Some("nobody there"), ..sending }, Instant::now());
        assert!(ledger.is_failing() && ledger.admits(1));
        ledger.taken(2);
        ledger.ended(&sending, Instant::now());
        assert_eq!((read(&ledger.sent), read(&ledger.lost), ledger.waiting()), (2, 2, 0));
        assert!(!ledger.is_failing());
    }

    #[test]
    fn what_waits_and_what_is_being_sent_is_bounded_in_bytes_too() {
        let ledger = Ledger::new(1000);
        let admitted = (0..10).filter(|_| ledger.admits(MOST_BYTES / 4)).count();
        assert_eq!((admitted, ledger.waiting(), read(&ledger.dropped)), (4, 4, 6));
        assert!(!ledger.admits(usize::MAX));

        ledger.taken(4);
        assert!(!ledger.admits(1), "it is still there while it is sent");
        ledger.ended(&Sending { spans: 1, bytes: MOST_BYTES / 4, rejected: 0, error: None }, Instant::now());

        assert!(ledger.admits(MOST_BYTES / 4) && !ledger.admits(1));
    }

    #[test]
    fn what_a_collector_rejects_was_not_sent() {
        let ledger = Ledger::new(10);
        ledger.ended(&Sending { spans: 5, bytes: 0, rejected: 2, error: None }, Instant::now());
        ledger.ended(&Sending { spans: 1, bytes: 0, rejected: 99, error: None }, Instant::now());

        assert_eq!((read(&ledger.sent), read(&ledger.lost)), (3, 3));
        assert!(!ledger.is_failing());
    }
}
