//! Whether a conversation is one that the real upstream would take. Strict, because the models behind it are: each tool
//! call is followed at once by exactly one result, nothing is empty, no id is used twice.
//!
//! Looks at the order and the pairing only. It does not judge texts, settings or models.

use std::collections::{HashMap, HashSet};

use crate::tools::{self, CANCELLED};
use crate::turn::{Content, InputItem, ResultOfCall, Turn, USER_INPUTS, each, first_text};
use crate::wire::reader::Malformed;

/// What is wrong with a conversation. Its text goes into the answer with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// There is no input, or an input without content.
    #[error("Expected user query or tool call result as input; got <nil>")]
    NoInput,
    /// A result says nothing.
    #[error("Expected user query or tool call result as input; got <nil>: tool_result {call_id:?} is empty")]
    EmptyResult {
        /// The id of the call.
        call_id: String,
    },
    /// A call is not followed at once by its result.
    #[error("tool_use ids were found without tool_result blocks immediately after: {call_id}")]
    CallWithoutResult {
        /// The id of the call.
        call_id: String,
    },
    /// A result belongs to no call before it.
    #[error("No tool call found for tool_result with id {call_id:?}")]
    ResultWithoutCall {
        /// The id that no call has.
        call_id: String,
    },
    /// A call has two results.
    #[error("each tool_use must have a single result: found several tool_result blocks with id {call_id}")]
    SecondResult {
        /// The id of the call.
        call_id: String,
    },
    /// Two calls have the same id.
    #[error("tool_use ids must be unique: {call_id:?}")]
    CallIdNotUnique {
        /// The id.
        call_id: String,
    },
    /// A call names no tool.
    #[error("tool_use {call_id:?} names no tool")]
    CallWithoutTool {
        /// The id of the call.
        call_id: String,
    },
    /// A result is of another kind than its call, most often because the numbers of requests and histories were mixed up.
    #[error("tool_result {call_id} is field {number} ({found}), which does not answer a call of {expected}")]
    WrongResultKind {
        /// The id of the call.
        call_id: String,
        /// The field number of the result.
        number: u32,
        /// What that number stands for in this place.
        found: &'static str,
        /// The tool that was called.
        expected: &'static str,
    },
    /// Two messages have the same id, or one has none.
    #[error("message ids must be unique: {id:?}")]
    MessageIdNotUnique {
        /// The id.
        id: String,
    },
    /// A message has no content.
    #[error("message {id:?} has no content")]
    EmptyMessage {
        /// The id of the message.
        id: String,
    },
    /// A message says that it belongs to another task than the one it is in.
    #[error("message {id:?} belongs to task {task_id:?}, not to the one it is in")]
    WrongTask {
        /// The id of the message.
        id: String,
        /// The task it names.
        task_id: String,
    },
    /// Two tasks have the same id, or one has none.
    #[error("task ids must be unique: {id:?}")]
    TaskIdNotUnique {
        /// The id.
        id: String,
    },
    /// The conversation id is the id of a task, which the upstream never gives out as one.
    #[error("unknown conversation {id:?}")]
    ConversationIsTask {
        /// The id.
        id: String,
    },
    /// Tools are offered both in servers and in the deprecated flat list.
    #[error("mcp_context: tools must be grouped in servers or listed flat, not both")]
    ToolsInBothForms,
    /// A server offers two tools of the same name, or one without.
    #[error("tools: Tool names must be unique: {name:?}")]
    ToolNameNotUnique {
        /// The name.
        name: String,
    },
}

/// Everything that is wrong with `turn`, in the order it was found.
pub(crate) fn check(turn: &Turn<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    check_tools(turn, &mut found);
    check_ids(turn, &mut found);
    check_pairs(turn, &mut found);
    check_input(turn, &mut found);
    found
}

fn check_tools(turn: &Turn<'_>, found: &mut Vec<Violation>) {
    if turn.servers.len() > 1 && turn.servers.iter().any(|server| server.id.is_empty()) {
        found.push(Violation::ToolsInBothForms);
    }
    for server in &turn.servers {
        let mut names = HashSet::new();
        for name in &server.tools {
            if name.is_empty() || !names.insert(name) {
                found.push(Violation::ToolNameNotUnique { name: (*name).to_owned() });
            }
        }
    }
}

fn check_ids(turn: &Turn<'_>, found: &mut Vec<Violation>) {
    let (mut tasks, mut messages) = (HashSet::new(), HashSet::new());
    for task in &turn.tasks {
        if task.id.is_empty() || !tasks.insert(task.id) {
            found.push(Violation::TaskIdNotUnique { id: task.id.to_owned() });
        }
        for message in &task.messages {
            let id = message.id.to_owned();
            if message.content == Content::Nothing {
                found.push(Violation::EmptyMessage { id: id.clone() });
            }
            if !message.task_id.is_empty() && message.task_id != task.id {
                found.push(Violation::WrongTask { id: id.clone(), task_id: message.task_id.to_owned() });
            }
            if message.id.is_empty() || !messages.insert(message.id) {
                found.push(Violation::MessageIdNotUnique { id });
            }
        }
    }
    if tasks.contains(turn.conversation_id) {
        found.push(Violation::ConversationIsTask { id: turn.conversation_id.to_owned() });
    }
}

