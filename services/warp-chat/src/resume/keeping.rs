//! A turn of a conversation that is kept: what it sends on which credential, and what is left of it at its end.
//!
//! It goes on with what was kept only where the caller's conversation does, and only on the credential that the
//! upstream had the conversation with. Everywhere else it sends the whole conversation, as any turn does.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::{FinishReason, StreamChatResponse};

use super::covered::{Covered, Outline};
use super::session::Session;
use super::tasks::{StateError, Tasks};
use super::wire;
use crate::arrange::Arranged;
use crate::conversation::{self, Call, Item};
use crate::error::TurnError;
use crate::projection::{ChatProjection, Projection};
use crate::told::Told;
use crate::warp::request;

/// What is kept of a conversation.
pub(crate) struct Kept {
    /// The credential the upstream had it with.
    credential: String,
    covered: Covered,
    tasks: Tasks,
}

/// A turn of a conversation that is kept.
pub(crate) struct Keeping {
    session: Arc<Session>,
    outline: Outline,
    going_on: Option<GoingOn>,
}

/// How to go on with what was kept.
struct GoingOn {
    credential: String,
    message: Bytes,
    tasks: Tasks,
}

impl Kept {
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.credential.len() + self.tasks.size()
    }

    /// How to go on with it, if `arranged` does.
    fn go_on(
        &self,
        outline: &Outline,
        arranged: &Arranged,
        context: &request::Context<'_>,
    ) -> Result<Option<GoingOn>, StateError> {
        let Some(news) = self.covered.news(outline, arranged) else { return Ok(None) };
        let mut open = self.tasks.open_calls()?;
        let mut answered: Vec<_> = news.answers.iter().map(|answer| answer.call_id.clone()).collect();
        open.sort_unstable();
        answered.sort_unstable();
        if open != answered {
            return Ok(None);
        }
        let (mut latest, instructions) =
            request::latest(arranged.instructions.clone(), news.answers, news.query, context);
        latest.mcp_context = request::mcp_context(context.tools.clone(), context.config.tools);
        if let Some(metadata) = &mut latest.metadata {
            self.tasks.conversation_id().clone_into(&mut metadata.conversation_id);
        }
        let instructions = instructions.map(request::instructions_query);
        let Some(tasks) = self.tasks.context(instructions.as_ref())? else { return Ok(None) };
        let mut message = Vec::with_capacity(tasks.len() + 1024);
        wire::put(&mut message, request::TASK_CONTEXT, &tasks);
        message.extend(latest.encode_to_vec());
        let credential = self.credential.clone();
        Ok(Some(GoingOn { credential, message: message.into(), tasks: self.tasks.begin_turn() }))
    }
}

impl Keeping {
    /// A turn of the conversation that `session` is about.
    pub(crate) fn new(session: Session, arranged: &Arranged, context: &request::Context<'_>) -> Self {
        let outline = Outline::of(arranged);
        let going_on = session.kept().and_then(|kept| {
            kept.go_on(&outline, arranged, context).unwrap_or_else(|error| {
                tracing::debug!(%error, "what was kept of a conversation is of no use");
                None
            })
        });
        Self { session: Arc::new(session), outline, going_on }
    }

    /// A text by which its turns get one credential, even where nothing is kept of it: another account would be
    /// told everything anew.
    pub(crate) fn affinity_key(&self) -> String {
        self.session.affinity_key()
    }

    /// The credential to go on with; empty if any will do.
    pub(crate) fn credential(&self) -> &str {
        self.going_on.as_ref().map_or("", |going_on| &going_on.credential)
    }

    /// What to send on `credential` to go on, if that can be.
    pub(crate) fn message(&self, credential: &str) -> Option<Bytes> {
        let going_on = self.going_on.as_ref().filter(|going_on| going_on.credential == credential);
        going_on.map(|going_on| going_on.message.clone())
    }

    /// Watches an attempt that sends `message` on `credential`.
    pub(crate) fn recorder(&self, credential: &str, message: &Bytes, resumed: bool) -> Recorder {
        let tasks = match &self.going_on {
            Some(going_on) if resumed => Some(going_on.tasks.clone()),
            _ => tasks_of(message).ok(),
        };
        let mut recorder = Recorder {
            session: self.session.clone(),
            credential: credential.to_owned(),
            outline: self.outline.clone(),
            resumed,
            tasks,
            unchecked: 0,
            room: 0,
            text: String::new(),
            calls: Vec::new(),
            told: false,
        };
        recorder.check_size();
        recorder
    }
}

fn tasks_of(message: &[u8]) -> Result<Tasks, StateError> {
    Tasks::of_context(&wire::submessage(message, request::TASK_CONTEXT)?)
}

