//! Exchanges under way, those that ended, and what happened lately; where turns write and watchers read.
//!
//! One lock, held for a few lines. While nobody watches and nothing is captured, nothing but beginnings and ends comes
//! here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use super::FeedConfig;
use super::guard::Exchange;
use super::live::{About, Live};
use super::record::Outcome;
use super::ring::{Entry, Ring, StreamEvent, What};
use super::watch::{Watch, Wish};

/// The part of the bytes that is for exchanges that ended; the rest is for what happened.
const ENDED_PART: usize = 4;

/// How many entries are looked at before others get the lock.
const GLANCE: usize = 1024;
/// How many bytes of entries are handed out at a time, but for the last one.
const HANDFUL: usize = 256 * 1024;

/// What operators get to see of exchanges.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: FeedConfig,
    watchers: AtomicUsize,
    /// Of the watchers, those that want each event of the upstream.
    event_watchers: AtomicUsize,
    closed: AtomicBool,
    state: Mutex<State>,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    last_id: u64,
    under_way: BTreeMap<u64, Arc<Live>>,
    /// Each with its size.
    ended: VecDeque<(usize, Arc<Live>)>,
    ended_bytes: usize,
    ring: Ring,
}

/// What a reader found in the ring.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// How many it missed.
    pub(super) missed: u64,
    /// Whether there is more.
    pub(super) more: bool,
}

/// How a feed is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) under_way: usize,
    pub(super) held_bytes: usize,
    pub(super) watchers: usize,
}

impl Feed {
    /// An empty feed.
    pub fn new(config: FeedConfig) -> Self {
        let ring = Ring::new(config.bytes - config.bytes / ENDED_PART);
        let state =
            State { last_id: 0, under_way: BTreeMap::new(), ended: VecDeque::new(), ended_bytes: 0, ring };
        Self(Arc::new(Shared {
            config,
            watchers: AtomicUsize::new(0),
            event_watchers: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            state: Mutex::new(state),
            news: Arc::default(),
        }))
    }

