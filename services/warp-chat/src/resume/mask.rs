//! Field masks on encoded messages: the fields that paths name are replaced, or appended to, and the rest stays to the
//! byte.
//!
//! A path is made of the schema's field names, relative to a message of a task. One that names something unknown
//! changes nothing: a newer upstream may send it. On its way through a list both messages must have as many elements;
//! the rest of the path then applies to them in pairs. Writing into a member of a oneof switches to that member.

use std::borrow::Cow;
use std::sync::LazyLock;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use warp2api_proto::descriptors;

use super::wire::{self, Malformed};

/// A mask does not fit its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MaskError {
    /// A message is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Something else than text is to be appended to.
    #[error("a mask appends to something that is no text")]
    NotText,
    /// A mask walks through lists that do not match.
    #[error("a mask walks through two lists of different length")]
    Lengths,
}

/// Longer paths lead nowhere in the schema but in circles.
const MOST_ELEMENTS: usize = 32;

static MESSAGE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let message = descriptors::pool().get_message_by_name("warp.multi_agent.v1.Message");
    message.expect("the contract describes itself")
});

/// `target` with what `patch` has at `path`, be it nothing. `None` if the path is unknown.
pub(crate) fn update(target: &[u8], patch: &[u8], path: &str) -> Result<Option<Vec<u8>>, MaskError> {
    masked(target, patch, path, Edit::Replace)
}

/// `target` with the text that `patch` has at `path` appended to its own. `None` if the path is unknown.
pub(crate) fn append(target: &[u8], patch: &[u8], path: &str) -> Result<Option<Vec<u8>>, MaskError> {
    masked(target, patch, path, Edit::Append)
}

/// The text that `patch` has at `path`. `None` if the path names no single text.
pub(crate) fn text_at(patch: &[u8], path: &str) -> Result<Option<String>, MaskError> {
    let Some((last, way)) = numbers(path).and_then(|mut numbers| Some((numbers.pop()?, numbers))) else {
        return Ok(None);
    };
    let mut message = Cow::Borrowed(patch);
    for number in way {
        message = Cow::Owned(wire::submessage(&message, number)?.into_owned());
    }
    Ok(Some(wire::text(&message, last)?.to_owned()))
}

/// A message that has `text` at `path` and nothing else; an empty one if the path names no single text.
pub(crate) fn patch_with(text: &str, path: &str) -> Vec<u8> {
    let Some(numbers) = numbers(path) else { return Vec::new() };
    numbers.into_iter().rev().fold(text.as_bytes().to_vec(), |content, number| {
        let mut message = Vec::with_capacity(content.len() + 8);
        wire::put(&mut message, number, &content);
        message
    })
}

/// The numbers on the way to a text that is in no list.
fn numbers(path: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    let mut descriptor = Some(MESSAGE.clone());
    let mut is_text = false;
    for name in path.split('.') {
        let field = descriptor?.get_field_by_name(name)?;
        if field.is_list() || field.is_map() {
            return None;
        }
        numbers.push(field.number());
        is_text = field.kind() == Kind::String;
        descriptor = field.kind().as_message().cloned();
    }
    is_text.then_some(numbers)
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    Replace,
    Append,
}

fn masked(target: &[u8], patch: &[u8], path: &str, how: Edit) -> Result<Option<Vec<u8>>, MaskError> {
    if path.split('.').count() > MOST_ELEMENTS {
        return Ok(None);
    }
    edit(&MESSAGE, target, patch, path, how)
}

fn edit(
    descriptor: &MessageDescriptor,
    target: &[u8],
    patch: &[u8],
    path: &str,
    how: Edit,
) -> Result<Option<Vec<u8>>, MaskError> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = descriptor.get_field_by_name(name) else { return Ok(None) };
    let replacement = match (rest, field.kind()) {
        (None, _) => match how {
            Edit::Replace => replaced(&field, patch)?,
            Edit::Append => appended(&field, target, patch)?,
        },
        (Some(_), _) if field.is_map() => return Ok(None),
        (Some(rest), Kind::Message(inner)) => {
            let (olds, news) = if field.is_list() {
                let lists = (wire::contents(target, field.number())?, wire::contents(patch, field.number())?);
                (lists.0.into_iter().map(Into::into).collect(), lists.1.into_iter().map(Into::into).collect())
            } else {
                let (old, new) =
                    (wire::submessage(target, field.number())?, wire::submessage(patch, field.number())?);
                (vec![old], vec![new])
            };
            if olds.len() != news.len() {
                return Err(MaskError::Lengths);
            }
            let mut replacement = Vec::new();
            for (old, new) in olds.iter().zip(&news) {
                let Some(edited) = edit(&inner, old, new, rest, how)? else { return Ok(None) };
                wire::put(&mut replacement, field.number(), &edited);
            }
            replacement
        }
        // There is nothing inside a number or a text.
        (Some(_), _) => return Ok(None),
    };
    let siblings = siblings(&field);
    let dropped = |number| number == field.number() || siblings.contains(&number);
    Ok(Some(wire::replace(target, field.number(), dropped, &replacement)?))
}

/// The patch's own fields of this number. A member of a oneof is set even if the patch has it not: to its default.
fn replaced(field: &FieldDescriptor, patch: &[u8]) -> Result<Vec<u8>, MaskError> {
    let mut replacement = Vec::new();
    for patched in wire::fields(patch) {
        let patched = patched?;
        if patched.number == field.number() {
            replacement.extend_from_slice(patched.raw);
        }
    }
    if replacement.is_empty() && !siblings(field).is_empty() {
        replacement = default_of(field);
    }
    Ok(replacement)
}

fn appended(field: &FieldDescriptor, target: &[u8], patch: &[u8]) -> Result<Vec<u8>, MaskError> {
    if field.is_list() || field.kind() != Kind::String {
        return Err(MaskError::NotText);
    }
    let text = [wire::text(target, field.number())?, wire::text(patch, field.number())?].concat();
    let mut replacement = Vec::with_capacity(text.len() + 8);
    if !text.is_empty() || !siblings(field).is_empty() {
        wire::put(&mut replacement, field.number(), text.as_bytes());
    }
    Ok(replacement)
}

/// The other members of the field's oneof.
fn siblings(field: &FieldDescriptor) -> Vec<u32> {
    let members = field.containing_oneof().map(|oneof| oneof.fields().collect::<Vec<_>>());
    let others = members.into_iter().flatten().map(|member| member.number());
    others.filter(|number| *number != field.number()).collect()
}

fn default_of(field: &FieldDescriptor) -> Vec<u8> {
    let wire_type = match field.kind() {
        Kind::Message(_) | Kind::String | Kind::Bytes => 2,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        _ => 0,
    };
    let mut encoded = Vec::new();
    prost::encoding::encode_varint(u64::from(field.number() << 3 | wire_type), &mut encoded);
    let zeros = match wire_type {
        1 => 8,
        5 => 4,
        _ => 1,
    };
    encoded.resize(encoded.len() + zeros, 0);
    encoded
}

#[cfg(test)]
mod tests;
