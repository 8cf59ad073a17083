//! What an answer shall be, for tests: faults before the stream, its content, its end and the way it is delivered.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::event::Event;
use crate::finish::{Finish, Tokens, UsageForm};
use crate::message::ToolCall;
use crate::wire::frame::Framing;

/// One scripted answer of the AI endpoint. Starts from a constructor and is refined by the other methods.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    pub(crate) before: Before,
    pub(crate) content: Content,
    pub(crate) finish: Finish,
    pub(crate) refresh_models: bool,
    pub(crate) usage: UsageForm,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) unfinished: Option<Cut>,
    pub(crate) interruption: Option<(usize, Interruption)>,
    pub(crate) delivery: Delivery,
    pub(crate) framing: Framing,
}

/// What happens before the response head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    pub(crate) delay: Duration,
    pub(crate) kind: Head,
}

/// The response head.
#[derive(Debug, Clone, Default)]
pub(crate) enum Head {
    /// Status 200 and a stream.
    #[default]
    Stream,
    /// Another status and a text.
    Refuse(Refusal),
    /// None, ever.
    Stall,
}

/// What the stream says between `init` and `finished`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Content {
    /// What the request asks for.
    #[default]
    Usual,
    /// These parts, amid the usual bookkeeping.
    Parts(Vec<Part>),
    /// These events and nothing else, not even `init` and `finished`.
    Events(Vec<Event>),
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text, in pieces of a word.
    Text(String),
    /// Text, in pieces of a word, evenly spread over this time.
    PacedText(String, Duration),
    /// Text in one event, however long it is.
    WholeText(String),
    /// The same piece of text so many times, with this time between two; zero sends them all at once.
    Chunks {
        /// How many.
        count: u32,
        /// The text of each.
        piece: String,
        /// The time between two.
        every: Duration,
    },
    /// Reasoning, in pieces of a word, and its end.
    Reasoning(String),
    /// A call of a tool. An empty id or server id is filled in.
    ToolCall(ToolCall),
    /// A call of a tool that comes without arguments first; an update brings them.
    LateToolCall(ToolCall),
    /// A call of the upstream's own shell tool.
    ShellCall(String),
    /// Text that a rollback takes back. The transaction is opened again for what follows.
    RolledBack(String),
    /// Text that an update replaces by another.
    Corrected {
        /// What is sent first.
        draft: String,
        /// What the update says.
        text: String,
    },
    /// Text of a task below the root task.
    SubtaskText(String),
    /// Members, actions, events and fields that are bookkeeping or that no schema knows.
    Unknown,
    /// An event as it is.
    Event(Event),
    /// A frame with this text after `data:`, base64 or not.
    Payload(String),
    /// Bytes of the stream as they are, frame or not.
    Bytes(Vec<u8>),
    /// Nothing for this time.
    Pause(Duration),
    /// Nothing more, ever, and no end.
    Stall,
}

/// How a body ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As if it were complete.
    Clean,
    /// With an error of the connection.
    Error,
}

/// What happens after a number of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    Cut(Cut),
    Stall,
}

/// How the bytes of a stream are spread over writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// One write for each event.
    #[default]
    Events,
    /// Writes of this many bytes, wherever that cuts.
    Bytes(usize),
    /// Writes of this many bytes with this time between two.
    Drip(usize, Duration),
    /// Writes of one byte up to `longest`, by chance that the seed decides.
    Random {
        /// The same seed cuts at the same places.
        seed: u64,
        /// The most bytes in a write.
        longest: usize,
    },
    /// Up to this many events in a write, as long as nothing has to be waited for.
    Together(usize),
}

impl Scenario {
    /// What the embedded upstream answers without a script.
    pub fn usual() -> Self {
        Self::default()
    }

    /// This text.
    pub fn text(text: &str) -> Self {
        Self::parts([Part::Text(text.to_owned())])
    }

    /// These parts, in their order.
    pub fn parts(parts: impl Into<Vec<Part>>) -> Self {
        Self { content: Content::Parts(parts.into()), ..Self::default() }
    }

