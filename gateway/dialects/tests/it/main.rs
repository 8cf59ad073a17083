//! The mapping as the gateway sees it. For all dialects together: golden files side by side, the tables of parameters,
//! and what holds for any script of events. For each by itself, in a folder: its rules one by one, its requests as
//! tables, and a reader as strict as the strictest client.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod any_body;
mod any_script;
mod chat;
mod completions;
mod dialects;
mod golden;
mod messages;
mod parameters;
mod responses;
mod support;
