//! One message as built so far, and what field masks do to it.
//!
//! Only what becomes output is kept: the text of the agent, its reasoning, its tool calls. Masks are paths of the
//! upstream's schema relative to a message. An unknown path changes nothing: a newer upstream may send it.

use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::Tool;
use warp2api_proto::warp::multi_agent::v1::message::{Message as Kind, ToolCall};

/// What a message holds that can become output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Text of the answer.
    Text(String),
    /// Thinking.
    Reasoning(String),
    /// A tool call.
    Call(Box<ToolCall>),
    /// Anything else: echoes of the input, the upstream's own bookkeeping, kinds of the future.
    Other,
}

/// A mask asks to append to something that is no string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAString;

impl Content {
    /// What a whole message holds.
    pub(crate) fn of(message: warp::Message) -> Self {
        match message.message {
            Some(Kind::AgentOutput(output)) => Self::Text(output.text),
            Some(Kind::AgentReasoning(reasoning)) => Self::Reasoning(reasoning.reasoning),
            Some(Kind::ToolCall(call)) => Self::Call(Box::new(call)),
            _ => Self::Other,
        }
    }

    /// Its text, of whichever kind; empty if it is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Reasoning(text) => text,
            Self::Call(_) | Self::Other => "",
        }
    }

    /// Replaces what the paths name by what `patch` has there, be it empty. Returns whether output may have changed.
    pub(crate) fn update(&mut self, paths: &[String], patch: &warp::Message) -> bool {
        let mut changed = false;
        for path in paths {
            changed |= self.update_path(path, patch);
        }
        changed
    }

    fn update_path(&mut self, path: &str, patch: &warp::Message) -> bool {
        match path {
            "agent_output" | "agent_output.text" => *self = Self::Text(text_of(patch).to_owned()),
            "agent_reasoning" | "agent_reasoning.reasoning" => {
                *self = Self::Reasoning(reasoning_of(patch).to_owned());
            }
            "tool_call" => *self = Self::Call(Box::new(call_of(patch).cloned().unwrap_or_default())),
            "tool_call.tool_call_id" => {
                self.call().tool_call_id = call_of(patch).map(|c| c.tool_call_id.clone()).unwrap_or_default();
            }
            "tool_call.call_mcp_tool" => {
                self.call().tool = call_of(patch).and_then(|c| c.tool.clone());
            }
            "tool_call.call_mcp_tool.name" => {
                self.mcp_tool().name = mcp_of(patch).map(|t| t.name.clone()).unwrap_or_default();
            }
            "tool_call.call_mcp_tool.args" => {
                self.mcp_tool().args = mcp_of(patch).and_then(|t| t.args.clone());
            }
            _ => return false,
        }
        true
    }

    /// Appends what `patch` has at the paths and returns nothing; the caller compares lengths. Paths that name no
    /// string of ours are an error where they name a message, and nothing where they are unknown.
    pub(crate) fn append(&mut self, paths: &[String], patch: &warp::Message) -> Result<(), NotAString> {
        for path in paths {
            match path.as_str() {
                "agent_output.text" => match self {
                    Self::Text(text) => text.push_str(text_of(patch)),
                    _ => *self = Self::Text(text_of(patch).to_owned()),
                },
                "agent_reasoning.reasoning" => match self {
                    Self::Reasoning(text) => text.push_str(reasoning_of(patch)),
                    _ => *self = Self::Reasoning(reasoning_of(patch).to_owned()),
                },
                "tool_call.call_mcp_tool.name" => {
                    let name = mcp_of(patch).map(|t| t.name.as_str()).unwrap_or_default();
                    self.mcp_tool().name.push_str(name);
                }
                "agent_output"
                | "agent_reasoning"
                | "tool_call"
                | "tool_call.call_mcp_tool"
                | "tool_call.call_mcp_tool.args" => return Err(NotAString),
                _ => {}
            }
        }
        Ok(())
    }

    /// The tool call, made one if it was none: writing into a member of a oneof switches to it.
    fn call(&mut self) -> &mut ToolCall {
        if !matches!(self, Self::Call(_)) {
            *self = Self::Call(Box::default());
        }
        match self {
            Self::Call(call) => call,
            _ => unreachable!("made one above"),
        }
    }

    fn mcp_tool(&mut self) -> &mut warp::message::tool_call::CallMcpTool {
        let call = self.call();
        if !matches!(call.tool, Some(Tool::CallMcpTool(_))) {
            call.tool = Some(Tool::CallMcpTool(Default::default()));
        }
        match &mut call.tool {
            Some(Tool::CallMcpTool(tool)) => tool,
            _ => unreachable!("made one above"),
        }
    }
}

fn text_of(message: &warp::Message) -> &str {
    match &message.message {
        Some(Kind::AgentOutput(output)) => &output.text,
        _ => "",
    }
}

fn reasoning_of(message: &warp::Message) -> &str {
    match &message.message {
        Some(Kind::AgentReasoning(reasoning)) => &reasoning.reasoning,
        _ => "",
    }
}

fn call_of(message: &warp::Message) -> Option<&ToolCall> {
    match &message.message {
        Some(Kind::ToolCall(call)) => Some(call),
        _ => None,
    }
}

fn mcp_of(message: &warp::Message) -> Option<&warp::message::tool_call::CallMcpTool> {
    match call_of(message)?.tool.as_ref()? {
        Tool::CallMcpTool(tool) => Some(tool),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> warp::Message {
        let output = warp::message::AgentOutput { text: text.into(), ..Default::default() };
        warp::Message { message: Some(Kind::AgentOutput(output)), ..Default::default() }
    }

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn an_update_replaces_also_by_the_empty_value() {
        let mut content = Content::Text("old".into());

        assert!(content.update(&paths(&["agent_output.text"]), &output("")));

        assert_eq!(content, Content::Text(String::new()));
    }

    #[test]
    fn an_append_adds() {
        let mut content = Content::Text("Hel".into());

        assert_eq!(content.append(&paths(&["agent_output.text"]), &output("lo")), Ok(()));

        assert_eq!(content, Content::Text("Hello".into()));
    }

    #[test]
    fn an_unknown_path_changes_nothing() {
        let mut content = Content::Text("kept".into());

        assert!(!content.update(&paths(&["server_message_data", "of.the.future"]), &output("other")));
        assert_eq!(content.append(&paths(&["of.the.future"]), &output("other")), Ok(()));

        assert_eq!(content, Content::Text("kept".into()));
    }

    #[test]
    fn appending_to_a_message_is_an_error() {
        let mut content = Content::Text("kept".into());

        assert_eq!(content.append(&paths(&["agent_output"]), &output("x")), Err(NotAString));
    }

    #[test]
    fn arguments_of_a_call_may_come_later() {
        let call = |args: Option<&str>| {
            let args = args.map(|json| {
                let object: serde_json::Map<_, _> = serde_json::from_str(json).unwrap();
                object.try_into().unwrap()
            });
            let tool = warp::message::tool_call::CallMcpTool { name: "f".into(), args, ..Default::default() };
            let call = ToolCall { tool_call_id: "k1".into(), tool: Some(Tool::CallMcpTool(tool)) };
            warp::Message { message: Some(Kind::ToolCall(call)), ..Default::default() }
        };
        let mut content = Content::of(call(None));

        content.update(&paths(&["tool_call.call_mcp_tool.args"]), &call(Some(r#"{"a":1}"#)));

        assert_eq!(content, Content::of(call(Some(r#"{"a":1}"#))));
    }
}
