//! The pure mapping between what clients speak and the contract. Nothing here waits, reads a clock or makes up an id:
//! bytes and events go in, bytes and messages come out.
//!
//! A [`Dialect`] is a folder: [`chat`] for chat completions, [`responses`] for OpenAI's responses, [`messages`] for
//! Anthropic's messages, [`completions`] for OpenAI's oldest. Its request is read with [`Dialect::parse`] and taken on with [`Request::accept`], which gives
//! an [`Accepted`] with the contract's request in it, or a [`Rejection`] that names the field at fault. The events of the
//! turn go into a [`Writer`] (server-sent events) or a [`Fold`] (one JSON object), both made by the request's [`Plan`].
//! What fails is a [`Problem`]: status, headers and body before the first byte, an error at the end of the stream after
//! it. What dialects share has files of its own beside the folders.
//!
//! ```
//! use bytes::BytesMut;
//! use warp2api_dialects::chat::ChatCompletions;
//! use warp2api_dialects::{Dialect, ErrorStyle, FetchedImages, Plan, Problem, Request, Stamp, Writer};
//! use warp2api_proto::warp_chat::v1::StreamChatResponse;
//! use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished, TextDelta};
//!
//! let body = br#"{"model": "gpt-5", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
//! let accepted = ChatCompletions::parse(body)?.accept(&FetchedImages::default())?;
//! assert_eq!(accepted.request.model, "gpt-5");
//!
//! let mut stream = accepted.plan.writer(Stamp { unique: "1".into(), created: 1_700_000_000 });
//! let mut out = BytesMut::new();
//! for event in [Event::TextDelta(TextDelta { text: "Hello".into() }), Event::Finished(Finished::default())] {
//!     stream.step(&StreamChatResponse { event: Some(event) }, &mut out).unwrap();
//! }
//! stream.finish(Ok(()), &mut out);
//! assert!(out.ends_with(b"data: [DONE]\n\n"));
//!
//! let rejection = ChatCompletions::parse(br#"{"messages": 7}"#).unwrap_err();
//! let problem = Problem::from(rejection);
//! assert_eq!((problem.status(ErrorStyle::OpenAi), problem.param.as_deref()), (400, Some("messages")));
//! # Ok::<(), warp2api_dialects::Rejection>(())
//! ```
//!
//! [`models`] lists models; [`parameters`] and [`error`] hold the tables that the documents are made from.

mod calls;
pub mod chat;
mod checks;
pub mod completions;
mod content;
mod dialect;
pub mod error;
mod fields;
mod held;
mod ignored;
mod images;
mod json;
pub mod messages;
pub mod models;
pub mod parameters;
mod parts;
mod raw;
mod rejection;
pub mod responses;
mod tools;
mod unknown;
mod usage;

pub use dialect::{Accepted, Dialect, Fold, KeepAliveForm, Plan, Request, Stamp, Writer};
pub use error::{ErrorStyle, Problem, errors_markdown_rows};
pub use fields::FieldNames;
pub use images::{FetchedImages, MAX_IMAGE_BYTES, RemoteImage};
pub use parameters::parameters_markdown;
pub use raw::Json;
pub use rejection::Rejection;
