//! The id in a path. One that is no text is the id of nothing.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use warp2api_dialects::error::Problem;
use warp2api_proto::error::v1::ErrorReason;

use super::errors_at;
use crate::failure::Refusal;

/// What stands in the path of a request where its route has an id.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        found.map(|Path(id)| Self(id)).map_err(|_| {
            let words = "the path is not UTF-8 when it is decoded";
            let style = errors_at(parts.uri.path(), &parts.headers);
            Refusal(Problem::new(ErrorReason::RouteNotFound, words), style)
        })
    }
}
