//! Chat completions: the request in, the answer out, streamed or whole.

mod accept;
mod answer;
mod collect;
mod request;
mod stream;

pub use accept::{Accepted, FetchedImages, MAX_IMAGE_BYTES, RemoteImage};
pub use answer::{AnswerHead, CallStyle};
pub use collect::Collector;
pub use request::ChatCompletionRequest;
pub use stream::ChunkStream;
