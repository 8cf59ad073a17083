//! Proto3 JSON: text to a tree and back. Knows nothing of bytes, except those of unknown fields.

mod cursor;
mod number;
mod read;
mod scalar;
mod write;

pub(crate) use read::read;
pub(crate) use write::{TooLong, write};

/// The member of an object that holds the fields its type does not have, as base64 of their wire bytes.
const UNKNOWN: &str = "@unknown";
