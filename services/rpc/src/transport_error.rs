//! A call or a body that did not get through.
//!
//! A type of its own rather than a boxed error, because the futures of generated clients and of body adapters are only
//! `Send` over a concrete one. Its source is what the transport said; tonic looks for statuses there.

use tower::BoxError;

/// A call or a body that did not get through.
#[derive(Debug, thiserror::Error)]
#[error("the connection failed")]
pub struct TransportError(#[source] BoxError);

impl TransportError {
    /// Wraps what a transport said.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}
