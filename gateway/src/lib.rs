//! The edge: the HTTP dialects of OpenAI and of Anthropic in front of `WarpChat`.
//!
//! What a request means and what an answer looks like is decided in `warp2api-dialects`, without IO. Here are the
//! routes, who may use them, the body of a stream, and what HTTP itself wants. The edge knows no credential.

mod access;
mod config;
mod conversation;
mod failure;
mod fetch;
mod gateway;
mod kept;
mod path;
mod request_id;
mod router;
mod routes;
mod stream;

pub use access::{
    AccessLimits, ApiKey, ApiKeys, InvalidOrigin, KeptKeys, KeyFile, KeyFileError, KeyLimits, KeyRecord,
    Origins, Scope, new_key,
};
pub use config::{GatewayConfig, RemoteImages};
pub use fetch::FetcherError;
pub use gateway::{Gateway, ReconfigureError};
pub use kept::KeptLimits;
pub use routes::paths;
pub use warp2api_dialects::KeepAliveForm;
