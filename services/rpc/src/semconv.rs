//! Names of OpenTelemetry's semantic conventions that spans and metrics of the house use, pinned here and nowhere else: as of
//! version 1.41, the last that has all of them. HTTP is stable there, RPC a candidate for that with the names it has since
//! 1.39, and generative AI in development; after it, that has gone on in a repository of its own.
//!
//! What no convention names begins with `warp2api.`.

/// Where the names are described, for those who translate between versions.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";

/// The method of an HTTP request.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The method as it came, where it is none of the usual ones.
pub const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
/// The template of the route, never a path with somebody's id in it.
pub const HTTP_ROUTE: &str = "http.route";
/// The status of the answer.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// When the caller was told to come back.
pub const HTTP_RESPONSE_HEADER_RETRY_AFTER: &str = "http.response.header.retry-after";
/// Which repetition of a request it is, from 1; not there on the first.
pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// The address of what was asked, without a query.
pub const URL_FULL: &str = "url.full";
/// The path of what was asked, without a query.
pub const URL_PATH: &str = "url.path";
/// How it was asked: `http` or `https`.
pub const URL_SCHEME: &str = "url.scheme";
/// The host of what was asked.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port of what was asked.
pub const SERVER_PORT: &str = "server.port";
/// What failed: an `ErrorReason` without its prefix, a status, or `cancelled`.
pub const ERROR_TYPE: &str = "error.type";

/// Which RPC system: `grpc`.
pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// The method with its service, `package.Service/Method`.
pub const RPC_METHOD: &str = "rpc.method";
/// The status in letters, `OK`.
pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";

/// What is done: `chat`.
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
/// Who does it: `warp`.
pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
/// The only operation there is.
pub const CHAT: &str = "chat";
/// Who does it.
pub const WARP: &str = "warp";
/// The model that was asked for.
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
/// The upstream's id of the answer.
pub const GEN_AI_RESPONSE_ID: &str = "gen_ai.response.id";
/// The model that answered.
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Why the model stopped.
pub const GEN_AI_RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Seconds until the first event that the caller could be shown.
pub const GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// Tokens the model read.
pub const GEN_AI_USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Tokens the model wrote.
pub const GEN_AI_USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Of the tokens read, those from a cache.
pub const GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// The upstream's id of the conversation.
pub const GEN_AI_CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// What the model was told to be, as JSON. Content.
pub const GEN_AI_SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
/// What it was asked, as JSON. Content.
pub const GEN_AI_INPUT_MESSAGES: &str = "gen_ai.input.messages";
/// What it answered, as JSON. Content.
pub const GEN_AI_OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
/// Which tokens are counted: `input` or `output`.
pub const GEN_AI_TOKEN_TYPE: &str = "gen_ai.token.type";

/// Why a request was refused or failed, whoever's fault it was: an `ErrorReason` without its prefix.
pub const ERROR_REASON: &str = "warp2api.error.reason";
/// The id by which a request is known everywhere.
pub const REQUEST_ID: &str = "warp2api.request.id";
/// What the client speaks: `chat_completions`, `responses`, `messages`, `completions`.
pub const DIALECT: &str = "warp2api.dialect";
/// The id of the credential that served.
pub const CREDENTIAL_ID: &str = "warp2api.credential.id";
/// A credential's tier.
pub const CREDENTIAL_TIER: &str = "warp2api.credential.tier";
/// A credential's state.
pub const CREDENTIAL_STATE: &str = "warp2api.credential.state";

/// Buckets of durations of HTTP requests, in seconds.
pub const HTTP_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Buckets of durations of operations of a model, in seconds.
pub const GEN_AI_SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Buckets of times to the first chunk, in seconds.
pub const FIRST_CHUNK_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Buckets of times between chunks, in seconds.
pub const PER_CHUNK_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
/// Buckets of numbers of tokens.
pub const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
