//! Every metric there is: its name, its kind, its unit, its labels and what it means. Instruments are made of it,
//! docs/telemetry.md is written from it, and tests hold a scrape, the dashboard and the alerts in deploy/ against it.

use crate::semconv;

/// How a metric goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only goes up, until the process ends.
    Counter,
    /// It goes up and down, by one.
    UpDown,
    /// It is what it was last found to be.
    Gauge,
    /// Values, sorted into these buckets.
    Histogram(&'static [f64]),
    /// What Prometheus' own libraries tell of a process, under their names; `/metrics` only, on Linux.
    Process,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, as OTLP has it.
    pub name: &'static str,
    /// How it goes.
    pub kind: Kind,
    /// What one of it is, as UCUM has it.
    pub unit: &'static str,
    /// The labels it can have, as OTLP has them.
    pub labels: &'static [&'static str],
    /// What it means.
    pub about: &'static str,
}

impl Metric {
    /// The metric of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|metric| metric.name == name)
    }

    /// What Prometheus calls its kind.
    pub fn kind_in_prometheus(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "counter",
            Kind::Process if self.name.ends_with("_total") => "counter",
            Kind::UpDown | Kind::Gauge | Kind::Process => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }

    /// Its name in `/metrics`; histograms add `_bucket`, `_sum` and `_count` to it.
    pub fn in_prometheus(&self) -> String {
        let unit = match (self.kind, self.unit) {
            (Kind::Process, _) => "",
            (_, "s") => "_seconds",
            _ => "",
        };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", label_in_prometheus(self.name))
    }
}

/// The name of a label in `/metrics`.
pub fn label_in_prometheus(name: &str) -> String {
    name.replace(['.', '-'], "_")
}

/// Which listener.
pub(super) const LISTENER: &str = "warp2api.listener";
/// What became of something.
pub(super) const OUTCOME: &str = "outcome";
/// The name of an API key.
pub(super) const KEY: &str = "warp2api.key";
/// Which limit.
pub(super) const LIMIT: &str = "warp2api.limit";
/// Which endpoint of the upstream: `chat` or `token`.
pub(super) const ENDPOINT: &str = "warp2api.endpoint";
/// The version of the program.
pub(super) const VERSION: &str = "version";
/// The services of the process.
pub(super) const ROLE: &str = "role";

/// What all metrics of a model have that say nothing of failures.
const GEN_AI_LABELS: &[&str] =
    &[semconv::GEN_AI_OPERATION_NAME, semconv::GEN_AI_PROVIDER_NAME, semconv::GEN_AI_REQUEST_MODEL];

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    labels: &'static [&'static str],
    about: &'static str,
) -> Metric {
    Metric { name, kind, unit, labels, about }
}

