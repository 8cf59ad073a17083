//! The simulator seen from outside: over its router, read with the generated types.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod client;

mod admission;
mod answers;
mod delivery;
mod exchange;
mod faults;
mod graphql;
mod socket;
