//! What traces may hold: every span, every attribute and every event, by its name. docs/telemetry.md shows these tables,
//! and what a collector gets is held against them.
//!
//! Attributes of spans have the names of [`semconv`]; events are steps of ours.

use crate::semconv;

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+ => $(#[doc = $about:literal])+ $table:ident) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+

        $(#[doc = $about])+
        pub const $table: &[(&str, &str)] = &[$(($text, concat!($($doc),+)),)+];
    };
}

names! {
    /// A credential was leased. Has `attempt`, `credential.id`, `credential.tier`, `wait_ms`, `probe`.
    LEASED = "leased";
    /// The pool had none. Has `attempt`, `error.reason`, `wait_ms`.
    NOT_LEASED = "not leased";
    /// A lease was given back. Has `credential.id`, `outcome`, and `retry_after_ms` if the upstream said when to come back.
    GIVEN_BACK = "given back";
    /// The same credential is tried again after a pause; or a lease is reported again, as the pool was away. Has `attempt`,
    /// `error.reason`, `wait_ms`.
    RETRIED = "retried";
    /// The conversation is begun anew, as the upstream does not know it any more. Has `attempt`, `error.reason`.
    BEGUN_ANEW = "begun anew";
    /// The same credential is leased again with a new access token, as the old one was refused. Has `attempt`,
    /// `error.reason`.
    REFRESHED = "refreshed";
    /// Another credential is to serve. Has `attempt`, `error.reason`.
    FAILED_OVER = "failed over";
    /// There is something to show to the caller: from here on nothing is repeated. Has `attempt`, `wait_ms`.
    FIRST_EVENT = "first event";
    /// At the edge, and at the REST paths: the first byte of the answer's body is on its way. Has `wait_ms`.
    FIRST_BYTE = "first byte";
    /// The turn ended well.
    FINISHED = "finished";
    /// The turn ended with an error. Has `error.reason`.
    FAILED = "failed";
    /// The caller left before the end: on every span of its request.
    CANCELLED = "cancelled";
    /// The edge had as many turns as it takes, and this one stood in line. Has `wait_ms`, and `admitted`: whether its turn
    /// came.
    WAITED_IN_LINE = "waited in line";
    /// In the pool: all credentials that could serve were in use. Has `wait_ms`.
    WAITED_FOR_SLOT = "waited for a slot";
    /// In the pool: the credential needs an access token before it can be leased. Has `credential.id`.
    AWAITS_TOKEN = "awaits a token";
    /// In the pool: a credential rests for a while. Has `credential.id`, `wait_ms`, `why`.
    COOLED_DOWN = "cooled down";
    /// In the pool: a credential has used up its quota. Has `credential.id`, `wait_ms`, `why`.
    EXHAUSTED = "exhausted";
    /// In the pool: a credential failed too often and will be tried now and then. Has `credential.id`, `wait_ms`, `why`.
    DISABLED = "disabled";
    /// In the pool: a credential is blocked, expired or switched off until a person sees to it. Has `credential.id`,
    /// `why`.
    PUT_ASIDE = "put aside";
    /// In the pool: a credential can serve again. Has `credential.id`.
    BACK = "back";
    /// In the pool: all credentials fail alike, so the endpoint of the upstream is left alone. Has `endpoint`, `why`,
    /// `wait_ms`.
    BREAKER_OPENED = "breaker opened";
    /// In the pool: the endpoint works again. Has `endpoint`.
    BREAKER_CLOSED = "breaker closed";
    =>
    /// Every event, and what it says.
    EVENTS
}

names! {
    /// Which sending of the turn, or of the report, it is about, from 1.
    ATTEMPT = "attempt";
    /// The id of the credential.
    CREDENTIAL_ID = "credential.id";
    /// Its tier: `personal`, `shared` or `anonymous`.
    CREDENTIAL_TIER = "credential.tier";
    /// Whether the lease tries a credential, or the upstream, that had failed.
    PROBE = "probe";
    /// How the credential fared, as the pool is told: a `CredentialOutcome` without its prefix.
    OUTCOME = "outcome";
    /// The reason of the error: an `ErrorReason` without its prefix.
    ERROR_REASON = "error.reason";
    /// How long it was waited for that, or will be, in milliseconds.
    WAIT_MS = "wait_ms";
    /// When the upstream asked to come back, in milliseconds.
    RETRY_AFTER_MS = "retry_after_ms";
    /// Whether the wait was worth it.
    ADMITTED = "admitted";
    /// What a credential or an endpoint is left alone for, in a few words.
    WHY = "why";
    /// An endpoint of the upstream: `chat` or `token`.
    ENDPOINT = "endpoint";
    /// How grave it is: always `DEBUG`.
    LEVEL = "level";
    /// Which part of the program says so.
    TARGET = "target";
    =>
    /// Every attribute of events.
    EVENT_ATTRIBUTES
}

