//! One test binary.

mod chat;
