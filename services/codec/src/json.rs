//! Proto3 JSON: text to a tree and back. Knows nothing of bytes, except those of unknown fields.

mod cursor;
mod number;
mod read;
mod scalar;
pub(crate) mod scan;
mod shown;
mod write;

pub(crate) use read::read;
pub(crate) use write::{TooLong, write};

/// The member of an object that holds the fields its type does not have, as base64 of their wire bytes.
pub(crate) const UNKNOWN: &str = "@unknown";
