//! A conversation as the request builders need it: parsed once, so that what follows can trust it.
//!
//! Text is never trimmed and never lost; the parts of one message are joined by line feeds. What no message of the
//! upstream's can carry is refused with the path of the field.

use serde_json::{Map, Value};
use warp2api_proto::value::Struct;
use warp2api_proto::warp_chat::v1::part::Content;
use warp2api_proto::warp_chat::v1::{Message, Part, Role, ToolCall, ToolResult};
use warp2api_rpc::Failure;

use crate::image::{self, CheckedImage};

/// Images in one conversation.
const MAX_IMAGES: usize = 200;
/// Images in one message.
const MAX_IMAGES_PER_MESSAGE: usize = 20;

/// A conversation, taken apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Parsed {
    /// The texts of all system and developer messages in order.
    pub(crate) instructions: Vec<String>,
    /// Everything else in order.
    pub(crate) items: Vec<Item>,
}

/// A piece of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// The person spoke.
    User(UserTurn),
    /// The model spoke. Never empty.
    Assistant(String),
    /// The model called a tool.
    Call(Call),
    /// A tool answered.
    Answer(Answer),
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct UserTurn {
    pub(crate) text: String,
    pub(crate) images: Vec<CheckedImage>,
}

/// A tool call of the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Struct,
}

/// What a tool answered to a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) call_id: String,
    pub(crate) content: AnswerContent,
}

/// What the answer says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerContent {
    /// The tool did its work. Never empty.
    Parts(Vec<AnswerPart>),
    /// The tool failed, in these words.
    Error(String),
    /// Nobody answered the call.
    Cancelled,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerPart {
    Text(String),
    Image(CheckedImage),
}

/// Takes the messages apart.
///
/// # Errors
/// When a message cannot be carried; the failure names its path.
pub(crate) fn parse(messages: Vec<Message>) -> Result<Parsed, Failure> {
    if messages.is_empty() {
        return Err(Failure::invalid("messages", "must hold at least one message"));
    }
    let mut parsed = Parsed::default();
    let mut images = 0;
    for (index, message) in messages.into_iter().enumerate() {
        let path = format!("messages[{index}]");
        match message.role() {
            Role::System | Role::Developer => parsed.instructions.push(text_only(message.parts, &path)?),
            Role::User => {
                let turn = user_turn(message.parts, &path)?;
                images += turn.images.len();
                parsed.items.push(Item::User(turn));
            }
            Role::Assistant => assistant(message.parts, &path, &mut parsed.items)?,
            Role::Tool => {
                for (part, content) in contents(message.parts, &path) {
                    let Some(Content::ToolResult(result)) = content else {
                        return Err(Failure::invalid(part, "a tool message holds tool results only"));
                    };
                    let answer = answer(result, &part)?;
                    images += answer.image_count();
                    parsed.items.push(Item::Answer(answer));
                }
            }
            Role::Unspecified => {
                return Err(Failure::invalid(format!("{path}.role"), "must be set"));
            }
        }
        if images > MAX_IMAGES {
            let limit = format!("a conversation holds at most {MAX_IMAGES} images");
            return Err(Failure::invalid("messages", limit));
        }
    }
    Ok(parsed)
}

/// The text of a JSON object as a Struct. Nothing, or white space, is the empty object.
///
/// # Errors
/// When it is no JSON object, or nested too deep for the upstream.
pub(crate) fn json_object(text: &str, path: &str) -> Result<Struct, Failure> {
    if text.trim().is_empty() {
        return Ok(Struct::default());
    }
    // The parser's own words may quote the text, and that is nobody else's business.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() { "it is something else" } else { "it is no JSON" };
        let (line, column) = (error.line(), error.column());
        let words = format!("must be the text of a JSON object; {what} at line {line} column {column}");
        Failure::invalid(path, words)
    })?;
    object
        .try_into()
        .map_err(|error: warp2api_proto::value::TooDeep| Failure::invalid(path, error.to_string()))
}

impl Answer {
    fn image_count(&self) -> usize {
        match &self.content {
            AnswerContent::Parts(parts) => {
                parts.iter().filter(|part| matches!(part, AnswerPart::Image(_))).count()
            }
            AnswerContent::Error(_) | AnswerContent::Cancelled => 0,
        }
    }
}