/// Every span: its name, its kind, and what it is of. `{}` stands for what differs.
pub const SPANS: &[(&str, &str, &str)] = &[
    (
        "{method} {route}",
        "server",
        "A request at the edge or at the REST paths of the services. `{method}` alone where there is no such route, and \
         `HTTP` for a method that is none of the usual ones.",
    ),
    (
        "warp2api.{package}.{service}/{method}",
        "client, server",
        "A call of a service, on either side. `grpc` if it has no such method. A report that the pool was not there to \
         take is one span on the side that calls, until it is taken or given up: it may end after the turn.",
    ),
    ("chat {model}", "client", "A turn: from the call to the end of its stream."),
    ("POST {path}", "client", "One attempt at the upstream, until the end of its answer."),
    ("refresh", "client", "An exchange of a refresh token, begun by a lease or ahead of time."),
];

/// Every attribute of spans, and what it says.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    (semconv::HTTP_REQUEST_METHOD, "The method; `_OTHER` if it is none of the usual ones."),
    (
        semconv::HTTP_REQUEST_METHOD_ORIGINAL,
        "The method as it came, if it is none of the usual ones: its first 32 bytes.",
    ),
    (semconv::HTTP_ROUTE, "The template of the route, if there is one."),
    (
        semconv::URL_PATH,
        "The path without its query; `/REDACTED` where there is no such route, as it may hold anything.",
    ),
    (semconv::URL_SCHEME, "`http` or `https`, as it is spoken at the listener."),
    (semconv::HTTP_RESPONSE_STATUS_CODE, "The status of the answer."),
    (semconv::HTTP_RESPONSE_HEADER_RETRY_AFTER, "When the caller was told to come back."),
    (semconv::HTTP_REQUEST_RESEND_COUNT, "Which repetition of an attempt it is, from 1."),
    (semconv::URL_FULL, "The address of what was asked at the upstream."),
    (
        semconv::SERVER_ADDRESS,
        "On the side that calls: the host, or the path of a socket. Not in one process.",
    ),
    (semconv::SERVER_PORT, "On the side that calls: the port, also where it is the usual one."),
    (
        semconv::ERROR_TYPE,
        "What failed, where the status of the span says so: an `ErrorReason` without its prefix, a status, or \
         `cancelled` if the caller left.",
    ),
    (
        semconv::ERROR_REASON,
        "Why a request was refused or failed, whoever's fault it was: an `ErrorReason` without its prefix.",
    ),
    (semconv::RPC_SYSTEM_NAME, "`grpc`."),
    (semconv::RPC_METHOD, "The method of a service, `package.Service/Method`; `_OTHER` if there is no such."),
    (semconv::RPC_RESPONSE_STATUS_CODE, "The status of a call, in letters."),
    (semconv::GEN_AI_OPERATION_NAME, "`chat`."),
    (semconv::GEN_AI_PROVIDER_NAME, "`warp`."),
    (semconv::GEN_AI_REQUEST_MODEL, "The model, aliases resolved."),
    (semconv::GEN_AI_RESPONSE_ID, "The upstream's id of the answer."),
    (semconv::GEN_AI_RESPONSE_MODEL, "The model that answered, if the upstream named one and no other."),
    (semconv::GEN_AI_RESPONSE_FINISH_REASONS, "Why the model stopped: `stop`, `length` or `tool_calls`."),
    (semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, "Seconds until there was something to show."),
    (semconv::GEN_AI_USAGE_INPUT_TOKENS, "Tokens the model read, if the upstream said so."),
    (semconv::GEN_AI_USAGE_OUTPUT_TOKENS, "Tokens it wrote."),
    (semconv::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, "Of the tokens read, those from a cache."),
    (semconv::GEN_AI_CONVERSATION_ID, "The upstream's id of the conversation."),
    (semconv::GEN_AI_SYSTEM_INSTRUCTIONS, "What the model was told to be. Only with content."),
    (semconv::GEN_AI_INPUT_MESSAGES, "What it was asked. Only with content."),
    (semconv::GEN_AI_OUTPUT_MESSAGES, "What it answered. Only with content."),
    (semconv::REQUEST_ID, "The id by which the request is known everywhere, at the edge."),
    (TURN_REQUEST_ID, "The same, on the turn."),
    (TURN_TRACE_ID, "The id of the trace that the caller's side knows it by, on the turn."),
    (semconv::DIALECT, "What the client speaks."),
    (semconv::CREDENTIAL_ID, "The id of the credential, the last one if there were several."),
    (semconv::CREDENTIAL_TIER, "Its tier."),
];

/// The id of the caller's request, on the span of a turn: as it is called in every line of the log, since the lines of a turn
/// have it from there.
pub const TURN_REQUEST_ID: &str = "request_id";
/// The id of its trace, on the span of a turn.
pub const TURN_TRACE_ID: &str = "trace_id";
