//! Legacy completions: a prompt in, text out, streamed or whole. The prompt is what a person says; the models behind
//! answer it rather than write on.

mod accept;
mod answer;
mod collect;
mod parameters;
mod request;
mod stream;

use crate::dialect::{self, Dialect, Stamp};
use crate::error::ErrorStyle;
use crate::rejection::Rejection;

pub use answer::Plan;
pub use collect::TextCollector;
pub use parameters::PARAMETERS;
pub use request::CompletionRequest;
pub use stream::TextStream;

/// `POST /v1/completions`.
#[derive(Debug, Clone, Copy)]
pub struct Completions;

impl Dialect for Completions {
    const NAME: &'static str = "completions";
    const ERRORS: ErrorStyle = ErrorStyle::OpenAi;
    type Request<'a> = CompletionRequest<'a>;
    type Plan = Plan;

    fn parse(body: &[u8]) -> Result<CompletionRequest<'_>, Rejection> {
        CompletionRequest::parse(body)
    }
}

impl dialect::Plan for Plan {
    type Writer = TextStream;
    type Fold = TextCollector;

    fn writer(self, stamp: Stamp) -> TextStream {
        TextStream::new(self, stamp)
    }

    fn fold(self, stamp: Stamp) -> TextCollector {
        TextCollector::new(self, stamp)
    }
}
