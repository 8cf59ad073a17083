//! Who comes in, for what, and how much.

mod bombs;
mod corpus;
mod every;
mod hostile;
mod keys;
mod limits;
mod services;
mod stalled;
mod strangers;
