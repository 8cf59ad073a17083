//! One exchange, as its turn and its watchers share it.
//!
//! The turn alone writes. What it writes for every event are counters; what it writes a few times is behind a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use prost::Message as _;
use tokio::time::Instant;
use warp2api_proto::warp::multi_agent::v1::Request;
use warp2api_proto::warp_chat::v1::{ExchangeKind, Part, StreamChatRequest, part};

use super::record::Record;
use crate::told::{Begun, Told};

/// What callers name may be of any length; this is what is kept of it, in bytes.
const MOST_NAME_BYTES: usize = 128;

/// What is known of a call when it arrives.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) kind: ExchangeKind,
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) model: String,
    pub(crate) upstream: String,
    pub(crate) request_bytes: usize,
    pub(crate) messages: usize,
    pub(crate) tools: usize,
    pub(crate) images: usize,
}

impl About {
    /// What is known of a call of StreamChat.
    pub(crate) fn chat(chat: &StreamChatRequest) -> Self {
        let is_image = |part: &Part| match &part.content {
            Some(part::Content::Image(_)) => 1,
            Some(part::Content::ToolResult(result)) => result
                .parts
                .iter()
                .filter(|part| matches!(part.content, Some(part::Content::Image(_))))
                .count(),
            _ => 0,
        };
        let model = chat.model.strip_prefix("chatModels/").unwrap_or(&chat.model);
        let parts = chat.messages.iter().flat_map(|message| &message.parts);
        Self {
            kind: ExchangeKind::Chat,
            request_id: String::new(),
            trace_id: String::new(),
            model: name(if model.is_empty() { "auto" } else { model }),
            upstream: String::new(),
            request_bytes: chat.encoded_len(),
            messages: chat.messages.len(),
            tools: chat.tools.len(),
            images: parts.map(is_image).sum(),
        }
    }

    /// What is known of a call of StreamWarp.
    pub(crate) fn warp(request: Option<&Request>, request_bytes: usize) -> Self {
        let settings = request.and_then(|request| request.settings.as_ref());
        let model =
            settings.and_then(|settings| settings.model_config.as_ref()).map(|model| model.base.as_str());
        Self {
            kind: ExchangeKind::Warp,
            request_id: String::new(),
            trace_id: String::new(),
            model: name(model.unwrap_or_default()),
            upstream: String::new(),
            request_bytes,
            messages: 0,
            tools: 0,
            images: 0,
        }
    }

    /// Adds what the call came with, and where it will run.
    #[must_use]
    pub(crate) fn along_with(mut self, request_id: &str, trace_id: &str, upstream: &str) -> Self {
        self.request_id = name(request_id);
        self.trace_id = name(trace_id);
        self.upstream = name(upstream);
        self
    }

    fn size(&self) -> usize {
        self.request_id.len() + self.trace_id.len() + self.model.len() + self.upstream.len()
    }
}

/// An exchange.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: u64,
    /// Where in the ring its own entries begin.
    pub(crate) place: u64,
    pub(crate) about: About,
    pub(crate) started: SystemTime,
    pub(crate) began: Instant,
    begun: OnceLock<Begun>,
    pub(crate) counters: Counters,
    record: Mutex<Record>,
}

/// How much has come. One writer: loads and stores, nothing that locks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) events: AtomicU64,
    pub(crate) event_bytes: AtomicU64,
    pub(crate) characters: AtomicU64,
    pub(crate) reasoning_characters: AtomicU64,
    pub(crate) tool_calls: AtomicU64,
}

impl Counters {
    /// One more event of the upstream. Tells its number.
    pub(crate) fn event(&self, bytes: usize) -> u64 {
        let events = self.events.load(Ordering::Relaxed) + 1;
        self.events.store(events, Ordering::Relaxed);
        let so_far = self.event_bytes.load(Ordering::Relaxed);
        self.event_bytes.store(so_far + bytes as u64, Ordering::Relaxed);
        events
    }

    /// What the caller has been told.
    pub(crate) fn told(&self, told: &Told) {
        self.characters.store(told.characters, Ordering::Relaxed);
        self.reasoning_characters.store(told.reasoning_characters, Ordering::Relaxed);
        self.tool_calls.store(u64::from(told.tool_calls), Ordering::Relaxed);
    }

    /// A new attempt begins.
    pub(crate) fn reset(&self) {
        self.events.store(0, Ordering::Relaxed);
        self.event_bytes.store(0, Ordering::Relaxed);
        self.told(&Told::default());
    }
}

impl Live {
    pub(crate) fn new(id: u64, place: u64, about: About, started: SystemTime, began: Instant) -> Self {
        let record = Mutex::new(Record::new(began));
        Self {
            id,
            place,
            about,
            started,
            began,
            begun: OnceLock::new(),
            counters: Counters::default(),
            record,
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the upstream introduced itself, if it has.
    pub(crate) fn begun(&self) -> Option<&Begun> {
        self.begun.get()
    }

    pub(crate) fn set_begun(&self, begun: &Begun) {
        self.begun.get_or_init(|| Begun {
            conversation_id: name(&begun.conversation_id),
            upstream_request_id: name(&begun.upstream_request_id),
            resumed: begun.resumed,
            upstream: begun.upstream.as_deref().map(name),
        });
    }

    /// About how many bytes it holds on to.
    pub(crate) fn size(&self) -> usize {
        let begun = self.begun.get().map_or(0, |begun| {
            begun.conversation_id.len()
                + begun.upstream_request_id.len()
                + begun.upstream.as_ref().map_or(0, String::len)
        });
        size_of::<Self>() + self.about.size() + begun + self.record().size()
    }
}

fn name(text: &str) -> String {
    cut(text, MOST_NAME_BYTES)
}

/// The beginning of `text`, at most so many bytes.
pub(super) fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}
