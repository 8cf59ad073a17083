//! One chat turn against the upstream.

pub mod error;
pub mod sse;
pub mod warp;
