//! What a turn can be told beforehand. Every default works offline; the composition root fills in the rest.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

/// A lease outlives its turn by this, so that it never expires under one that runs.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// Longer than anybody waits; times that far away can still be represented.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `start` plus `delay`, held back to where times can still be represented.
pub(crate) fn after(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay.min(CENTURY)).unwrap_or(start)
}

use crate::exchange::FeedConfig;

/// How chat turns run.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// The upstream's root, for example `https://app.warp.dev`, without a slash at the end.
    pub upstream_url: String,
    /// What callers are told the upstream is: `embedded`, or its host.
    pub upstream_label: String,
    /// How history travels.
    pub history: History,
    /// In which form tools travel.
    pub tools: ToolForm,
    /// Whether history begins with a call of the upstream's own, as the upstream writes it itself. Not known to be
    /// needed.
    pub server_preamble: bool,
    /// What to do when a credential's quota is used up.
    pub on_quota: OnQuota,
    /// The headers that name the client.
    pub client: ClientHeaders,
    /// The four clocks of a stream, but for the first: connecting has its own.
    pub clocks: Clocks,
    /// How long a lease lasts that is renewed while its turn runs: its slot is free that long after this process was
    /// killed.
    pub lease_life: Duration,
    /// How often a turn may try the same credential again while nothing was sent.
    pub max_retries: u32,
    /// The first pause before such a retry; it doubles each time.
    pub retry_pause: Duration,
    /// The largest event of the upstream in bytes.
    pub max_event_bytes: usize,
    /// How much is kept of conversations that callers go on with by a key.
    pub resume: ResumeLimits,
    /// How much operators get to see of exchanges.
    pub feed: FeedConfig,
    /// Whether what is asked and answered is in traces.
    pub trace_content: bool,
}

/// How much is kept of conversations that callers go on with by a key. All of it is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeLimits {
    /// The most conversations. With 0 nothing is kept, and every turn sends its whole conversation.
    pub conversations: usize,
    /// The most bytes in all of them together.
    pub bytes: usize,
    /// How long a conversation is kept after its last turn.
    pub idle: Duration,
}

impl ChatConfig {
    /// The longest a turn leases its credential. The pool must allow leases of that length.
    pub fn lease_duration(&self) -> Duration {
        self.clocks.lifetime.min(CENTURY).saturating_add(LEASE_MARGIN)
    }
}

/// How history travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// As messages of a task, each in its own form.
    Structured,
    /// As text of the query: for an upstream that no longer takes messages it did not write.
    Flattened,
}

/// In which form tools travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolForm {
    /// In a group, as clients of 2026 send them.
    Grouped,
    /// In the older flat list.
    Flat,
}

/// What to do when the quota of a tier of credentials is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnQuota {
    /// Go on with the next tier of the pool.
    Next,
    /// Tell the caller, until a credential of the tier can serve again.
    Fail,
}

/// The headers that name the client, as the official one sends them.
#[derive(Debug, Clone)]
pub struct ClientHeaders {
    /// `x-warp-client-id`.
    pub id: String,
    /// `x-warp-client-version`.
    pub version: String,
    /// `x-warp-os-category`.
    pub os_category: String,
    /// `x-warp-os-name`.
    pub os_name: String,
    /// `x-warp-os-version`.
    pub os_version: String,
}

/// A header cannot have the value that was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} cannot have the configured value")]
pub struct InvalidHeader(pub &'static str);

impl ClientHeaders {
    /// The headers that have a value, for every request to the upstream.
    ///
    /// # Errors
    /// When a value is none that a header can have.
    pub fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidHeader> {
        let configured = [
            ("x-warp-client-id", &self.id),
            ("x-warp-client-version", &self.version),
            ("x-warp-os-category", &self.os_category),
            ("x-warp-os-name", &self.os_name),
            ("x-warp-os-version", &self.os_version),
        ];
        let written = configured.into_iter().filter(|(_, value)| !value.is_empty());
        written
            .map(|(name, value)| {
                let value = HeaderValue::from_str(value).map_err(|_| InvalidHeader(name))?;
                Ok((HeaderName::from_static(name), value))
            })
            .collect()
    }
}

/// How long a stream may be silent and how long it may last.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// From sending the request to the first event.
    pub first_event: Duration,
    /// Between two events. The upstream sends no heartbeat and may think for minutes.
    pub gap: Duration,
    /// From sending the request to the end.
    pub lifetime: Duration,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            first_event: Duration::from_secs(120),
            gap: Duration::from_secs(300),
            lifetime: Duration::from_secs(3600),
        }
    }
}

impl Default for ResumeLimits {
    fn default() -> Self {
        Self { conversations: 1000, bytes: 64 * 1024 * 1024, idle: Duration::from_secs(3600) }
    }
}

impl Default for ClientHeaders {
    fn default() -> Self {
        Self {
            id: "warp-app".to_owned(),
            version: "v0.2026.03.18.08.24.stable_01".to_owned(),
            os_category: "Linux".to_owned(),
            os_name: "Ubuntu".to_owned(),
            os_version: "24.04".to_owned(),
        }
    }
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            upstream_url: "http://embedded.invalid".to_owned(),
            upstream_label: "embedded".to_owned(),
            history: History::Structured,
            tools: ToolForm::Grouped,
            server_preamble: false,
            on_quota: OnQuota::Next,
            client: ClientHeaders::default(),
            clocks: Clocks::default(),
            lease_life: Duration::from_secs(30),
            max_retries: 2,
            retry_pause: Duration::from_millis(250),
            max_event_bytes: 64 * 1024 * 1024,
            resume: ResumeLimits::default(),
            feed: FeedConfig::default(),
            trace_content: false,
        }
    }
}
