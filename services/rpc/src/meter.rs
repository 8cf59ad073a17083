//! What is counted and measured. The numbers go where the composition root sends them; without that, nowhere.
//!
//! - `table`: every metric there is. `calls`: the layer that measures gRPC calls. `ongoing`: what is counted while it lasts.
//! - `gaps`: those of one answer, while it goes on. `reader`: whether its caller reads.
//!
//! Labels have few values: routes are templates, reasons an enum, models those that are known, or `other`, names of keys
//! an operator's. A turn folds what it counted once, at its end; nothing here is touched for each chunk.

mod calls;
mod gaps;
mod ongoing;
mod reader;
mod table;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};
use opentelemetry::{InstrumentationScope, KeyValue, global};

use crate::semconv;
use ongoing::Thing;

pub use calls::{CallMeter, MeteredBody, MeteredCalls};
pub use gaps::Gaps;
pub use ongoing::{InLine, Ongoing, Waiting};
pub use reader::Reader;
pub use table::{Kind, Metric, TABLE, label_in_prometheus};

/// Every instrument of the house.
#[derive(Debug)]
pub struct Instruments {
    request_duration: Histogram<f64>,
    request_errors: Counter<u64>,
    active_requests: UpDownCounter<i64>,
    call_duration: Histogram<f64>,
    connections: UpDownCounter<i64>,
    edge_turns: Counter<u64>,
    edge_active: UpDownCounter<i64>,
    edge_refused: Counter<u64>,
    edge_waiting: UpDownCounter<i64>,
    edge_wait: Histogram<f64>,
    chat_duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    per_chunk: Histogram<f64>,
    tokens: Histogram<f64>,
    usage_missing: Counter<u64>,
    longest_gap: Histogram<f64>,
    overhead: Histogram<f64>,
    upstream_wait: Histogram<f64>,
    lease_wait: Histogram<f64>,
    reader_wait: Histogram<f64>,
    active_chats: UpDownCounter<i64>,
    retries: Counter<u64>,
    rotations: Counter<u64>,
    outcomes: Counter<u64>,
    refreshes: Counter<u64>,
    store_failures: Counter<u64>,
    credentials: Gauge<u64>,
    leases: Gauge<u64>,
    breaker_open: Gauge<u64>,
    held: Gauge<u64>,
    lagged: Counter<u64>,
    ready: Gauge<u64>,
    draining: Gauge<u64>,
    build_info: Gauge<u64>,
}

/// The instruments. They are made when first asked for: whoever sends numbers somewhere says so before.
pub fn get() -> &'static Instruments {
    static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();
    INSTRUMENTS.get_or_init(|| Instruments::new(&global::meter_with_scope(scope())))
}

/// Who makes spans and counts, for those who get them, and what their names mean.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("warp2api")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
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
    /// Between the pieces of the answer.
    pub gaps: Gaps,
    /// The longest silence between two of them, if there were two.
    pub longest_gap: Option<Duration>,
    /// Where the time went that is not ours; `None` if nobody knows, as the caller left before the upstream answered.
    pub waits: Option<Waits>,
    /// Tokens read and written.
    pub tokens: (Option<i64>, Option<i64>),
}

