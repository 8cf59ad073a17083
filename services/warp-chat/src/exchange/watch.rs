//! One reader of the feed, as a stream that is read when it is polled and holds no more than a few messages.
//!
//! First what began before, then what happens. Progress is not told by turns: a reader that has caught up looks at the
//! counters from time to time, so a fast answer costs no more to watch than a slow one. After each look that found
//! something a reader rests for a moment: what happens meanwhile is read at once.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::watch_exchanges_response::{
    CaughtUp, Event, Heartbeat, Lagged, Progressed, Recalled,
};
use warp2api_proto::warp_chat::v1::{WatchExchangesRequest, WatchExchangesResponse};
use warp2api_rpc::Failure;

use super::convert;
use super::feed::Feed;
use super::filter::Filter;
use super::live::Live;
use super::ring::{Entry, What};

/// How many messages are made at a time.
const BATCH: usize = 64;
/// How long a reader rests after it has read all there was.
const REST: Duration = Duration::from_millis(20);
/// The most exchanges that are recalled.
const MOST_HISTORY: usize = 1000;

/// What a reader wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(super) filter: Filter,
    pub(super) history: usize,
    pub(super) stream_events: bool,
    pub(super) with_content: bool,
    pub(super) progress: Duration,
    pub(super) heartbeat: Duration,
    pub(super) snapshot_only: bool,
}

impl Wish {
    /// Reads a request.
    ///
    /// # Errors
    /// When a field is out of range; the failure names it.
    pub(crate) fn parse(request: WatchExchangesRequest) -> Result<Self, Failure> {
        let history = usize::try_from(request.history_size).ok().filter(|size| *size <= MOST_HISTORY);
        Ok(Self {
            filter: Filter::parse(request.filter)?,
            history: history.ok_or_else(|| Failure::invalid("history_size", "must be 0 to 1000"))?,
            stream_events: request.stream_events,
            with_content: !request.without_content,
            progress: span("progress_interval", request.progress_interval, 1.0, 0.1..=60.0)?,
            heartbeat: span("heartbeat_interval", request.heartbeat_interval, 15.0, 1.0..=600.0)?,
            snapshot_only: request.snapshot_only,
        })
    }
}

fn span(
    field: &str,
    given: Option<prost_types::Duration>,
    default: f64,
    range: std::ops::RangeInclusive<f64>,
) -> Result<Duration, Failure> {
    let Some(given) = given else { return Ok(Duration::from_secs_f64(default)) };
    let span = Duration::try_from(given).ok().filter(|span| range.contains(&span.as_secs_f64()));
    let words = format!("must be {} to {} seconds", range.start(), range.end());
    span.ok_or_else(|| Failure::invalid(field, words))
}

/// A reader.
#[derive(Debug)]
pub struct Watch {
    feed: Feed,
    wish: Wish,
    /// What began before and is still to be told.
    recalled: VecDeque<Arc<Live>>,
    /// The last exchange that began before.
    recalled_to: u64,
    caught_up: bool,
    ready: VecDeque<WatchExchangesResponse>,
    /// Where in the ring to go on.
    place: u64,
    /// How many events of each exchange it knows of.
    known: HashMap<u64, u64>,
    news: Pin<Box<OwnedNotified>>,
    rest: Option<Pin<Box<Sleep>>>,
    progress: Pin<Box<Sleep>>,
    heartbeat: Pin<Box<Sleep>>,
    last: Instant,
    over: bool,
}

impl Watch {
    pub(super) fn new(
        feed: Feed,
        wish: Wish,
        recalled: VecDeque<Arc<Live>>,
        recalled_to: u64,
        place: u64,
    ) -> Self {
        let news = Box::pin(feed.news());
        Self {
            recalled,
            recalled_to,
            caught_up: false,
            ready: VecDeque::new(),
            place,
            known: HashMap::new(),
            news,
            rest: None,
            progress: Box::pin(tokio::time::sleep(wish.progress)),
            heartbeat: Box::pin(tokio::time::sleep(wish.heartbeat)),
            last: Instant::now(),
            over: false,
            feed,
            wish,
        }
    }

