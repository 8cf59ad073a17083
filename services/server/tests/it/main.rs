//! The program as a person or a process manager meets it: run for real, with ports of the system's choice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod banner;
mod parts;
mod ports;
mod program;
mod settings;
#[cfg(unix)]
mod stop;
