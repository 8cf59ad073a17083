//! What a caller sees of the upstream's events: chat events, or the events themselves.
//!
//! The turn reads the stream; a projection says what each event means for the caller, whether the turn has begun to
//! be of use, and whether it is over.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message as _;
use warp2api_proto::opaque;
use warp2api_proto::warp::multi_agent::v1::ResponseEvent;
use warp2api_proto::warp::multi_agent::v1::response_event::Type;
use warp2api_proto::warp::multi_agent::v1::response_event::stream_finished::Reason;
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;

use crate::error::TurnError;
use crate::limits::Limiter;
use crate::told::Told;
use crate::warp::events::Reducer;
use crate::warp::finish::quota_exhausted;

/// A view of the upstream's events.
pub trait Projection: Send + Unpin + 'static {
    /// What the caller gets.
    type Item: Send + Unpin + 'static;

    /// Learns what the upstream calls itself, before its first event.
    fn name_upstream(&mut self, _name: String) {}

    /// Takes the bytes of one event and appends what it means to `out`.
    fn apply(&mut self, event: &[u8], out: &mut VecDeque<Self::Item>) -> Result<(), TurnError>;

    /// Whether something in `out` commits the turn to this attempt.
    fn is_useful(&self, out: &VecDeque<Self::Item>) -> bool;

    /// Whether the turn is over: nothing more is to be read.
    fn is_over(&self) -> bool;

    /// What the caller was told, or is about to be.
    fn told(&self) -> &Told;

    /// Sees an item on its way to the caller.
    fn hand_over(&mut self, _item: &Self::Item) {}
}

/// Chat events, within the caller's limits.
#[derive(Debug)]
pub(crate) struct ChatProjection {
    reducer: Reducer,
    limiter: Limiter,
    /// What the reducer says, before the limits. Kept for its memory.
    said: VecDeque<Event>,
    told: Told,
}

impl ChatProjection {
    pub(crate) fn new(reducer: Reducer, limiter: Limiter) -> Self {
        Self { reducer, limiter, said: VecDeque::new(), told: Told::default() }
    }

    /// Keeps the answer, to be told to the trace.
    pub(crate) fn remembering(mut self) -> Self {
        self.told.said = Some(Box::default());
        self
    }

    /// Whether a limit ended the answer before the upstream did.
    pub(crate) fn was_cut(&self) -> bool {
        self.limiter.has_ended()
    }
}

impl Projection for ChatProjection {
    type Item = StreamChatResponse;

    fn name_upstream(&mut self, name: String) {
        self.reducer.name_upstream(name);
    }

    fn apply(&mut self, event: &[u8], out: &mut VecDeque<Self::Item>) -> Result<(), TurnError> {
        let event = decode(event)?;
        if let Some(Type::Finished(finished)) = &event.r#type {
            self.told.answered(finished);
        }
        let applied = self.reducer.apply(event, &mut self.said);
        for event in self.said.drain(..) {
            self.limiter.pass(event, &mut |event| {
                self.told.chat(&event);
                out.push_back(StreamChatResponse { event: Some(event) });
            });
        }
        // What a limit has ended stays ended, whatever the upstream says afterwards.
        if self.limiter.has_ended() { Ok(()) } else { applied }
    }

    fn is_useful(&self, out: &VecDeque<Self::Item>) -> bool {
        out.iter().any(|item| !matches!(item.event, Some(Event::Started(_)) | None))
    }

    fn is_over(&self) -> bool {
        self.limiter.has_ended() || self.reducer.is_finished()
    }

    fn told(&self) -> &Told {
        &self.told
    }
}

/// The upstream's own events, untouched.
#[derive(Debug, Default)]
pub struct WarpProjection {
    acted: bool,
    finished: bool,
    told: Told,
}

impl Projection for WarpProjection {
    type Item = opaque::ResponseEvent;

    fn apply(&mut self, event: &[u8], out: &mut VecDeque<Self::Item>) -> Result<(), TurnError> {
        let decoded = decode(event)?;
        self.told.warp(&decoded);
        match decoded.r#type {
            Some(Type::ClientActions(_)) => self.acted = true,
            Some(Type::Finished(finished)) => {
                self.finished = true;
                if !self.acted && matches!(finished.reason, Some(Reason::QuotaLimit(_))) {
                    return Err(quota_exhausted());
                }
            }
            Some(Type::Init(_)) | None => {}
        }
        out.push_back(Bytes::copy_from_slice(event).into());
        Ok(())
    }

    fn is_useful(&self, _out: &VecDeque<Self::Item>) -> bool {
        self.acted || self.finished
    }

    fn is_over(&self) -> bool {
        self.finished
    }

    fn told(&self) -> &Told {
        &self.told
    }
}

fn decode(event: &[u8]) -> Result<ResponseEvent, TurnError> {
    ResponseEvent::decode(event)
        .map_err(|_| TurnError::malformed("the upstream sent an event that is not of its schema"))
}
