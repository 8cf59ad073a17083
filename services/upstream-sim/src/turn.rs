//! What a request says, read field by field from its bytes. Knows the numbers, decides nothing.

use crate::wire::reader::{Field, Fields, Malformed};

/// A request to the AI endpoint.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Turn<'a> {
    /// Empty for a new conversation.
    pub(crate) conversation_id: &'a str,
    /// The id of the model, may be empty.
    pub(crate) model: &'a str,
    /// Whether reasoning is wanted.
    pub(crate) reasoning: bool,
    /// The numbers of the tool types that may be called; empty means any.
    pub(crate) supported_tools: Vec<u64>,
    /// The servers with their tools.
    pub(crate) servers: Vec<Server<'a>>,
    /// The history.
    pub(crate) tasks: Vec<Task<'a>>,
    /// What is new.
    pub(crate) input: Input<'a>,
}

/// A server and the names of its tools. The deprecated flat list of tools is a server without an id.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Server<'a> {
    pub(crate) id: &'a str,
    pub(crate) tools: Vec<&'a str>,
}

/// A task of the history.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Task<'a> {
    pub(crate) id: &'a str,
    pub(crate) description: &'a str,
    /// The parent's id, empty for the root.
    pub(crate) parent: &'a str,
    pub(crate) messages: Vec<HistoryMessage<'a>>,
}

/// A message of the history.
#[derive(Debug, PartialEq)]
pub(crate) struct HistoryMessage<'a> {
    pub(crate) id: &'a str,
    /// May be empty.
    pub(crate) task_id: &'a str,
    pub(crate) content: Content<'a>,
}

/// What a message of the history is.
#[derive(Debug, PartialEq)]
pub(crate) enum Content<'a> {
    /// The user's text.
    UserQuery(&'a str),
    /// Text of the agent.
    AgentOutput(&'a str),
    /// Reasoning of the agent.
    Reasoning,
    /// A call of a tool.
    Call(Call<'a>),
    /// The result of a call, numbered as in a history.
    Result(ResultOfCall<'a>),
    /// Bookkeeping, or a member this simulator does not know.
    Other,
    /// No member is set.
    Nothing,
}

/// A call of a tool.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Call<'a> {
    pub(crate) id: &'a str,
    /// The number of the tool; 0 if none is set.
    pub(crate) tool: u32,
    /// The name of the offered tool, if it is a call of one.
    pub(crate) name: &'a str,
}

/// The result of a call.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ResultOfCall<'a> {
    pub(crate) call_id: &'a str,
    /// The number of the result; 0 if none is set.
    pub(crate) number: u32,
    /// The encoded result.
    pub(crate) content: &'a [u8],
}

/// What is new in a turn.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Input<'a> {
    /// The encoded context, empty if there is none.
    pub(crate) context: &'a [u8],
    /// How many images the context holds.
    pub(crate) images: usize,
    /// The number of the kind of input; 0 if none is set.
    pub(crate) kind: u32,
    /// Queries and results, for the kinds of input that hold any.
    pub(crate) items: Vec<InputItem<'a>>,
}

/// One of the inputs of a turn.
#[derive(Debug, PartialEq)]
pub(crate) enum InputItem<'a> {
    /// The user's text, with the whole encoded query.
    UserQuery { text: &'a str, encoded: &'a [u8] },
    /// The result of a call, numbered as in a request.
    Result(ResultOfCall<'a>),
    /// Another member.
    Other,
    /// No member is set.
    Nothing,
}

/// The number of [`Input::kind`] that holds a list of inputs.
pub(crate) const USER_INPUTS: u32 = 6;

