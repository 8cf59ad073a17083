//! What is refused, and how it is said: the path, the place, the problem, and never the content.

use warp2api_codec::{Error, Malformed, Options, Position, Problem, Unknown, transcode};

use crate::support::{message_type, to_bytes};

/// The type, the text, the path, line and column, the problem.
type Case = (&'static str, &'static str, &'static str, (usize, usize), Problem);

const TEXTS: &[Case] = &[
    ("Request", "", "", (1, 1), Problem::Syntax("a value is missing")),
    ("Request", "[]", "", (1, 1), Problem::Expected("an object")),
    ("Request", "nul", "", (1, 1), Problem::Expected("an object")),
    ("Request", "{} x", "", (1, 4), Problem::Syntax("there is more after the value")),
    ("Request", "{input:1}", "", (1, 2), Problem::Syntax("expected a key in quotes")),
    ("Request", r#"{"input" 1}"#, "", (1, 10), Problem::Syntax("expected a colon")),
    ("Request", r#"{"input":{}"#, "", (1, 12), Problem::Syntax("expected a comma or the end of the object")),
    ("Request", r#"{"input":{},}"#, "", (1, 13), Problem::Syntax("expected a key in quotes")),
    ("Request", "{\n  \"input\": {},\n  \"é\": 1\n}", "?", (3, 3), Problem::UnknownField),
    ("Request", r#"{"é":1}"#, "?", (1, 2), Problem::UnknownField),
    ("Request", r#"{"nofield":1}"#, "nofield", (1, 2), Problem::UnknownField),
    ("Request", r#"{"input":{"nofield":1}}"#, "input.nofield", (1, 11), Problem::UnknownField),
    ("Request", r#"{"input":1}"#, "input", (1, 10), Problem::Expected("an object")),
    ("Request", r#"{"input":{},"input":{}}"#, "input", (1, 13), Problem::Duplicate),
    ("Request", r#"{"taskContext":{},"task_context":{}}"#, "task_context", (1, 19), Problem::Duplicate),
    (
        "Request",
        r#"{"input":{"userInputs":{"inputs":[{"userQuery":{"query":"a"}},{"userQuery":{"query":5}}]}}}"#,
        "input.user_inputs.inputs[1].user_query.query",
        (1, 85),
        Problem::Expected("a string"),
    ),
    (
        "Request.Input",
        r#"{"user_query":{},"resume_conversation":{}}"#,
        "resume_conversation",
        (1, 40),
        Problem::Oneof,
    ),
    ("Task", r#"{"messages":{}}"#, "messages", (1, 13), Problem::Expected("an array")),
    ("Task", r#"{"messages":[{},null]}"#, "messages[1]", (1, 17), Problem::Expected("an object")),
    (
        "Task",
        r#"{"messages":[{} {}]}"#,
        "messages",
        (1, 17),
        Problem::Syntax("expected a comma or the end of the array"),
    ),
    ("Task", r#"{"messages":[,]}"#, "messages[0]", (1, 14), Problem::Syntax("a value is missing")),
    ("Task", r#"{"id":"a"#, "id", (1, 8), Problem::Syntax("a string does not end")),
    (
        "Task",
        "{\"id\":\"a\nb\"}",
        "id",
        (1, 9),
        Problem::Syntax("a control character stands unescaped in a string"),
    ),
    ("Task", r#"{"id":"\x"}"#, "id", (1, 8), Problem::Syntax("an escape in a string is not well formed")),
    ("Task", r#"{"id":"\u12"}"#, "id", (1, 8), Problem::Syntax("an escape in a string is not well formed")),
    ("Task", r#"{"id":"\u+123"}"#, "id", (1, 8), Problem::Syntax("an escape in a string is not well formed")),
    ("Task", r#"{"id":"\ud800"}"#, "id", (1, 8), Problem::Syntax("an escape in a string is not well formed")),
    (
        "Task",
        r#"{"id":"\ud800\u0041"}"#,
        "id",
        (1, 8),
        Problem::Syntax("an escape in a string is not well formed"),
    ),
    ("Task", r#"{"id":"\udc00"}"#, "id", (1, 8), Problem::Syntax("an escape in a string is not well formed")),
    ("Task", r#"{"id":tru}"#, "id", (1, 7), Problem::Expected("a string")),
    (
        "Request.Settings",
        r#"{"supports_reasoning_message":tru}"#,
        "supports_reasoning_message",
        (1, 31),
        Problem::Syntax("a value is missing"),
    ),
    (
        "Request.Settings",
        r#"{"supports_reasoning_message":"true"}"#,
        "supports_reasoning_message",
        (1, 31),
        Problem::Expected("true or false"),
    ),
    (
        "Request.Settings",
        r#"{"supported_tools":["NO_SUCH_TOOL"]}"#,
        "supported_tools[0]",
        (1, 21),
        Problem::EnumValue,
    ),
    ("Request.Settings", r#"{"supported_tools":["9"]}"#, "supported_tools[0]", (1, 21), Problem::EnumValue),
    (
        "Request.Settings",
        r#"{"supported_tools":[true]}"#,
        "supported_tools[0]",
        (1, 21),
        Problem::Expected("the name or number of an enum value"),
    ),
    (
        "Request.Settings",
        r#"{"supported_tools":[1.5]}"#,
        "supported_tools[0]",
        (1, 21),
        Problem::Range("enum"),
    ),
    (
        "Request.Settings",
        r#"{"supported_tools":[2147483648]}"#,
        "supported_tools[0]",
        (1, 21),
        Problem::Range("enum"),
    ),
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":9223372036854775808}"#,
        "size_bytes",
        (1, 15),
        Problem::Range("int64"),
    ),
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":"01"}"#,
        "size_bytes",
        (1, 15),
        Problem::Range("int64"),
    ),
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":" 1"}"#,
        "size_bytes",
        (1, 15),
        Problem::Range("int64"),
    ),
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":01}"#,
        "size_bytes",
        (1, 15),
        Problem::Syntax("a number is not well formed"),
    ),
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":{}}"#,
        "size_bytes",
        (1, 15),
        Problem::Range("int64"),
    ),
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":1e39}"#,
        "exact",
        (1, 10),
        Problem::Range("float"),
    ),
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":"nan"}"#,
        "exact",
        (1, 10),
        Problem::Range("float"),
    ),
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":"inf"}"#,
        "exact",
        (1, 10),
        Problem::Range("float"),
    ),
    ("MCPResourceContent.Binary", r#"{"data":"@@@"}"#, "data", (1, 9), Problem::Expected("base64")),
    ("MCPResourceContent.Binary", r#"{"data":"+_+_"}"#, "data", (1, 9), Problem::Expected("base64")),
    ("MCPResourceContent.Binary", r#"{"data":"AAA=="}"#, "data", (1, 9), Problem::Expected("base64")),
    ("google.protobuf.Value", "1e999", "", (1, 1), Problem::Range("double")),
    ("google.protobuf.Struct", "[]", "", (1, 1), Problem::Expected("an object")),
    ("google.protobuf.Struct", r#"{"a":1,"a":2}"#, "[1]", (1, 8), Problem::Duplicate),
    (
        "Request.Metadata",
        r#"{"logging":{"a":{"b":[1,1e999]}}}"#,
        "logging[0][0][1]",
        (1, 25),
        Problem::Range("double"),
    ),
    (
        "google.protobuf.Timestamp",
        r#""2026-02-30T00:00:00Z""#,
        "",
        (1, 1),
        Problem::Expected("a time such as 2026-01-31T23:59:59.5Z"),
    ),
    (
        "google.protobuf.Timestamp",
        "5",
        "",
        (1, 1),
        Problem::Expected("a time such as 2026-01-31T23:59:59.5Z"),
    ),
    ("google.protobuf.Duration", r#""1""#, "", (1, 1), Problem::Expected("a span of seconds such as 1.5s")),
    (
        "google.protobuf.FieldMask",
        r#""a b""#,
        "",
        (1, 1),
        Problem::Expected("field paths such as fooBar.baz,qux"),
    ),
    ("Task", r#"{"@unknown":5}"#, "@unknown", (1, 13), Problem::Expected("a string")),
    ("Task", r#"{"@unknown":"*"}"#, "@unknown", (1, 13), Problem::Expected("base64")),
    ("Task", r#"{"@unknown":"iA=="}"#, "@unknown", (1, 13), Problem::Truncated),
    ("Task", r#"{"@unknown":"","@unknown":""}"#, "@unknown", (1, 16), Problem::Duplicate),
    // Field 1, the id, is given twice.
    ("Task", r#"{"id":"a","@unknown":"CgFi"}"#, "@unknown.id", (1, 22), Problem::Duplicate),
];

#[test]
fn a_text_is_refused_with_its_path_and_place() {
    for &(name, text, path, (line, column), problem) in TEXTS {
        let expected =
            Malformed { path: path.to_owned(), position: Position::Text { line, column }, problem };

        assert_eq!(to_bytes(name, text), Err(Error::Malformed(expected)), "{name} {text}");
    }
}

/// The type, the bytes, the path, the offset, the problem.
const BYTES: &[(&str, &[u8], &str, usize, Problem)] = &[
    ("Task", &[0x0a], "id", 1, Problem::Truncated),
    ("Task", &[0x0a, 5, b'a'], "id", 1, Problem::Truncated),
    ("Task", &[0x0a, 2, b'a', 0xff], "id", 3, Problem::Utf8),
    ("Task", &[0x08, 1], "id", 1, Problem::WrongWireType("string")),
    ("Task", &[0x80], "", 0, Problem::Truncated),
    ("Task", &[0x00, 1], "", 0, Problem::FieldNumber),
    ("Task", &[0x0f], "", 0, Problem::WireType),
    ("Task", &[0x0c], "id", 1, Problem::WrongWireType("string")),
    ("Task", &[0xa4, 0x1f], "500", 0, Problem::Group),
    ("Task", &[0xa3, 0x1f, 0xac, 0x1f], "500", 2, Problem::Group),
    ("Task", &[0xa3, 0x1f], "500", 2, Problem::Truncated),
    ("Task", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "", 0, Problem::Overlong),
    ("Request.Settings", &[0x4a, 2, 9, 0x80], "supported_tools[1]", 3, Problem::Truncated),
    (
        "Request.Settings",
        &[0x49, 0, 0, 0, 0, 0, 0, 0, 0],
        "supported_tools[0]",
        1,
        Problem::WrongWireType("enum"),
    ),
    // input.user_inputs.inputs[0].user_query.query is cut off.
    (
        "Request",
        &[0x12, 10, 0x32, 8, 0x0a, 6, 0x0a, 4, 0x0a, 9, b'h', b'i'],
        "input.user_inputs.inputs[0].user_query.query",
        9,
        Problem::Truncated,
    ),
    // The value of the second entry of `logging` is NaN.
    (
        "Request.Metadata",
        &[0x12, 2, 0x0a, 0, 0x12, 14, 0x0a, 1, b'n', 0x12, 9, 0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
        "logging[1].number_value",
        12,
        Problem::NotFinite,
    ),
    ("google.protobuf.Value", &[0x38, 1], "7", 0, Problem::NoPlace),
    ("google.protobuf.Struct", &[0x0a, 3, 0x0a, 0, 0x18, 1], "fields[0].3", 5, Problem::Truncated),
    ("google.protobuf.Struct", &[0x0a, 4, 0x0a, 0, 0x18, 1], "fields[0].3", 4, Problem::NoPlace),
];

#[test]
fn bytes_are_refused_with_their_path_and_offset() {
    for &(name, data, path, offset, problem) in BYTES {
        let expected = Malformed { path: path.to_owned(), position: Position::Byte(offset), problem };

        let result = transcode::to_json(message_type(name), data, Options::default());

        assert_eq!(result, Err(Error::Malformed(expected)), "{name} {data:02x?}");
    }
}

#[test]
fn errors_read_as_sentences() {
    for (result, sentence) in [
        (
            to_bytes("Request", r#"{"input":{"nofield":1}}"#).map(drop),
            "input.nofield at 1:11: there is no such field",
        ),
        (to_bytes("Request", "").map(drop), "1:1: not JSON: a value is missing"),
        (
            transcode::to_json(message_type("Task"), &[0x0a], Options::default()).map(drop),
            "id at 1: the bytes end in the middle of a field",
        ),
        (
            warp2api_codec::Schema::global().message_type("warp.multi_agent.v1.Response").map(drop),
            "no message type `warp.multi_agent.v1.Response` is in the schema",
        ),
        (
            warp2api_codec::Schema::global().message_type("my secret prompt").map(drop),
            "no message type `?` is in the schema",
        ),
    ] {
        assert_eq!(result.unwrap_err().to_string(), sentence);
    }
}

#[test]
fn errors_do_not_repeat_what_was_given() {
    let texts = [
        r#"{"id":{"planted secret":1}}"#,
        r#"{"planted secret":1}"#,
        r#"{"messages":["planted secret"]}"#,
        r#"{"messages":[{"tool_call":{"call_mcp_tool":{"args":{"planted secret":1e999}}}}]}"#,
        r#"{"messages":[{"user_query":{"referenced_attachments":{"planted secret":5}}}]}"#,
        r#"{"messages":[{"timestamp":"planted secret"}]}"#,
        r#"planted secret"#,
    ];
    for text in texts {
        let error = to_bytes("Task", text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
    }
    let data = [&[0x0a, 15][..], b"planted secret", &[0xff]].concat();
    let options = Options { unknown: Unknown::Refuse, ..Options::default() };
    let error = transcode::to_json(message_type("Task"), &data, options).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
}