/// Builds what is to be kept while an attempt is answered.
pub(crate) struct Recorder {
    session: Arc<Session>,
    credential: String,
    outline: Outline,
    resumed: bool,
    /// `None` once nothing can be kept any more.
    tasks: Option<Tasks>,
    /// Bytes of events since the size was looked at, and how many there may be until it is looked at again.
    unchecked: usize,
    room: usize,
    text: String,
    calls: Vec<Call>,
    /// Whether the caller has seen anything of the answer.
    told: bool,
}

impl std::fmt::Debug for Recorder {
    /// Shows no content: it is a conversation.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("resumed", &self.resumed).finish_non_exhaustive()
    }
}

impl Recorder {
    fn watch(&mut self, event: &[u8]) {
        let Some(tasks) = &mut self.tasks else { return };
        if let Err(error) = tasks.apply(event) {
            tracing::debug!(%error, "nothing will be kept of this turn");
            self.tasks = None;
            return;
        }
        self.unchecked += event.len();
        if self.unchecked > self.room {
            self.check_size();
        }
    }

    /// Tasks grow by no more than their events, so the size need not be looked at each time.
    fn check_size(&mut self) {
        let Some(tasks) = &self.tasks else { return };
        self.unchecked = 0;
        match self.session.most_bytes().checked_sub(tasks.size()) {
            Some(room) => self.room = room,
            None => {
                tracing::debug!("the conversation is too large to be kept");
                self.tasks = None;
            }
        }
    }

    /// The caller gets to see `event`. The last one ends the turn of the conversation.
    fn tell(&mut self, event: &Event, cut: bool) {
        match event {
            Event::TextDelta(delta) => self.text.push_str(&delta.text),
            Event::ToolCall(call) => {
                match conversation::json_object(&call.arguments_json, "arguments_json") {
                    Ok(arguments) => {
                        self.calls.push(Call { id: call.id.clone(), name: call.name.clone(), arguments });
                    }
                    Err(_) => self.tasks = None,
                }
            }
            Event::Finished(_) => {
                let kept = self.kept().filter(|_| !cut);
                self.session.close(kept);
            }
            Event::Started(_) | Event::ReasoningDelta(_) | Event::UsageReported(_) => {}
        }
        self.told |= is_content(event);
    }

    fn kept(&mut self) -> Option<Kept> {
        let tasks = self.tasks.take()?;
        if !tasks.is_finished() || tasks.conversation_id().is_empty() {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let said = Some(text).filter(|text| !text.is_empty()).map(Item::Assistant);
        let calls = std::mem::take(&mut self.calls).into_iter().map(Item::Call);
        for item in said.into_iter().chain(calls) {
            self.outline.say(&item);
        }
        let credential = std::mem::take(&mut self.credential);
        Some(Kept { credential, covered: self.outline.covered(), tasks })
    }

    /// An upstream that no longer knows a conversation answers with nothing at all.
    fn is_forgotten(&self, out: &VecDeque<StreamChatResponse>) -> bool {
        let events = || out.iter().filter_map(|item| item.event.as_ref());
        let ended = |event: &Event| matches!(event, Event::Finished(f) if f.reason() == FinishReason::Stop);
        self.resumed && !self.told && events().any(ended) && !events().any(is_content)
    }
}

fn is_content(event: &Event) -> bool {
    matches!(event, Event::TextDelta(_) | Event::ReasoningDelta(_) | Event::ToolCall(_))
}

/// Chat events, watched if something is to be kept of them.
#[derive(Debug)]
pub struct KeptChat {
    pub(crate) chat: ChatProjection,
    pub(crate) recorder: Option<Box<Recorder>>,
}

impl Projection for KeptChat {
    type Item = StreamChatResponse;

    fn name_upstream(&mut self, name: String) {
        self.chat.name_upstream(name);
    }

    fn apply(&mut self, event: &[u8], out: &mut VecDeque<Self::Item>) -> Result<(), TurnError> {
        let Some(recorder) = &mut self.recorder else { return self.chat.apply(event, out) };
        recorder.watch(event);
        self.chat.apply(event, out)?;
        if !self.chat.was_cut() && recorder.is_forgotten(out) {
            return Err(forgotten());
        }
        Ok(())
    }

    fn is_useful(&self, out: &VecDeque<Self::Item>) -> bool {
        self.chat.is_useful(out)
    }

    fn is_over(&self) -> bool {
        self.chat.is_over()
    }

    fn told(&self) -> &Told {
        self.chat.told()
    }

    fn hand_over(&mut self, item: &Self::Item) {
        if let (Some(recorder), Some(event)) = (&mut self.recorder, &item.event) {
            recorder.tell(event, self.chat.was_cut());
        }
    }
}

fn forgotten() -> TurnError {
    TurnError::new(
        ErrorReason::UpstreamFailed,
        "the upstream no longer knows the conversation",
        CredentialOutcome::UpstreamFault,
    )
}
