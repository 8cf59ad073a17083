//! The table: what the original took and gave, and where this service differs on purpose.

use std::fmt::Write as _;

/// A path.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// What is sent: keys, the optional ones with a question mark.
    pub(crate) takes: &'static str,
    /// The keys of what comes back.
    pub(crate) gives: &'static str,
    /// Where this is not what the original did.
    pub(crate) differs: &'static str,
    /// Whether the admin key is needed where one is set.
    pub(crate) admin: bool,
    pub(crate) examples: &'static [Example],
}

/// A request and its answer.
pub(crate) struct Example {
    pub(crate) query: &'static str,
    /// JSON, or empty for none.
    pub(crate) body: &'static str,
    pub(crate) status: u16,
    pub(crate) answer: Answer,
}

/// What an answer is.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// JSON with at least these keys.
    Json(&'static str),
    /// Exactly these bytes.
    Bytes(&'static [u8]),
    /// Server-sent events with this in them, and `[DONE]` last.
    Events(&'static str),
}

use Answer::{Bytes, Events, Json};

const fn ok(body: &'static str, answer: Answer) -> Example {
    Example { query: "", body, status: 200, answer }
}

const fn refused(status: u16, body: &'static str, answer: &'static str) -> Example {
    Example { query: "", body, status, answer: Json(answer) }
}

const EMPTY: Example = refused(400, "{}", r#"{"detail":"*","error":{"code":400,"status":"INVALID_FIELD"}}"#);
const UNKNOWN_TYPE: &str = r#"{"detail":"*","error":{"code":404,"status":"MESSAGE_TYPE_NOT_FOUND"}}"#;
const MALFORMED: &str = r#"{"detail":"*","error":{"code":400,"status":"MALFORMED_MESSAGE"}}"#;
const INVALID: &str = r#"{"detail":"*","error":{"code":400,"status":"INVALID_FIELD"}}"#;
const PACKET: &str = r#"{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}}"#;
const PACKET_INSIDE: &str = r#"{"message_type":"warp.multi_agent.v1.Request","json_data":{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}}}"#;
const GOLDEN: Answer = Json(
    r#"{"protobuf_bytes":"EgoyCAoGCgQKAmhpIgMKAWM=","size":17,"message_type":"warp.multi_agent.v1.Request"}"#,
);
const DECODED: Answer = Json(
    r#"{"json_data":{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}},"size":17,"message_type":"warp.multi_agent.v1.Request"}"#,
);
const SAY: &str = r#"{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"say exactly: hi"}}]}}}"#;

const ENCODE: &[Example] = &[
    ok(PACKET, GOLDEN),
    ok(PACKET_INSIDE, GOLDEN),
    EMPTY,
    refused(400, r#"{"json_data":{}}"#, INVALID),
    refused(400, r#"{"json_data":{"nofield":1}}"#, MALFORMED),
    refused(400, r#"{"json_data":{"metadata":{"conversation_id":5}}}"#, MALFORMED),
    refused(404, r#"{"json_data":{"a":1},"message_type":"no.Such"}"#, UNKNOWN_TYPE),
    refused(400, "{", INVALID),
];

const DECODE: &[Example] = &[
    ok(r#"{"protobuf_bytes":"EgoyCAoGCgQKAmhpIgMKAWM="}"#, DECODED),
    ok(
        r#"{"protobuf_bytes":"EgoyCAoGCgQKAmhpIgMKAWM","message_type":"warp.multi_agent.v1.Request"}"#,
        DECODED,
    ),
    EMPTY,
    refused(400, r#"{"protobuf_bytes":""}"#, INVALID),
    refused(400, r#"{"protobuf_bytes":"@@@"}"#, INVALID),
    refused(400, r#"{"protobuf_bytes":"EgoyCAoGCgQ="}"#, MALFORMED),
    refused(404, r#"{"protobuf_bytes":"EgA=","message_type":"no.Such"}"#, UNKNOWN_TYPE),
];

/// Every path, in the order people meet them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        method: "GET",
        path: "/",
        takes: "",
        gives: "`message`, `version`",
        differs: "More keys, among them links to the documents.",
        admin: false,
        examples: &[ok("", Json(r#"{"message":"*","version":"*","service":"Warp2Api"}"#))],
    },
    Row {
        method: "GET",
        path: "/healthz",
        takes: "",
        gives: "`status`, `timestamp`",
        differs: "The time is in UTC and says so.",
        admin: false,
        examples: &[ok("", Json(r#"{"status":"ok","timestamp":"*"}"#))],
    },
    Row {
        method: "POST",
        path: "/encode",
        takes: "`json_data?`, `message_type?`; or the packet's own keys at the top",
        gives: "`protobuf_bytes`, `size`, `message_type`",
        differs: "Promised by the original's README, and not there. As `/api/encode`.",
        admin: false,
        examples: ENCODE,
    },
    Row {
        method: "POST",
        path: "/api/encode",
        takes: "`json_data?`, `message_type?`; or the packet's own keys at the top",
        gives: "`protobuf_bytes`, `size`, `message_type`",
        differs: "What does not fit is 400 and names the field, where it was dropped; an unknown type is 404, not 500. \
                  Names in camelCase are read too. `server_message_data` may be an object.",
        admin: false,
        examples: ENCODE,
    },
    Row {
        method: "POST",
        path: "/decode",
        takes: "`protobuf_bytes`, `message_type?`",
        gives: "`json_data`, `size`, `message_type`",
        differs: "Promised by the original's README, and not there. As `/api/decode`.",
        admin: false,
        examples: DECODE,
    },
    Row {
        method: "POST",
        path: "/api/decode",
        takes: "`protobuf_bytes`, `message_type?`",
        gives: "`json_data`, `size`, `message_type`",
        differs: "Base64 of either alphabet and nothing else; corrupt bytes are 400 and an unknown type is 404, not 500. \
                  What the schema does not have is kept under `@unknown`. `server_message_data` has its text as `raw` too.",
        admin: false,
        examples: DECODE,
    },
    Row {
        method: "POST",
        path: "/api/stream-decode",
        takes: "`protobuf_chunks`, `message_type?`",
        gives: "`chunks` (`chunk_index`, `json_data` or `error`, `size`), `complete`, `total_chunks`, `total_size`, `message_type`",
        differs: "The usual type is `ResponseEvent`, which exists. `size` and `total_size` count all bytes. What is not \
                  base64 is 400, an unknown type 404. At most 10,000 chunks; `Codec.DecodeStream` has no such bound.",
        admin: false,
        examples: &[
            ok(
                r#"{"protobuf_chunks":["EgoyCAoGCgQKAmhp","IgMKAWM="],"message_type":"warp.multi_agent.v1.Request"}"#,
                Json(
                    r#"{"chunks":[{"chunk_index":0,"size":12},{"chunk_index":1,"json_data":{"metadata":{"conversation_id":"c"}},"size":5}],"complete":{"json_data":{"metadata":{"conversation_id":"c"}},"size":17},"total_chunks":2,"total_size":17,"message_type":"warp.multi_agent.v1.Request"}"#,
                ),
            ),
            ok(
                r#"{"protobuf_chunks":["EgoyCA==",""]}"#,
                Json(
                    r#"{"chunks":[{"chunk_index":0,"error":"*","size":4},{"chunk_index":1,"json_data":{},"size":0}],"complete":{"error":"*","size":4},"total_chunks":2,"total_size":4,"message_type":"warp.multi_agent.v1.ResponseEvent"}"#,
                ),
            ),
            refused(400, r#"{"protobuf_chunks":["@"]}"#, INVALID),
            refused(400, r#"{"protobuf_chunks":"EgA="}"#, INVALID),
            refused(404, r#"{"protobuf_chunks":[],"message_type":"no.Such"}"#, UNKNOWN_TYPE),
            EMPTY,
        ],
    },
    Row {
        method: "GET",
        path: "/api/schemas",
        takes: "",
        gives: "`schemas` (`name`, `full_name`, `field_count`, `fields` of `name`, `type`, `label`, `number`), `total_count`, `message`",
        differs: "All fields, not the first ten; `label` is a number, not null.",
        admin: false,
        examples: &[ok(
            "",
            Json(
                r#"{"schemas":[{"name":"google.protobuf.Duration","full_name":"google.protobuf.Duration","field_count":2,"fields":[{"name":"seconds","type":3,"label":1,"number":1},{"name":"nanos","type":5,"label":1,"number":2}]},"..."],"total_count":"*","message":"*"}"#,
            ),
        )],
    },
    Row {
        method: "GET",
        path: "/api/auth/status",
        takes: "",
        gives: "`authenticated`, `token_present`, `token_expired`, `message`, `suggestion?`",
        differs: "No `token_preview`: it showed the token. About the pool: `token_expired` means that no credential can be \
                  used now.",
        admin: true,
        examples: &[ok(
            "",
            Json(r#"{"authenticated":true,"token_present":true,"token_expired":false,"message":"*"}"#),
        )],
    },
    Row {
        method: "POST",
        path: "/api/auth/refresh",
        takes: "",
        gives: "`success`, `message`, `timestamp`; where none could be refreshed `success`, `message`, `suggestion`",
        differs: "Refreshes every credential with a refresh token that is not switched off or blocked, 1,000 at most; API keys need none. \
                  What fails has the status of what failed, not 200.",
        admin: true,
        examples: &[ok("", Json(r#"{"success":true,"message":"*","timestamp":"*"}"#))],
    },
    Row {
        method: "POST",
        path: "/api/warp/encode_raw",
        takes: "as `/api/encode`; `?output=raw` or `base64`",
        gives: "bytes (`application/x-protobuf`), or `protobuf_base64`, `size`, `message_type`",
        differs: "As `/api/encode`.",
        admin: false,
        examples: &[
            ok(PACKET, Bytes(b"\x12\x0a2\x08\x0a\x06\x0a\x04\x0a\x02hi\"\x03\x0a\x01c")),
            Example {
                query: "?output=base64",
                body: PACKET,
                status: 200,
                answer: Json(
                    r#"{"protobuf_base64":"EgoyCAoGCgQKAmhpIgMKAWM=","size":17,"message_type":"*"}"#,
                ),
            },
            Example { query: "?output=hex", body: PACKET, status: 400, answer: Json(INVALID) },
            EMPTY,
        ],
    },
    Row {
        method: "POST",
        path: "/api/warp/send",
        takes: "as `/api/encode`",
        gives: "`response`, `conversation_id`, `task_id`, `request_size`, `response_size`, `message_type`",
        differs: "`response` holds the answer; failures have the status of what failed.",
        admin: false,
        examples: &[
            ok(SAY, Json(r#"{"response":"hi","response_size":2,"conversation_id":"*","message_type":"*"}"#)),
            EMPTY,
        ],
    },
    Row {
        method: "POST",
        path: "/api/warp/send_stream",
        takes: "as `/api/encode`",
        gives: "as `/api/warp/send`, and `parsed_events`, `events_count`, `events_summary`",
        differs: "No traceback in failures. One vocabulary of event types for this path and the next.",
        admin: false,
        examples: &[
            ok(
                SAY,
                Json(
                    r#"{"response":"hi","parsed_events":[{"event_number":1,"event_type":"INITIALIZATION","parsed_data":"*"},"..."],"events_count":"*","events_summary":"*"}"#,
                ),
            ),
            EMPTY,
        ],
    },
    Row {
        method: "POST",
        path: "/api/warp/send_stream_sse",
        takes: "as `/api/encode`",
        gives: "events of `event_number`, `event_type`, `parsed_data`; `[DONE]` last",
        differs: "What fails before the first event has its status; after it, it is the last event and no `[DONE]` follows.",
        admin: false,
        examples: &[ok(SAY, Events(r#""event_type":"FINISHED""#)), EMPTY],
    },
    Row {
        method: "GET",
        path: "/api/packets/history",
        takes: "`?limit=50`, at most 1000",
        gives: "`packets` (`timestamp`, `type`, `size`, `data_preview`, `full_data`), `total_count`, `returned_count`",
        differs: "Streamed chats are packets too. `data_preview` is JSON, times are in UTC, `size` is in bytes both ways; `full_data` is null unless `W2A_CAPTURE` is on. Packets also have `request_id`, `trace_id`, `conversation_id`, `direction` and `elapsed_ms`. Bounded in bytes, not in number.",
        admin: true,
        examples: &[
            ok("", Json(r#"{"packets":"*","total_count":"*","returned_count":"*"}"#)),
            Example { query: "?limit=x", body: "", status: 400, answer: Json(INVALID) },
        ],
    },
    Row {
        method: "GET",
        path: "/v1/models",
        takes: "",
        gives: "`object`, `data` (`id`, `object`, `created`, `owned_by`, `display_name`, `description`, `vision_supported`, `categories`)",
        differs: "`created` does not change from call to call; no `usage_multiplier`, which was made up.",
        admin: false,
        examples: &[ok(
            "",
            Json(
                r#"{"object":"list","data":[{"id":"auto","object":"model","created":"*","owned_by":"*","display_name":"*","description":"*","vision_supported":"*","categories":"*"},"..."]}"#,
            ),
        )],
    },
];

/// docs/compatibility.md, but for its head.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "Port 28888 has the paths of the Python bridge that Warp2Api replaces, with the same keys in requests and answers. \
         A failure has the status that fits it, the words under `detail` as ever, and `error` with `code`, `message` and the \
         reason of [errors.md](errors.md) as `status`. Nothing shows a token or the inside of the program.\n\n\
         A body must say `content-type: application/json`. Whoever can reach the port may use these paths, as before; \
         those marked *admin* want the admin key where one is set (`W2A_ADMIN_KEY`, as `authorization: Bearer` or \
         `x-admin-key`), and without one answer only on the machine itself.\n\n\
         | path | takes | gives | differs |\n| --- | --- | --- | --- |\n",
    );
    for Row { method, path, takes, gives, differs, admin, .. } in ROWS {
        let admin = if *admin { " *admin*" } else { "" };
        writeln!(text, "| `{method} {path}`{admin} | {takes} | {gives} | {differs} |")
            .expect("memory takes it");
    }
    text.push_str(
        "\nThe WebSocket `/ws` sends the original's `connected`, up to ten `packet_history` and `packet_captured`, and what it \
         defined and never sent: `stream_chunk_parsed`, `stream_chunk_error`, `stream_completed`. It wants the admin key as \
         the paths marked so do, or as `?key=` or a subprotocol, and takes no page of another origin. \
         [monitor.md](monitor.md) has every frame and command.\n\n\
         Not served: `GET /api/auth/user_id`, which never worked, and `/gui`. The edge, port 28889, answers \
         `/v1/chat/completions` and `/v1/models` as OpenAI does; see [parameters.md](parameters.md).\n",
    );
    text
}
