//! What the caller of a turn was told, in numbers: what a watcher of exchanges gets to see of an answer whose text is
//! not for him. The text only where the operator wants it in traces.

use warp2api_proto::warp::multi_agent::v1::client_action::Action;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_proto::warp::multi_agent::v1::response_event::{ClientActions, StreamFinished, Type};
use warp2api_proto::warp::multi_agent::v1::{Message, ResponseEvent};
use warp2api_proto::warp_chat::v1::FinishReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Started, UsageReported};

use crate::content::Said;
use crate::warp::{finish, usage};

/// Of the name of a model this much is told.
pub(crate) const MOST_MODEL_BYTES: usize = 128;

/// What was told so far.
#[derive(Debug, Default)]
pub struct Told {
    pub(crate) started: Option<Begun>,
    pub(crate) characters: u64,
    pub(crate) reasoning_characters: u64,
    pub(crate) tool_calls: u32,
    pub(crate) usage: Option<UsageReported>,
    pub(crate) finish_reason: FinishReason,
    /// The model that answered, if the upstream named one and no other.
    pub(crate) model: Option<String>,
    /// The answer itself, where the operator wants it in traces.
    pub(crate) said: Option<Box<Said>>,
}

/// How the upstream introduced itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) conversation_id: String,
    pub(crate) upstream_request_id: String,
    pub(crate) resumed: bool,
    /// What the upstream calls itself, if that is known here.
    pub(crate) upstream: Option<String>,
}

impl Told {
    /// Takes note of an event of a chat.
    pub(crate) fn chat(&mut self, event: &Event) {
        if let Some(said) = &mut self.said {
            said.hear(event);
        }
        match event {
            Event::Started(started) => self.started = Some(begun(started)),
            Event::TextDelta(delta) => self.characters += characters(&delta.text),
            Event::ReasoningDelta(delta) => self.reasoning_characters += characters(&delta.text),
            Event::ToolCall(_) => self.tool_calls += 1,
            Event::UsageReported(usage) => self.usage = Some(*usage),
            Event::Finished(finished) => self.finish_reason = finished.reason(),
        }
    }

    /// Takes note of an event of the upstream's that goes to the caller as it is.
    pub(crate) fn warp(&mut self, event: &ResponseEvent) {
        match &event.r#type {
            Some(Type::Init(init)) => {
                self.started = Some(Begun {
                    conversation_id: init.conversation_id.clone(),
                    upstream_request_id: init.request_id.clone(),
                    ..Begun::default()
                });
            }
            Some(Type::ClientActions(actions)) => self.actions(actions),
            Some(Type::Finished(finished)) => {
                self.usage = usage::reported(finished);
                self.answered(finished);
                let brought = finish::Brought { text: self.characters > 0, calls: self.tool_calls > 0 };
                self.finish_reason = finish::end(finished.reason.as_ref(), brought).unwrap_or_default();
            }
            None => {}
        }
    }

    /// Takes note of which model answered.
    pub(crate) fn answered(&mut self, finished: &StreamFinished) {
        let model = usage::model(finished);
        self.model = model.map(|model| model[..model.floor_char_boundary(MOST_MODEL_BYTES)].to_owned());
    }

    fn actions(&mut self, actions: &ClientActions) {
        for action in &actions.actions {
            match &action.action {
                Some(Action::AddMessagesToTask(add)) => add.messages.iter().for_each(|m| self.grow(m)),
                Some(Action::AppendToMessageContent(append)) => {
                    append.message.iter().for_each(|m| self.grow(m));
                }
                _ => {}
            }
        }
    }

    fn grow(&mut self, message: &Message) {
        match &message.message {
            Some(Kind::AgentOutput(output)) => self.characters += characters(&output.text),
            Some(Kind::AgentReasoning(thought)) => {
                self.reasoning_characters += characters(&thought.reasoning)
            }
            Some(Kind::ToolCall(_)) => self.tool_calls += 1,
            _ => {}
        }
    }
}

fn begun(started: &Started) -> Begun {
    Begun {
        conversation_id: started.conversation_id.clone(),
        upstream_request_id: started.upstream_request_id.clone(),
        resumed: started.resumed,
        upstream: Some(started.upstream.clone()),
    }
}

fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}
