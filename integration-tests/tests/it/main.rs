//! One test binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod bad_input;
mod chat;
mod contract;
mod conversation;
mod dynamic;
mod endings;
mod failover;
mod generated;
mod grpc;
mod large;
mod leaving;
mod shutdown;
mod tidy;
mod topology;
mod warp;
