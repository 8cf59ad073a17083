//! A response in the making: the events of the turn become items, one open at a time. Streamed and whole responses are
//! made of this alike; a stream is told of every change.

use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{FinishReason, Message, StreamChatResponse, ToolCall};

use super::Plan;
use super::item::{Call, Item, Stage};
use super::names::text_of_arguments;
use super::object::{self, Status};
use crate::calls::{CallIds, arguments};
use crate::dialect::Stamp;
use crate::error::Problem;
use crate::held::Held;
use crate::raw::Json;
use crate::usage::Tokens;

/// A response in the making.
#[derive(Debug)]
pub struct Answer {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) plan: Plan,
    unique: String,
    pub(super) begun: bool,
    pub(super) items: Vec<Item>,
    /// Whether the last item may still grow.
    open: bool,
    /// Whether the last item was cut off by a limit.
    pub(super) cut: bool,
    calls: CallIds,
    pub(super) usage: Option<Tokens>,
    pub(super) end: Option<Status>,
    held: Held,
}

/// Is told of every change of a response.
pub(super) trait Audience {
    /// An item was begun at the place.
    fn opened(&mut self, place: usize, item: &Item);
    /// The open item grew.
    fn grew(&mut self, place: usize, item: &Item, by: &str);
    /// The item is as it will be.
    fn closed(&mut self, place: usize, item: &Item, stage: Stage);
}

/// Nobody.
impl Audience for () {
    fn opened(&mut self, _: usize, _: &Item) {}
    fn grew(&mut self, _: usize, _: &Item, _: &str) {}
    fn closed(&mut self, _: usize, _: &Item, _: Stage) {}
}

impl Answer {
    pub(super) fn new(plan: Plan, stamp: Stamp) -> Self {
        let Stamp { unique, created } = stamp;
        let calls = CallIds::of(&unique);
        Self {
            id: format!("resp_{unique}"),
            created,
            plan,
            unique,
            begun: false,
            items: Vec::new(),
            open: false,
            cut: false,
            calls,
            usage: None,
            end: None,
            held: Held::default(),
        }
    }

    /// The id of the response.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the turn ended well.
    pub fn is_whole(&self) -> bool {
        self.end.is_some()
    }

    /// The response as JSON: finished, if the turn has ended well.
    pub fn json(&self) -> Vec<u8> {
        object::json(self, self.end.unwrap_or(Status::InProgress), None)
    }

    /// The items of the output, in an array.
    pub fn output(&self) -> Json {
        Json::of(&object::output(self, Status::Completed))
    }

    /// What the model said, thought and called, in the contract's terms, for a conversation that goes on.
    pub fn messages(&self) -> Vec<Message> {
        self.items.iter().map(Item::message).collect()
    }

    /// Whether the last item may still grow.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the event begins the response. The model is settled then: every event names the same.
    pub(super) fn begin(&mut self, event: &StreamChatResponse) -> bool {
        let Some(event) = event.event.as_ref().filter(|_| !self.begun && self.end.is_none()) else {
            return false;
        };
        if let Event::Started(started) = event
            && !started.model.is_empty()
        {
            self.plan.model.clone_from(&started.model);
        }
        self.begun = !matches!(event, Event::UsageReported(_));
        self.begun
    }

    /// Takes an event in. Those after the last one, and those of a later contract, are passed over.
    pub(super) fn step(
        &mut self,
        event: &StreamChatResponse,
        audience: &mut impl Audience,
    ) -> Result<(), Problem> {
        let Some(event) = event.event.as_ref().filter(|_| self.end.is_none()) else { return Ok(()) };
        match event {
            Event::Started(_) => {}
            Event::TextDelta(delta) => self.grow(Kind::Message, &delta.text, audience)?,
            Event::ReasoningDelta(delta) => self.grow(Kind::Reasoning, &delta.text, audience)?,
            Event::ToolCall(call) => self.call(call, audience)?,
            Event::UsageReported(report) => self.usage = Tokens::from_report(report),
            Event::Finished(finished) => {
                self.finish(FinishReason::try_from(finished.reason).unwrap_or_default(), audience);
            }
        }
        Ok(())
    }

    fn grow(&mut self, kind: Kind, by: &str, audience: &mut impl Audience) -> Result<(), Problem> {
        if by.is_empty() {
            return Ok(());
        }
        self.held.grow(by.len())?;
        if !self.open || !kind.is(self.items.last()) {
            self.open(kind, audience);
        }
        let place = self.items.len().saturating_sub(1);
        if let Some(item) = self.items.last_mut() {
            if let Item::Message { text, .. } | Item::Reasoning { text, .. } = item {
                text.push_str(by);
            }
            audience.grew(place, item, by);
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, audience: &mut impl Audience) {
        self.close(Stage::Done, audience);
        let text = String::new();
        let item = match kind {
            Kind::Message => Item::Message { id: self.item_id("msg"), text },
            Kind::Reasoning => Item::Reasoning { id: self.item_id("rs"), text },
        };
        audience.opened(self.items.len(), &item);
        self.items.push(item);
        self.open = true;
    }

    fn close(&mut self, stage: Stage, audience: &mut impl Audience) {
        if let Some(item) = self.items.last().filter(|_| self.open) {
            audience.closed(self.items.len() - 1, item, stage);
        }
        self.open = false;
    }

    fn call(&mut self, call: &ToolCall, audience: &mut impl Audience) -> Result<(), Problem> {
        self.held.grow(call.id.len() + call.name.len() + call.arguments_json.len() + 1)?;
        self.close(Stage::Done, audience);
        let (_, call_id) = self.calls.admit(&call.id);
        let origin = self.plan.origins.called(&call.name);
        let arguments_json = arguments(&call.arguments_json).to_owned();
        let payload = if origin.custom { text_of_arguments(&arguments_json) } else { arguments_json.clone() };
        let item = Item::Call(Call {
            id: self.item_id(if origin.custom { "ctc" } else { "fc" }),
            call: ToolCall { id: call_id.clone(), name: call.name.clone(), arguments_json },
            call_id,
            origin,
            payload,
        });
        let place = self.items.len();
        audience.opened(place, &item);
        if let Item::Call(Call { payload, .. }) = &item
            && !payload.is_empty()
        {
            audience.grew(place, &item, payload);
        }
        audience.closed(place, &item, Stage::Done);
        self.items.push(item);
        Ok(())
    }

    /// A limit cuts what was said. Calls come whole, and clients run them, so with them a response is complete.
    fn finish(&mut self, reason: FinishReason, audience: &mut impl Audience) {
        let incomplete = reason == FinishReason::Length && self.calls.count() == 0;
        let said = |item: &Item| !matches!(item, Item::Reasoning { .. });
        if !self.items.iter().any(said) {
            // Clients look for a message, be it empty.
            self.open(Kind::Message, audience);
        }
        self.cut = incomplete && self.open;
        self.close(if self.cut { Stage::Cut } else { Stage::Done }, audience);
        self.end = Some(if incomplete { Status::Incomplete } else { Status::Completed });
    }

    fn item_id(&self, kind: &str) -> String {
        format!("{kind}_{}{:04x}", self.unique, self.items.len())
    }
}

/// The kinds of items that grow.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Message,
    Reasoning,
}

impl Kind {
    fn is(self, item: Option<&Item>) -> bool {
        matches!(
            (self, item),
            (Self::Message, Some(Item::Message { .. })) | (Self::Reasoning, Some(Item::Reasoning { .. }))
        )
    }
}
