//! What the simulator received and what became of its answers. Bounded in entries and bytes; secrets are kept as
//! fingerprints only.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use tokio::sync::watch;
use warp2api_proto::descriptors;
use warp2api_proto::warp::multi_agent::v1::Request;

use crate::check::Violation;
use crate::fingerprint::Fingerprint;

/// Where a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The AI endpoint.
    Chat,
    /// The exchange of a refresh token or a custom token.
    Exchange,
    /// A GraphQL operation.
    GraphQl(String),
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is still being sent, or waits.
    Running,
    /// It was sent to its end, the end that its scenario wanted.
    Finished,
    /// The peer left before.
    Abandoned,
}

/// A request that the simulator received.
pub struct Received {
    /// Counts from 1.
    pub number: u64,
    /// Where it went.
    pub endpoint: Endpoint,
    /// The headers, `authorization` only as a fingerprint.
    pub headers: HeaderMap,
    /// The bearer, if there was one.
    pub bearer: Option<Fingerprint>,
    /// The fields of a form, tokens only as fingerprints.
    pub form: Vec<(String, String)>,
    /// The raw body. Empty for forms.
    pub body: Bytes,
    /// What is wrong with the conversation.
    pub violations: Vec<Violation>,
    /// The status of the answer. None if there never is one.
    pub status: Option<u16>,
    fate: Arc<AtomicU8>,
}

impl Received {
    pub(crate) fn new(endpoint: Endpoint, headers: HeaderMap) -> Self {
        Self {
            number: 0,
            endpoint,
            headers,
            bearer: None,
            form: Vec::new(),
            body: Bytes::new(),
            violations: Vec::new(),
            status: None,
            fate: Arc::new(AtomicU8::new(RUNNING)),
        }
    }

    /// What became of the answer so far.
    pub fn fate(&self) -> Fate {
        match self.fate.load(Ordering::Acquire) {
            FINISHED => Fate::Finished,
            ABANDONED => Fate::Abandoned,
            _ => Fate::Running,
        }
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The decoded request. Its Structs keep the order of their keys.
    ///
    /// # Errors
    ///
    /// If the body is none, which the simulator has answered with 400.
    pub fn request(&self) -> Result<Request, prost::DecodeError> {
        Request::decode(self.body.clone())
    }

    /// The decoded request as JSON with the names of the schema, for assertions that read well. Fields that are not set
    /// are left out; the keys of Structs are in no order.
    ///
    /// # Errors
    ///
    /// If the body is no request.
    pub fn json(&self) -> Result<serde_json::Value, Unreadable> {
        let descriptor = request_descriptor()?;
        let message = DynamicMessage::decode(descriptor, self.body.clone()).map_err(|_| Unreadable)?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|_| Unreadable)
    }
}

impl fmt::Debug for Received {
    /// Shows no content: it is a conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("number", &self.number)
            .field("endpoint", &self.endpoint)
            .field("bearer", &self.bearer)
            .field("body_len", &self.body.len())
            .field("violations", &self.violations)
            .field("status", &self.status)
            .field("fate", &self.fate())
            .finish_non_exhaustive()
    }
}

/// The body of a request is not a message of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorded body is not a request")]
pub struct Unreadable;

/// The time given to [`Record::wait_until`] is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was waited for did not happen in time")]
pub struct NotInTime;

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const ABANDONED: u8 = 2;

/// The requests received and the counts of their answers. A cloneable handle.
#[derive(Debug, Clone)]
pub struct Record(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    counts: watch::Sender<Counts>,
    most_entries: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<Received>>,
    bytes: usize,
    next_number: u64,
}

/// Of answers of the AI endpoint.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    received: u64,
    running: u64,
    finished: u64,
    abandoned: u64,
    most_running: u64,
}

impl Record {
    pub(crate) fn new(most_entries: usize, most_bytes: usize) -> Self {
        let ring = Mutex::new(Ring::default());
        Self(Arc::new(Shared { ring, counts: watch::Sender::default(), most_entries, most_bytes }))
    }

    /// The requests to the AI endpoint that are still kept, oldest first.
    pub fn chats(&self) -> Vec<Arc<Received>> {
        self.filtered(|received| received.endpoint == Endpoint::Chat)
    }

