//! JSON to protobuf and back by message name, dynamic and lossless.
//!
//! The core is pure and needs no gRPC: [`Schema`] knows the message types, [`transcode::to_json`] and
//! [`transcode::to_bytes`] convert. [`CodecService`] puts it behind the contract's `Codec`.
//!
//! Conversion walks the descriptors itself, because three things are asked for that dynamic messages of
//! `prost-reflect` do not give: maps and JSON objects keep the order of their entries, fields that the schema does
//! not have survive the way through JSON, and an error says at which field and at which byte or line it is.
//!
//! - [`schema`]: the message types and what the schema says about them.
//! - `wire`: bytes to a tree of fields and back.
//! - `json`: proto3 JSON to the same tree and back.
//! - `well_known`: the types of `google.protobuf` with a JSON form of their own.

mod error;
mod fault;
mod json;
pub mod json_schema;
#[cfg(test)]
mod kinds;
mod layout;
pub mod schema;
pub mod server_message_data;
mod service;
pub mod stream;
pub mod transcode;
mod tree;
mod well_known;
mod wire;
mod workshop;

pub use error::{Error, Malformed, Position, Problem};
pub use schema::{Field, MessageType, Schema};
pub use service::CodecService;
pub use transcode::{Naming, Options, Reading, Unknown};