/// All of them, in the order of the documentation.
pub const TABLE: &[Metric] = &[
    metric(
        "http.server.request.duration",
        Kind::Histogram(semconv::HTTP_SECONDS),
        "s",
        &[
            semconv::HTTP_REQUEST_METHOD,
            semconv::HTTP_ROUTE,
            semconv::HTTP_RESPONSE_STATUS_CODE,
            semconv::ERROR_TYPE,
        ],
        "From the head of an HTTP request to the last byte of its answer.",
    ),
    metric("http.server.active_requests", Kind::UpDown, "{request}", &[], "HTTP requests under way."),
    metric(
        "warp2api.request.errors",
        Kind::Counter,
        "{request}",
        &[semconv::ERROR_TYPE, semconv::DIALECT],
        "HTTP requests that failed, by reason; `cancelled` are those whose caller left.",
    ),
    metric(
        "rpc.server.call.duration",
        Kind::Histogram(semconv::HTTP_SECONDS),
        "s",
        &[semconv::RPC_METHOD, semconv::RPC_RESPONSE_STATUS_CODE],
        "From the head of a gRPC call to the end of its answer; calls within a process are none.",
    ),
    metric(
        "warp2api.server.connections",
        Kind::UpDown,
        "{connection}",
        &[LISTENER],
        "Connections that are open, by listener.",
    ),
    metric(
        "warp2api.edge.turns",
        Kind::Counter,
        "{turn}",
        &[KEY],
        "Turns that were let in, by the name of the API key.",
    ),
    metric("warp2api.edge.active", Kind::UpDown, "{turn}", &[], "Turns that were let in and are not over."),
    metric(
        "warp2api.edge.refused",
        Kind::Counter,
        "{turn}",
        &[LIMIT],
        "Turns that a limit kept out: `key_requests`, `key_rpm`, `key_tpm` of the key, `line_full`, `line_wait` of all.",
    ),
    metric("warp2api.edge.waiting", Kind::UpDown, "{turn}", &[], "Turns that wait in line to be let in."),
    metric(
        "warp2api.edge.wait",
        Kind::Histogram(semconv::FIRST_CHUNK_SECONDS),
        "s",
        &[OUTCOME],
        "How long turns stood in line that had to, and whether they were `served`, it was `too_long`, or they `left`.",
    ),
    metric(
        "gen_ai.client.operation.duration",
        Kind::Histogram(semconv::GEN_AI_SECONDS),
        "s",
        &[
            semconv::GEN_AI_OPERATION_NAME,
            semconv::GEN_AI_PROVIDER_NAME,
            semconv::GEN_AI_REQUEST_MODEL,
            semconv::ERROR_TYPE,
        ],
        "A whole turn, waits and attempts included.",
    ),
    metric(
        "gen_ai.client.operation.time_to_first_chunk",
        Kind::Histogram(semconv::FIRST_CHUNK_SECONDS),
        "s",
        GEN_AI_LABELS,
        "From the call to the first event to be shown.",
    ),
    metric(
        "gen_ai.client.operation.time_per_output_chunk",
        Kind::Histogram(semconv::PER_CHUNK_SECONDS),
        "s",
        GEN_AI_LABELS,
        "Every gap between two pieces of an answer, as the upstream sends them.",
    ),
    metric(
        "gen_ai.client.token.usage",
        Kind::Histogram(semconv::TOKENS),
        "{token}",
        &[
            semconv::GEN_AI_OPERATION_NAME,
            semconv::GEN_AI_PROVIDER_NAME,
            semconv::GEN_AI_REQUEST_MODEL,
            semconv::GEN_AI_TOKEN_TYPE,
        ],
        "Tokens of a turn, as the upstream reports them, at its end.",
    ),
    metric(
        "warp2api.chat.usage_missing",
        Kind::Counter,
        "{turn}",
        &[semconv::ERROR_TYPE],
        "Turns whose tokens the upstream did not report: mostly since they were over before its end, as a limit of the \
         caller's cut them off, the caller left, or they failed.",
    ),
    metric(
        "warp2api.chat.longest_gap",
        Kind::Histogram(semconv::GEN_AI_SECONDS),
        "s",
        GEN_AI_LABELS,
        "The longest silence of the upstream within an answer.",
    ),
    metric(
        "warp2api.chat.overhead",
        Kind::Histogram(semconv::FIRST_CHUNK_SECONDS),
        "s",
        &[],
        "Our own part of a turn: its time without waits for the upstream, for a credential, between attempts, and for a \
         caller who reads slowly.",
    ),
    metric(
        "warp2api.chat.upstream_wait",
        Kind::Histogram(semconv::GEN_AI_SECONDS),
        "s",
        &[],
        "How long a turn waited for the upstream in all, failed attempts included.",
    ),
    metric(
        "warp2api.chat.lease_wait",
        Kind::Histogram(semconv::FIRST_CHUNK_SECONDS),
        "s",
        &[],
        "How long a turn waited for its credentials.",
    ),
    metric(
        "warp2api.chat.reader_wait",
        Kind::Histogram(semconv::GEN_AI_SECONDS),
        "s",
        &[],
        "How long a turn waited for its caller to read.",
    ),
    metric("warp2api.chat.active", Kind::UpDown, "{chat}", &[], "Chats under way."),
    metric(
        "warp2api.chat.retries",
        Kind::Counter,
        "{retry}",
        &[semconv::ERROR_TYPE],
        "The same credential was tried again, by reason.",
    ),
    metric(
        "warp2api.pool.rotations",
        Kind::Counter,
        "{rotation}",
        &[semconv::ERROR_TYPE],
        "Another credential had to serve, by reason.",
    ),
    metric(
        "warp2api.pool.outcomes",
        Kind::Counter,
        "{report}",
        &[OUTCOME],
        "How credentials fared on their leases, as the pool was told; cool-downs and blocks follow from it.",
    ),
    metric(
        "warp2api.pool.refreshes",
        Kind::Counter,
        "{refresh}",
        &[OUTCOME],
        "Exchanges of a refresh token: `renewed` or `failed`.",
    ),
    metric(
        "warp2api.pool.store_failures",
        Kind::Counter,
        "{failure}",
        &[],
        "The pool could not be written to its store, or the store not be reached; what has changed is written later.",
    ),
    metric(
        "warp2api.pool.credentials",
        Kind::Gauge,
        "{credential}",
        &[semconv::CREDENTIAL_TIER, semconv::CREDENTIAL_STATE],
        "Credentials, by tier and state; counted every five seconds, like all of the pool.",
    ),
    metric("warp2api.pool.leases", Kind::Gauge, "{lease}", &[], "Leases that are out."),
    metric(
        "warp2api.pool.breaker_open",
        Kind::Gauge,
        "{endpoint}",
        &[ENDPOINT],
        "1 while an endpoint of the upstream is left alone, as it fails with every credential.",
    ),
    metric(
        "warp2api.pool.held",
        Kind::Gauge,
        "{credential}",
        &[ENDPOINT],
        "Credentials that wait for that endpoint.",
    ),
    metric(
        "warp2api.monitor.lagged",
        Kind::Counter,
        "{event}",
        &[],
        "Events that watchers were too slow for.",
    ),
    metric("warp2api.ready", Kind::Gauge, "{process}", &[], "1 while `/readyz` says yes."),
    metric("warp2api.draining", Kind::Gauge, "{process}", &[], "1 from the word to stop on."),
    metric(
        "warp2api.build_info",
        Kind::Gauge,
        "{process}",
        &[VERSION, ROLE],
        "1: which program this is, and of what role.",
    ),
    metric(
        "otel.sdk.processor.span.processed",
        Kind::Counter,
        "{span}",
        &[semconv::ERROR_TYPE],
        "Spans that ended; with an `error.type` those that were dropped. Where traces are sent.",
    ),
    metric(
        "otel.sdk.exporter.span.exported",
        Kind::Counter,
        "{span}",
        &[semconv::ERROR_TYPE],
        "Spans that were sent; with an `error.type` those that nobody took. Where traces are sent.",
    ),
    metric(
        "otel.sdk.processor.span.queue.size",
        Kind::UpDown,
        "{span}",
        &[],
        "Spans that wait to be sent. Where traces are sent.",
    ),
    metric("process_cpu_seconds_total", Kind::Process, "s", &[], "Time on a processor, of all threads."),
    metric("process_resident_memory_bytes", Kind::Process, "By", &[], "Memory that is in RAM."),
    metric("process_virtual_memory_bytes", Kind::Process, "By", &[], "Address space."),
    metric("process_open_fds", Kind::Process, "{file}", &[], "File descriptors that are open."),
    metric("process_max_fds", Kind::Process, "{file}", &[], "File descriptors that may be open."),
    metric("process_threads", Kind::Process, "{thread}", &[], "Threads."),
    metric("process_start_time_seconds", Kind::Process, "s", &[], "When it started, in seconds since 1970."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_each_once_and_become_what_prometheus_wants() {
        for (index, metric) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.name != metric.name), "{}", metric.name);
            let name = metric.in_prometheus();
            let fits =
                |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(fits(&name), "{name}");
            assert!(metric.labels.iter().all(|label| fits(&label_in_prometheus(label))), "{name}");
            assert!(metric.about.ends_with('.'), "{name}");
        }
        let named = |name| Metric::named(name).unwrap().in_prometheus();
        assert_eq!(named("http.server.request.duration"), "http_server_request_duration_seconds");
        assert_eq!(named("warp2api.request.errors"), "warp2api_request_errors_total");
        assert_eq!(named("gen_ai.client.token.usage"), "gen_ai_client_token_usage");
        assert_eq!(named("process_cpu_seconds_total"), "process_cpu_seconds_total");
    }
}
