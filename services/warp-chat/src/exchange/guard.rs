//! A turn's hold on its exchange. Whatever becomes of the call, its body or its future, the exchange ends with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio::time::Instant;
use warp2api_proto::event_type;
use warp2api_proto::token_pool::v1::Lease;
use warp2api_proto::warp::multi_agent::v1::ResponseEvent;
use warp2api_rpc::Failure;

use super::feed::Feed;
use super::live::{Live, cut};
use super::record::Outcome;
use super::ring::{StreamEvent, What};
use crate::error::TurnError;
use crate::told::Told;

/// An exchange under way. Dropped before its end, the caller has left.
#[derive(Debug)]
pub(crate) struct Exchange(Observer);

/// Sees what goes by, for whoever wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    feed: Feed,
    live: Arc<Live>,
}

impl Exchange {
    pub(super) fn new(feed: Feed, live: Arc<Live>) -> Self {
        Self(Observer { feed, live })
    }

    pub(crate) fn observer(&self) -> Observer {
        self.0.clone()
    }

    /// A credential was leased; of the time that took, `waited` was for a free slot.
    pub(crate) fn leased(&self, lease: &Lease, waited: Duration) {
        let Observer { feed, live } = &self.0;
        let mut record = live.record();
        record.leased(lease, waited, Instant::now());
        let told = record.credentials.last().cloned().map(|credential| (credential, record.leases - 1));
        drop(record);
        if let Some((credential, before)) = told {
            feed.tell(live, || What::Leased { credential, before });
        }
    }

    /// `message` goes out.
    pub(crate) fn sent(&self, message: &Bytes) {
        let Observer { feed, live } = &self.0;
        live.counters.reset();
        let bytes = message.len() as u64;
        let attempt = live.record().sent(bytes, Instant::now());
        let content = || Some(message.clone()).filter(|_| feed.captures());
        feed.tell(live, || What::Sent { attempt, bytes, content: content() });
    }

    /// The attempt failed.
    pub(crate) fn attempt_failed(&self, error: &TurnError) {
        let Observer { feed, live } = &self.0;
        let mut record = live.record();
        record.attempt_failed(error.reason, Instant::now());
        let attempt = record.attempts;
        drop(record);
        let message = || cut(&error.message, 1024);
        feed.tell(live, || What::AttemptFailed { attempt, reason: error.reason, message: message() });
    }

    /// Another credential is being looked for.
    pub(crate) fn leasing_again(&self) {
        self.0.live.record().leasing_again(Instant::now());
    }

    /// The caller is being answered.
    pub(crate) fn answering(&self, told: &Told) {
        let Observer { feed, live } = &self.0;
        self.told(told);
        let waited = live.record().answering(Instant::now());
        feed.tell(live, || What::FirstEvent { waited });
    }

    /// The caller was told more.
    pub(crate) fn told(&self, told: &Told) {
        let live = &self.0.live;
        live.counters.told(told);
        if let Some(begun) = &told.started
            && live.begun().is_none()
        {
            live.set_begun(begun);
        }
    }

    /// The call ended well.
    pub(crate) fn succeeded(&self, told: &Told) {
        self.told(told);
        let outcome = Outcome::Succeeded { finish_reason: told.finish_reason, usage: told.usage };
        self.0.feed.end(&self.0.live, outcome);
    }

    /// The call ended with a failure.
    pub(crate) fn failed(&self, failure: &Failure) {
        self.0.feed.end(&self.0.live, Outcome::of(failure));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.feed.end(&self.0.live, Outcome::Cancelled);
    }
}

impl Observer {
    /// An event of the upstream came.
    pub(crate) fn event(&self, event: &[u8]) {
        let number = self.live.counters.event(event.len());
        if self.feed.hears_events() {
            let decoded = ResponseEvent::decode(event);
            let kind =
                decoded.map_or_else(|_| event_type::MALFORMED.to_owned(), |event| event_type::of(&event));
            self.tell(number, kind, event);
        }
    }

    /// Something came that is no event.
    pub(crate) fn malformed(&self, data: &[u8]) {
        let number = self.live.counters.event(data.len());
        if self.feed.hears_events() {
            self.tell(number, event_type::MALFORMED.to_owned(), data);
        }
    }

    fn tell(&self, number: u64, kind: String, event: &[u8]) {
        // What is not of the schema could not be told as an event.
        let captured = self.feed.captures() && kind != event_type::MALFORMED;
        let event = StreamEvent {
            number,
            kind,
            bytes: event.len() as u64,
            offset: self.live.began.elapsed(),
            content: captured.then(|| Bytes::copy_from_slice(event)),
        };
        self.feed.tell(&self.live, || What::Event(event));
    }
}
