//! One test binary.

mod chat;
mod failover;
mod contract;
mod conversation;
mod dynamic;
mod generated;
mod grpc;
mod leaving;
mod topology;
mod bad_input;
mod large;
