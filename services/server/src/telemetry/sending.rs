//! What becomes of spans on their way out: how many wait, how many were dropped because too many did, how many were lost
//! because nobody took them. Counted for `/metrics`, and told to the log when it begins and when it ends, not each time.
//!
//! Requests never wait for any of it: a span that finds the queue full is dropped where it ends.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::runtime::Handle;
use warp2api_rpc::meter::Metric;
use warp2api_rpc::semconv;

/// How long it is said again that things go badly.
const AGAIN: Duration = Duration::from_secs(60);
/// How long they must have gone well before that is said.
const WELL: Duration = Duration::from_secs(10);

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    room: usize,
    waiting: AtomicUsize,
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
        let meter = global::meter("warp2api");
        let why = |error: &'static str| [KeyValue::new(semconv::ERROR_TYPE, error)];
        let books = self.clone();
        let _processed = meter
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
        let _exported = meter
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
        let _size = meter
            .i64_observable_up_down_counter("otel.sdk.processor.span.queue.size")
            .with_unit("{span}")
            .with_description(about("otel.sdk.processor.span.queue.size"))
            .with_callback(move |observer| {
                observer.observe(i64::try_from(books.waiting()).unwrap_or(i64::MAX), &[]);
            })
            .build();
    }

    /// A span has ended: whether there is room for it.
    fn admits(&self) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.room {
            return true;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// So many are about to be sent.
    fn taken(&self, spans: usize) {
        self.waiting.fetch_sub(spans.min(self.waiting()), Ordering::Relaxed);
    }

    fn ended(&self, spans: usize, result: &OTelSdkResult, now: Instant) {
        let count = if result.is_ok() { &self.sent } else { &self.lost };
        count.fetch_add(spans as u64, Ordering::Relaxed);
        self.failing.store(result.is_err(), Ordering::Relaxed);
        let (dropped, lost) = (self.dropped.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
        let mut voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let line = voice.hear(result.is_err(), dropped, now);
        drop(voice);
        match (line, result) {
            (Some(Line::Badly), Err(error)) => {
                tracing::warn!(%error, dropped, lost, "traces cannot be sent; requests go on, their traces are lost");
            }
            (Some(Line::Badly), Ok(())) => {
                tracing::warn!(
                    dropped,
                    lost,
                    room = self.room,
                    "more spans end than can be sent; some are dropped"
                );
            }
            (Some(Line::Well), _) => tracing::info!(dropped, lost, "traces are sent again"),
            (None, _) => {}
        }
    }
}

/// What the table of metrics says of one.
fn about(name: &str) -> &'static str {
    Metric::named(name).map_or("", |metric| metric.about)
}

/// What the log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Badly,
    Well,
}

/// What the log was told last.
#[derive(Debug, Default)]
struct Voice {
    /// When it was said that things go badly, if they still do.
    said: Option<Instant>,
    last_bad: Option<Instant>,
    dropped: u64,
}

impl Voice {
    fn hear(&mut self, failed: bool, dropped: u64, now: Instant) -> Option<Line> {
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
        if self.ledger.admits() {
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

/// Sends within a time, and keeps the books.
#[derive(Debug)]
pub(super) struct Timed<E> {
    pub(super) inner: E,
    pub(super) timeout: Duration,
    pub(super) ledger: Arc<Ledger>,
    /// Knows the time, on a thread that does not.
    pub(super) runtime: Handle,
}

impl<E: SpanExporter> SpanExporter for Timed<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.ledger.taken(spans);
        let sending = {
            let _within = self.runtime.enter();
            tokio::time::timeout(self.timeout, self.inner.export(batch))
        };
        let result = sending.await.unwrap_or(Err(OTelSdkError::Timeout(self.timeout)));
        self.ledger.ended(spans, &result, Instant::now());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_room_for_is_dropped_and_counted() {
        let ledger = Ledger::new(3);
        let admitted = (0..10).filter(|_| ledger.admits()).count();
        assert_eq!((admitted, ledger.waiting(), ledger.dropped.load(Ordering::Relaxed)), (3, 3, 7));

        ledger.taken(2);
        ledger.ended(2, &Err(OTelSdkError::Timeout(Duration::ZERO)), Instant::now());
        assert!(ledger.is_failing() && ledger.admits());
        ledger.taken(2);
        ledger.ended(2, &Ok(()), Instant::now());
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!((read(&ledger.sent), read(&ledger.lost), ledger.waiting()), (2, 2, 0));
        assert!(!ledger.is_failing());
    }

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
