//! The contract over plain HTTP: every method as gRPC answers it, and what only HTTP has.

mod cases;
mod client;
mod http;
mod parity;
