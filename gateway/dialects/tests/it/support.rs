//! What the tests share: scripts of events, random JSON and requests as readable text.

pub(crate) mod dump;
pub(crate) mod json;
pub(crate) mod script;

use warp2api_dialects::{Accepted, Dialect, FetchedImages, Rejection, Request as _, Stamp};

/// Reads a body and takes it on, with nothing fetched.
pub(crate) fn accept<D: Dialect>(body: &str) -> Result<Accepted<D::Plan>, Rejection> {
    D::parse(body.as_bytes())?.accept(&FetchedImages::default())
}

/// What makes an answer this one in tests.
pub(crate) fn stamp() -> Stamp {
    Stamp { unique: "1".to_owned(), created: 1_700_000_000 }
}
