//! The leave to run a turn, and what the turn uses meanwhile.
//!
//! What it will read is estimated before it runs and put right by what is reported at its end; tokens of turns under way
//! may so go over a key's limit, and those after them wait.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_rpc::meter::{self, Ongoing};

use super::super::line::Place;
use super::super::window::Taken;
use super::{Doors, limited, lock};

/// The leave to run a turn. Held by whatever is left of it; dropping the last reference ends it.
#[derive(Debug)]
pub(crate) struct Permit {
    doors: Doors,
    owner: Arc<str>,
    tokens_per_minute: Option<u32>,
    /// The number in line, while it waits.
    waits: Mutex<Option<u64>>,
    reserved: Mutex<Option<Taken>>,
    reported: AtomicU64,
    /// Bytes of what was said.
    written: AtomicU64,
    progress: AtomicU8,
    /// From when it runs.
    counted: OnceLock<Ongoing>,
}

/// No usage was reported.
const UNKNOWN: u64 = u64::MAX;

/// What is known of a turn: nothing yet; that it failed so far; that the upstream has begun to answer, whatever came of it.
const ASKED: u8 = 0;
const NEVER_BEGAN: u8 = 1;
const BEGUN: u8 = 2;

impl Permit {
    pub(super) fn new(doors: Doors, owner: Arc<str>, tokens_per_minute: Option<u32>, place: Place) -> Self {
        let waits = if let Place::Waits(number) = place { Some(number) } else { None };
        Self {
            doors,
            owner,
            tokens_per_minute,
            waits: Mutex::new(waits),
            reserved: Mutex::default(),
            reported: AtomicU64::new(UNKNOWN),
            written: AtomicU64::new(0),
            progress: AtomicU8::new(ASKED),
            counted: OnceLock::new(),
        }
    }

    /// It was called out of the line.
    pub(super) fn waits_no_more(&self) {
        *lock(&self.waits) = None;
    }

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
        self.progress.fetch_max(BEGUN, Ordering::Relaxed);
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

    /// The turn has failed. If nothing was seen of it, it has used nothing. Of one whose caller leaves instead nobody
    /// knows whether the upstream had begun.
    pub(crate) fn failed(&self) {
        self.progress.fetch_max(NEVER_BEGAN, Ordering::Relaxed);
    }

    /// What the turn used, as far as it is known: as reported, or else as estimated, four bytes of the answer a token.
    fn tokens(&self, estimate: u64) -> u64 {
        match self.reported.load(Ordering::Relaxed) {
            UNKNOWN if self.progress.load(Ordering::Relaxed) == NEVER_BEGAN => 0,
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
        state.call();
    }
}