    /// The last request to the AI endpoint.
    pub fn last_chat(&self) -> Option<Arc<Received>> {
        self.ring().entries.iter().rev().find(|received| received.endpoint == Endpoint::Chat).cloned()
    }

    /// The token exchanges that are still kept, oldest first.
    pub fn exchanges(&self) -> Vec<Arc<Received>> {
        self.filtered(|received| received.endpoint == Endpoint::Exchange)
    }

    /// The GraphQL requests that are still kept, oldest first.
    pub fn graphql(&self) -> Vec<Arc<Received>> {
        self.filtered(|received| matches!(received.endpoint, Endpoint::GraphQl(_)))
    }

    /// Requests to the AI endpoint so far, also those no longer kept.
    pub fn received(&self) -> u64 {
        self.0.counts.borrow().received
    }

    /// Answers of the AI endpoint on their way.
    pub fn running(&self) -> u64 {
        self.0.counts.borrow().running
    }

    /// Answers of the AI endpoint that were sent to their end.
    pub fn finished(&self) -> u64 {
        self.0.counts.borrow().finished
    }

    /// Answers of the AI endpoint whose peer left before their end.
    pub fn abandoned(&self) -> u64 {
        self.0.counts.borrow().abandoned
    }

    /// The most answers that were on their way at once.
    pub fn most_running(&self) -> u64 {
        self.0.counts.borrow().most_running
    }

    /// Forgets the kept requests. The counts go on.
    pub fn clear(&self) {
        let mut ring = self.ring();
        ring.entries.clear();
        ring.bytes = 0;
    }

    /// Waits until `reached` says so. It is asked at once and after each change, so nothing is missed.
    ///
    /// # Errors
    ///
    /// If `timeout` passes before.
    pub async fn wait_until(
        &self,
        mut reached: impl FnMut(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), NotInTime> {
        let mut changes = self.0.counts.subscribe();
        let waiting = async {
            while !reached(self) {
                // The sender lives as long as this handle.
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(timeout, waiting).await.map_err(|_| NotInTime)
    }

    /// Keeps a request, which gets its number here, and follows its answer.
    pub(crate) fn add(&self, mut received: Received) -> Running {
        let mut ring = self.ring();
        ring.next_number += 1;
        received.number = ring.next_number;
        let running = Running {
            record: self.clone(),
            number: received.number,
            chat: received.endpoint == Endpoint::Chat,
            fate: Arc::clone(&received.fate),
        };
        ring.bytes += received.body.len();
        ring.entries.push_back(Arc::new(received));
        // The newest is kept however large it is.
        while ring.entries.len() > 1
            && (ring.entries.len() > self.0.most_entries || ring.bytes > self.0.most_bytes)
        {
            let oldest = ring.entries.pop_front();
            ring.bytes -= oldest.map_or(0, |oldest| oldest.body.len());
        }
        drop(ring);
        self.count(|counts| {
            if running.chat {
                counts.received += 1;
                counts.running += 1;
                counts.most_running = counts.most_running.max(counts.running);
            }
        });
        running
    }

    fn filtered(&self, keep: impl Fn(&Received) -> bool) -> Vec<Arc<Received>> {
        self.ring().entries.iter().filter(|received| keep(received)).cloned().collect()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.0.counts.send_modify(change);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // The ring is whole between any two statements, so a panic elsewhere does not spoil it.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer on its way. Dropped before [`Running::finish`] it counts as abandoned.
#[derive(Debug)]
pub(crate) struct Running {
    record: Record,
    number: u64,
    chat: bool,
    fate: Arc<AtomicU8>,
}

impl Running {
    /// The number of the request.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The answer has been sent. Further calls change nothing.
    pub(crate) fn finish(&self) {
        self.end(FINISHED);
    }

    fn end(&self, fate: u8) {
        if self.fate.compare_exchange(RUNNING, fate, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        self.record.count(|counts| {
            if self.chat {
                counts.running -= 1;
                counts.finished += u64::from(fate == FINISHED);
                counts.abandoned += u64::from(fate == ABANDONED);
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(ABANDONED);
    }
}

fn request_descriptor() -> Result<prost_reflect::MessageDescriptor, Unreadable> {
    descriptors::pool().get_message_by_name("warp.multi_agent.v1.Request").ok_or(Unreadable)
}

#[cfg(test)]
mod tests;
