//! What was said in a turn, and before it: a chain, of which turns that branch off share the beginning.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use prost::Message as _;
use warp2api_dialects::Json;
use warp2api_dialects::responses::KeptTurn;
use warp2api_proto::warp_chat::v1::Message;

use super::Weight;

/// A turn as the caller knows it, and as the contract does.
#[derive(Debug)]
pub(crate) struct Told {
    /// The id of the response.
    pub(crate) id: String,
    /// The input as it came, with what it only referred to.
    pub(crate) input: Json,
    /// The items of the output.
    pub(crate) output: Json,
    /// What each item of the input and then of the output is in the contract's terms.
    pub(crate) said: Vec<Message>,
}

/// What was said in a turn, by both sides.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<Arc<Self>>,
    told: Told,
    _weight: Weight,
}

impl Turn {
    pub(super) fn new(before: Option<Arc<Self>>, told: Told, held: &Arc<AtomicUsize>) -> Self {
        let said =
            told.said.iter().map(|message| message.encoded_len() + size_of::<Message>()).sum::<usize>();
        let bytes = said + told.id.len() + told.input.get().len() + told.output.get().len();
        Self { before, told, _weight: Weight::new(bytes + size_of::<Self>(), held) }
    }

    /// Everything that was said, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.all().into_iter().flat_map(|turn| turn.told.said.iter().cloned()).collect()
    }

    /// All turns as callers know them, oldest first, this one last.
    pub(crate) fn turns(&self) -> Vec<KeptTurn<'_>> {
        self.all().into_iter().map(Self::as_told).collect()
    }

    /// The turn as the caller knows it.
    pub(crate) fn as_told(&self) -> KeptTurn<'_> {
        let Told { id, input, output, .. } = &self.told;
        KeptTurn { response_id: id, input, output }
    }

    /// What each item of the turn is in the contract's terms.
    pub(crate) fn said(&self) -> &[Message] {
        &self.told.said
    }

    fn all(&self) -> Vec<&Self> {
        let mut turns = vec![self];
        while let Some(before) = turns.last().and_then(|turn| turn.before.as_deref()) {
            turns.push(before);
        }
        turns.reverse();
        turns
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
