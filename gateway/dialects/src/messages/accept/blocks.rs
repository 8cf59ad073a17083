//! The blocks of a message's content, of many types, to the parts of the contract. Text is kept to the byte.

use warp2api_proto::warp_chat::v1::{Part, ToolCall, ToolResult, part};

use super::Context;
use crate::checks::{flag, present};
use crate::images;
use crate::json::{Object, Text, TextOrListOrElse, TextOrObject};
use crate::messages::request::{Block, Source};
use crate::messages::tool_id;
use crate::parts;
use crate::rejection::Rejection;
use crate::tools::arguments;

/// Who says something, which decides what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The application: text.
    System,
    /// The person: text, images, documents, and the results of tools.
    User,
    /// The model: text, thinking, and calls of tools.
    Assistant,
}

/// The parts of the blocks at `path`.
pub(super) fn parts(
    blocks: &[Object<Block<'_>>],
    path: &str,
    speaker: Speaker,
    context: &mut Context<'_>,
) -> Result<Vec<Part>, Rejection> {
    let mut said = Vec::with_capacity(blocks.len());
    for (index, Object(block)) in blocks.iter().enumerate() {
        let path = format!("{path}[{index}]");
        context.ignored.note_if(block.cache_control.is_some(), "cache_control");
        let kind = block.kind.as_ref().map(Text::as_str);
        match (speaker, kind) {
            (_, Some("text")) => said.push(text(block, &path)?),
            (Speaker::User, Some("tool_result")) => said.push(result(block, &path, context)?),
            (Speaker::User, Some(kind)) => shown(kind, block, &path, context, &mut said)?,
            (Speaker::Assistant, Some(kind)) => said.extend(made(kind, block, &path, context)?),
            (Speaker::System, Some(_)) => {
                return Err(Rejection::unsupported(format!("{path}.type"), "instructions hold text only"));
            }
            (_, None) => return Err(Rejection::invalid(format!("{path}.type"), "expected a string")),
        }
    }
    Ok(said)
}

/// What a person or a tool shows: text, images, and what can be written down as text.
fn shown(
    kind: &str,
    block: &Block<'_>,
    path: &str,
    context: &mut Context<'_>,
    said: &mut Vec<Part>,
) -> Result<(), Rejection> {
    match kind {
        "text" => said.push(text(block, path)?),
        "image" => said.push(image(block, path, context)?),
        "document" => document(block, path, context, said)?,
        "search_result" => {
            let source = match &block.source {
                Some(TextOrObject::Text(source)) => Some(&**source),
                _ => None,
            };
            let head = [block.title.as_ref().map(Text::as_str), source];
            said.extend(head.into_iter().flatten().map(parts::text));
            content(block.content.as_ref(), &format!("{path}.content"), context, said)?;
        }
        "tool_reference" => {
            // All tools are offered all the time; what is left to tell is which one was found.
            let name = present(block.tool_name.as_ref(), path, "tool_name")?;
            said.push(parts::text(name));
        }
        _ => {
            return Err(Rejection::unsupported(
                format!("{path}.type"),
                "not a supported type of content here; supported are text, image, document, search_result and, in \
                 messages of the user, tool_result",
            ));
        }
    }
    Ok(())
}

/// What the model made. What ran on Anthropic's own servers is over, and the upstream has no form for it.
fn made(
    kind: &str,
    block: &Block<'_>,
    path: &str,
    context: &mut Context<'_>,
) -> Result<Option<Part>, Rejection> {
    match kind {
        "thinking" => Ok(block.thinking.as_ref().map(|text| parts::reasoning(text.as_str()))),
        "redacted_thinking" => Ok(None),
        "tool_use" => {
            let id = tool_id::decode(present(block.id.as_ref(), path, "id")?);
            let name = present(block.name.as_ref(), path, "name")?.to_owned();
            let arguments_json = input(block, &format!("{path}.input"))?;
            Ok(Some(parts::call(ToolCall { id, name, arguments_json })))
        }
        "server_tool_use" | "mcp_tool_use" | "container_upload" => {
            context.ignored.note(&format!("messages.content.{kind}"));
            Ok(None)
        }
        kind if kind.ends_with("_tool_result") => {
            context.ignored.note(&format!("messages.content.{kind}"));
            Ok(None)
        }
        _ => Err(Rejection::unsupported(
            format!("{path}.type"),
            "not a supported type of content here; supported are text, thinking, redacted_thinking and tool_use",
        )),
    }
}

/// The arguments of a call. Some clients send the text of the object.
fn input(block: &Block<'_>, path: &str) -> Result<String, Rejection> {
    if block.input.is_some_and(|raw| !raw.get().starts_with(['{', '"'])) {
        return Err(Rejection::invalid(path, "expected an object"));
    }
    arguments(block.input, path)
}

fn text(block: &Block<'_>, path: &str) -> Result<Part, Rejection> {
    match &block.text {
        Some(text) => Ok(parts::text(text.as_str())),
        None => Err(Rejection::invalid(format!("{path}.text"), "expected a string")),
    }
}

fn result(block: &Block<'_>, path: &str, context: &mut Context<'_>) -> Result<Part, Rejection> {
    let tool_call_id = tool_id::decode(present(block.tool_use_id.as_ref(), path, "tool_use_id")?);
    let error = flag(block.is_error);
    let mut shown = Vec::new();
    content(block.content.as_ref(), &format!("{path}.content"), context, &mut shown)?;
    images::check_message(&shown, &format!("{path}.content"))?;
    let images = shown.iter().any(|part| matches!(part.content, Some(part::Content::Image(_))));
    // The upstream's form of an error is a text.
    context.ignored.note_if(error && images, "messages.content.tool_result.image");
    Ok(parts::result(ToolResult { tool_call_id, parts: shown, error }))
}

/// What stands inside a result, a document or a search result at `path`.
fn content(
    content: Option<&TextOrListOrElse<'_, Object<Block<'_>>>>,
    path: &str,
    context: &mut Context<'_>,
    said: &mut Vec<Part>,
) -> Result<(), Rejection> {
    match content {
        None => {}
        Some(TextOrListOrElse::Text(text)) => said.push(parts::text(text)),
        Some(TextOrListOrElse::List(blocks)) => {
            for (index, Object(block)) in blocks.iter().enumerate() {
                let path = format!("{path}[{index}]");
                context.ignored.note_if(block.cache_control.is_some(), "cache_control");
                let Some(kind) = &block.kind else {
                    return Err(Rejection::invalid(format!("{path}.type"), "expected a string"));
                };
                shown(kind.as_str(), block, &path, context, said)?;
            }
        }
        Some(TextOrListOrElse::Else) => {
            return Err(Rejection::invalid(path, "expected a string or an array"));
        }
    }
    Ok(())
}

fn image(block: &Block<'_>, path: &str, context: &mut Context<'_>) -> Result<Part, Rejection> {
    let path = format!("{path}.source");
    let source = source(block, &path)?;
    match source.kind.as_ref().map(Text::as_str) {
        Some("base64") => {
            let data = present(source.data.as_ref(), &path, "data")?;
            context.images.in_base64(data, &format!("{path}.data"))
        }
        Some("url") => {
            let url = present(source.url.as_ref(), &path, "url")?;
            context.images.at_url(url, &format!("{path}.url"))
        }
        Some(_) => Err(Rejection::unsupported(format!("{path}.type"), "supported are base64 and url")),
        None => Err(Rejection::invalid(format!("{path}.type"), "expected a string")),
    }
}

/// A document of text, as text, with its title and context before it.
fn document(
    block: &Block<'_>,
    path: &str,
    context: &mut Context<'_>,
    said: &mut Vec<Part>,
) -> Result<(), Rejection> {
    let path = format!("{path}.source");
    let source = source(block, &path)?;
    said.extend([&block.title, &block.context].into_iter().flatten().map(|text| parts::text(text.as_str())));
    match source.kind.as_ref().map(Text::as_str) {
        Some("text") => said.push(parts::text(present(source.data.as_ref(), &path, "data")?)),
        Some("content") => content(source.content.as_ref(), &format!("{path}.content"), context, said)?,
        Some(_) => {
            return Err(Rejection::unsupported(
                format!("{path}.type"),
                "only documents of text can be taken, with a source of type text or content",
            ));
        }
        None => return Err(Rejection::invalid(format!("{path}.type"), "expected a string")),
    }
    Ok(())
}

fn source<'b, 'a>(block: &'b Block<'a>, path: &str) -> Result<&'b Source<'a>, Rejection> {
    match &block.source {
        Some(TextOrObject::Object(source)) => Ok(source),
        _ => Err(Rejection::invalid(path, "expected an object")),
    }
}
