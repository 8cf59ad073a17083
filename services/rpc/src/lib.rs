//! Plumbing that every service of the house shares. Knows no message of ours but the error reasons.
//!
//! - [`policy`]: who may call which method. [`guard`]: holds a listener to it, by [`admin_keys`] and [`chat_tokens`].
//! - [`encoded`]: messages that are bytes already.
//! - [`endpoint`]: a service of ours, here or over there, as one boxed tower service ([`GrpcEndpoint`]).
//! - [`http_endpoint`]: the upstream, embedded or a URL, as another ([`HttpEndpoint`]).
//! - [`body`]: reads the body of an HTTP request within its bounds.
//! - [`context`]: the deadline and the trace context of a call, handed on to every onward call.
//! - [`deadline`]: the layer that makes deadlines hold in process as they do over a socket.
//! - [`keep_alive`]: when a streamed body gives a sign of life.
//! - [`last_call`]: what runs out of time ends with a word. [`readiness`]: whether new work can be taken on.
//! - [`live`]: a value that is replaced as a whole.
//! - [`origin`]: where a request says that it is from: pages, names, proxies. [`page`]: pages of a list.
//! - [`private_file`]: files that only their owner reads.
//! - [`propagation`]: what of a caller's context is passed on at all.
//! - [`plain_status`]: gives what the gRPC framework itself refuses a reason like all others.
//! - [`reason`]: the one place that knows which gRPC code and details a failure has ([`Failure`]).
//! - [`request_id`]: every HTTP request has an id.
//! - [`link`]: what services show each other over a network, by [`service_token`] and [`tls`].
//! - [`listener`]: addresses, TCP or unix socket, bound early.
//! - [`semconv`]: names of OpenTelemetry. [`trace`]: spans of calls, and how they hang together. [`meter`]: what is counted.
//! - [`serve`]: the accept loop: HTTP/1.1 and HTTP/2 on one port, limits, graceful stop.
//! - [`server`]: collects gRPC services with health and reflection into one router.
//! - [`transport_error`]: what both kinds of endpoints fail with.

pub mod admin_keys;
pub mod body;
pub mod chat_tokens;
pub mod context;
pub mod deadline;
pub mod encoded;
pub mod endpoint;
pub mod guard;
pub mod health;
pub mod http_endpoint;
mod inflate;
pub mod keep_alive;
pub mod last_call;
pub mod link;
pub mod listener;
pub mod live;
pub mod meter;
pub mod origin;
pub mod page;
pub mod plain_status;
pub mod policy;
pub mod private_file;
pub mod propagation;
pub mod readiness;
pub mod reason;
pub mod request_id;
pub mod semconv;
pub mod serve;
pub mod server;
pub mod service_token;
pub mod tls;
pub mod trace;
pub mod transport_error;

pub use admin_keys::AdminKeys;
pub use chat_tokens::ChatTokens;
pub use context::CallContext;
pub use endpoint::GrpcEndpoint;
pub use guard::{Caller, Guard};
pub use http_endpoint::{HttpBody, HttpEndpoint};
pub use keep_alive::KeepAlive;
pub use last_call::LastCallLayer;
pub use link::Link;
pub use live::Live;
pub use readiness::Readiness;
pub use reason::{Failure, Violation};
pub use service_token::ServiceTokens;
pub use transport_error::TransportError;

/// The largest gRPC message a service takes or a client accepts. A conversation of an agent has a few megabytes;
/// gRPC's own default of four is too small for it.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
