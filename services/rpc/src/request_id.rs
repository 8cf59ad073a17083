//! Every request has an id: the caller's, or one of ours. It stands in the answer and goes along on every onward call.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};

use crate::context::REQUEST_ID;

/// The longest id of a caller's that is kept.
const MAX_LENGTH: usize = 128;

/// Settles the id of a request before anything else sees it, and puts it on the answer.
pub async fn settle(mut request: Request, next: Next) -> Response {
    let id = settled(request.headers_mut());
    let mut response = next.run(request).await;
    response.headers_mut().insert(&REQUEST_ID, id);
    response
}

/// Has the headers of a request name it, and says how.
pub(crate) fn settled(headers: &mut HeaderMap) -> HeaderValue {
    let given = headers.get(&REQUEST_ID).filter(|id| is_usable(id)).cloned();
    let id = given.unwrap_or_else(new_id);
    headers.insert(&REQUEST_ID, id.clone());
    id
}

fn is_usable(id: &HeaderValue) -> bool {
    !id.is_empty() && id.len() <= MAX_LENGTH && id.to_str().is_ok()
}

fn new_id() -> HeaderValue {
    let id = format!("req_{}", uuid::Uuid::now_v7().simple());
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("req_unknown"))
}