fn contents(parts: Vec<Part>, path: &str) -> impl Iterator<Item = (String, Option<Content>)> {
    let path = path.to_owned();
    parts.into_iter().enumerate().map(move |(index, part)| (format!("{path}.parts[{index}]"), part.content))
}

fn text_only(parts: Vec<Part>, path: &str) -> Result<String, Failure> {
    let mut text = Joined::default();
    for (part, content) in contents(parts, path) {
        match content {
            Some(Content::Text(piece)) => text.push(piece),
            _ => return Err(Failure::invalid(part, "instructions hold text only")),
        }
    }
    Ok(text.0.unwrap_or_default())
}

fn user_turn(parts: Vec<Part>, path: &str) -> Result<UserTurn, Failure> {
    let (mut text, mut images) = (Joined::default(), Vec::new());
    for (part, content) in contents(parts, path) {
        match content {
            Some(Content::Text(piece)) => text.push(piece),
            Some(Content::Image(given)) => images.push(image::check(given, &format!("{part}.image"))?),
            _ => return Err(Failure::invalid(part, "a user message holds text and images only")),
        }
    }
    if images.len() > MAX_IMAGES_PER_MESSAGE {
        let limit = format!("a message holds at most {MAX_IMAGES_PER_MESSAGE} images");
        return Err(Failure::invalid(format!("{path}.parts"), limit));
    }
    Ok(UserTurn { text: text.0.unwrap_or_default(), images })
}

/// Text before calls, as the upstream itself orders them. Reasoning is the model's own and stays here.
fn assistant(parts: Vec<Part>, path: &str, items: &mut Vec<Item>) -> Result<(), Failure> {
    let (mut text, mut calls) = (Joined::default(), Vec::new());
    for (part, content) in contents(parts, path) {
        match content {
            Some(Content::Text(piece)) => text.push(piece),
            Some(Content::Reasoning(_)) => {}
            Some(Content::ToolCall(given)) => {
                calls.push(Item::Call(call(given, &format!("{part}.tool_call"))?))
            }
            _ => {
                return Err(Failure::invalid(
                    part,
                    "an assistant message holds text, reasoning and tool calls only",
                ));
            }
        }
    }
    items.extend(text.0.filter(|text| !text.is_empty()).map(Item::Assistant));
    items.extend(calls);
    Ok(())
}

fn call(given: ToolCall, path: &str) -> Result<Call, Failure> {
    if given.id.is_empty() {
        return Err(Failure::invalid(format!("{path}.id"), "must be set"));
    }
    if given.name.is_empty() {
        return Err(Failure::invalid(format!("{path}.name"), "must be set"));
    }
    let arguments = json_object(&given.arguments_json, &format!("{path}.arguments_json"))?;
    Ok(Call { id: given.id, name: given.name, arguments })
}

fn answer(given: ToolResult, path: &str) -> Result<Answer, Failure> {
    if given.tool_call_id.is_empty() {
        return Err(Failure::invalid(format!("{path}.tool_result.tool_call_id"), "must be set"));
    }
    let mut parts = Vec::new();
    for (part, content) in contents(given.parts, &format!("{path}.tool_result")) {
        parts.push(match content {
            Some(Content::Text(text)) => AnswerPart::Text(text),
            Some(Content::Image(image)) => AnswerPart::Image(image::check(image, &format!("{part}.image"))?),
            _ => return Err(Failure::invalid(part, "a tool result holds text and images only")),
        });
    }
    let content = if given.error {
        let texts = parts.into_iter().filter_map(|part| match part {
            AnswerPart::Text(text) => Some(text),
            AnswerPart::Image(_) => None,
        });
        AnswerContent::Error(texts.collect::<Vec<_>>().join("\n"))
    } else if parts.is_empty() {
        // The upstream refuses a result without content.
        AnswerContent::Parts(vec![AnswerPart::Text(String::new())])
    } else {
        AnswerContent::Parts(parts)
    };
    Ok(Answer { call_id: given.tool_call_id, content })
}

/// Texts joined by line feeds, without copying a text that stands alone.
#[derive(Default)]
struct Joined(Option<String>);

impl Joined {
    fn push(&mut self, piece: String) {
        match &mut self.0 {
            None => self.0 = Some(piece),
            Some(text) => {
                text.push('\n');
                text.push_str(&piece);
            }
        }
    }
}
