//! Where conversations are kept: in memory, so many, of so many bytes, for so long. Pure: told the time, starts nothing.
//!
//! Whoever opens the shelf clears what nobody asked for in time. When there is too much, the one that was not asked for
//! longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use crate::config::ResumeLimits;

/// Whose conversation it is, and what its owner calls it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(super) scope: String,
    pub(super) key: String,
}

/// What is kept, by name.
pub(super) struct Shelf<V> {
    limits: ResumeLimits,
    entries: HashMap<Name, Entry<V>>,
    /// By the number of their last use.
    order: BTreeMap<u64, Name>,
    uses: u64,
    bytes: usize,
}

struct Entry<V> {
    value: Arc<V>,
    size: usize,
    used: Instant,
    order: u64,
}

impl<V> Shelf<V> {
    pub(super) fn new(limits: ResumeLimits) -> Self {
        Self { limits, entries: HashMap::new(), order: BTreeMap::new(), uses: 0, bytes: 0 }
    }

    /// What is kept under a name. It stays for as long again.
    pub(super) fn get(&mut self, name: &Name, now: Instant) -> Option<Arc<V>> {
        self.clear(now);
        let entry = self.entries.get_mut(name)?;
        self.uses += 1;
        self.order.remove(&entry.order);
        self.order.insert(self.uses, name.clone());
        (entry.order, entry.used) = (self.uses, now);
        Some(entry.value.clone())
    }

    /// Keeps something of `size` bytes in place of what was there, unless it alone is too much.
    pub(super) fn put(&mut self, name: Name, value: V, size: usize, now: Instant) {
        self.remove(&name);
        self.clear(now);
        if size > self.limits.bytes || self.limits.conversations == 0 {
            return;
        }
        while self.entries.len() >= self.limits.conversations || self.bytes + size > self.limits.bytes {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            self.remove(&oldest.clone());
        }
        self.uses += 1;
        self.order.insert(self.uses, name.clone());
        self.bytes += size;
        self.entries.insert(name, Entry { value: Arc::new(value), size, used: now, order: self.uses });
    }

    fn remove(&mut self, name: &Name) {
        if let Some(entry) = self.entries.remove(name) {
            self.order.remove(&entry.order);
            self.bytes -= entry.size;
        }
    }

    /// Those used longest ago are first.
    fn clear(&mut self, now: Instant) {
        while let Some((_, oldest)) = self.order.first_key_value() {
            let oldest = oldest.clone();
            let used = self.entries.get(&oldest).map(|entry| entry.used);
            if used.is_some_and(|used| now.saturating_duration_since(used) < self.limits.idle) {
                return;
            }
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: ResumeLimits = ResumeLimits { conversations: 3, bytes: 100, idle: Duration::from_secs(60) };

    fn name(key: &str) -> Name {
        Name { scope: "s".into(), key: key.into() }
    }

    fn keys(shelf: &Shelf<u32>) -> Vec<&str> {
        shelf.order.values().map(|name| name.key.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_not_used_for_longest_goes_first() {
        let mut shelf = Shelf::new(LIMITS);
        let now = Instant::now();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            shelf.put(name(key), value, 10, now);
        }

        assert_eq!(shelf.get(&name("a"), now).as_deref(), Some(&1));
        shelf.put(name("d"), 4, 10, now);
        assert_eq!(keys(&shelf), ["c", "a", "d"]);

        shelf.put(name("e"), 5, 85, now);
        assert_eq!(keys(&shelf), ["d", "e"], "bytes count too");

        shelf.put(name("d"), 6, 101, now);
        assert_eq!(keys(&shelf), ["e"], "what is too much is not kept, and nothing old in its place");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_goes_after_its_time() {
        let mut shelf = Shelf::new(LIMITS);
        shelf.put(name("a"), 1, 10, Instant::now());
        shelf.put(name("b"), 2, 10, Instant::now());
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(shelf.get(&name("a"), Instant::now()).is_some());

        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(shelf.get(&name("b"), Instant::now()).is_none());
        tokio::time::advance(Duration::from_secs(58)).await;
        assert!(shelf.get(&name("a"), Instant::now()).is_some(), "asking keeps it");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(shelf.get(&name("a"), Instant::now()).is_none());
        assert_eq!((shelf.bytes, shelf.entries.len(), shelf.order.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_key_in_another_scope_is_another_name() {
        let mut shelf = Shelf::new(LIMITS);
        shelf.put(name("a"), 1, 10, Instant::now());

        let other = Name { scope: "t".into(), key: "a".into() };

        assert!(shelf.get(&other, Instant::now()).is_none());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, usize),
        Get(u8),
        Wait(u64),
    }

    proptest! {
        #[test]
        fn the_bounds_hold_whatever_happens(
            steps in prop::collection::vec(
                prop_oneof![
                    (0..6u8, 0..120usize).prop_map(|(key, size)| Step::Put(key, size)),
                    (0..6u8).prop_map(Step::Get),
                    (0..40u64).prop_map(Step::Wait),
                ],
                0..40,
            )
        ) {
            let mut shelf = Shelf::new(LIMITS);
            let mut now = Instant::now();
            for step in steps {
                match step {
                    Step::Put(key, size) => shelf.put(name(&key.to_string()), key, size, now),
                    Step::Get(key) => {
                        let found = shelf.get(&name(&key.to_string()), now);
                        prop_assert!(found.is_none_or(|found| *found == key));
                    }
                    Step::Wait(seconds) => now += Duration::from_secs(seconds),
                }
                prop_assert!(shelf.entries.len() <= LIMITS.conversations && shelf.bytes <= LIMITS.bytes);
                prop_assert_eq!(shelf.bytes, shelf.entries.values().map(|entry| entry.size).sum::<usize>());
                prop_assert_eq!(shelf.order.len(), shelf.entries.len());
            }
        }
    }
}
