//! The pure mapping between OpenAI's dialect and the contract. Nothing here waits, reads a clock or makes up an id:
//! bytes and events go in, bytes and messages come out.
//!
//! A chat request is read with [`ChatCompletionRequest::parse`] and taken on with
//! [`accept`](ChatCompletionRequest::accept), which gives an [`Accepted`] with the contract's request in it, or a
//! [`Rejection`] that names the field at fault. The events of the turn go into a [`ChunkStream`] (server-sent
//! events) or a [`Collector`] (one JSON object); both begin with the [`AnswerHead`] from [`Accepted::head`]. What
//! fails is a [`Problem`]: status, headers and body before the first byte, an error frame after it.
//!
//! ```
//! use bytes::BytesMut;
//! use warp2api_dialects::{ChatCompletionRequest, ChunkStream, FetchedImages, Problem};
//! use warp2api_proto::warp_chat::v1::StreamChatResponse;
//! use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished, TextDelta};
//!
//! let body = br#"{"model": "gpt-5", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
//! let accepted = ChatCompletionRequest::parse(body)?.accept(&FetchedImages::default())?;
//! assert_eq!(accepted.request.model, "gpt-5");
//!
//! let mut stream = ChunkStream::new(accepted.head("chatcmpl-1", 1_700_000_000));
//! let mut out = BytesMut::new();
//! for event in [Event::TextDelta(TextDelta { text: "Hello".into() }), Event::Finished(Finished::default())] {
//!     stream.step(&StreamChatResponse { event: Some(event) }, &mut out);
//! }
//! stream.finish(Ok(()), &mut out);
//! assert!(out.ends_with(b"data: [DONE]\n\n"));
//!
//! let rejection = ChatCompletionRequest::parse(br#"{"messages": 7}"#).unwrap_err();
//! let problem = Problem::from(rejection);
//! assert_eq!((problem.status(), problem.param.as_deref()), (400, Some("messages")));
//! # Ok::<(), warp2api_dialects::Rejection>(())
//! ```
//!
//! [`models`] lists models; [`parameters`] and [`error`] hold the tables that the documents are made from.

mod chat;
pub mod error;
mod json;
pub mod models;
pub mod parameters;
mod rejection;

pub use chat::{
    Accepted, AnswerHead, CallStyle, ChatCompletionRequest, ChunkStream, Collector, FetchedImages,
    MAX_IMAGE_BYTES, RemoteImage,
};
pub use error::{Problem, errors_markdown_rows, param_of_field};
pub use parameters::parameters_markdown;
pub use rejection::Rejection;