fn check_input(turn: &Turn<'_>, found: &mut Vec<Violation>) {
    let input = &turn.input;
    let nothing = input.kind == 0 || (input.kind == USER_INPUTS && input.items.is_empty());
    if nothing || input.items.contains(&InputItem::Nothing) {
        found.push(Violation::NoInput);
    }
}

fn check_pairs(turn: &Turn<'_>, found: &mut Vec<Violation>) {
    let mut pairs = Pairs { calls: HashMap::new(), open: Vec::new(), answering: false, found };
    let mut open_in_tasks = Vec::new();
    for task in &turn.tasks {
        for message in &task.messages {
            match &message.content {
                Content::Call(call) => pairs.call(call.id, call.tool),
                Content::Result(result) => pairs.result(result, Space::History),
                Content::UserQuery(_) | Content::AgentOutput(_) => pairs.speech(),
                Content::Reasoning | Content::Other | Content::Nothing => {}
            }
        }
        // A subtask's calls may be answered by the input as well as the root's.
        open_in_tasks.append(&mut pairs.open);
        pairs.answering = false;
    }
    pairs.open = open_in_tasks;
    for item in &turn.input.items {
        match item {
            InputItem::Result(result) => pairs.result(result, Space::Request),
            InputItem::UserQuery { .. } => pairs.speech(),
            InputItem::Other | InputItem::Nothing => {}
        }
    }
    pairs.speech();
}

/// Where a result stands, which decides what its number means.
#[derive(Clone, Copy)]
enum Space {
    Request,
    History,
}

struct Pairs<'a, 'f> {
    /// Every call so far: its tool and whether it has a result.
    calls: HashMap<&'a str, (u32, bool)>,
    /// The calls that wait for a result.
    open: Vec<&'a str>,
    /// Whether some of the calls made together already have theirs.
    answering: bool,
    found: &'f mut Vec<Violation>,
}

impl<'a> Pairs<'a, '_> {
    fn call(&mut self, id: &'a str, tool: u32) {
        if self.answering {
            self.speech();
        }
        if tool == 0 {
            self.found.push(Violation::CallWithoutTool { call_id: id.to_owned() });
        }
        if id.is_empty() || self.calls.contains_key(id) {
            self.found.push(Violation::CallIdNotUnique { call_id: id.to_owned() });
            return;
        }
        self.calls.insert(id, (tool, false));
        if tools::needs_result(tool) {
            self.open.push(id);
        }
    }

    fn result(&mut self, result: &ResultOfCall<'a>, space: Space) {
        let call_id = || result.call_id.to_owned();
        if is_empty(result, space).unwrap_or(true) {
            self.found.push(Violation::EmptyResult { call_id: call_id() });
        }
        self.answering = true;
        self.open.retain(|open| *open != result.call_id);
        let Some((tool, answered)) = self.calls.get_mut(result.call_id) else {
            self.found.push(Violation::ResultWithoutCall { call_id: call_id() });
            return;
        };
        if *answered {
            self.found.push(Violation::SecondResult { call_id: call_id() });
        }
        *answered = true;
        let answer = match space {
            Space::Request => tools::by_request(result.number),
            Space::History => tools::by_history(result.number),
        };
        let cancelled = matches!(space, Space::History) && result.number == CANCELLED;
        if cancelled || result.number == 0 {
            return;
        }
        // A call of a tool that is not in our table may be answered by anything.
        if let Some(called) = tools::by_call(*tool)
            && answer != Some(called)
        {
            self.found.push(Violation::WrongResultKind {
                call_id: call_id(),
                number: result.number,
                found: answer.map_or("nothing", |answer| answer.name),
                expected: called.name,
            });
        }
    }

    /// Someone speaks, or the conversation ends: whatever is open stays without a result.
    fn speech(&mut self) {
        for id in self.open.drain(..) {
            self.found.push(Violation::CallWithoutResult { call_id: id.to_owned() });
        }
        self.answering = false;
    }
}

/// Whether a result says nothing. Only results of offered tools are looked into.
fn is_empty(result: &ResultOfCall<'_>, space: Space) -> Result<bool, Malformed> {
    let number = match space {
        Space::Request => tools::MCP_RESULT_IN_REQUEST,
        Space::History => tools::MCP_RESULT_IN_HISTORY,
    };
    if result.number != number {
        return Ok(result.number == 0);
    }
    let mut empty = true;
    each(result.content, |field| {
        match field.number {
            // Success: at least one result, none of them without content. An empty text is content.
            1 => {
                let (mut results, mut blank) = (0, 0);
                each(field.bytes()?, |field| {
                    results += 1;
                    blank += usize::from(field.bytes()?.is_empty());
                    Ok(())
                })?;
                empty = results == 0 || blank > 0;
            }
            // An error: with a message.
            2 => empty = first_text(field.bytes()?)?.is_empty(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(empty)
}

#[cfg(test)]
mod tests;
