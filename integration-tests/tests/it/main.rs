//! One test binary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod access;
mod admin;
mod bad_input;
mod chat;
mod contract;
mod conversation;
mod deploy;
mod dialects;
mod durable;
mod dynamic;
mod edge;
mod endings;
mod events;
mod failover;
mod faults;
mod flattened;
mod generated;
mod grpc;
mod images;
mod large;
mod leaving;
mod messages;
mod monitor;
mod monitor_socket;
mod original;
mod original_send;
mod ready;
mod renewal;
mod rest;
mod resume;
mod secrets;
mod shutdown;
mod tidy;
mod tools;
mod topology;
mod trail;
mod warp;
