//! Responses that are kept for a while, so that a later request can go on after one, and so that they can be read and
//! deleted. In the memory of this process: another one does not know them, and a restart forgets them.
//!
//! Bounded in number, in bytes and in time; the oldest goes first. Each belongs to a scope, the key that asked for it,
//! and no other scope ever sees it. Knows nothing of what a response says.

#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub(crate) use turn::{Told, Turn};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// How many responses. Zero keeps none.
    pub count: usize,
    /// The most bytes in all of them together, with what was said before them.
    pub bytes: usize,
    /// How long one is kept.
    pub time: Duration,
}

impl Default for KeptLimits {
    fn default() -> Self {
        Self { count: 1000, bytes: 64 * 1024 * 1024, time: Duration::from_secs(24 * 3600) }
    }
}

impl KeptLimits {
    /// Whether anything is kept at all.
    pub(crate) fn any(&self) -> bool {
        self.count > 0 && self.bytes > 0 && !self.time.is_zero()
    }
}

/// A response that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The response as it was answered.
    pub(crate) body: Bytes,
    /// What was said up to its end.
    pub(crate) turn: Arc<Turn>,
    _weight: Weight,
}

/// The responses that are kept.
#[derive(Debug)]
pub(crate) struct Shelf {
    limits: KeptLimits,
    /// The bytes of all that is held, be it here or only by what goes on after it.
    held: Arc<AtomicUsize>,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By scope and id.
    by_name: HashMap<(String, String), Entry>,
    /// The names in the order they came, which is the order in which they go.
    by_age: BTreeMap<u64, (String, String)>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    kept: Arc<Kept>,
    age: u64,
    until: Instant,
}

impl Shelf {
    pub(crate) fn new(limits: KeptLimits) -> Self {
        Self { limits, held: Arc::default(), entries: Mutex::default() }
    }

    /// Whether anything is kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.limits.any()
    }

    /// A turn that can be kept: what was said in it, after `before`.
    pub(crate) fn turn(&self, before: Option<Arc<Turn>>, told: Told) -> Arc<Turn> {
        Arc::new(Turn::new(before, told, &self.held))
    }

    /// Keeps a response. What is too large for all the room there is, is not kept.
    pub(crate) fn keep(&self, scope: &str, id: &str, body: Bytes, turn: Arc<Turn>, now: Instant) {
        let weight = Weight::new(body.len() + scope.len() + id.len(), &self.held);
        let kept = Arc::new(Kept { body, turn, _weight: weight });
        let mut entries = self.entries();
        let (name, age) = ((scope.to_owned(), id.to_owned()), entries.next);
        entries.next += 1;
        entries.by_age.insert(age, name.clone());
        entries.by_name.insert(name, Entry { kept, age, until: now + self.limits.time });
        while entries.by_name.len() > self.limits.count
            || self.held.load(Ordering::Relaxed) > self.limits.bytes
        {
            if !entries.forget_oldest() {
                break;
            }
        }
    }

    /// The response of that id in the scope.
    pub(crate) fn find(&self, scope: &str, id: &str, now: Instant) -> Option<Arc<Kept>> {
        let mut entries = self.entries();
        entries.forget_expired(now);
        entries.by_name.get(&(scope.to_owned(), id.to_owned())).map(|entry| entry.kept.clone())
    }

    /// Forgets a response. What goes on after it still can. Says whether it was there.
    pub(crate) fn forget(&self, scope: &str, id: &str, now: Instant) -> bool {
        let mut entries = self.entries();
        entries.forget_expired(now);
        let entry = entries.by_name.remove(&(scope.to_owned(), id.to_owned()));
        entry.is_some_and(|entry| entries.by_age.remove(&entry.age).is_some())
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing in here can be left half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn forget_oldest(&mut self) -> bool {
        let Some((_, name)) = self.by_age.pop_first() else { return false };
        self.by_name.remove(&name).is_some()
    }

    /// All are kept for the same time, so the first that is not over ends the search.
    fn forget_expired(&mut self, now: Instant) {
        while let Some((_, name)) = self.by_age.first_key_value() {
            if self.by_name.get(name).is_some_and(|entry| entry.until > now) {
                return;
            }
            self.forget_oldest();
        }
    }
}

/// Bytes that count as held as long as this lives.
#[derive(Debug)]
struct Weight {
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl Weight {
    fn new(bytes: usize, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, held: held.clone() }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
