//! Pure reducer: upstream events in, chat events out.
//!
//! It builds every message of the answer as the upstream does, by additions, appends, masked updates and
//! transactions, and sends on what becomes visible by that: text and thinking as they grow, tool calls when the turn
//! has ended, since their arguments may come late. Echoes of the input, bookkeeping and the inner life of subtasks
//! stay inside. It knows no clock and does no IO.

mod call;
mod slots;

use std::collections::{HashSet, VecDeque};
use std::mem::discriminant;

use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;
use warp2api_proto::warp::multi_agent::v1::client_action::Action;
use warp2api_proto::warp::multi_agent::v1::response_event::{StreamFinished, Type};
use warp2api_proto::warp::multi_agent::v1::{ClientAction, Message, ResponseEvent, Task};
use warp2api_proto::warp_chat::v1::stream_chat_response::{
    Event, Finished, ReasoningDelta, Started, TextDelta,
};
use warp2api_proto::warp_chat::v1::{Delivery, ToolCall};

use self::slots::{Slot, Slots};
use crate::error::TurnError;
use crate::warp::finish::{self, Brought};
use crate::warp::message::Content;
use crate::warp::usage;

/// The answer as built so far.
#[derive(Debug)]
pub struct Reducer {
    delivery: Delivery,
    /// What to tell of the turn once it has started.
    started: Option<Started>,
    /// Messages in the order they came: tool calls are told in it, and held text.
    slots: Slots,
    /// Tasks with a parent: the work of the upstream's own agents.
    subtasks: HashSet<String>,
    /// Text that was sent and then taken back. What comes next must say it again.
    void: String,
    sent_text: bool,
    finished: bool,
}

impl Reducer {
    /// A reducer for one turn. `started` is told first, with the ids the upstream gives filled in.
    pub fn new(delivery: Delivery, started: Started) -> Self {
        Self {
            delivery,
            started: Some(started),
            slots: Slots::default(),
            subtasks: HashSet::new(),
            void: String::new(),
            sent_text: false,
            finished: false,
        }
    }

    /// Learns what the upstream calls itself.
    pub fn name_upstream(&mut self, name: String) {
        if let Some(started) = &mut self.started {
            started.upstream = name;
        }
    }

