//! Protobuf on the wire, field by field. What is not touched stays as the upstream wrote it: its order, and fields that
//! no schema of ours knows.

use std::borrow::Cow;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// The bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no protobuf message")]
pub(crate) struct Malformed;

/// A field of a message.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    /// The field with its key.
    pub(crate) raw: &'a [u8],
    /// What a string, a message or a list holds; `None` for numbers.
    pub(crate) content: Option<&'a [u8]>,
}

/// The fields of a message, in their order.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Malformed>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = read(rest);
        rest = read.as_ref().map_or(&[], |(_, after)| after);
        Some(read.map(|(field, _)| field))
    })
}

/// What each field of this number holds.
pub(crate) fn contents(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    let mut found = Vec::new();
    for field in fields(message) {
        let field = field?;
        if field.number == number {
            found.push(field.content.ok_or(Malformed)?);
        }
    }
    Ok(found)
}

/// The message in a field: parts of it are put together as readers do. Empty if there is none.
pub(crate) fn submessage(message: &[u8], number: u32) -> Result<Cow<'_, [u8]>, Malformed> {
    let parts = contents(message, number)?;
    Ok(match parts[..] {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only),
        _ => Cow::Owned(parts.concat()),
    })
}

/// The text in a field; of several the last one counts. Empty if there is none.
pub(crate) fn text(message: &[u8], number: u32) -> Result<&str, Malformed> {
    let last = contents(message, number)?.pop().unwrap_or_default();
    std::str::from_utf8(last).map_err(|_| Malformed)
}

/// The message with `replacement`, whole fields of `number` or nothing, in place of all fields that are `dropped`.
/// Fields in the order of their numbers stay in it.
pub(crate) fn replace(
    message: &[u8],
    number: u32,
    dropped: impl Fn(u32) -> bool,
    replacement: &[u8],
) -> Result<Vec<u8>, Malformed> {
    let mut replaced = Vec::with_capacity(message.len() + replacement.len());
    let mut pending = Some(replacement);
    for field in fields(message) {
        let field = field?;
        if field.number >= number
            && let Some(replacement) = pending.take()
        {
            replaced.extend_from_slice(replacement);
        }
        if !dropped(field.number) {
            replaced.extend_from_slice(field.raw);
        }
    }
    replaced.extend_from_slice(pending.unwrap_or_default());
    Ok(replaced)
}

/// The message with this content in place of what its field `number` held.
pub(crate) fn with_content(message: &[u8], number: u32, content: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut replacement = Vec::new();
    put(&mut replacement, number, content);
    replace(message, number, |other| other == number, &replacement)
}

/// Appends a field that holds `content`.
pub(crate) fn put(message: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}

fn read(start: &[u8]) -> Result<(Field<'_>, &[u8]), Malformed> {
    let mut rest = start;
    let (number, wire_type) = decode_key(&mut rest).map_err(|_| Malformed)?;
    let mut content = None;
    let skip = |rest: &mut &[u8], length| {
        *rest = rest.get(length..).ok_or(Malformed)?;
        Ok(())
    };
    match wire_type {
        WireType::Varint => _ = decode_varint(&mut rest).map_err(|_| Malformed)?,
        WireType::SixtyFourBit => skip(&mut rest, 8)?,
        WireType::ThirtyTwoBit => skip(&mut rest, 4)?,
        WireType::LengthDelimited => {
            let length = decode_varint(&mut rest).map_err(|_| Malformed)?;
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            content = Some(rest.get(..length).ok_or(Malformed)?);
            skip(&mut rest, length)?;
        }
        // No schema of the upstream's has groups.
        WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
    }
    let raw = &start[..start.len() - rest.len()];
    Ok((Field { number, raw, content }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_replaces_goes_where_it_belongs() {
        let mut message = Vec::new();
        for (number, content) in [(1, "one"), (3, "three"), (5, "five")] {
            put(&mut message, number, content.as_bytes());
        }
        for (number, order) in
            [(1, vec![1, 3, 5]), (2, vec![1, 2, 3, 5]), (3, vec![1, 3, 5]), (9, vec![1, 3, 5, 9])]
        {
            let replaced = with_content(&message, number, b"new").unwrap();

            let found: Vec<_> = fields(&replaced).map(|field| field.unwrap().number).collect();
            assert_eq!(found, order);
            assert_eq!(text(&replaced, number), Ok("new"));
        }
        assert_eq!(replace(&message, 3, |number| number == 3, b"").unwrap().len(), message.len() - 7);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let read: Result<Vec<_>, _> = fields(&bytes).collect();
            if let Ok(fields) = read {
                let raw: Vec<u8> = fields.iter().flat_map(|field| field.raw).copied().collect();
                prop_assert_eq!(raw, bytes);
            }
        }
    }
}