    /// `count` pieces of text with `every` between two, for measurements.
    pub fn chunks(count: u32, piece: &str, every: Duration) -> Self {
        Self::parts([Part::Chunks { count, piece: piece.to_owned(), every }])
    }

    /// These events and nothing else.
    pub fn events(events: impl Into<Vec<Event>>) -> Self {
        Self { content: Content::Events(events.into()), ..Self::default() }
    }

    /// No text, and this end.
    pub fn finish(finish: Finish) -> Self {
        Self::parts([]).finishing(finish)
    }

    /// A refusal instead of a stream.
    pub fn refuse(refusal: Refusal) -> Self {
        Self { before: Before { delay: Duration::ZERO, kind: Head::Refuse(refusal) }, ..Self::default() }
    }

    /// No response head, ever.
    pub fn stall_before_headers() -> Self {
        Self { before: Before { delay: Duration::ZERO, kind: Head::Stall }, ..Self::default() }
    }

    /// Ends with `finish` instead of done.
    #[must_use]
    pub fn finishing(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// Tells the client to load the list of models again.
    #[must_use]
    pub const fn refreshing_models(mut self) -> Self {
        self.refresh_models = true;
        self
    }

    /// Reports the usage in this form.
    #[must_use]
    pub const fn reporting(mut self, usage: UsageForm) -> Self {
        self.usage = usage;
        self
    }

    /// Reports these token counts instead of the pieces counted.
    #[must_use]
    pub const fn using(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Waits before the response head.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.before.delay = delay;
        self
    }

    /// Ends where `finished` would stand.
    #[must_use]
    pub const fn without_finished(mut self, cut: Cut) -> Self {
        self.unfinished = Some(cut);
        self
    }

    /// Ends after so many events.
    #[must_use]
    pub const fn cut_after(mut self, events: usize, cut: Cut) -> Self {
        self.interruption = Some((events, Interruption::Cut(cut)));
        self
    }

    /// Sends nothing more after so many events, and does not end. Zero stalls right after the response head.
    #[must_use]
    pub const fn stall_after(mut self, events: usize) -> Self {
        self.interruption = Some((events, Interruption::Stall));
        self
    }

    /// Spreads the bytes over writes in this way.
    #[must_use]
    pub const fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Spells the events in this way.
    #[must_use]
    pub const fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }
}

/// An answer that is not a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Refusal {
    /// This status, which is 500 if there is no such, with this body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
            body: body.into(),
        }
    }

    /// The same with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string()).with_header("content-type", "application/json")
    }

    /// The same with this header, in place of one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
        self
    }

    /// The quota is used up, as the upstream of 2026 says it.
    pub fn out_of_credits() -> Self {
        let body = json!({
            "error": "out of credits",
            "userDisplayMessage": "You have used all your credits for this period.",
        });
        Self::json(429, &body).with_header("x-warp-error-code", "OUT_OF_CREDITS")
    }

    /// The quota is used up, as the upstream of 2025 said it.
    pub fn no_requests_left() -> Self {
        Self::json(429, &json!({"error": "No remaining quota: No AI requests remaining"}))
    }

    /// The upstream is overloaded: 429 and nothing to tell why.
    pub fn overloaded() -> Self {
        Self::new(429, "Rate exceeded.")
    }

    /// A page of the edge in front of the upstream.
    pub fn page(status: u16, title: &str) -> Self {
        let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
        Self::new(status, page).with_header("content-type", "text/html; charset=utf-8")
    }

    /// The account is blocked.
    pub fn blocked() -> Self {
        Self::new(403, "Your account has been blocked from using AI features.")
    }

    /// The model is not in the account's plan.
    pub fn model_not_allowed(model: &str) -> Self {
        Self::new(400, format!("requested base model {model:?} is not allowed for your account"))
    }

    /// The bearer is missing, unknown or no longer valid.
    pub fn unauthorized(why: &str) -> Self {
        Self::new(401, format!("Unauthorized: {why}"))
    }

    /// The upstream failed.
    pub fn internal() -> Self {
        Self::new(500, "Internal Server Error")
    }

    /// The upstream is away.
    pub fn unavailable() -> Self {
        Self::page(503, "503 Service Unavailable")
    }
}
