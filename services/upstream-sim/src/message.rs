//! Messages of a task, as the upstream writes them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;
use crate::wire::writer::Writer;

/// A message of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    id: String,
    /// The number of the oneof member and its encoded content.
    content: Option<(u32, Vec<u8>)>,
    server_message_data: String,
    task_id: String,
    request_id: String,
    timestamp: Option<Duration>,
    unknown: Vec<u8>,
}

/// A call of a tool that the client offered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The id of the call. Empty in a scenario: the simulator makes one.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments. `None` sends a call without any, which a client treats as incomplete.
    pub arguments: Option<Map<String, Value>>,
    /// The id of the server that offers the tool. Empty in a scenario: the one of the request.
    pub server_id: String,
}

impl ToolCall {
    /// A call of `name` with `arguments`, a JSON object; anything else sends none.
    pub fn new(name: &str, arguments: Value) -> Self {
        let arguments = match arguments {
            Value::Object(object) => Some(object),
            _ => None,
        };
        Self { id: String::new(), name: name.to_owned(), arguments, server_id: String::new() }
    }

    /// The same call with this id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }
}

impl Message {
    /// A message with nothing but its id.
    pub fn empty(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            content: None,
            server_message_data: String::new(),
            task_id: String::new(),
            request_id: String::new(),
            timestamp: None,
            unknown: Vec::new(),
        }
    }

    /// A message whose content is the oneof member `number` with these encoded bytes, known to the schema or not.
    pub fn member(id: &str, number: u32, content: Vec<u8>) -> Self {
        Self { content: Some((number, content)), ..Self::empty(id) }
    }

    /// Text of the answer.
    pub fn agent_output(id: &str, text: &str) -> Self {
        Self::build(id, 3, |w| {
            w.string_if(1, text);
        })
    }

    /// A piece of reasoning.
    pub fn agent_reasoning(id: &str, text: &str) -> Self {
        Self::build(id, 15, |w| {
            w.string_if(1, text);
        })
    }

    /// The end of the reasoning, with how long it took. Goes with the mask `agent_reasoning.finished_duration`.
    pub fn reasoning_finished(id: &str, after: Duration) -> Self {
        Self::build(id, 15, |w| {
            w.message(2, |w| write_time(w, after));
        })
    }

    /// A call of an offered tool. Its `id` is the id of the call, not of the message.
    pub fn call_mcp_tool(id: &str, call: &ToolCall) -> Self {
        Self::build(id, 4, |w| {
            w.string(1, &call.id).message(12, |w| {
                w.string_if(1, &call.name);
                if let Some(arguments) = &call.arguments {
                    w.message(2, |w| json::write_struct(w, arguments));
                }
                w.string_if(3, &call.server_id);
            });
        })
    }

    /// A call of the built-in shell tool, which a client that offers only its own tools never asked for.
    pub fn call_shell(id: &str, call_id: &str, command: &str) -> Self {
        Self::build(id, 4, |w| {
            w.string(1, call_id).message(2, |w| {
                w.string(1, command).uint(2, 1);
            });
        })
    }

    /// A call that the upstream answers itself.
    pub fn call_server(id: &str, call_id: &str, payload: &str) -> Self {
        Self::build(id, 4, |w| {
            w.string(1, call_id).message(4, |w| {
                w.string(1, payload);
            });
        })
    }

    /// Bookkeeping of the upstream.
    pub fn server_event(id: &str, payload: &str) -> Self {
        Self::build(id, 6, |w| {
            w.string(1, payload);
        })
    }

    /// The same message in the task `task_id`.
    #[must_use]
    pub fn in_task(mut self, task_id: &str) -> Self {
        task_id.clone_into(&mut self.task_id);
        self
    }

    /// The same message with opaque data of the upstream.
    #[must_use]
    pub fn with_server_data(mut self, data: &str) -> Self {
        data.clone_into(&mut self.server_message_data);
        self
    }

    /// The same message with the request that added it and the time since the Unix epoch.
    #[must_use]
    pub fn stamped(mut self, request_id: &str, at: Duration) -> Self {
        request_id.clone_into(&mut self.request_id);
        self.timestamp = Some(at);
        self
    }

    /// The same message with fields that no schema knows, already encoded.
    #[must_use]
    pub fn with_unknown_fields(mut self, encoded: &[u8]) -> Self {
        self.unknown.extend_from_slice(encoded);
        self
    }

    fn build(id: &str, member: u32, write: impl FnOnce(&mut Writer)) -> Self {
        Self::member(id, member, Writer::build(write))
    }

    /// Writes the fields in the order of their numbers.
    pub(crate) fn write(&self, writer: &mut Writer) {
        const SERVER_MESSAGE_DATA: u32 = 7;
        const TASK_ID: u32 = 11;
        let content = |writer: &mut Writer, from: u32, to: u32| {
            if let Some((number, content)) = &self.content
                && (from..to).contains(number)
            {
                writer.bytes(*number, content);
            }
        };
        writer.string_if(1, &self.id);
        content(writer, 2, SERVER_MESSAGE_DATA);
        writer.string_if(SERVER_MESSAGE_DATA, &self.server_message_data);
        content(writer, SERVER_MESSAGE_DATA, TASK_ID);
        writer.string_if(TASK_ID, &self.task_id);
        writer.string_if(13, &self.request_id);
        if let Some(at) = self.timestamp {
            writer.message(14, |w| write_time(w, at));
        }
        content(writer, 15, u32::MAX);
        writer.fields(&self.unknown);
    }
}

/// Writes a Timestamp or a Duration.
pub(crate) fn write_time(writer: &mut Writer, time: Duration) {
    if time.as_secs() > 0 {
        writer.uint(1, time.as_secs());
    }
    if time.subsec_nanos() > 0 {
        writer.uint(2, u64::from(time.subsec_nanos()));
    }
}
