//! One test binary.

mod chat;
mod contract;
mod conversation;
mod dynamic;
mod failover;
mod generated;
mod grpc;
mod leaving;
mod topology;
