//! The mapping as the gateway sees it: golden files, the rules of streams one by one, tables of requests, and
//! properties over any body and any script of events.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod golden;
mod parameters;
mod properties;
mod requests;
mod rules;
mod support;
