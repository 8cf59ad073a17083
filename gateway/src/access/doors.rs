//! The doors of the edge: who is in, who waits, and what each key has used. The rules are in `window` and `line`; here
//! are the lock around them and the clock, in `permit` what a turn holds.
//!
//! A turn counts from its head to the end of its answer. What is refused here has used nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Level;
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::meter::{self, InLine};
use warp2api_rpc::trace::{self, names};

use super::keys::KeyLimits;
use super::line::{Line, Place};
use super::told::Rates;
use super::window::{Taken, Window};

mod permit;

pub(crate) use permit::Permit;

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
    /// Turns at once, as of now: it may change while some run and others wait.
    most: usize,
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

impl Doors {
    /// Doors for at most `most` turns at once.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { began: Instant::now(), state: Mutex::new(State { most, ..State::default() }) }))
    }

    /// From now on at most `most` turns run at once. Those that run go on; those who wait and have room now are called.
    pub(crate) fn set_most(&self, most: usize) {
        let mut state = self.lock();
        state.most = most;
        state.call();
    }

    /// Counts a request of `owner` that is no turn, against the requests of its minute.
    ///
    /// # Errors
    /// API_KEY_RATE_LIMITED when the key has used up what it may.
    pub(crate) fn count(&self, owner: &Arc<str>, own: KeyLimits) -> Result<(), Problem> {
        let now = self.now();
        self.lock().of(owner, now).ask(now, own).map(drop)
    }

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
        let (permit, taken, place, called) = {
            let mut state = self.lock();
            let used = state.of(owner, now);
            if own.max_in_flight.is_some_and(|most| used.in_flight >= most) {
                meter::get().refused("key_requests");
                return Err(limited("the API key has as many requests under way as it may", Some(SOON)));
            }
            let taken = used.ask(now, own)?;
            let (call, called) = oneshot::channel();
            let most = state.most;
            let place = state.line.enter(most, limits.max_waiting, || call);
            let used = state.of(owner, now);
            if place == Place::Full {
                used.requests.give_back(now, taken, 0);
                meter::get().refused("line_full");
                return Err(overloaded("the service has as many requests as it takes"));
            }
            used.in_flight += 1;
            let permit = Permit::new(self.clone(), owner.clone(), own.tokens_per_minute, place);
            (Arc::new(permit), taken, place, called)
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
                    permit.waits_no_more();
                }
                Ok(Err(_)) | Err(_) => {
                    waiting.ends(InLine::TooLong);
                    let now = self.now();
                    self.lock().of(owner, now).requests.give_back(now, taken, 0);
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

impl Used {
    /// Counts a request.
    fn ask(&mut self, now: u64, own: KeyLimits) -> Result<Taken, Problem> {
        let Some(limit) = own.requests_per_minute else { return Ok(self.requests.add(now, 1)) };
        self.requests
            .take(now, 1, u64::from(limit))
            .inspect_err(|_| meter::get().refused("key_rpm"))
            .map_err(|wait| limited("the API key has used up its requests of this minute", wait))
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
    fn call(&mut self) {
        while let Some(next) = self.line.next(self.most) {
            if next.send(()).is_err() {
                self.line.leave();
            }
        }
    }
}

/// When somebody who is refused for now may come again, where nothing better is known.
const SOON: Duration = Duration::from_secs(1);

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
