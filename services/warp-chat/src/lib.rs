//! `WarpChat`: one chat turn against the upstream.
//!
//! A turn goes through these rooms, in this order:
//! - [`service`]: the gRPC methods.
//! - `conversation`, `image`: the caller's messages, checked once. `arrange`: put in order.
//! - [`warp::request`]: made a request of the upstream's.
//! - `turn`, `lease`: a credential from the pool, attempts until the upstream begins to answer. [`trail`]: what they
//!   tell the trace, `content` what was said there, `redact` without what looks like a key. `holding`: tells the pool that
//!   leases go on.
//! - `upstream`: the POST. `attempt`: its body, read and watched.
//! - [`sse`], [`warp::payload`], [`warp::events`]: bytes to events to what the caller sees.
//! - `exchange`: what operators get to see of all this. `told`: an answer in numbers. `tally`: where its time went.
//! - `limits`: stop sequences and token limits. `resume`: conversations that callers go on with by a key.
//!
//! All but `turn`, `lease`, `upstream`, `attempt` and the sessions of `resume` are pure.

mod arrange;
mod attempt;
pub mod config;
mod content;
mod conversation;
pub mod error;
pub mod exchange;
mod holding;
mod image;
mod lease;
mod limits;
pub mod models;
mod projection;
mod redact;
mod resume;
pub mod service;
pub mod sse;
mod tally;
mod told;
pub mod trail;
mod turn;
mod upstream;
pub mod warp;

pub use config::ChatConfig;
pub use exchange::{Feed, FeedConfig};
pub use service::WarpChatService;
pub use upstream::UpstreamConfigError;