    /// The next thing to tell that needs no waiting.
    fn at_hand(&mut self) -> Option<WatchExchangesResponse> {
        if let Some(live) = self.recalled.pop_front() {
            let exchange = Some(convert::exchange(&live, Instant::now()));
            return Some(convert::about(&live, SystemTime::now(), Event::Recalled(Recalled { exchange })));
        }
        if !self.caught_up {
            self.caught_up = true;
            self.over = self.wish.snapshot_only;
            let capture = self.feed.captures();
            return Some(convert::about_watch(Event::CaughtUp(CaughtUp { capture })));
        }
        self.ready.pop_front()
    }

    /// Takes from the ring what is wanted. Returns whether there may be more at once.
    fn look(&mut self) -> bool {
        let Wish { filter, stream_events, with_content, .. } = &self.wish;
        let wanted = |entry: &Entry| {
            (*stream_events || !matches!(entry.what, What::Event(_))) && filter.wants_entry(entry)
        };
        let found = self.feed.read(&mut self.place, BATCH, wanted);
        if found.missed > 0 {
            warp2api_rpc::meter::get().lagged(found.missed);
            let dropped_count = convert::signed(found.missed);
            self.ready.push_back(convert::about_watch(Event::Lagged(Lagged { dropped_count })));
        }
        let now = Instant::now();
        let told = found.entries.into_iter().map(|entry| convert::entry(entry, *with_content, now));
        self.ready.extend(told);
        if !found.more && !self.ready.is_empty() {
            self.rest = Some(Box::pin(tokio::time::sleep(REST)));
        }
        found.more || !self.ready.is_empty()
    }

    /// Tells of every exchange that has more than it had the last time.
    fn look_at_progress(&mut self) {
        let mut known = HashMap::new();
        for live in self.feed.under_way() {
            let events = live.counters.events.load(Ordering::Relaxed);
            // What has not been told to have begun has not got any further.
            let has_begun = live.id <= self.recalled_to || live.place < self.place;
            if events == 0 || !has_begun || !self.wish.filter.wants(&live) {
                continue;
            }
            known.insert(live.id, events);
            if self.known.get(&live.id) != Some(&events) {
                let event = Event::Progressed(Progressed {
                    progress: Some(convert::progress(&live.counters)),
                    total_duration: convert::duration(live.began.elapsed()),
                });
                self.ready.push_back(convert::about(&live, SystemTime::now(), event));
            }
        }
        self.known = known;
    }

    fn heartbeat(&self) -> WatchExchangesResponse {
        let health = self.feed.health();
        convert::about_watch(Event::Heartbeat(Heartbeat {
            live_count: convert::count(health.under_way),
            held_bytes: convert::signed(health.held_bytes as u64),
            watcher_count: convert::count(health.watchers),
        }))
    }
}

impl Stream for Watch {
    type Item = Result<WatchExchangesResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        loop {
            if this.feed.is_closed() {
                this.over = true;
                let words = "the service is on its way down";
                return Poll::Ready(Some(Err(Failure::new(ErrorReason::ShuttingDown, words).into())));
            }
            if let Some(told) = this.at_hand() {
                this.last = Instant::now();
                return Poll::Ready(Some(Ok(told)));
            }
            if let Some(rest) = &mut this.rest {
                std::task::ready!(rest.as_mut().poll(cx));
                this.rest = None;
            }
            if this.look() {
                continue;
            }
            if this.progress.as_mut().poll(cx).is_ready() {
                this.progress.as_mut().reset(Instant::now() + this.wish.progress);
                this.look_at_progress();
                continue;
            }
            if this.heartbeat.as_mut().poll(cx).is_ready() {
                let due = this.last + this.wish.heartbeat;
                let now = Instant::now();
                this.heartbeat.as_mut().reset(if due > now { due } else { now + this.wish.heartbeat });
                if due <= now {
                    this.last = now;
                    return Poll::Ready(Some(Ok(this.heartbeat())));
                }
                continue;
            }
            // News that came since the last look is here already: this one was had before.
            std::task::ready!(this.news.as_mut().poll(cx));
            this.news = Box::pin(this.feed.news());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.leave(&self.wish);
    }
}
