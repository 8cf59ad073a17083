//! Events of an answer: encoded once, by hand.

use bytes::Bytes;

use crate::finish::{Finish, Usage};
use crate::message::Message;
use crate::wire::base64;
use crate::wire::writer::Writer;

/// An encoded event. Any bytes can be one, also bytes that no reader understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event(Bytes);

impl Event {
    /// The first event of an answer.
    pub fn init(conversation_id: &str, request_id: &str) -> Self {
        Self::build(|w| {
            w.message(1, |w| {
                w.string_if(1, conversation_id).string_if(2, request_id);
            });
        })
    }

    /// A new task. `parent` is empty for the root task.
    pub fn create_task(task_id: &str, parent: &str, messages: &[Message]) -> Self {
        Self::action(1, |w| {
            w.message(1, |task| {
                task.string_if(1, task_id);
                if !parent.is_empty() {
                    task.message(3, |w| _ = w.string(1, parent));
                }
                for message in messages {
                    task.message(5, |w| message.write(w));
                }
            });
        })
    }

    /// New messages of a task.
    pub fn add_messages(task_id: &str, messages: &[Message]) -> Self {
        Self::action(3, |w| {
            w.string_if(1, task_id);
            for message in messages {
                w.message(2, |w| message.write(w));
            }
        })
    }

    /// New values of the fields of a message that `mask` names.
    pub fn update_message(task_id: &str, message: &Message, mask: &[&str]) -> Self {
        Self::action(4, |w| write_masked(w, task_id, |w| message.write(w), mask))
    }

    /// More text for the fields of a message that `mask` names.
    pub fn append_to_message(task_id: &str, message: &Message, mask: &[&str]) -> Self {
        Self::action(5, |w| write_masked(w, task_id, |w| message.write(w), mask))
    }

    /// The title of a task.
    pub fn update_description(task_id: &str, description: &str) -> Self {
        Self::action(8, |w| {
            w.string_if(1, task_id).string_if(2, description);
        })
    }

    /// Opens a transaction.
    pub fn begin() -> Self {
        Self::action(9, |_| {})
    }

    /// Keeps what happened since [`Event::begin`].
    pub fn commit() -> Self {
        Self::action(10, |_| {})
    }

    /// Undoes what happened since [`Event::begin`].
    pub fn rollback() -> Self {
        Self::action(11, |_| {})
    }

    /// An action whose oneof member is `number`, with these encoded bytes, known to the schema or not.
    pub fn action_member(number: u32, content: &[u8]) -> Self {
        Self::action(number, |w| _ = w.fields(content))
    }

    /// Several actions in one event: those of `events`, in their order. Events of other kinds are left out.
    pub fn together(events: &[Self]) -> Self {
        Self::build(|w| {
            w.message(2, |actions| {
                for event in events {
                    for field in crate::wire::reader::Fields::of(&event.0).flatten() {
                        if let (2, Ok(inner)) = (field.number, field.bytes()) {
                            actions.fields(inner);
                        }
                    }
                }
            });
        })
    }

    /// The end, without cost and usage.
    pub fn finished(finish: &Finish) -> Self {
        Self::finished_with(finish, None, false)
    }

    /// The end, with what it has cost.
    pub(crate) fn finished_with(finish: &Finish, usage: Option<&Usage>, refresh_models: bool) -> Self {
        Self::build(|w| {
            w.message(3, |w| finish.write(w, usage, refresh_models));
        })
    }

    /// An event of these bytes.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The encoded event.
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// What stands after `data:`.
    pub fn payload(&self) -> String {
        let mut text = Vec::with_capacity(base64::padded_len(self.0.len()));
        base64::encode_padded(&self.0, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn action(number: u32, write: impl FnOnce(&mut Writer)) -> Self {
        Self::build(|w| write_action(w, number, write))
    }

    fn build(write: impl FnOnce(&mut Writer)) -> Self {
        Self(Writer::build(write).into())
    }
}

/// The text field of a message that pieces are appended to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextField {
    /// The answer.
    Output,
    /// The reasoning before it.
    Reasoning,
}

impl TextField {
    const fn member(self) -> u32 {
        match self {
            Self::Output => 3,
            Self::Reasoning => 15,
        }
    }

    pub(crate) const fn mask(self) -> &'static str {
        match self {
            Self::Output => "agent_output.text",
            Self::Reasoning => "agent_reasoning.reasoning",
        }
    }
}

/// Writes `append_to_message_content` of one piece of text into `writer`, without a [`Message`] in between: this is
/// what an answer consists of.
pub(crate) fn write_append(
    writer: &mut Writer,
    task_id: &str,
    message_id: &str,
    field: TextField,
    piece: &str,
) {
    let message = |w: &mut Writer| {
        w.string(1, message_id);
        let content = |w: &mut Writer| _ = w.string(1, piece);
        // Fields go in the order of their numbers.
        if field.member() < 11 {
            w.message(field.member(), content).string(11, task_id);
        } else {
            w.string(11, task_id).message(field.member(), content);
        }
    };
    write_action(writer, 5, |w| write_masked(w, task_id, message, &[field.mask()]));
}

fn write_action(writer: &mut Writer, number: u32, write: impl FnOnce(&mut Writer)) {
    writer.message(2, |actions| {
        actions.message(1, |action| _ = action.message(number, write));
    });
}

fn write_masked(writer: &mut Writer, task_id: &str, message: impl FnOnce(&mut Writer), mask: &[&str]) {
    writer.message(1, message);
    writer.message(2, |w| {
        for path in mask {
            w.string(1, path);
        }
    });
    writer.string_if(3, task_id);
}

#[cfg(test)]
mod tests;
