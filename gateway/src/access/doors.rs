//! The doors of the edge: who is in, who waits, and what each key has used. The rules are in `window` and `line`; here
//! are the lock around them, the clock, and the permits.
//!
//! A turn counts from its head to the end of its answer. What it will read is estimated before it runs and put right
//! by what is reported at its end; tokens of turns under way may so go over a key's limit, and those after them wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Level;
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_rpc::meter::{self, InLine, Ongoing};
use warp2api_rpc::trace::{self, names};

use super::keys::KeyLimits;
use super::line::{Line, Place};
use super::told::Rates;
use super::window::{Taken, Window};

/// How much runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLimits {
    /// What a key may do that says nothing else. Where no key is needed, all callers are as one key.
    pub each_key: KeyLimits,
    /// Turns at once, of all keys.
    pub max_in_flight: usize,
    /// Turns that wait when so many run.
    pub max_waiting: usize,
    /// How long one may wait.
    pub wait: Duration,
}

impl Default for AccessLimits {
    fn default() -> Self {
        Self {
            each_key: KeyLimits::default(),
            max_in_flight: 4096,
            max_waiting: 1024,
            wait: Duration::from_secs(10),
        }
    }
}

/// What is shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Doors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    line: Line<oneshot::Sender<()>>,
    /// Of keys that did something in the last minute.
    used: HashMap<Arc<str>, Used>,
}

#[derive(Debug, Default)]
struct Used {
    requests: Window,
    tokens: Window,
    in_flight: u32,
}

/// When there are so many keys with something in the books, those with nothing to remember are forgotten.
const MANY_KEYS: usize = 1024;

impl Default for Doors {
    fn default() -> Self {
        Self(Arc::new(Inner { began: Instant::now(), state: Mutex::default() }))
    }
}

impl Doors {
    /// Lets a turn of `owner` in, at once or when it is its turn. Dropping the future gives the place in line up.
    ///
    /// # Errors
    /// API_KEY_RATE_LIMITED when the key has used up what it may, OVERLOADED when everybody together has.
    pub(crate) async fn enter(
        &self,
        owner: &Arc<str>,
        own: KeyLimits,
        limits: &AccessLimits,
    ) -> Result<Arc<Permit>, Problem> {
        let now = self.now();
        let (permit, place, called) = {
            let mut state = self.lock();
            let used = state.of(owner, now);
            if own.max_in_flight.is_some_and(|most| used.in_flight >= most) {
                meter::get().refused("key_requests");
                return Err(limited("the API key has as many requests under way as it may", Some(SOON)));
            }
            let taken = match own.requests_per_minute {
                Some(limit) => used
                    .requests
                    .take(now, 1, u64::from(limit))
                    .inspect_err(|_| meter::get().refused("key_rpm"))
                    .map_err(|wait| limited("the API key has used up its requests of this minute", wait))?,
                None => used.requests.add(now, 1),
            };
            let (call, called) = oneshot::channel();
            let place = state.line.enter(limits.max_in_flight, limits.max_waiting, || call);
            let used = state.of(owner, now);
            if place == Place::Full {
                used.requests.give_back(now, taken, 0);
                meter::get().refused("line_full");
                return Err(overloaded("the service has as many requests as it takes"));
            }
            used.in_flight += 1;
            let permit = Permit {
                doors: self.clone(),
                owner: owner.clone(),
                tokens_per_minute: own.tokens_per_minute,
                max_in_flight: limits.max_in_flight,
                waits: if let Place::Waits(number) = place {
                    Mutex::new(Some(number))
                } else {
                    Mutex::default()
                },
                reserved: Mutex::default(),
                reported: AtomicU64::new(UNKNOWN),
                written: AtomicU64::new(0),
                counted: OnceLock::new(),
            };
            (Arc::new(permit), place, called)
        };
        if let Place::Waits(_) = place {
            let waiting = meter::get().waiting();
            // A permit that is dropped in line gives the place up.
            let called = tokio::time::timeout(limits.wait, called).await;
            let wait_ms = self.now().saturating_sub(now);
            tracing::event!(
                target: trace::TARGET,
                Level::DEBUG,
                { names::WAIT_MS } = wait_ms,
                { names::ADMITTED } = matches!(called, Ok(Ok(()))),
                message = names::WAITED_IN_LINE
            );
            match called {
                Ok(Ok(())) => {
                    waiting.ends(InLine::Served);
                    *lock(&permit.waits) = None;
                }
                Ok(Err(_)) | Err(_) => {
                    waiting.ends(InLine::TooLong);
                    meter::get().refused("line_wait");
                    return Err(overloaded("the service is busy, and no request ended in time for this one"));
                }
            }
        }
        Ok(permit)
    }

