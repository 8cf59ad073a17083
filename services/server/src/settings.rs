//! What the operator wrote: flags, environment, `.env`, config file. Everything is text here; `config` makes sense of
//! it.
//!
//! One table says every setting's names. A flag beats the environment, the environment beats `.env`, `.env` beats the
//! file, the file beats the default.

use std::collections::BTreeMap;

mod described;

use described::hidden;
pub use described::{Described, Kind, nearest};

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $env:literal, $kind:ident;)+) => {
        /// Every setting, as text, `None` where nobody wrote one.
        #[derive(Clone, Default, PartialEq, Eq, clap::Args)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                #[arg(long, global = true, value_name = "VALUE", hide = hidden(Kind::$kind), help_heading = "Settings")]
                pub $name: Option<String>,
            )+
        }

        /// The names and the meaning of every setting, in the order of the documentation.
        pub const TABLE: &[Described] = &[$(
            Described { key: stringify!($name), env: $env, kind: Kind::$kind, about: concat!($($doc),+) },
        )+];

        impl Settings {
            /// The settings that `variable` knows, by the names of the environment.
            pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
                // A variable set to nothing is one that is not set.
                Self { $($name: variable($env).filter(|value| !value.is_empty()),)+ }
            }

            /// The settings that `value` knows, by their keys.
            pub fn from_keys(value: impl Fn(&str) -> Option<String>) -> Self {
                Self { $($name: value(stringify!($name)).filter(|value| !value.is_empty()),)+ }
            }

            /// These settings, but for `keys`, which are as in `other`.
            #[must_use]
            pub fn with(self, keys: &[&str], other: &Self) -> Self {
                Self { $($name: if keys.contains(&stringify!($name)) { other.$name.clone() } else { self.$name },)+ }
            }

            /// These settings, and those of `weaker` where these say nothing.
            #[must_use]
            pub fn or(self, weaker: Self) -> Self {
                Self { $($name: self.$name.or(weaker.$name),)+ }
            }

            /// What was written, by key.
            pub fn written(&self) -> BTreeMap<&'static str, &str> {
                let mut written = BTreeMap::new();
                $(if let Some(value) = &self.$name { written.insert(stringify!($name), value.as_str()); })+
                written
            }
        }
    };
}

/// The settings that a running process takes over when they change. All others are settled at the start.
pub const RELOADED: &[&str] = &[
    "api_token",
    "key_rpm",
    "key_tpm",
    "key_requests",
    "max_requests",
    "max_waiting",
    "max_wait",
    "cors_origins",
    "max_body_bytes",
    "fetch_images",
    "keepalive",
    "keepalive_form",
    "on_quota",
    "history",
    "tool_form",
    "server_preamble",
    "first_event_timeout",
    "event_gap_timeout",
    "drain_window",
    "drain_timeout",
    "log",
    "verbose",
];

