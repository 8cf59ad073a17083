//! The content of a message: a string, null, or parts of many types, to the parts of the contract. Text is kept to
//! the byte, and each part stays one.

use warp2api_proto::warp_chat::v1::Part;

use super::Context;
use crate::chat::request::{ContentPart, Message};
use crate::images::{self, RemoteImage};
use crate::json::{Object, TextOrList, TextOrObject};
use crate::parts;
use crate::rejection::Rejection;

/// What a role may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// Text.
    Text,
    /// Text and images.
    TextAndImages,
    /// Text and thinking.
    TextAndReasoning,
}

/// The parts of the content of the message at `path`.
pub(super) fn content(
    message: &Message<'_>,
    path: &str,
    vocabulary: Vocabulary,
    context: &mut Context<'_>,
) -> Result<Vec<Part>, Rejection> {
    let list = match &message.content {
        None => return Ok(Vec::new()),
        Some(TextOrList::Text(text)) => return Ok(vec![parts::text(text)]),
        Some(TextOrList::List(list)) => list,
    };
    let mut mapped = Vec::with_capacity(list.len());
    for (index, Object(part)) in list.iter().enumerate() {
        let path = format!("{path}.content[{index}]");
        mapped.push(content_part(part, &path, vocabulary, context)?);
    }
    images::check_message(&mapped, &format!("{path}.content"))?;
    Ok(mapped)
}

fn content_part(
    part: &ContentPart<'_>,
    path: &str,
    vocabulary: Vocabulary,
    context: &mut Context<'_>,
) -> Result<Part, Rejection> {
    let at = |key: &str| format!("{path}.{key}");
    let missing = |key: &str| Rejection::invalid(at(key), "expected a string");
    match kind(part) {
        Some("text" | "input_text" | "output_text") => {
            part.text.as_ref().map(|text| parts::text(text.as_str())).ok_or_else(|| missing("text"))
        }
        Some("refusal") => {
            part.refusal.as_ref().map(|text| parts::text(text.as_str())).ok_or_else(|| missing("refusal"))
        }
        Some("thinking" | "reasoning") if vocabulary == Vocabulary::TextAndReasoning => {
            let thought = part.thinking.as_ref().or(part.text.as_ref());
            Ok(parts::reasoning(thought.map_or("", |text| text.as_str())))
        }
        Some("image_url" | "input_image") if vocabulary == Vocabulary::TextAndImages => {
            let (url, param) = image_url(part, path)?;
            context.note_detail(part);
            context.images.at_url(url, &param)
        }
        Some("image_url" | "input_image") => {
            Err(Rejection::unsupported(path, "images are taken in user and tool messages only"))
        }
        Some("input_audio") => Err(Rejection::unsupported(path, "audio is not supported")),
        Some("file" | "input_file") => Err(Rejection::unsupported(path, "files are not supported")),
        Some(_) => Err(Rejection::unsupported(
            at("type"),
            "not a supported type of content; supported are text, input_text, refusal and image_url",
        )),
        None => Err(Rejection::invalid(at("type"), "expected a string")),
    }
}

/// The type of a part; one without is what its keys say.
fn kind<'p>(part: &'p ContentPart<'_>) -> Option<&'p str> {
    match &part.kind {
        Some(kind) => Some(kind.as_str()),
        None if part.text.is_some() => Some("text"),
        None if part.image_url.is_some() => Some("image_url"),
        None => None,
    }
}

/// The URL of an image part, with its path.
fn image_url<'p>(part: &'p ContentPart<'_>, path: &str) -> Result<(&'p str, String), Rejection> {
    match &part.image_url {
        Some(TextOrObject::Text(url)) => Ok((url, format!("{path}.image_url"))),
        Some(TextOrObject::Object(image)) => {
            let param = format!("{path}.image_url.url");
            match &image.url {
                Some(url) => Ok((url.as_str(), param)),
                None => Err(Rejection::invalid(param, "expected a string")),
            }
        }
        None => {
            Err(Rejection::invalid(format!("{path}.image_url"), "expected a string or an object with a url"))
        }
    }
}

/// The images of a message that are named by a remote URL.
pub(super) fn remote_images(message: &Message<'_>, path: &str) -> Vec<RemoteImage> {
    let Some(TextOrList::List(parts)) = &message.content else { return Vec::new() };
    let images = parts.iter().enumerate().filter_map(|(index, Object(part))| {
        // A part of another type may carry a URL as well; nobody looks at it.
        kind(part).filter(|kind| matches!(*kind, "image_url" | "input_image"))?;
        let (url, param) = image_url(part, &format!("{path}.content[{index}]")).ok()?;
        images::is_remote(url).then(|| RemoteImage { param, url: url.to_owned() })
    });
    images.collect()
}
