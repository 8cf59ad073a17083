//! What operators get to see of exchanges: one feed of what happens, bounded in bytes, that slows nobody.
//!
//! - `record`: how far an exchange is and where its time went. Pure.
//! - `live`: one exchange as its turn and its watchers share it. `guard`: the turn's hold on it; it ends with the call.
//! - `ring`: what happened lately, oldest out first. Pure.
//! - `feed`: exchanges under way, those that ended, the ring. `filter`: which of them are wanted. `watch`: a reader.
//!   `kept`: those who ask later.
//! - `convert`: all of it as messages.
//!
//! A turn pays for this with a few lines under a lock when it begins, gets a credential, and ends. An event of its
//! stream costs some additions, and a lock only while somebody watches events or capture is on. Readers take from the
//! ring what they want when they are ready; nothing waits for them.

mod convert;
mod feed;
mod filter;
mod guard;
mod kept;
mod live;
mod record;
mod ring;
#[cfg(test)]
mod tests;
mod watch;

pub use feed::Feed;
pub(crate) use guard::{Exchange, Observer};
pub(crate) use kept::{get, list};
pub(crate) use live::About;
pub use watch::Watch;
pub(crate) use watch::Wish;

/// How much of the exchanges is kept, and whether with their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedConfig {
    /// Whether requests and events are kept and told with their contents.
    pub capture: bool,
    /// The most bytes of events that are kept.
    pub bytes: usize,
    /// The most exchanges that are kept after their end.
    pub exchanges: usize,
    /// The most watchers at a time.
    pub watchers: usize,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self { capture: false, bytes: 8 * 1024 * 1024, exchanges: 1000, watchers: 256 }
    }
}
