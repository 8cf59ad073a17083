//! One turn at a time for each conversation: who may begin one, what it finds, and what it leaves.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::Resume;
use warp2api_rpc::Failure;

use super::keeping::Kept;
use super::shelf::{Name, Shelf};
use crate::config::ResumeLimits;

const MAX_NAME_BYTES: usize = 128;

/// The name a request gives its conversation.
///
/// # Errors
/// When it is no name; the failure says which field.
pub(crate) fn name(resume: Resume) -> Result<Name, Failure> {
    let Resume { key, scope } = resume;
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_NAME_BYTES || !visible {
        return Err(Failure::invalid("resume.key", "must be 1 to 128 visible ASCII characters"));
    }
    if scope.len() > MAX_NAME_BYTES {
        return Err(Failure::invalid("resume.scope", "must be at most 128 bytes"));
    }
    Ok(Name { scope, key })
}

/// All conversations that are kept. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Conversations(Arc<Shared>);

struct Shared {
    limits: ResumeLimits,
    inner: Mutex<Inner>,
}

struct Inner {
    shelf: Shelf<Kept>,
    /// Those with a turn under way.
    busy: HashSet<Name>,
}

/// A turn of a conversation. No other one begins until it is closed or dropped.
pub(crate) struct Session {
    conversations: Conversations,
    name: Name,
    kept: Option<Arc<Kept>>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Conversations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversations").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Conversations {
    pub(crate) fn new(limits: ResumeLimits) -> Self {
        let inner = Mutex::new(Inner { shelf: Shelf::new(limits), busy: HashSet::new() });
        Self(Arc::new(Shared { limits, inner }))
    }

    /// Begins a turn of a conversation, kept or not.
    ///
    /// # Errors
    /// `CONVERSATION_BUSY` while another turn of it is under way.
    pub(crate) fn begin(&self, name: Name) -> Result<Session, Failure> {
        let mut inner = self.inner();
        if !inner.busy.insert(name.clone()) {
            let words = "another turn of this conversation is under way";
            return Err(Failure::new(ErrorReason::ConversationBusy, words));
        }
        let kept = inner.shelf.get(&name, Instant::now());
        Ok(Session { conversations: self.clone(), name, kept, closed: AtomicBool::new(false) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in there is left half done.
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// A text that is the same for every turn of the conversation, and of no other.
    pub(crate) fn affinity_key(&self) -> String {
        let Name { scope, key } = &self.name;
        format!("{scope}/{key}")
    }

    /// What was kept when the turn began.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// The most bytes that are of use.
    pub(crate) fn most_bytes(&self) -> usize {
        self.conversations.0.limits.bytes
    }

    /// Ends the turn and keeps what it made of the conversation, if there is anything to keep.
    pub(crate) fn close(&self, kept: Option<Kept>) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut inner = self.conversations.inner();
        inner.busy.remove(&self.name);
        if let Some(kept) = kept {
            let size = kept.size() + 2 * (self.name.scope.len() + self.name.key.len());
            inner.shelf.put(self.name.clone(), kept, size, Instant::now());
        }
    }
}

impl Drop for Session {
    /// A turn that failed or was cancelled leaves everything as it was.
    fn drop(&mut self) {
        self.close(None);
    }
}
