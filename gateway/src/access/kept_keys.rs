//! The keys of the file as they are now. Whoever watches the file puts new ones here; requests see them from then on.

use std::sync::{Arc, PoisonError, RwLock};

use super::keys::ApiKeys;

/// Keys that may change while the edge runs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct KeptKeys(Arc<RwLock<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    keys: Arc<ApiKeys>,
    /// Whether there ever was one. An edge that wanted keys does not open because the last one is gone.
    closed: bool,
}

impl KeptKeys {
    /// Puts `keys` in the place of those before.
    pub fn replace(&self, keys: ApiKeys) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.closed |= !keys.is_empty();
        inner.keys = Arc::new(keys);
    }

    /// There is a key elsewhere.
    pub(crate) fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// The keys of now.
    pub fn current(&self) -> Arc<ApiKeys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Whether there never was one.
    pub fn never_had_any(&self) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_had_keys_stays_closed_when_they_are_gone() {
        let (kept, seen_by_the_edge) = KeptKeys::default().clone_twice();
        assert!(seen_by_the_edge.never_had_any());

        kept.replace(ApiKeys::parse("k"));
        assert!(!seen_by_the_edge.current().is_empty());
        kept.replace(ApiKeys::default());

        assert!(seen_by_the_edge.current().is_empty() && !seen_by_the_edge.never_had_any());
    }

    impl KeptKeys {
        fn clone_twice(self) -> (Self, Self) {
            (self.clone(), self)
        }
    }
}
