//! The composition root: the only crate that knows every other, and the only one that reads the environment.
//!
//! - [`cli`]: the command line. [`sources`]: where settings come from. [`settings`]: what they are called.
//! - [`config`]: what they mean, checked all at once. `read` helps.
//! - [`reload`]: settings that change while it runs.
//! - [`store`]: where the pool is kept.
//! - [`app`]: builds the house for a role, binds its ports, runs it and brings it down.
//! - [`tools`]: the commands that convert and end.
//! - [`operate`]: the commands that look after a house.
//! - [`tokens`]: those that look after its pool.
//! - [`banner`]: what a person sees at the start. [`telemetry`]: logs, traces, metrics. [`signals`]: how it is told to stop.
//! - [`say`]: how it speaks where nobody may hear it. [`supervisor`]: what a process manager is told.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where nobody hears them: `say` does not"
)]

pub mod app;
pub mod banner;
mod bridge;
pub mod check;
pub mod cli;
pub mod config;
mod documents;
pub mod keys;
mod metrics;
pub mod operate;
mod page;
mod pool;
mod read;
mod ready;
pub mod reload;
pub mod say;
mod secured;
pub mod settings;
pub mod signals;
pub mod sources;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod tokens;
pub mod tools;
mod trust;

pub use read::Problems;