/// What a turn waited for, never for two at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// The upstream.
    pub upstream: Duration,
    /// Credentials.
    pub leasing: Duration,
    /// Pauses between attempts.
    pub pauses: Duration,
    /// The caller, who read slowly.
    pub reader: Duration,
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let about = |name: &'static str| {
            let metric = Metric::named(name);
            metric.map_or(("", ""), |metric| (metric.unit, metric.about))
        };
        let histogram = |name: &'static str| {
            let (unit, words) = about(name);
            let buckets = Metric::named(name).map(|metric| metric.kind);
            let Some(Kind::Histogram(buckets)) = buckets else { return meter.f64_histogram(name).build() };
            let builder = meter.f64_histogram(name).with_unit(unit).with_description(words);
            builder.with_boundaries(buckets.to_vec()).build()
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
            request_duration: histogram("http.server.request.duration"),
            request_errors: counter("warp2api.request.errors"),
            active_requests: up_down("http.server.active_requests"),
            call_duration: histogram("rpc.server.call.duration"),
            connections: up_down("warp2api.server.connections"),
            edge_turns: counter("warp2api.edge.turns"),
            edge_active: up_down("warp2api.edge.active"),
            edge_refused: counter("warp2api.edge.refused"),
            edge_waiting: up_down("warp2api.edge.waiting"),
            edge_wait: histogram("warp2api.edge.wait"),
            chat_duration: histogram("gen_ai.client.operation.duration"),
            first_chunk: histogram("gen_ai.client.operation.time_to_first_chunk"),
            per_chunk: histogram("gen_ai.client.operation.time_per_output_chunk"),
            tokens: histogram("gen_ai.client.token.usage"),
            usage_missing: counter("warp2api.chat.usage_missing"),
            longest_gap: histogram("warp2api.chat.longest_gap"),
            overhead: histogram("warp2api.chat.overhead"),
            upstream_wait: histogram("warp2api.chat.upstream_wait"),
            lease_wait: histogram("warp2api.chat.lease_wait"),
            reader_wait: histogram("warp2api.chat.reader_wait"),
            active_chats: up_down("warp2api.chat.active"),
            retries: counter("warp2api.chat.retries"),
            rotations: counter("warp2api.pool.rotations"),
            outcomes: counter("warp2api.pool.outcomes"),
            refreshes: counter("warp2api.pool.refreshes"),
            store_failures: counter("warp2api.pool.store_failures"),
            credentials: gauge("warp2api.pool.credentials"),
            leases: gauge("warp2api.pool.leases"),
            breaker_open: gauge("warp2api.pool.breaker_open"),
            held: gauge("warp2api.pool.held"),
            lagged: counter("warp2api.monitor.lagged"),
            ready: gauge("warp2api.ready"),
            draining: gauge("warp2api.draining"),
            build_info: gauge("warp2api.build_info"),
        }
    }

    /// The process says what it is, and that nothing is known yet.
    pub fn started(&self, version: &'static str, role: &'static str) {
        self.build_info
            .record(1, &[KeyValue::new(table::VERSION, version), KeyValue::new(table::ROLE, role)]);
        self.draining.record(0, &[]);
        self.ready(false);
        // What has not happened yet is none, rather than unknown: a rate sees the first one.
        for limit in ["key_requests", "key_rpm", "key_tpm", "line_full", "line_wait"] {
            self.edge_refused.add(0, &[KeyValue::new(table::LIMIT, limit)]);
        }
        for outcome in ["renewed", "failed"] {
            self.refreshes.add(0, &[KeyValue::new(table::OUTCOME, outcome)]);
        }
        for idle in [&self.active_requests, &self.edge_active, &self.edge_waiting, &self.active_chats] {
            idle.add(0, &[]);
        }
        self.lagged.add(0, &[]);
        self.store_failures.add(0, &[]);
    }

    /// Whether new work can be taken on.
    pub fn ready(&self, is_ready: bool) {
        self.ready.record(is_ready.into(), &[]);
    }

    /// The word to stop came.
    pub fn draining(&self) {
        self.draining.record(1, &[]);
    }

    /// An HTTP request has begun.
    pub fn request(&self) -> Ongoing {
        Ongoing::begin(Thing::Request)
    }

    /// A connection was opened.
    pub fn connection(&self, listener: &'static str) -> Ongoing {
        Ongoing::begin(Thing::Connection(listener))
    }

    /// A turn was let in at the edge, for the key of that name.
    pub fn let_in(&self, key: &str) -> Ongoing {
        self.edge_turns.add(1, &[KeyValue::new(table::KEY, key.to_owned())]);
        Ongoing::begin(Thing::EdgeTurn)
    }

    /// A turn was kept out by a limit.
    pub fn refused(&self, limit: &'static str) {
        self.edge_refused.add(1, &[KeyValue::new(table::LIMIT, limit)]);
    }

    /// A turn stands in line.
    pub fn waiting(&self) -> Waiting {
        Waiting::begin()
    }

    /// A chat has begun.
    pub fn chat(&self) -> Ongoing {
        Ongoing::begin(Thing::Chat)
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

    /// A gRPC call is over. `method` is one that exists, or `_OTHER`.
    pub fn call_ended(&self, method: &'static str, status: &'static str, took: Duration) {
        let labels = [
            KeyValue::new(semconv::RPC_METHOD, method),
            KeyValue::new(semconv::RPC_RESPONSE_STATUS_CODE, status),
        ];
        self.call_duration.record(took.as_secs_f64(), &labels);
    }

    /// A turn is over.
    pub fn turn_ended(&self, tally: &TurnTally<'_>) {
        let model = &[
            KeyValue::new(semconv::GEN_AI_OPERATION_NAME, semconv::CHAT),
            KeyValue::new(semconv::GEN_AI_PROVIDER_NAME, semconv::WARP),
            KeyValue::new(semconv::GEN_AI_REQUEST_MODEL, tally.model.to_owned()),
        ];
        let error = tally.error.map(|error| KeyValue::new(semconv::ERROR_TYPE, error.to_owned()));
        let labels: Vec<_> = model.iter().cloned().chain(error.clone()).collect();
        self.chat_duration.record(tally.total.as_secs_f64(), &labels);
        if let Some(waits) = tally.waits {
            let all = waits.upstream + waits.leasing + waits.pauses + waits.reader;
            self.overhead.record(tally.total.saturating_sub(all).as_secs_f64(), &[]);
            self.upstream_wait.record(waits.upstream.as_secs_f64(), &[]);
            self.lease_wait.record(waits.leasing.as_secs_f64(), &[]);
            self.reader_wait.record(waits.reader.as_secs_f64(), &[]);
        }
        if let Some(first) = tally.first_chunk {
            self.first_chunk.record(first.as_secs_f64(), model);
        }
        if let Some(gap) = tally.longest_gap {
            self.longest_gap.record(gap.as_secs_f64(), model);
        }
        tally.gaps.each().for_each(|gap| self.per_chunk.record(gap, model));
        let (input, output) = tally.tokens;
        if (input, output) == (None, None) {
            self.usage_missing.add(1, error.as_slice());
        }
        for (kind, tokens) in [("input", input), ("output", output)] {
            if let Some(tokens) = tokens.and_then(|tokens| u32::try_from(tokens).ok()) {
                let kind = KeyValue::new(semconv::GEN_AI_TOKEN_TYPE, kind);
                let labels: Vec<_> = model.iter().cloned().chain([kind]).collect();
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

    /// The pool was told how a credential fared.
    pub fn reported(&self, outcome: &'static str) {
        self.outcomes.add(1, &[KeyValue::new(table::OUTCOME, outcome)]);
    }

    /// A refresh token was exchanged, or was not.
    pub fn refreshed(&self, outcome: &'static str) {
        self.refreshes.add(1, &[KeyValue::new(table::OUTCOME, outcome)]);
    }

    /// The pool could not be written to its store, or the store not be reached.
    pub fn store_failed(&self) {
        self.store_failures.add(1, &[]);
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

    /// Whether an endpoint is left alone, and how many credentials wait for it.
    pub fn endpoint(&self, endpoint: &'static str, is_left_alone: bool, held: u64) {
        let labels = [KeyValue::new(table::ENDPOINT, endpoint)];
        self.breaker_open.record(is_left_alone.into(), &labels);
        self.held.record(held, &labels);
    }
}
