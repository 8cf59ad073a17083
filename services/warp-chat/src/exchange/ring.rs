//! What happened lately, in order, within a number of bytes: the oldest goes first.
//!
//! Every entry has a place that never changes. A reader remembers the place it goes on from; if what was there is gone,
//! it learns how much it missed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use warp2api_proto::error::v1::ErrorReason;

use super::live::Live;
use super::record::Credential;

/// Something that happened to an exchange.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at: SystemTime,
    pub(crate) live: Arc<Live>,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Started,
    Leased { credential: Credential, before: u32 },
    Sent { attempt: u32, bytes: u64, content: Option<Bytes> },
    AttemptFailed { attempt: u32, reason: ErrorReason, message: String },
    FirstEvent { waited: Duration },
    Event(StreamEvent),
    Ended,
}

/// An event of the upstream.
#[derive(Debug, Clone)]
pub(crate) struct StreamEvent {
    pub(crate) number: u64,
    pub(crate) kind: String,
    pub(crate) bytes: u64,
    pub(crate) offset: Duration,
    pub(crate) content: Option<Bytes>,
}

impl What {
    fn content(&mut self) -> Option<&mut Option<Bytes>> {
        match self {
            Self::Sent { content, .. } => Some(content),
            Self::Event(event) => Some(&mut event.content),
            _ => None,
        }
    }
}

impl Entry {
    /// About how many bytes it holds on to. An exchange counts with its beginning and its end, so that what is left of
    /// it is always counted.
    pub(crate) fn size(&self) -> usize {
        let own = match &self.what {
            What::Started | What::Ended => self.live.size(),
            What::Leased { credential, .. } => credential.name.len() + credential.display_name.len(),
            What::Sent { content, .. } => content.as_ref().map_or(0, Bytes::len),
            What::AttemptFailed { message, .. } => message.len(),
            What::FirstEvent { .. } => 0,
            What::Event(event) => event.kind.len() + event.content.as_ref().map_or(0, Bytes::len),
        };
        size_of::<Self>() + size_of::<usize>() + own
    }
}

/// The entries.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Each with its size at the time it came.
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
    most_bytes: usize,
    /// The place of the next entry.
    next: u64,
}

impl Ring {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, most_bytes, next: 0 }
    }

    /// Adds an entry; old ones make room. Contents that would drive out too much are left out.
    pub(crate) fn push(&mut self, mut entry: Entry) {
        let most_content = self.most_bytes / 4;
        if let Some(content) = entry.what.content()
            && content.as_ref().is_some_and(|bytes| bytes.len() > most_content)
        {
            *content = None;
        }
        let size = entry.size();
        self.bytes += size;
        self.next += 1;
        self.entries.push_back((size, entry));
        while self.bytes > self.most_bytes
            && let Some((size, _)) = self.entries.pop_front()
        {
            self.bytes -= size;
        }
    }

    /// The place of the next entry to come.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The place of the oldest entry that is still there.
    pub(crate) fn oldest(&self) -> u64 {
        self.next - self.entries.len() as u64
    }

    /// Entries from `place` on, with their places.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let oldest = self.oldest();
        let skip =
            usize::try_from(place.saturating_sub(oldest)).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.range(skip..).zip(oldest + skip as u64..).map(|((_, entry), place)| (place, entry))
    }

    /// Forgets all entries; places go on.
    pub(crate) fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.bytes = 0;
    }

    /// About how many bytes the entries hold on to.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
