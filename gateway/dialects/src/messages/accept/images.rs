//! Finds the images that a request names by a remote URL: in messages of the user, in results of tools, in documents.

use crate::images::{MAX_IMAGES, RemoteImage, is_remote};
use crate::json::{Object, Text, TextOrList, TextOrListOrElse, TextOrObject};
use crate::messages::request::{Block, MessagesRequest};

/// The remote images of a request in the order they are asked for.
pub(super) fn remote(request: &MessagesRequest<'_>) -> Vec<RemoteImage> {
    let mut found = Vec::new();
    for (index, Object(message)) in request.messages.iter().flat_map(|messages| &messages.0).enumerate() {
        if let Some(TextOrList::List(blocks)) = &message.content {
            in_blocks(blocks, &format!("messages[{index}].content"), &mut found);
        }
    }
    found.truncate(MAX_IMAGES);
    found
}

fn in_blocks(blocks: &[Object<Block<'_>>], path: &str, found: &mut Vec<RemoteImage>) {
    for (index, Object(block)) in blocks.iter().enumerate() {
        let source = match &block.source {
            Some(TextOrObject::Object(source)) => Some(source),
            _ => None,
        };
        let nested = match block.kind.as_ref().map(Text::as_str) {
            Some("image") => {
                let url = source.and_then(|source| source.url.as_ref()).map(Text::as_str);
                if let Some(url) = url.filter(|url| is_remote(url)) {
                    let param = format!("{path}[{index}].source.url");
                    found.push(RemoteImage { param, url: url.to_owned() });
                }
                continue;
            }
            Some("tool_result") => block.content.as_ref().map(|content| (content, "content")),
            Some("document") => {
                source.and_then(|source| source.content.as_ref()).map(|content| (content, "source.content"))
            }
            _ => None,
        };
        if let Some((TextOrListOrElse::List(blocks), key)) = nested {
            in_blocks(blocks, &format!("{path}[{index}].{key}"), found);
        }
    }
}
