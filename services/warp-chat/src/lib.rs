//! One chat turn against the upstream.

mod arrange;
pub mod config;
mod conversation;
pub mod error;
mod image;
pub mod models;
pub mod sse;
pub mod warp;
