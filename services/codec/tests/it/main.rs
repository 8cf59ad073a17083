//! Claims about the codec, made from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod canonical;
mod decode_stream;
mod errors;
mod generate;
mod json_schema;
mod limits;
mod properties;
mod robustness;
mod server_message_data;
mod service;
mod support;
mod unknown;
mod vectors;
