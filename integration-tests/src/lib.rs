//! The House: a whole system for each test, on ports of its own, with the embedded upstream.
//!
//! - [`House`]: starts it in one process or split in five, gives addresses and clients, and sees to it that nothing
//!   is left behind.
//! - [`received`]: what the upstream received, in a form that tests compare.
//! - [`sse`]: reads a streamed answer as a client does.
//! - [`wait`]: waits for a level, with a bound.

pub mod house;
pub mod received;
pub mod sse;
pub mod wait;

pub use house::{House, HouseBuilder, Topology, ask, json_of};
