//! Who comes in, for what, and how much.

mod keys;
mod limits;
