//! Anthropic's messages: the request in, the answer out, streamed or whole; and the estimate of its tokens.

mod accept;
mod answer;
mod collect;
mod count;
pub mod models;
mod parameters;
mod request;
mod stream;
mod tool_id;

use crate::dialect::{self, Dialect, Stamp};
use crate::error::ErrorStyle;
use crate::rejection::Rejection;

pub use answer::{AnswerHead, Plan};
pub use collect::Collector;
pub use count::{count_tokens, estimate};
pub use parameters::PARAMETERS;
pub use request::MessagesRequest;
pub use stream::EventStream;

/// `POST /v1/messages`.
#[derive(Debug, Clone, Copy)]
pub struct Messages;

impl Dialect for Messages {
    const NAME: &'static str = "messages";
    const ERRORS: ErrorStyle = ErrorStyle::Anthropic;
    type Request<'a> = MessagesRequest<'a>;
    type Plan = Plan;

    fn parse(body: &[u8]) -> Result<MessagesRequest<'_>, Rejection> {
        MessagesRequest::parse(body)
    }
}

impl dialect::Plan for Plan {
    type Writer = EventStream;
    type Fold = Collector;

    fn writer(self, stamp: Stamp) -> EventStream {
        EventStream::new(self.head(stamp))
    }

    fn fold(self, stamp: Stamp) -> Collector {
        Collector::new(self.head(stamp))
    }
}
