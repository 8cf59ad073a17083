//! Chat completions: the request in, the answer out, streamed or whole.

mod accept;
mod answer;
mod collect;
mod parameters;
mod request;
mod stream;

use crate::dialect::{self, Dialect, Stamp};
use crate::error::ErrorStyle;
use crate::rejection::Rejection;

pub(crate) use answer::Usage;
pub use answer::{AnswerHead, CallStyle, Plan};
pub use collect::Collector;
pub use parameters::PARAMETERS;
pub use request::ChatCompletionRequest;
pub use stream::ChunkStream;

/// `POST /v1/chat/completions`.
#[derive(Debug, Clone, Copy)]
pub struct ChatCompletions;

impl Dialect for ChatCompletions {
    const NAME: &'static str = "chat_completions";
    const ERRORS: ErrorStyle = ErrorStyle::OpenAi;
    type Request<'a> = ChatCompletionRequest<'a>;
    type Plan = Plan;

    fn parse(body: &[u8]) -> Result<ChatCompletionRequest<'_>, Rejection> {
        ChatCompletionRequest::parse(body)
    }
}

impl dialect::Plan for Plan {
    type Writer = ChunkStream;
    type Fold = Collector;

    fn writer(self, stamp: Stamp) -> ChunkStream {
        ChunkStream::new(self.head(stamp))
    }

    fn fold(self, stamp: Stamp) -> Collector {
        Collector::new(self.head(stamp))
    }
}