impl<'a> Turn<'a> {
    /// Reads an encoded request.
    pub(crate) fn read(request: &'a [u8]) -> Result<Self, Malformed> {
        let mut turn = Self::default();
        each(request, |field| {
            match field.number {
                1 => each(field.bytes()?, |field| {
                    if field.number == 1 {
                        turn.tasks.push(Task::read(field.bytes()?)?);
                    }
                    Ok(())
                })?,
                2 => turn.input = Input::read(field.bytes()?)?,
                3 => turn.read_settings(field.bytes()?)?,
                4 => each(field.bytes()?, |field| {
                    if field.number == 1 {
                        turn.conversation_id = field.text()?;
                    }
                    Ok(())
                })?,
                6 => turn.servers = read_mcp_context(field.bytes()?)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(turn)
    }

    /// The task that new messages go to: the first without a parent.
    pub(crate) fn root(&self) -> Option<&Task<'a>> {
        self.tasks.iter().find(|task| task.parent.is_empty())
    }

    fn read_settings(&mut self, settings: &'a [u8]) -> Result<(), Malformed> {
        each(settings, |field| {
            match field.number {
                1 => each(field.bytes()?, |field| {
                    if field.number == 1 {
                        self.model = field.text()?;
                    }
                    Ok(())
                })?,
                9 => self.supported_tools.extend(field.uints()?),
                17 => self.reasoning = field.uint()? != 0,
                _ => {}
            }
            Ok(())
        })
    }
}

impl<'a> Task<'a> {
    fn read(task: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        each(task, |field| {
            match field.number {
                1 => read.id = field.text()?,
                2 => read.description = field.text()?,
                3 => each(field.bytes()?, |field| {
                    if field.number == 1 {
                        read.parent = field.text()?;
                    }
                    Ok(())
                })?,
                5 => read.messages.push(HistoryMessage::read(field.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> HistoryMessage<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self { id: "", task_id: "", content: Content::Nothing };
        each(message, |field| {
            match field.number {
                1 => read.id = field.text()?,
                2 => read.content = Content::UserQuery(first_text(field.bytes()?)?),
                3 => read.content = Content::AgentOutput(first_text(field.bytes()?)?),
                4 => read.content = Content::Call(Call::read(field.bytes()?)?),
                // 11 beside the result is the context, not a result.
                5 => read.content = Content::Result(ResultOfCall::read(field.bytes()?, 11)?),
                15 => read.content = Content::Reasoning,
                11 => read.task_id = field.text()?,
                // Data of the upstream, citations, the request's id, the time, memories.
                7 | 8 | 13 | 14 | 29 => {}
                // A member that this simulator does not know, or a field beside the one it does.
                _ if read.content == Content::Nothing => read.content = Content::Other,
                _ => {}
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> Call<'a> {
    fn read(call: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        each(call, |field| {
            match field.number {
                1 => read.id = field.text()?,
                number => {
                    read.tool = number;
                    if number == crate::tools::CALL_MCP_TOOL {
                        read.name = first_text(field.bytes()?)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> ResultOfCall<'a> {
    fn read(result: &'a [u8], context: u32) -> Result<Self, Malformed> {
        let mut read = Self::default();
        each(result, |field| {
            match field.number {
                1 => read.call_id = field.text()?,
                number if number == context => {}
                number => {
                    read.number = number;
                    read.content = field.bytes()?;
                }
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> Input<'a> {
    fn read(input: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        each(input, |field| {
            match field.number {
                1 => {
                    read.context = field.bytes()?;
                    each(read.context, |field| {
                        read.images += usize::from(field.number == 7);
                        Ok(())
                    })?;
                }
                // The deprecated direct forms.
                2 => read.items.push(InputItem::query(field.bytes()?)?),
                3 => read.items.push(InputItem::Result(ResultOfCall::read(field.bytes()?, 0)?)),
                USER_INPUTS => each(field.bytes()?, |field| {
                    if field.number == 1 {
                        read.items.push(InputItem::read(field.bytes()?)?);
                    }
                    Ok(())
                })?,
                _ => {}
            }
            if field.number != 1 {
                read.kind = field.number;
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl<'a> InputItem<'a> {
    fn read(item: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self::Nothing;
        each(item, |field| {
            read = match field.number {
                1 => Self::query(field.bytes()?)?,
                2 => Self::Result(ResultOfCall::read(field.bytes()?, 0)?),
                _ => Self::Other,
            };
            Ok(())
        })?;
        Ok(read)
    }

    fn query(encoded: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self::UserQuery { text: first_text(encoded)?, encoded })
    }
}

fn read_mcp_context(context: &[u8]) -> Result<Vec<Server<'_>>, Malformed> {
    let mut flat = Server::default();
    let mut servers = Vec::new();
    each(context, |field| {
        match field.number {
            2 => flat.tools.push(first_text(field.bytes()?)?),
            3 => {
                let mut server = Server::default();
                each(field.bytes()?, |field| {
                    match field.number {
                        4 => server.tools.push(first_text(field.bytes()?)?),
                        5 => server.id = field.text()?,
                        _ => {}
                    }
                    Ok(())
                })?;
                servers.push(server);
            }
            _ => {}
        }
        Ok(())
    })?;
    if !flat.tools.is_empty() {
        servers.push(flat);
    }
    Ok(servers)
}

/// The text of field 1, which in many messages is what matters.
pub(crate) fn first_text(message: &[u8]) -> Result<&str, Malformed> {
    let mut text = "";
    each(message, |field| {
        if field.number == 1 {
            text = field.text()?;
        }
        Ok(())
    })?;
    Ok(text)
}

/// Calls `read` with each field of `message`.
pub(crate) fn each<'a>(
    message: &'a [u8],
    mut read: impl FnMut(Field<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    Fields::of(message).try_for_each(|field| read(field?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, ToolCall};
    use crate::wire::writer::Writer;

    #[test]
    fn an_unknown_field_beside_a_call_does_not_hide_it() {
        let call = ToolCall::new("f", serde_json::json!({})).with_id("a");
        let message = Message::call_mcp_tool("m", &call).with_unknown_fields(&[0xc8, 0x3e, 0x07]);
        let encoded = Writer::build(|w| message.write(w));

        let read = HistoryMessage::read(&encoded).unwrap();

        assert!(matches!(read.content, Content::Call(Call { id: "a", name: "f", .. })));
    }
}