    /// What is left to a key.
    pub(crate) fn rates(&self, owner: &Arc<str>, own: KeyLimits) -> Rates {
        let now = self.now();
        let mut state = self.lock();
        let used = state.of(owner, now);
        Rates {
            requests: own.requests_per_minute.map(|limit| used.requests.rate(now, limit)),
            tokens: own.tokens_per_minute.map(|limit| used.tokens.rate(now, limit)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    fn of(&mut self, owner: &Arc<str>, now: u64) -> &mut Used {
        if self.used.len() >= MANY_KEYS && !self.used.contains_key(owner) {
            self.used.retain(|_, used| {
                used.in_flight > 0 || used.requests.used(now) > 0 || used.tokens.used(now) > 0
            });
        }
        self.used.entry(owner.clone()).or_default()
    }

    /// Calls whoever is next. One that has left meanwhile is passed over: it gives its place up itself.
    fn call(&mut self, most: usize) {
        while let Some(next) = self.line.next(most) {
            if next.send(()).is_err() {
                self.line.leave();
            }
        }
    }
}

/// The leave to run a turn. Held by whatever is left of it; dropping the last reference ends it.
#[derive(Debug)]
pub(crate) struct Permit {
    doors: Doors,
    owner: Arc<str>,
    tokens_per_minute: Option<u32>,
    max_in_flight: usize,
    /// The number in line, while it waits.
    waits: Mutex<Option<u64>>,
    reserved: Mutex<Option<Taken>>,
    reported: AtomicU64,
    /// Bytes of what was said.
    written: AtomicU64,
    /// From when it runs.
    counted: OnceLock<Ongoing>,
}

/// No usage was reported.
const UNKNOWN: u64 = u64::MAX;
const SOON: Duration = Duration::from_secs(1);

impl Permit {
    /// Whether tokens matter at all.
    pub(crate) fn counts_tokens(&self) -> bool {
        self.tokens_per_minute.is_some()
    }

    /// It runs, for the key of that name.
    pub(crate) fn runs(&self, key: &str) {
        self.counted.get_or_init(|| meter::get().let_in(key));
    }

    /// Counts what the turn is about to read, which is estimated.
    ///
    /// # Errors
    /// API_KEY_RATE_LIMITED when the key has not so much left.
    pub(crate) fn reserve(&self, estimate: u64) -> Result<(), Problem> {
        let Some(limit) = self.tokens_per_minute else { return Ok(()) };
        let now = self.doors.now();
        let taken = self.doors.lock().of(&self.owner, now).tokens.take(now, estimate, u64::from(limit));
        let taken = taken.inspect_err(|_| meter::get().refused("key_tpm"));
        let words = "the API key has used up its tokens of this minute";
        *lock(&self.reserved) = Some(taken.map_err(|wait| match wait {
            Some(wait) => limited(words, Some(wait)),
            None => Problem::new(
                ErrorReason::RequestTooLarge,
                format!(
                    "the request has about {estimate} tokens, and the API key may use {limit} in a minute"
                ),
            ),
        })?);
        Ok(())
    }

    /// Looks at what the turn tells, where tokens matter.
    pub(crate) fn saw(&self, event: &StreamChatResponse) {
        if !self.counts_tokens() {
            return;
        }
        match &event.event {
            Some(Event::TextDelta(delta)) => {
                self.written.fetch_add(delta.text.len() as u64, Ordering::Relaxed);
            }
            Some(Event::UsageReported(usage)) => {
                let parts = [usage.input_tokens, usage.output_tokens];
                let sum = parts.iter().flatten().sum();
                let whole = if parts.iter().any(Option::is_some) { Some(sum) } else { usage.total_tokens };
                if let Some(tokens) = whole.and_then(|tokens: i64| u64::try_from(tokens).ok()) {
                    self.reported.store(tokens, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }

    /// What the turn used, as far as it is known: as reported, or else as estimated, four bytes of the answer a token.
    fn tokens(&self, estimate: u64) -> u64 {
        match self.reported.load(Ordering::Relaxed) {
            UNKNOWN => estimate.saturating_add(self.written.load(Ordering::Relaxed).div_ceil(4)),
            reported => reported,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.doors.now();
        let waits = lock(&self.waits).take();
        let reserved = lock(&self.reserved).take();
        let mut state = self.doors.lock();
        let used = state.of(&self.owner, now);
        used.in_flight = used.in_flight.saturating_sub(1);
        if let Some(taken) = reserved {
            let tokens = self.tokens(taken.amount());
            used.tokens.give_back(now, taken, tokens);
            used.tokens.add(now, tokens.saturating_sub(taken.amount()));
        }
        if !waits.is_some_and(|number| state.line.give_up(number)) {
            state.line.leave();
        }
        state.call(self.max_in_flight);
    }
}

fn limited(words: &str, wait: Option<Duration>) -> Problem {
    Problem::new(ErrorReason::ApiKeyRateLimited, words).with_retry_after(wait)
}

fn overloaded(words: &str) -> Problem {
    Problem::new(ErrorReason::Overloaded, words).with_retry_after(SOON)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
