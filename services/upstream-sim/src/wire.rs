//! The bytes on the wire: protobuf fields, base64 and server-sent events, written by hand.
//!
//! On purpose none of it uses the generated types: a mistake in the schema of the contract must not cancel out against
//! the same mistake here.

pub(crate) mod base64;
pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod writer;
