//! What is counted and measured, and under which names. The numbers go where the composition root sends them; without
//! that, nowhere.
//!
//! Labels have few values: routes are templates, reasons an enum, models those that are known, or `other`. A turn folds
//! what it counted once, at its end; nothing here is touched for each chunk.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};
use opentelemetry::{KeyValue, global};

use crate::semconv;

/// Every instrument of the house.
#[derive(Debug)]
pub struct Instruments {
    request_duration: Histogram<f64>,
    request_errors: Counter<u64>,
    /// HTTP requests under way.
    pub active_requests: UpDownCounter<i64>,
    chat_duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    per_chunk: Histogram<f64>,
    longest_gap: Histogram<f64>,
    overhead: Histogram<f64>,
    lease_wait: Histogram<f64>,
    tokens: Histogram<f64>,
    rotations: Counter<u64>,
    retries: Counter<u64>,
    refreshes: Counter<u64>,
    lagged: Counter<u64>,
    credentials: Gauge<u64>,
    leases: Gauge<u64>,
    /// Chats under way.
    pub active_chats: UpDownCounter<i64>,
}

/// The name, the unit and the meaning of every metric, in the order of the documentation. Prometheus writes dots as
/// underscores and has the unit at the end.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("http.server.request.duration", "s", "From the head of a request to the last byte of its answer."),
    ("http.server.active_requests", "{request}", "Requests under way."),
    ("warp2api.request.errors", "{request}", "Requests that failed, by reason."),
    ("gen_ai.client.operation.duration", "s", "A whole turn, waits and attempts included."),
    ("gen_ai.client.operation.time_to_first_chunk", "s", "From the call to the first event to be shown."),
    ("gen_ai.client.operation.time_per_output_chunk", "s", "The mean time between two pieces of an answer."),
    ("gen_ai.client.token.usage", "{token}", "Tokens of a turn, as the upstream reports them."),
    ("warp2api.chat.longest_gap", "s", "The longest silence of the upstream within an answer."),
    (
        "warp2api.chat.overhead",
        "s",
        "Our own part of a turn: its time without waits for the upstream, for a credential and between attempts.",
    ),
    ("warp2api.chat.lease_wait", "s", "How long a turn waited for its credentials."),
    ("warp2api.chat.active", "{chat}", "Chats under way."),
    ("warp2api.pool.rotations", "{rotation}", "Another credential had to serve, by reason."),
    ("warp2api.chat.retries", "{retry}", "The same credential was tried again, by reason."),
    ("warp2api.pool.refreshes", "{refresh}", "Exchanges of a refresh token, by outcome."),
    ("warp2api.pool.credentials", "{credential}", "Credentials, by tier and state."),
    ("warp2api.pool.leases", "{lease}", "Leases that are out."),
    ("warp2api.monitor.lagged", "{event}", "Events that watchers were too slow for."),
];

/// The instruments. They are made when first asked for: whoever sends numbers somewhere says so before.
pub fn get() -> &'static Instruments {
    static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();
    INSTRUMENTS.get_or_init(|| Instruments::new(&global::meter("warp2api")))
}

