//! Requests for this crate's tests, written by its own writer.

use crate::wire::writer::Writer;

/// A request under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct RequestBuilder {
    messages: Writer,
    next_id: u32,
    inputs: Writer,
    tools: Writer,
    reasoning: bool,
    task_id: &'static str,
    conversation_id: &'static str,
    supported: Vec<u8>,
}

pub(crate) fn request() -> RequestBuilder {
    RequestBuilder { task_id: "task", supported: vec![9], ..RequestBuilder::default() }
}

impl RequestBuilder {
    pub(crate) fn in_conversation(mut self, id: &'static str) -> Self {
        self.conversation_id = id;
        self
    }

    pub(crate) fn in_task(mut self, id: &'static str) -> Self {
        self.task_id = id;
        self
    }

    pub(crate) fn with_reasoning(mut self) -> Self {
        self.reasoning = true;
        self
    }

    pub(crate) fn supporting(mut self, tool_types: &[u8]) -> Self {
        self.supported = tool_types.to_vec();
        self
    }

    /// Offers tools in a server whose id is `server`.
    pub(crate) fn offering(mut self, tools: &[&str]) -> Self {
        self.tools.message(3, |server| {
            server.string(1, "tools");
            for tool in tools {
                server.message(4, |w| _ = w.string(1, tool));
            }
            server.string(5, "server");
        });
        self
    }

    /// Offers a tool in the deprecated flat list.
    pub(crate) fn offering_flat(mut self, tool: &str) -> Self {
        self.tools.message(2, |w| _ = w.string(1, tool));
        self
    }

    /// A message of the history with the next id.
    pub(crate) fn history(mut self, member: u32, write: impl FnOnce(&mut Writer)) -> Self {
        self.next_id += 1;
        let id = format!("m{}", self.next_id);
        self.history_with_id(&id, member, write)
    }

    pub(crate) fn history_with_id(mut self, id: &str, member: u32, write: impl FnOnce(&mut Writer)) -> Self {
        self.messages.message(5, |message| {
            message.string(1, id).message(member, write).string(11, "task");
        });
        self
    }

    pub(crate) fn said(self, text: &str) -> Self {
        self.history(2, |w| _ = w.string(1, text))
    }

    pub(crate) fn answered(self, text: &str) -> Self {
        self.history(3, |w| _ = w.string(1, text))
    }

    pub(crate) fn called(self, call_id: &str, tool: &str) -> Self {
        self.called_tool(call_id, 12, |w| _ = w.string(1, tool))
    }

    pub(crate) fn called_tool(self, call_id: &str, number: u32, write: impl FnOnce(&mut Writer)) -> Self {
        self.history(4, |w| {
            w.string(1, call_id).message(number, write);
        })
    }

    pub(crate) fn got(self, call_id: &str, text: &str) -> Self {
        self.got_result(call_id, 16, |w| write_text_result(w, text))
    }

    pub(crate) fn got_result(self, call_id: &str, number: u32, write: impl FnOnce(&mut Writer)) -> Self {
        self.history(5, |w| {
            w.string(1, call_id).message(number, write);
        })
    }

    pub(crate) fn asking(mut self, text: &str) -> Self {
        self.inputs.message(1, |item| {
            item.message(1, |query| {
                query.string(1, text).message(3, |_| {}).uint(4, 1);
            });
        });
        self
    }

    pub(crate) fn giving(self, call_id: &str, text: &str) -> Self {
        self.giving_result(call_id, 12, |w| write_text_result(w, text))
    }

    pub(crate) fn giving_result(
        mut self,
        call_id: &str,
        number: u32,
        write: impl FnOnce(&mut Writer),
    ) -> Self {
        self.inputs.message(1, |item| {
            item.message(2, |result| {
                result.string(1, call_id).message(number, write);
            });
        });
        self
    }

    /// A result that names its call and nothing else.
    pub(crate) fn giving_nothing(mut self, call_id: &str) -> Self {
        self.inputs.message(1, |item| {
            item.message(2, |result| _ = result.string(1, call_id));
        });
        self
    }

    /// The request with its inputs in `user_inputs`.
    pub(crate) fn build(&self) -> Vec<u8> {
        self.build_with_input(|input| {
            input.message(6, |w| _ = w.fields(self.inputs.as_slice()));
        })
    }

    /// The request with another kind of input.
    pub(crate) fn build_with_input(&self, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        Writer::build(|w| {
            w.message(1, |context| {
                if !self.messages.as_slice().is_empty() {
                    context.message(1, |task| {
                        task.string(1, self.task_id).fields(self.messages.as_slice());
                    });
                }
            });
            w.message(2, |input| {
                input.message(1, |context| {
                    context.message(1, |w| {
                        w.string(1, "/home").string(2, "/home");
                    });
                });
                write(input);
            });
            w.message(3, |settings| {
                settings.message(1, |w| _ = w.string(1, "auto")).bytes(9, &self.supported);
                if self.reasoning {
                    settings.uint(17, 1);
                }
            });
            w.message(4, |w| _ = w.string_if(1, self.conversation_id));
            if !self.tools.as_slice().is_empty() {
                w.bytes(6, self.tools.as_slice());
            }
        })
    }
}

pub(crate) fn write_text_result(w: &mut Writer, text: &str) {
    w.message(1, |success| {
        success.message(1, |result| {
            result.message(1, |w| _ = w.string_if(1, text));
        });
    });
}