    /// Ends every watch, so that the service can stop.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.news.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    pub(super) fn captures(&self) -> bool {
        self.0.config.capture
    }

    /// A call arrived.
    pub(crate) fn begin(&self, about: About) -> Exchange {
        let (started, began) = (SystemTime::now(), Instant::now());
        let mut state = self.state();
        state.last_id += 1;
        let live = Arc::new(Live::new(state.last_id, state.ring.next(), about, started, began));
        state.under_way.insert(live.id, live.clone());
        let told = self.is_heard();
        if told {
            state.ring.push(Entry { at: started, live: live.clone(), what: What::Started });
        }
        drop(state);
        if told {
            self.0.news.notify_waiters();
        }
        Exchange::new(self.clone(), live)
    }

    /// Something happened, should anybody want to know.
    pub(super) fn tell(&self, live: &Arc<Live>, what: impl FnOnce() -> What) {
        if !self.is_heard() {
            return;
        }
        let entry = Entry { at: SystemTime::now(), live: live.clone(), what: what() };
        self.state().ring.push(entry);
        self.0.news.notify_waiters();
    }

    /// An exchange is over.
    pub(super) fn end(&self, live: &Arc<Live>, outcome: Outcome) {
        let mut state = self.state();
        // Under the lock, so that who finds it among the ended ones finds it ended.
        if !live.record().end(outcome, Instant::now()) {
            return;
        }
        state.under_way.remove(&live.id);
        let size = live.size();
        state.ended_bytes += size;
        state.ended.push_back((size, live.clone()));
        let most_bytes = self.0.config.bytes / ENDED_PART;
        while (state.ended_bytes > most_bytes || state.ended.len() > self.0.config.exchanges)
            && let Some((size, _)) = state.ended.pop_front()
        {
            state.ended_bytes -= size;
        }
        let told = self.is_heard();
        if told {
            state.ring.push(Entry { at: SystemTime::now(), live: live.clone(), what: What::Ended });
        }
        drop(state);
        if told {
            self.0.news.notify_waiters();
        }
    }

    /// Whether anything that happens is to be told or kept.
    fn is_heard(&self) -> bool {
        self.0.config.capture || self.0.watchers.load(Ordering::Relaxed) > 0
    }

    /// Whether each event of the upstream is.
    pub(super) fn hears_events(&self) -> bool {
        self.0.config.capture || self.0.event_watchers.load(Ordering::Relaxed) > 0
    }

    /// Begins to watch.
    ///
    /// # Errors
    /// When there are as many watchers as there may be.
    pub(crate) fn watch(&self, wish: Wish) -> Result<Watch, Failure> {
        let mut state = self.state();
        if self.0.watchers.load(Ordering::Relaxed) >= self.0.config.watchers {
            let words = format!("there are {} watchers already", self.0.config.watchers);
            return Err(Failure::new(ErrorReason::Overloaded, words));
        }
        if self.0.watchers.fetch_add(1, Ordering::Relaxed) == 0 && !self.0.config.capture {
            // What is left of earlier watchers has gaps.
            state.ring.clear();
        }
        if wish.stream_events {
            self.0.event_watchers.fetch_add(1, Ordering::Relaxed);
        }
        let ended = state.ended.iter().map(|(_, live)| live);
        let ended = ended.filter(|live| wish.filter.wants(live)).rev().take(wish.history);
        let ended: Vec<_> = ended.cloned().collect();
        let under_way = state.under_way.values().filter(|live| wish.filter.wants(live)).cloned();
        let recalled = ended.into_iter().rev().chain(under_way).collect();
        let (last_id, place) = (state.last_id, state.ring.next());
        drop(state);
        Ok(Watch::new(self.clone(), wish, recalled, last_id, place))
    }

    /// A watcher left.
    pub(super) fn leave(&self, wish: &Wish) {
        let mut state = self.state();
        if wish.stream_events {
            self.0.event_watchers.fetch_sub(1, Ordering::Relaxed);
        }
        if self.0.watchers.fetch_sub(1, Ordering::Relaxed) == 1 && !self.0.config.capture {
            state.ring.clear();
        }
    }

    /// Goes off at the next news. To be had before one looks, so that none is missed.
    pub(super) fn news(&self) -> OwnedNotified {
        self.0.news.clone().notified_owned()
    }

    /// What happened since `place`, which moves on; at most `most` entries that are `wanted`.
    pub(super) fn read(&self, place: &mut u64, most: usize, wanted: impl Fn(&Entry) -> bool) -> Found {
        let state = self.state();
        let oldest = state.ring.oldest();
        let missed = oldest.saturating_sub(*place);
        *place = (*place).max(oldest);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (at, entry) in state.ring.from(*place).take(GLANCE) {
            *place = at + 1;
            if wanted(entry) {
                entries.push(entry.clone());
                bytes += entry.size();
                if entries.len() == most || bytes >= HANDFUL {
                    break;
                }
            }
        }
        Found { entries, missed, more: *place < state.ring.next() }
    }

    /// Exchanges with an id below `below`, the latest first.
    pub(super) fn latest(&self, below: u64) -> Vec<Arc<Live>> {
        let state = self.state();
        let ended = state.ended.iter().map(|(_, live)| live);
        let mut all: Vec<_> =
            ended.chain(state.under_way.values()).filter(|live| live.id < below).cloned().collect();
        drop(state);
        all.sort_unstable_by_key(|live| std::cmp::Reverse(live.id));
        all
    }

    /// The exchange of that id, if it is kept.
    pub(super) fn find(&self, id: u64) -> Option<Arc<Live>> {
        let state = self.state();
        let ended = || state.ended.iter().map(|(_, live)| live).find(|live| live.id == id);
        state.under_way.get(&id).or_else(ended).cloned()
    }

    /// What is kept of the events of an exchange, and of its last request.
    pub(super) fn contents(&self, live: &Live) -> (Vec<StreamEvent>, Option<bytes::Bytes>) {
        let (mut events, mut request) = (Vec::new(), None);
        let (mut place, mut more) = (live.place, true);
        while more {
            let own = |entry: &Entry| entry.live.id == live.id;
            let found = self.read(&mut place, usize::MAX, own);
            more = found.more;
            for entry in found.entries {
                match entry.what {
                    What::Sent { content, .. } => {
                        request = content;
                        events.clear();
                    }
                    What::Event(event) => events.push(event),
                    What::Ended => more = false,
                    _ => {}
                }
            }
        }
        (events, request)
    }

    pub(super) fn under_way(&self) -> Vec<Arc<Live>> {
        self.state().under_way.values().cloned().collect()
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state();
        Health {
            under_way: state.under_way.len(),
            held_bytes: state.ring.bytes() + state.ended_bytes,
            watchers: self.0.watchers.load(Ordering::Relaxed),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
