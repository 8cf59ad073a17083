//! The protobuf wire format: bytes to a tree and back. Knows nothing of JSON, but refuses what JSON could not say.

pub(crate) mod cursor;
mod read;
mod write;

pub(crate) use read::{default, read};
pub(crate) use write::write;
