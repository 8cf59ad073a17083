//! One test binary.

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
mod topology;
mod warp;
