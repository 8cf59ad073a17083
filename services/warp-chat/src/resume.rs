//! Conversations that callers go on with by a key: what the upstream made of them, kept in memory, and sent back.
//!
//! Without a key nothing is kept. With one:
//! - `covered`: what of the caller's conversation a kept one stands for, as digests, and what is new in the next turn.
//! - `wire`, `mask`, `task`, `tasks`: the upstream's tasks, built from its events to the byte.
//! - `shelf`: where they are kept, within bounds. `session`: one turn at a time for each.
//! - `keeping`: a turn of such a conversation: what it sends on which credential, and what it keeps at its end.
//!
//! All but `session` are pure. Nothing is written to a disk, and nothing passes from one name to another.

mod covered;
mod keeping;
mod mask;
mod session;
mod shelf;
mod task;
mod tasks;
#[cfg(test)]
mod testing;
mod wire;

pub(crate) use keeping::{Keeping, KeptChat};
pub(crate) use session::{Conversations, name};