/// What a turn counted, told once at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct TurnTally<'a> {
    /// The model if it is known here, or `other`.
    pub model: &'a str,
    /// Why it failed; `None` if it did not.
    pub error: Option<&'a str>,
    /// All of it.
    pub total: Duration,
    /// Until there was something to show.
    pub first_chunk: Option<Duration>,
    /// How many pieces the answer came in after the first, and the time from the first to the last.
    pub chunks: (u32, Duration),
    /// The longest silence between two of them.
    pub longest_gap: Duration,
    /// Waits for the upstream, never two at a time.
    pub upstream: Duration,
    /// Waits for credentials.
    pub leasing: Duration,
    /// Pauses between attempts.
    pub pauses: Duration,
    /// Tokens read and written.
    pub tokens: (Option<i64>, Option<i64>),
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let about = |name: &'static str| {
            let row = TABLE.iter().find(|(known, ..)| *known == name);
            row.map_or(("", ""), |(_, unit, words)| (*unit, *words))
        };
        let histogram = |name: &'static str, buckets: &[f64]| {
            let (unit, words) = about(name);
            meter
                .f64_histogram(name)
                .with_unit(unit)
                .with_description(words)
                .with_boundaries(buckets.to_vec())
                .build()
        };
        let counter = |name: &'static str| {
            let (unit, words) = about(name);
            meter.u64_counter(name).with_unit(unit).with_description(words).build()
        };
        let up_down = |name: &'static str| {
            let (unit, words) = about(name);
            meter.i64_up_down_counter(name).with_unit(unit).with_description(words).build()
        };
        let gauge = |name: &'static str| {
            let (unit, words) = about(name);
            meter.u64_gauge(name).with_unit(unit).with_description(words).build()
        };
        Self {
            request_duration: histogram("http.server.request.duration", semconv::HTTP_SECONDS),
            request_errors: counter("warp2api.request.errors"),
            active_requests: up_down("http.server.active_requests"),
            chat_duration: histogram("gen_ai.client.operation.duration", semconv::GEN_AI_SECONDS),
            first_chunk: histogram(
                "gen_ai.client.operation.time_to_first_chunk",
                semconv::FIRST_CHUNK_SECONDS,
            ),
            per_chunk: histogram("gen_ai.client.operation.time_per_output_chunk", semconv::PER_CHUNK_SECONDS),
            longest_gap: histogram("warp2api.chat.longest_gap", semconv::GEN_AI_SECONDS),
            overhead: histogram("warp2api.chat.overhead", semconv::FIRST_CHUNK_SECONDS),
            lease_wait: histogram("warp2api.chat.lease_wait", semconv::FIRST_CHUNK_SECONDS),
            tokens: histogram("gen_ai.client.token.usage", semconv::TOKENS),
            rotations: counter("warp2api.pool.rotations"),
            retries: counter("warp2api.chat.retries"),
            refreshes: counter("warp2api.pool.refreshes"),
            lagged: counter("warp2api.monitor.lagged"),
            credentials: gauge("warp2api.pool.credentials"),
            leases: gauge("warp2api.pool.leases"),
            active_chats: up_down("warp2api.chat.active"),
        }
    }

    /// A request is over.
    pub fn request_ended(
        &self,
        method: &'static str,
        route: &str,
        status: u16,
        dialect: Option<&'static str>,
        error: Option<&str>,
        took: Duration,
    ) {
        let mut labels = vec![
            KeyValue::new(semconv::HTTP_REQUEST_METHOD, method),
            KeyValue::new(semconv::HTTP_ROUTE, route.to_owned()),
            KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status)),
        ];
        if let Some(error) = error {
            let reason = KeyValue::new(semconv::ERROR_TYPE, error.to_owned());
            let dialect = KeyValue::new(semconv::DIALECT, dialect.unwrap_or("none"));
            self.request_errors.add(1, &[reason.clone(), dialect]);
            labels.push(reason);
        }
        self.request_duration.record(took.as_secs_f64(), &labels);
    }

    /// A turn is over.
    pub fn turn_ended(&self, tally: &TurnTally<'_>) {
        let model = KeyValue::new(semconv::GEN_AI_REQUEST_MODEL, tally.model.to_owned());
        let model = std::slice::from_ref(&model);
        let mut labels = model.to_vec();
        labels.extend(tally.error.map(|error| KeyValue::new(semconv::ERROR_TYPE, error.to_owned())));
        self.chat_duration.record(tally.total.as_secs_f64(), &labels);
        let waits = tally.upstream + tally.leasing + tally.pauses;
        self.overhead.record(tally.total.saturating_sub(waits).as_secs_f64(), &[]);
        self.lease_wait.record(tally.leasing.as_secs_f64(), &[]);
        if let Some(first) = tally.first_chunk {
            self.first_chunk.record(first.as_secs_f64(), model);
        }
        let (chunks, spread) = tally.chunks;
        if chunks > 0 {
            self.per_chunk.record(spread.as_secs_f64() / f64::from(chunks), model);
            self.longest_gap.record(tally.longest_gap.as_secs_f64(), model);
        }
        let (input, output) = tally.tokens;
        for (kind, tokens) in [("input", input), ("output", output)] {
            if let Some(tokens) = tokens.and_then(|tokens| u32::try_from(tokens).ok()) {
                let labels = [model[0].clone(), KeyValue::new(semconv::GEN_AI_TOKEN_TYPE, kind)];
                self.tokens.record(f64::from(tokens), &labels);
            }
        }
    }

    /// Another credential is to serve.
    pub fn rotated(&self, reason: &'static str) {
        self.rotations.add(1, &[KeyValue::new(semconv::ERROR_TYPE, reason)]);
    }

    /// The same credential is tried again.
    pub fn retried(&self, reason: &'static str) {
        self.retries.add(1, &[KeyValue::new(semconv::ERROR_TYPE, reason)]);
    }

    /// A refresh token was exchanged, or was not.
    pub fn refreshed(&self, outcome: &'static str) {
        self.refreshes.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// A watcher missed events.
    pub fn lagged(&self, missed: u64) {
        self.lagged.add(missed, &[]);
    }

    /// How many credentials of a tier are in a state.
    pub fn pool(&self, tier: &'static str, state: &'static str, credentials: u64) {
        let labels =
            [KeyValue::new(semconv::CREDENTIAL_TIER, tier), KeyValue::new(semconv::CREDENTIAL_STATE, state)];
        self.credentials.record(credentials, &labels);
    }

    /// How many leases are out.
    pub fn leases(&self, out: u64) {
        self.leases.record(out, &[]);
    }
}
