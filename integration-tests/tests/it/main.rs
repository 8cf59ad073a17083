//! One test binary.

mod chat;
mod conversation;
mod generated;
