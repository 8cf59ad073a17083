//! What the tests share: scripts of events, requests as readable text, and a strict reader of answers.

pub(crate) mod dump;
pub(crate) mod script;
pub(crate) mod strict;

use warp2api_dialects::{Accepted, AnswerHead, CallStyle, ChatCompletionRequest, FetchedImages, Rejection};

/// Reads a body and takes it on, with nothing fetched.
pub(crate) fn accept(body: &str) -> Result<Accepted, Rejection> {
    ChatCompletionRequest::parse(body.as_bytes())?.accept(&FetchedImages::default())
}

/// The head of an answer in tests.
pub(crate) fn head() -> AnswerHead {
    AnswerHead {
        id: "chatcmpl-1".to_owned(),
        created: 1_700_000_000,
        model: "gpt-5".to_owned(),
        include_usage: false,
        call_style: CallStyle::Tools,
    }
}
