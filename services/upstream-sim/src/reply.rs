//! Decides what the embedded upstream answers. The same request gets the same answer.

use std::borrow::Cow;
use std::time::Duration;

use crate::flattened::{self, Section};
use crate::message::ToolCall;
use crate::phrase::{self, Command, WantedCall, pieces};
use crate::results::{self, Said};
use crate::scenario::Part;
use crate::turn::{Content, InputItem, ResultOfCall, Task, Turn};

/// How long `say slowly` takes.
pub(crate) const SLOWLY: Duration = Duration::from_secs(2);
/// The number of `call_mcp_tool` in the list of tool types.
const CALL_MCP_TOOL_TYPE: u64 = 9;

/// The parts of the answer to `turn`.
pub(crate) fn reply(turn: &Turn<'_>) -> Vec<Part> {
    let latest = Latest::of(turn);
    let text = latest.text.as_ref();
    let mut parts = Vec::new();
    if turn.reasoning && phrase::wants_reasoning(text) {
        parts.push(Part::Reasoning(format!(
            "The latest message has {} words. The embedded upstream only pretends to think about them.",
            text.split_whitespace().count()
        )));
    }
    match phrase::command(text) {
        Command::SayExactly(exactly) => parts.push(Part::Text(exactly.to_owned())),
        Command::SaySlowly(slowly) => parts.push(Part::PacedText(slowly.to_owned(), SLOWLY)),
        Command::Stream { chunks, bytes, every } => {
            parts.push(Part::Chunks { count: chunks, piece: filler(bytes), every });
        }
        _ if !latest.results.is_empty() => parts.push(Part::Text(latest.results.join("\n\n"))),
        Command::CallTools(calls) => parts.extend(call_or_explain(turn, text, calls)),
        Command::Nothing => parts.push(Part::Text(about(text, turn.input.images))),
    }
    parts
}

/// A title for the conversation.
pub(crate) fn title(turn: &Turn<'_>) -> String {
    let latest = Latest::of(turn);
    let start: String = latest.text.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    format!("Embedded upstream: {}", start.chars().take(60).collect::<String>())
}

/// How many pieces the texts of a request have: those of the history, and the new ones.
pub(crate) fn count_input(turn: &Turn<'_>) -> usize {
    let history = turn.tasks.iter().flat_map(|task| &task.messages).map(|message| match &message.content {
        Content::UserQuery(text) | Content::AgentOutput(text) => pieces(text).count(),
        Content::Result(result) => count_result(result, true),
        Content::Call(_) | Content::Reasoning | Content::Other | Content::Nothing => 0,
    });
    let input = turn.input.items.iter().map(|item| match item {
        InputItem::UserQuery { text, .. } => pieces(text).count(),
        InputItem::Result(result) => count_result(result, false),
        InputItem::Other | InputItem::Nothing => 0,
    });
    history.chain(input).sum()
}

fn count_result(result: &ResultOfCall<'_>, in_history: bool) -> usize {
    match results::said(result, in_history) {
        Ok(Said::Text(text) | Said::Error(text)) => pieces(&text).count(),
        Ok(Said::Cancelled | Said::Other) | Err(_) => 0,
    }
}

/// The latest text of the user and what came after it.
#[derive(Default)]
struct Latest<'a> {
    /// Empty if the user said nothing.
    text: Cow<'a, str>,
    /// A sentence for each result since.
    results: Vec<String>,
}

impl<'a> Latest<'a> {
    fn of(turn: &Turn<'a>) -> Self {
        let mut latest = Self::default();
        for message in turn.root().into_iter().flat_map(|task| &task.messages) {
            match &message.content {
                Content::UserQuery(text) => latest = Self::of_query(text),
                Content::Result(result) => latest.results.extend(quote_result(turn, result, true)),
                Content::AgentOutput(_)
                | Content::Reasoning
                | Content::Call(_)
                | Content::Other
                | Content::Nothing => {}
            }
        }
        for item in &turn.input.items {
            match item {
                InputItem::UserQuery { text, .. } => latest = Self::of_query(text),
                InputItem::Result(result) => latest.results.extend(quote_result(turn, result, false)),
                InputItem::Other | InputItem::Nothing => {}
            }
        }
        latest
    }

