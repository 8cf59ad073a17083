//! `POST /v1/messages/count_tokens`: an estimate, and the answer says so.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use warp2api_dialects::error::Problem;
use warp2api_dialects::messages::{Messages, count_tokens};
use warp2api_dialects::{Dialect, FetchedImages, Request as _};

use crate::failure::Refusal;
use crate::router::Edge;
use crate::routes::answer::Incoming;

/// Names what in an answer is estimated.
static ESTIMATED_HEADER: HeaderName = HeaderName::from_static("x-warp2api-estimated");

/// Counts the tokens of a request, which is checked as if it were to be answered.
pub(crate) async fn count(State(edge): State<Edge>, request: Request) -> Result<Response, Refusal> {
    let answer = async {
        let incoming = Incoming::read::<Messages>(&edge, request).await?;
        let request = Messages::parse(&incoming.body)?;
        // What an image shows does not count, so none is fetched.
        let images = match edge.fetcher() {
            Some(_) => FetchedImages::stand_ins(&request.remote_images()),
            None => FetchedImages::default(),
        };
        let body = count_tokens(&request.accept(&images)?.request);
        let headers = [(CONTENT_TYPE, "application/json"), (ESTIMATED_HEADER.clone(), "input_tokens")];
        Ok::<_, Problem>((headers, body).into_response())
    };
    answer.await.map_err(|problem| Refusal(problem, Messages::ERRORS))
}