    /// Whether the upstream has said that the turn is over.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Applies one event and appends what it makes visible to `out`.
    ///
    /// # Errors
    /// When the event ends the turn badly or breaks the protocol. Nothing more is to be applied then.
    pub fn apply(&mut self, event: ResponseEvent, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        if self.finished {
            return Ok(());
        }
        match event.r#type {
            Some(Type::Init(init)) => {
                if let Some(started) = self.started.take() {
                    out.push_back(Event::Started(Started {
                        conversation_id: init.conversation_id,
                        upstream_request_id: init.request_id,
                        ..started
                    }));
                }
                Ok(())
            }
            Some(Type::ClientActions(actions)) => {
                actions.actions.into_iter().try_for_each(|action| self.act(action, out))
            }
            Some(Type::Finished(finished)) => self.finish(&finished, out),
            // An event of the future.
            None => Ok(()),
        }
    }

    fn act(&mut self, action: ClientAction, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        match action.action {
            Some(Action::CreateTask(create)) => {
                create.task.map_or(Ok(()), |task| self.create_task(task, out))
            }
            Some(Action::AddMessagesToTask(add)) => {
                let visible = self.is_visible(&add.task_id);
                add.messages.into_iter().try_for_each(|message| self.insert(message, visible, true, out))
            }
            Some(Action::AppendToMessageContent(append)) => {
                let (Some(message), Some(mask)) = (append.message, append.mask) else { return Ok(()) };
                self.append(&message, &mask.paths, out)
            }
            Some(Action::UpdateTaskMessage(update)) => {
                let (Some(message), Some(mask)) = (update.message, update.mask) else { return Ok(()) };
                let visible = self.is_visible(&update.task_id);
                self.update(message, &mask.paths, visible, out)
            }
            Some(Action::BeginTransaction(_)) => {
                self.slots.begin();
                Ok(())
            }
            Some(Action::CommitTransaction(_)) => {
                self.slots.commit();
                self.send_held(out)
            }
            Some(Action::RollbackTransaction(_)) => {
                let lost = self.slots.roll_back();
                self.void.push_str(&lost);
                Ok(())
            }
            Some(Action::MoveMessagesToNewTask(moved)) => {
                // The messages stay where they are for the caller; only the new task must be known.
                if let Some(task) = moved.new_task {
                    self.note_parent(&task);
                }
                Ok(())
            }
            // Titles, summaries, suggestions: nothing a chat shows.
            _ => Ok(()),
        }
    }

    fn create_task(&mut self, task: Task, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        self.note_parent(&task);
        let visible = self.is_visible(&task.id);
        task.messages.into_iter().try_for_each(|message| self.insert(message, visible, true, out))
    }

    fn note_parent(&mut self, task: &Task) {
        if task.dependencies.as_ref().is_some_and(|d| !d.parent_task_id.is_empty()) {
            self.subtasks.insert(task.id.clone());
        }
    }

    fn is_visible(&self, task_id: &str) -> bool {
        !self.subtasks.contains(task_id)
    }

    /// A message is new. `tell` is false where it stands for an update that touches no text.
    fn insert(
        &mut self,
        mut message: Message,
        visible: bool,
        tell: bool,
        out: &mut VecDeque<Event>,
    ) -> Result<(), TurnError> {
        let id = std::mem::take(&mut message.id);
        let content = Content::of(message);
        let place = match self.slots.find(&id) {
            Some(place) => {
                self.slots.change(place).change(|old| *old = content);
                place
            }
            // Never output, whatever happens to it. An update that makes it one inserts it then.
            None if matches!(content, Content::Other) => return Ok(()),
            None => {
                let sent = if tell { 0 } else { content.text().len() };
                self.slots.add(Slot { id, content, sent, visible })
            }
        };
        self.send(place, out)
    }

    fn append(
        &mut self,
        message: &Message,
        paths: &[String],
        out: &mut VecDeque<Event>,
    ) -> Result<(), TurnError> {
        let Some(place) = self.slots.find(&message.id) else {
            // Appends to what never becomes output are none of our business; to an unknown message they are an
            // error, but such messages are not kept and cannot be told apart.
            return if paths.iter().any(|path| path == "agent_output.text") {
                Err(TurnError::malformed("the upstream appended to a message it never sent"))
            } else {
                Ok(())
            };
        };
        let slot = self.slots.change(place);
        let kind = discriminant(&slot.content);
        slot.content
            .append(paths, message)
            .map_err(|_| TurnError::malformed("the upstream appended to something that is no text"))?;
        if discriminant(&slot.content) != kind {
            slot.sent = 0;
        }
        self.send(place, out)
    }

    fn update(
        &mut self,
        message: Message,
        paths: &[String],
        visible: bool,
        out: &mut VecDeque<Event>,
    ) -> Result<(), TurnError> {
        let Some(place) = self.slots.find(&message.id) else {
            let touches = Content::Other.update(paths, &message);
            return self.insert(message, visible, touches, out);
        };
        self.slots.change(place).change(|content| {
            content.update(paths, &message);
        });
        self.send(place, out)
    }

    fn holds_text(&self) -> bool {
        self.slots.iter().any(|slot| slot.visible && slot.sent < slot.content.text().len())
    }

    /// Sends what was held while a transaction was open.
    fn send_held(&mut self, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        if self.delivery != Delivery::Committed {
            return Ok(());
        }
        (0..self.slots.len()).try_for_each(|place| self.send(place, out))
    }

    /// Sends what the message at `place` has grown by, unless it is to be held.
    fn send(&mut self, place: usize, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        if self.delivery == Delivery::Committed && self.slots.in_transaction() {
            return Ok(());
        }
        let slot = self.slots.at(place);
        let growth = &slot.content.text()[slot.sent..];
        if growth.is_empty() || !slot.visible {
            return Ok(());
        }
        let growth = growth.to_owned();
        slot.sent += growth.len();
        if matches!(slot.content, Content::Reasoning(_)) {
            self.tell(Event::ReasoningDelta(ReasoningDelta { text: growth }), out);
            return Ok(());
        }
        let text = self.without_void(growth)?;
        if !text.is_empty() {
            self.tell(Event::TextDelta(TextDelta { text }), out);
        }
        Ok(())
    }

    /// What is left of `text` once it has said again what was taken back.
    fn without_void(&mut self, text: String) -> Result<String, TurnError> {
        if self.void.is_empty() {
            return Ok(text);
        }
        if let Some(rest) = self.void.strip_prefix(text.as_str()) {
            self.void = rest.to_owned();
            return Ok(String::new());
        }
        match text.strip_prefix(self.void.as_str()) {
            Some(rest) => {
                let rest = rest.to_owned();
                self.void.clear();
                Ok(rest)
            }
            None => Err(taken_back()),
        }
    }

    fn tell(&mut self, event: Event, out: &mut VecDeque<Event>) {
        if let Some(started) = self.started.take() {
            // An upstream that forgets to introduce itself is no reason to fail.
            out.push_back(Event::Started(started));
        }
        self.sent_text = true;
        out.push_back(event);
    }

    fn finish(&mut self, finished: &StreamFinished, out: &mut VecDeque<Event>) -> Result<(), TurnError> {
        self.finished = true;
        let calls = self.calls();
        let brought = Brought { text: self.sent_text || self.holds_text(), calls: !calls.is_empty() };
        let reason = finish::end(finished.reason.as_ref(), brought)?;
        // What an open transaction holds is kept: the upstream says that all is well.
        self.slots.commit();
        self.send_held(out)?;
        if !self.void.is_empty() {
            return Err(taken_back());
        }
        out.extend(self.started.take().map(Event::Started));
        out.extend(calls.into_iter().map(Event::ToolCall));
        out.extend(usage::reported(finished).map(Event::UsageReported));
        out.push_back(Event::Finished(Finished { reason: reason.into(), stop_sequence: String::new() }));
        Ok(())
    }

    /// The tool calls of the answer in their final state, in the order they came.
    fn calls(&self) -> Vec<ToolCall> {
        self.slots
            .iter()
            .filter(|slot| slot.visible)
            .filter_map(|slot| match &slot.content {
                Content::Call(call) => call::chat_call(&slot.id, call),
                _ => None,
            })
            .collect()
    }
}

fn taken_back() -> TurnError {
    TurnError::new(
        ErrorReason::UpstreamInterrupted,
        "the upstream took back a part of the answer that was sent already",
        CredentialOutcome::UpstreamFault,
    )
}

#[cfg(test)]
mod tests;
