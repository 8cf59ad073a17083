//! The embedded upstream: a simulator of Warp's AI backend that speaks the real wire format.
//!
//! It is what Warp2Api runs on without a credential, what its tests run against and what its benchmarks measure with.
//! It has no port of its own: [`Simulator::router`] is an axum `Router` for whoever has one, or for a call in process.
//! No model is asked; every answer carries the header `x-warp2api-upstream: embedded`. It encodes by hand and does not
//! use the generated types for it, so that a mistake there cannot cancel out against the same mistake here.
//!
//! # What it answers
//!
//! The latest text of the user decides: in the input, or, when the input brings results only, in the history. Where a
//! text holds several of these phrases, the one that comes first counts. The case of letters does not matter.
//!
//! A query may hold the whole conversation as text, in sections such as `<user>` and `<tool_result id="..">`: then the
//! last section of the user is the latest text, and results after it are results.
//!
//! | the text contains | the answer |
//! |---|---|
//! | `call the tool NAME with {json}` | a call of NAME with these arguments, if NAME is among the offered tools; the phrase several times: several calls in one turn. Once a result follows that text: a text that quotes the results, never the call again |
//! | `say exactly: TEXT` | TEXT, which is the rest of the message |
//! | `say slowly: TEXT` | TEXT, word by word over two seconds |
//! | `stream CHUNKS chunks of BYTES bytes every MILLIS ms` | a stream for measurements: at most 100000 chunks, 65536 bytes each, 60000 ms apart; 0 ms sends all at once |
//! | `think first` | reasoning before the answer that the other phrases decide, if the request sets `supports_reasoning_message` |
//! | nothing of this | its last words, and that this is the embedded upstream |
//!
//! # What it refuses
//!
//! A content type other than `application/x-protobuf` (415), a bearer that is missing, unknown or expired (401), bytes
//! that are no request and conversations that the real upstream would not take (400, see [`Violation`]).
//!
//! # Usage
//!
//! A token is a piece of text: a word with the white space after it, at most 16 characters. The input counts the texts
//! of the history and the new ones, the output the pieces sent.
//!
//! # Faults
//!
//! [`Scenario`] scripts an answer, [`ExchangeScenario`] an exchange of a refresh token; the [`Simulator`] takes them for
//! the next request or for a credential. [`Record`] tells what was received and what became of each answer.

mod body;
mod chat;
mod check;
mod clock;
mod credentials;
mod event;
mod exchange;
mod fingerprint;
mod finish;
mod flattened;
mod form;
mod graphql;
mod http_io;
mod ids;
mod json;
mod message;
mod phrase;
mod record;
mod reply;
mod results;
mod scenario;
mod script;
mod simulator;
#[cfg(test)]
mod testing;
mod tools;
mod turn;
mod wire;

pub use body::Broken;
pub use check::Violation;
pub use credentials::{EmbeddedCredential, Rotation};
pub use event::Event;
pub use exchange::ExchangeScenario;
pub use fingerprint::Fingerprint;
pub use finish::{Finish, Tokens, UsageForm};
pub use graphql::Quota;
pub use http_io::{UPSTREAM_HEADER, UPSTREAM_NAME};
pub use message::{Message, ToolCall};
pub use record::{Endpoint, Fate, NotInTime, Received, Record, Unreadable};
pub use scenario::{Cut, Delivery, Part, Refusal, Scenario};
pub use simulator::{Simulator, SimulatorConfig};
pub use wire::frame::Framing;