    /// What the user says in a query, which may hold the whole conversation.
    fn of_query(query: &'a str) -> Self {
        let Some(sections) = flattened::read(query) else {
            return Self { text: query.into(), results: Vec::new() };
        };
        let mut latest = Self::default();
        let mut called = Vec::new();
        for section in sections {
            match section {
                Section::User(text) => latest = Self { text: text.into(), results: Vec::new() },
                Section::Call { id, name } => called.push((id, name)),
                Section::Result { call_id, said } => {
                    let name =
                        called.iter().rev().find(|(id, _)| *id == call_id).map(|(_, name)| name.as_str());
                    latest.results.extend(quote(name.unwrap_or(UNKNOWN), said));
                }
                Section::Assistant(_) | Section::Continue => {}
            }
        }
        latest
    }
}

/// What a tool is called of which no call is known.
const UNKNOWN: &str = "(unknown)";

fn quote_result(turn: &Turn<'_>, result: &ResultOfCall<'_>, in_history: bool) -> Option<String> {
    let said = results::said(result, in_history).unwrap_or(Said::Other);
    quote(called_tool(&turn.tasks, result.call_id), said)
}

/// A sentence that quotes a result. None for one of the upstream's own tools.
fn quote(name: &str, said: Said) -> Option<String> {
    const LONGEST: usize = 4000;
    let short = |text: String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    match said {
        Said::Text(text) => Some(format!("The tool {name} answered: {}", short(text))),
        Said::Error(text) => Some(format!("The tool {name} failed: {}", short(text))),
        Said::Cancelled => Some(format!("The call of the tool {name} was cancelled.")),
        Said::Other => None,
    }
}

fn called_tool<'a>(tasks: &[Task<'a>], call_id: &str) -> &'a str {
    let messages = tasks.iter().flat_map(|task| task.messages.iter().rev());
    messages
        .filter_map(|message| match &message.content {
            Content::Call(call) if call.id == call_id => Some(call.name),
            _ => None,
        })
        .next()
        .unwrap_or(UNKNOWN)
}

/// The calls of tools that are offered. Without any: a text.
fn call_or_explain(turn: &Turn<'_>, text: &str, calls: Vec<WantedCall<'_>>) -> Vec<Part> {
    let wanted: Vec<&str> = calls.iter().map(|(name, _)| *name).collect();
    let parts: Vec<Part> = calls
        .into_iter()
        .filter_map(|(name, arguments)| {
            let server_id = offering_server(turn, name)?.to_owned();
            let call =
                ToolCall { id: String::new(), name: name.to_owned(), arguments: Some(arguments), server_id };
            Some(Part::ToolCall(call))
        })
        .collect();
    if parts.is_empty() {
        let text =
            format!("{} No such tool is offered: {}.", about(text, turn.input.images), wanted.join(", "));
        return vec![Part::Text(text)];
    }
    parts
}

/// The id of the server that offers the tool, empty in the flat form.
pub(crate) fn offering_server<'a>(turn: &Turn<'a>, tool: &str) -> Option<&'a str> {
    let may_call = turn.supported_tools.is_empty() || turn.supported_tools.contains(&CALL_MCP_TOOL_TYPE);
    let mut servers = turn.servers.iter().filter(|_| may_call);
    servers.find(|server| server.tools.contains(&tool)).map(|server| server.id)
}

fn about(text: &str, images: usize) -> String {
    let images = match images {
        0 => String::new(),
        1 => " One image came with it.".to_owned(),
        more => format!(" {more} images came with it."),
    };
    let words = last_words(text);
    if words.is_empty() {
        return format!(
            "This is the embedded upstream of Warp2Api: no model was asked. There is no text.{images}"
        );
    }
    format!(
        "This is the embedded upstream of Warp2Api: no model was asked. Your message ends with: {words}{images}"
    )
}

/// The last words, with one space between them.
fn last_words(text: &str) -> String {
    const WORDS: usize = 12;
    const CHARACTERS: usize = 160;
    let mut words: Vec<&str> = text.split_whitespace().rev().take(WORDS).collect();
    words.reverse();
    let joined = words.join(" ");
    let skipped = joined.chars().count().saturating_sub(CHARACTERS);
    joined.chars().skip(skipped).collect()
}

/// A word of so many bytes, with a space at its end.
fn filler(bytes: usize) -> String {
    let mut word = "x".repeat(bytes.saturating_sub(1));
    word.push(if bytes == 1 { 'x' } else { ' ' });
    word
}

#[cfg(test)]
mod tests;
