//! Claims about the codec, made from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod canonical;
mod errors;
mod generate;
mod limits;
mod properties;
mod robustness;
mod service;
mod support;
mod unknown;
mod vectors;