settings! {
    /// The address the edge listens on. Default: 127.0.0.1.
    host: "HOST", Plain;
    /// The port the edge listens on. Default: 28889.
    port: "PORT", Plain;
    /// The address the gRPC services listen on, `host:port` or `unix:/path`. Default: 127.0.0.1:28888.
    grpc_addr: "W2A_GRPC_ADDR", Plain;
    /// The address `warp2api upstream` listens on. Default: 127.0.0.1:28890.
    upstream_addr: "W2A_UPSTREAM_ADDR", Plain;
    /// An address for `/metrics`, `/livez` and `/readyz` alone, `host:port` or `unix:/path`, open to whoever reaches it.
    /// Default: none; the port of the gRPC services has them too, the edge has no `/metrics`.
    metrics_addr: "W2A_METRICS_ADDR", Plain;
    /// The keys that clients of the edge must send, separated by commas, each perhaps `name=key`. Besides them count
    /// those of `warp2api keys`. At least 16 characters each where others can reach the edge. Default: none; where there is
    /// no key at all any is accepted, and the edge must then listen on loopback only.
    api_token: "API_TOKEN", Secret;
    /// The keys that change and show credentials, separated by commas, each perhaps `name=key`; names go to the audit
    /// trail. At least 16 characters each where others can reach that address. Default: none, and only a gRPC address that
    /// others cannot reach answers.
    admin_key: "W2A_ADMIN_KEY", Secret;
    /// Whether what is asked and answered is kept for operators to see, in memory, and told to those who watch:
    /// `true` or `false`. Default: false, only sizes and times are.
    capture: "W2A_CAPTURE", Plain;
    /// The most bytes of what happened in chats that are kept for operators. Default: 8388608.
    monitor_bytes: "W2A_MONITOR_BYTES", Plain;
    /// Origins of web pages that may connect to the monitor and use the original's paths beside our own, separated by
    /// commas: `https://ops.example`. Default: none.
    monitor_origins: "W2A_MONITOR_ORIGINS", Plain;
    /// Whether the edge may be open to all on an address that others can reach, or on loopback behind a proxy or under
    /// other names: `true` or `false`. Default: false.
    allow_open: "W2A_ALLOW_OPEN", Plain;

    /// The file of the keys that `warp2api keys` makes. It is read again when it changes. Default: `keys.json` in the data
    /// folder.
    keys_file: "W2A_KEYS_FILE", Plain;
    /// The turns and counts of tokens an API key may ask for in a minute, unless it has a limit of its own. Default: no limit.
    key_rpm: "W2A_KEY_RPM", Plain;
    /// The tokens an API key may read and write in a minute, unless it has a limit of its own. Default: no limit.
    key_tpm: "W2A_KEY_TPM", Plain;
    /// The turns an API key may have under way at once, unless it has a limit of its own. Default: no limit.
    key_requests: "W2A_KEY_REQUESTS", Plain;
    /// The turns that the edge has under way at once; further ones wait. Default: 4096.
    max_requests: "W2A_MAX_REQUESTS", Plain;
    /// The turns that wait for one of them to end; further ones are answered 503 at once. Default: 1024.
    max_waiting: "W2A_MAX_WAITING", Plain;
    /// Seconds that one waits. Default: 10.
    max_wait: "W2A_MAX_WAIT", Plain;
    /// The origins of web pages that browsers let use the edge, separated by commas, such as `https://app.example`, or `*`
    /// for all. Default: none but those of this machine.
    cors_origins: "W2A_CORS_ORIGINS", Plain;

    /// The certificate of the edge in PEM, with those between it and its CA; the edge then speaks TLS. Read again when it
    /// changes. Default: none.
    tls_cert: "W2A_TLS_CERT", Plain;
    /// The file of its key in PEM.
    tls_key: "W2A_TLS_KEY", Plain;
    /// The same for the port of the services.
    grpc_tls_cert: "W2A_GRPC_TLS_CERT", Plain;
    /// The file of its key in PEM.
    grpc_tls_key: "W2A_GRPC_TLS_KEY", Plain;
    /// The CAs in PEM that the certificates of clients of that port must come from. Default: clients need none.
    grpc_client_ca: "W2A_GRPC_CLIENT_CA", Plain;
    /// The tokens by which services that run apart know each other, separated by commas: the first is sent, all are taken.
    /// At least 16 characters each. Default: none, and what hands out or spends credentials is then not answered where
    /// others can reach it.
    service_token: "W2A_SERVICE_TOKEN", Secret;
    /// The tokens of programs that are not of the house and may call `StreamChat` on the port of the services, over gRPC and
    /// REST, and nothing else that wants one: separated by commas, each perhaps `name=token`, at least 16 characters each.
    /// Where there is one, `StreamChat` wants a token everywhere. A `gateway` that has no `W2A_SERVICE_TOKEN` shows the first
    /// of them: it can chat then, and lease nothing. Default: none.
    chat_token: "W2A_CHAT_TOKEN", Secret;
    /// The CAs in PEM that certificates of other services must come from, for places that are `https`.
    service_ca: "W2A_SERVICE_CA", Plain;
    /// The certificate in PEM that is shown to other services, where they want one.
    service_cert: "W2A_SERVICE_CERT", Plain;
    /// The file of its key in PEM.
    service_key: "W2A_SERVICE_KEY", Plain;
    /// Connections at once on each port; further ones are told that there is no room. Default: 8192.
    max_connections: "W2A_MAX_CONNECTIONS", Plain;
    /// Seconds for the head of a request, for the pause between two on a connection, and until the first. Default: 30.
    header_timeout: "W2A_HEADER_TIMEOUT", Plain;
    /// Seconds that a connection is kept on which nothing is asked and nothing answered, pings or not; HTTP/1.1 also has the
    /// setting before this. Default: 600.
    idle_timeout: "W2A_IDLE_TIMEOUT", Plain;
    /// Seconds that a caller may read nothing of what is sent to it. Then its connection ends, or, of several answers on
    /// one connection, the one that is not read. Default: 60.
    reader_timeout: "W2A_READER_TIMEOUT", Plain;
    /// Bytes of request bodies that are held at once, until they are answered, on all ports together; whoever sends more
    /// is told to try again. Default: 1073741824.
    body_memory: "W2A_BODY_MEMORY", Plain;
    /// The largest head of a request in bytes, URL and headers together, 8192 to 16777216. Default: 65536.
    max_head_bytes: "W2A_MAX_HEAD_BYTES", Plain;
    /// Headers in one request of HTTP/1.1, 16 to 1000. Default: 100.
    max_headers: "W2A_MAX_HEADERS", Plain;

    /// Where chats run: `auto`, `embedded`, or the root URL of an upstream. `auto` is Warp if a credential is
    /// configured or stored, else the embedded one. What is stored is not used on the embedded one, and what is added
    /// there serves from the next start on. Default: auto.
    upstream: "W2A_UPSTREAM", Plain;
    /// Warp's root URL. Default: `https://app.warp.dev`.
    warp_url: "WARP_URL", Plain;
    /// Where refresh tokens are exchanged. Default: derived from the upstream, `/proxy/token`.
    warp_token_url: "WARP_TOKEN_URL", Plain;
    /// Where the guest sign-in exchanges its custom token. Default: derived from the upstream, `/proxy/customToken`.
    warp_identity_url: "WARP_IDENTITY_URL", Plain;
    /// The public web API key that the token exchange wants. Default: none.
    warp_firebase_api_key: "WARP_FIREBASE_API_KEY", Secret;
    /// The client the upstream is told. Default: warp-app.
    warp_client_id: "WARP_CLIENT_ID", Plain;
    /// The client version the upstream is told. Default: v0.2026.03.18.08.24.stable_01.
    warp_client_version: "WARP_CLIENT_VERSION", Plain;
    /// The operating system the upstream is told. Default: Linux.
    warp_os_category: "WARP_OS_CATEGORY", Plain;
    /// Its name or distribution. Default: Ubuntu.
    warp_os_name: "WARP_OS_NAME", Plain;
    /// Its version. Default: 24.04.
    warp_os_version: "WARP_OS_VERSION", Plain;
    /// The proxy for http addresses of the upstream. Default: none.
    http_proxy: "HTTP_PROXY", Secret;
    /// The proxy for https addresses of the upstream. Default: none.
    https_proxy: "HTTPS_PROXY", Secret;
    /// The hosts that are reached without a proxy. Default: 127.0.0.1,localhost.
    no_proxy: "NO_PROXY", Plain;

    /// A Warp API key. Tier personal.
    warp_api_key: "WARP_API_KEY", Secret;
    /// An access token that cannot be renewed. Tier personal.
    warp_jwt: "WARP_JWT", Secret;
    /// A refresh token. Tier personal.
    warp_refresh_token: "WARP_REFRESH_TOKEN", Secret;
    /// Refresh tokens separated by commas or line feeds, each perhaps `name=token`. Tier personal.
    warp_personal_tokens: "WARP_PERSONAL_TOKENS", Secret;
    /// The same for the tier shared.
    warp_shared_tokens: "WARP_SHARED_TOKENS", Secret;
    /// A refresh token for the tier anonymous, used last. Default: none.
    warp_anonymous_token: "WARP_ANONYMOUS_TOKEN", Secret;
    /// What happens when a tier of credentials has used up its quota: the `next` tier serves, or turns `fail` with 429
    /// until one of the tier has quota again. Default: next.
    on_quota: "W2A_ON_QUOTA", Plain;
    /// How many chats one credential may serve at once; further ones wait for a slot. Default: 8.
    max_in_flight: "W2A_MAX_IN_FLIGHT", Plain;

    /// The folder of what outlives the process: the pool's database and its key. Default: `warp2api` among the user's
    /// data, `$XDG_DATA_HOME` or `~/.local/share`, on macOS `~/Library/Application Support`, on Windows
    /// `%LOCALAPPDATA%`.
    data_dir: "W2A_DATA_DIR", Plain;
    /// Where the pool is kept: `sqlite:/path/to/file`, `postgres://user:password@host/database` for several processes,
    /// or `memory:`. Default: an SQLite database in the data folder; where `W2A_UPSTREAM=embedded` is set and no data
    /// folder, `memory:`.
    database_url: "W2A_DATABASE_URL", Secret;
    /// The key that seals credentials in the database, 32 bytes in hexadecimal or base64; or several separated by
    /// commas, of which all open and the store's own seals. Default: a file in the data folder, made at the first start.
    store_key: "W2A_STORE_KEY", Secret;
    /// A file that holds it, one key on each line.
    store_key_file: "W2A_STORE_KEY_FILE", Plain;

    /// How history travels to the upstream: `structured` or `flattened`. Default: structured.
    history: "W2A_HISTORY", Plain;
    /// In which form tools travel: `grouped` or `flat`. Default: grouped.
    tool_form: "W2A_TOOL_FORM", Plain;
    /// Whether history begins with a call of the upstream's own: `true` or `false`. Default: false.
    server_preamble: "W2A_SERVER_PREAMBLE", Plain;
    /// How many conversations are kept for callers who go on with one by a key, 0 for none. Default: 1000.
    resume_conversations: "W2A_RESUME_CONVERSATIONS", Plain;
    /// The most bytes in all of them together. Default: 67108864.
    resume_bytes: "W2A_RESUME_BYTES", Plain;
    /// Seconds that one is kept after its last turn. Default: 3600.
    resume_idle: "W2A_RESUME_IDLE", Plain;
    /// How many responses of `/v1/responses` are kept in memory, to be gone on after by `previous_response_id`; 0 for
    /// none. Default: 1000.
    responses_count: "W2A_RESPONSES_COUNT", Plain;
    /// The most bytes in all of them together. Default: 67108864.
    responses_bytes: "W2A_RESPONSES_BYTES", Plain;
    /// Seconds that one is kept. Default: 86400.
    responses_ttl: "W2A_RESPONSES_TTL", Plain;
    /// Seconds until the first event of the upstream. Default: 120.
    first_event_timeout: "W2A_FIRST_EVENT_TIMEOUT", Plain;
    /// Seconds between two events of the upstream. Default: 300.
    event_gap_timeout: "W2A_EVENT_GAP_TIMEOUT", Plain;
    /// Seconds a turn may take. Default: 3600.
    turn_timeout: "W2A_TURN_TIMEOUT", Plain;
    /// Seconds that a lease lasts unless the chat service that holds it renews it, which it does three times in that time:
    /// so long after a chat service was killed its slots are free. 3 at least. Default: 30.
    lease_life: "W2A_LEASE_LIFE", Plain;
    /// Seconds of silence after which a stream of the edge gets a sign of life, 0 for never. Default: 15.
    keepalive: "W2A_KEEPALIVE", Plain;
    /// What the sign of life is: a `comment`, or an empty `chunk` for clients that stumble over comments.
    /// Default: comment.
    keepalive_form: "W2A_KEEPALIVE_FORM", Plain;
    /// The largest request body of the edge in bytes. Default: 33554432.
    max_body_bytes: "W2A_MAX_BODY_BYTES", Plain;
    /// Whether images that a request names by an http or https URL are fetched, from public addresses only: `true` or
    /// `false`. Default: false, images come as data: URLs.
    fetch_images: "W2A_FETCH_IMAGES", Plain;
    /// Seconds that new connections are still taken after the word to stop, so that load balancers can notice. Default: 1.
    drain_window: "W2A_DRAIN_WINDOW", Plain;
    /// Seconds that open streams get to finish when the service stops. Default: 30.
    drain_timeout: "W2A_DRAIN_TIMEOUT", Plain;

    /// Where Codec is: `local`, `unix:/path`, `http://host:port` or `https://host:port`. Default: local.
    codec: "W2A_CODEC", Plain;
    /// Where TokenPool is, for `warp-chat`: `http://host:port` and so on. Default: local.
    token_pool: "W2A_TOKEN_POOL", Plain;
    /// Where WarpChat is, for `gateway`. Default: local.
    warp_chat: "W2A_WARP_CHAT", Plain;
    /// Where the services are for a `gateway` that runs apart, all of them in one place.
    warp_bridge_url: "WARP_BRIDGE_URL", Plain;

    /// The address of a trace, with `{trace_id}` in the place of its id, for example
    /// `http://127.0.0.1:16686/trace/{trace_id}`: the status page links to it. Default: none.
    trace_url: "W2A_TRACE_URL", Plain;
    /// Whether to log in detail: `true` or `false`. Default: false.
    verbose: "W2A_VERBOSE", Plain;
    /// What to log, as a filter of `tracing`, for example `info,warp2api_warp_chat=debug`. Default: info.
    log: "W2A_LOG", Plain;
    /// How to write logs: `human` or `json`. Default: human.
    log_format: "W2A_LOG_FORMAT", Plain;
    /// Where traces and metrics are sent by OTLP, for example `http://127.0.0.1:4318`. Default: none, nothing is sent.
    otel_exporter_otlp_endpoint: "OTEL_EXPORTER_OTLP_ENDPOINT", Address;
    /// Where traces are sent, if elsewhere; the whole address.
    otel_exporter_otlp_traces_endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Address;
    /// Where metrics are sent, if elsewhere; the whole address.
    otel_exporter_otlp_metrics_endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", Address;
    /// How OTLP travels: `grpc` or `http/protobuf`. Default: http/protobuf.
    otel_exporter_otlp_protocol: "OTEL_EXPORTER_OTLP_PROTOCOL", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", Plain;
    /// Headers for the collector, `key=value` separated by commas.
    otel_exporter_otlp_headers: "OTEL_EXPORTER_OTLP_HEADERS", Secret;
    /// Those for traces, instead of these.
    otel_exporter_otlp_traces_headers: "OTEL_EXPORTER_OTLP_TRACES_HEADERS", Secret;
    /// Those for metrics, instead of the general ones.
    otel_exporter_otlp_metrics_headers: "OTEL_EXPORTER_OTLP_METRICS_HEADERS", Secret;
    /// Milliseconds in which the collector must have taken what is sent at once, repetitions included. Default: 10000.
    otel_exporter_otlp_timeout: "OTEL_EXPORTER_OTLP_TIMEOUT", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_timeout: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", Plain;
    /// Whether what is sent is made smaller: `gzip` or `none`. Default: none.
    otel_exporter_otlp_compression: "OTEL_EXPORTER_OTLP_COMPRESSION", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_compression: "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_compression: "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", Plain;
    /// The file of the CAs in PEM that the certificate of a collector at an https address must come from. Default: those
    /// that the machine trusts.
    otel_exporter_otlp_certificate: "OTEL_EXPORTER_OTLP_CERTIFICATE", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_certificate: "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_certificate: "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", Plain;
    /// The certificate in PEM that is shown to a collector that wants one. Default: none.
    otel_exporter_otlp_client_certificate: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_client_certificate: "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_client_certificate: "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", Plain;
    /// The file of its key in PEM.
    otel_exporter_otlp_client_key: "OTEL_EXPORTER_OTLP_CLIENT_KEY", Plain;
    /// The same for traces alone.
    otel_exporter_otlp_traces_client_key: "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", Plain;
    /// The same for metrics alone.
    otel_exporter_otlp_metrics_client_key: "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", Plain;
    /// Whether traces are sent: `otlp` or `none`. Default: `otlp` if there is an endpoint.
    otel_traces_exporter: "OTEL_TRACES_EXPORTER", Plain;
    /// Where metrics go: `otlp`, `prometheus`, both separated by a comma, or `none`. Default: `otlp` if there is an endpoint.
    /// `/metrics` is what Prometheus reads, and answers anyway.
    otel_metrics_exporter: "OTEL_METRICS_EXPORTER", Plain;
    /// Where logs go besides standard error: `none`. Default: none.
    otel_logs_exporter: "OTEL_LOGS_EXPORTER", Plain;
    /// What of a caller's context is gone on with, and handed to the next service: `tracecontext`, `baggage`, both separated by
    /// a comma, or `none`. Default: tracecontext,baggage.
    otel_propagators: "OTEL_PROPAGATORS", Plain;
    /// What this process is called in traces and metrics. Default: warp2api.
    otel_service_name: "OTEL_SERVICE_NAME", Plain;
    /// What else is said of it, `key=value` separated by commas.
    otel_resource_attributes: "OTEL_RESOURCE_ATTRIBUTES", Plain;
    /// Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of them as the caller wants it,
    /// `parentbased_always_on` and so on. Default: parentbased_always_on.
    otel_traces_sampler: "OTEL_TRACES_SAMPLER", Plain;
    /// Of how many of them, for a ratio: 0 to 1. Default: 1.
    otel_traces_sampler_arg: "OTEL_TRACES_SAMPLER_ARG", Plain;
    /// Whether what is asked and answered is in traces: `true` (or `SPAN_ONLY`) or `false` (or `NO_CONTENT`). Default: false.
    otel_instrumentation_genai_capture_message_content: "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", Plain;
    /// The most spans that wait to be sent; further ones are dropped. Default: 2048.
    otel_bsp_max_queue_size: "OTEL_BSP_MAX_QUEUE_SIZE", Plain;
    /// The most spans that are sent together. Default: 512.
    otel_bsp_max_export_batch_size: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Plain;
    /// Milliseconds between two sendings of spans. Default: 5000.
    otel_bsp_schedule_delay: "OTEL_BSP_SCHEDULE_DELAY", Plain;
    /// Milliseconds that one sending of spans may take, attempts to repeat it included. Default: 30000.
    otel_bsp_export_timeout: "OTEL_BSP_EXPORT_TIMEOUT", Plain;
    /// Milliseconds between two sendings of metrics. Default: 60000.
    otel_metric_export_interval: "OTEL_METRIC_EXPORT_INTERVAL", Plain;
    /// Whether to send neither traces nor metrics whatever else is set, and to look at none of it: `true` or `false`.
    /// Default: false.
    otel_sdk_disabled: "OTEL_SDK_DISABLED", Plain;
}

#[cfg(test)]
mod tests;
