//! What was said in a turn, and before it: a chain, of which turns that branch off share the beginning.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use prost::Message as _;
use warp2api_proto::warp_chat::v1::Message;

use super::Weight;

/// What was said in a turn, by both sides.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<Arc<Self>>,
    said: Vec<Message>,
    _weight: Weight,
}

impl Turn {
    pub(super) fn new(before: Option<Arc<Self>>, said: Vec<Message>, held: &Arc<AtomicUsize>) -> Self {
        let bytes = said.iter().map(|message| message.encoded_len() + size_of::<Message>()).sum::<usize>();
        Self { before, said, _weight: Weight::new(bytes + size_of::<Self>(), held) }
    }

    /// Everything that was said, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let mut turns = vec![self];
        while let Some(before) = turns.last().and_then(|turn| turn.before.as_deref()) {
            turns.push(before);
        }
        turns.iter().rev().flat_map(|turn| turn.said.iter().cloned()).collect()
    }
}

impl Drop for Turn {
    /// Link by link: dropping a long chain must not exhaust the stack.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut turn) = before.and_then(Arc::into_inner) {
            before = turn.before.take();
        }
    }
}
