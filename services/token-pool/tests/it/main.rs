//! The pool as its callers see it, on a paused clock and against a scripted token endpoint.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

mod account;
mod bench;
mod endpoints;
mod guest;
mod leases;
mod machine;
mod membership;
mod methods;
mod planted;
mod postgres;
mod properties;
mod proxy;
mod quota;
mod refresh;
mod refusals;
mod replaced;
mod requirements;
mod secrets;
mod service;
mod shared;
mod stolen;
mod store;
mod watch;
