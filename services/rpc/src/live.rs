//! A value that is replaced as a whole while others read it: settings that change under a running service.

use std::sync::Arc;

use tokio::sync::watch;

/// The value as it is now. Whoever takes it keeps what it took; clones see the same value.
#[derive(Debug)]
pub struct Live<T>(Arc<watch::Sender<Arc<T>>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Live<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(value))))
    }

    /// The value as it is now. A request takes it once, so that it meets one set of settings from end to end.
    pub fn get(&self) -> Arc<T> {
        self.0.borrow().clone()
    }

    /// Replaces it for those who come later.
    pub fn set(&self, value: T) {
        self.0.send_replace(Arc::new(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_it_keeps_it_and_who_comes_later_gets_the_new_one() {
        let live = Live::new(1);
        let (taken, other) = (live.get(), live.clone());

        live.set(2);

        assert_eq!((*taken, *other.get()), (1, 2));
    }
}
