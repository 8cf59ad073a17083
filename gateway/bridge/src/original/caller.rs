//! What the paths have in common: reading a request within its bounds, and who may call what.

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use http::request::Parts;
use tokio::time::Instant;
use warp2api_rpc::{CallContext, Failure, Guard, MAX_MESSAGE_BYTES, body};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that may be answered.
pub(crate) struct Admitted {
    /// What goes along on the calls made for it.
    pub(crate) context: CallContext,
    pub(crate) body: Bytes,
    pub(crate) head: Parts,
    caller: warp2api_rpc::Caller,
}

impl Admitted {
    /// Asks the guard whether the request may call `method`, then reads its body, which is JSON if there is any.
    pub(crate) async fn read(guard: &Guard, method: &str, request: Request) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let caller = guard.check(method, &head.uri, &head.headers)?;
        let body = body::read(&head.headers, body, MAX_MESSAGE_BYTES, BODY_TIMEOUT).await?;
        if !body.is_empty() {
            body::expect_json(&head.headers)?;
        }
        let context = CallContext::from_headers(&head.headers, Instant::now());
        Ok(Self { context, body, head, caller })
    }

    /// A call made for this request.
    pub(crate) fn call<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = self.context.request(message);
        request.extensions_mut().insert(self.caller.clone());
        // A service that is elsewhere has a guard of its own.
        for name in ["authorization", "x-api-key", "x-admin-key"] {
            if let Some(value) = self.head.headers.get(name) {
                request.metadata_mut().as_mut().insert(http::HeaderName::from_static(name), value.clone());
            }
        }
        request
    }
}
