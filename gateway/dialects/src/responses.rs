//! Responses: the request in, the response out, streamed or whole.

mod accept;
mod answer;
mod collect;
mod echo;
mod item;
mod items;
mod names;
mod object;
mod parameters;
mod request;
mod stream;

use crate::dialect::{self, Dialect, Stamp};
use crate::error::ErrorStyle;
use crate::rejection::Rejection;

pub use answer::Answer;
pub use collect::Collector;
pub use echo::Echo;
pub use items::{KeptTurn, Page, item_list};
pub use parameters::PARAMETERS;
pub use request::ResponsesRequest;
pub use stream::EventStream;

/// `POST /v1/responses`.
#[derive(Debug, Clone, Copy)]
pub struct Responses;

/// What an answer needs to know of its request.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The model as the caller named it.
    pub model: String,
    /// What the response says of its request.
    pub echo: Echo,
    /// The tools as the caller offered them.
    origins: names::Origins,
}

impl Dialect for Responses {
    const NAME: &'static str = "responses";
    const ERRORS: ErrorStyle = ErrorStyle::OpenAi;
    type Request<'a> = ResponsesRequest<'a>;
    type Plan = Plan;

    fn parse(body: &[u8]) -> Result<ResponsesRequest<'_>, Rejection> {
        ResponsesRequest::parse(body)
    }
}

impl dialect::Plan for Plan {
    type Writer = EventStream;
    type Fold = Collector;

    fn writer(self, stamp: Stamp) -> EventStream {
        EventStream::new(Answer::new(self, stamp))
    }

    fn fold(self, stamp: Stamp) -> Collector {
        Collector::new(Answer::new(self, stamp))
    }
}
