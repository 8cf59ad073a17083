//! How values look in JSON, and what else is understood.

use warp2api_codec::{Options, Unknown, transcode};

use crate::support::{camel, message_type, to_bytes, to_json};

/// The type, the JSON as it is written, and other JSON that means the same.
const FORMS: &[(&str, &str, &[&str])] = &[
    ("Request", "{}", &["  {\n}\t", r#"{"input":null}"#, r#"{"metadata":null,"task_context":null}"#]),
    (
        "Request",
        r#"{"task_context":{"tasks":[{"id":"t"}]}}"#,
        &[
            r#"{"taskContext":{"tasks":[{"id":"t"}]}}"#,
            r#"{"taskContext":{"tasks":[{"id":"t","description":"","messages":[]}]}}"#,
            r#"{"taskContext":{"tasks":[{"id":"\u0074","messages":null}]}}"#,
        ],
    ),
    // Enums by name and by number, also those without a name.
    (
        "Request.Settings",
        r#"{"supported_tools":["RUN_SHELL_COMMAND","CALL_MCP_TOOL",9999,-1]}"#,
        &[r#"{"supportedTools":[0,9,9999,-1]}"#, r#"{"supportedTools":[0.0,"CALL_MCP_TOOL",9.999e3,-1]}"#],
    ),
    // 64 bits as strings.
    (
        "Message.ArtifactEvent.FileArtifact",
        r#"{"size_bytes":"9007199254740993"}"#,
        &[r#"{"sizeBytes":9007199254740993}"#, r#"{"size_bytes":"9.007199254740993e15"}"#],
    ),
    ("Message.ArtifactEvent.FileArtifact", r#"{"size_bytes":"-9223372036854775808"}"#, &[]),
    // Bytes in any base64.
    (
        "MCPResourceContent.Binary",
        r#"{"data":"+/+/AA=="}"#,
        &[
            r#"{"data":"-_-_AA=="}"#,
            r#"{"data":"-_-_AA"}"#,
            r#"{"data":"+/+/AA"}"#,
            r#"{"data":"\u002b/+/AA"}"#,
        ],
    ),
    // Floats, shortest.
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":0.1}"#,
        &[r#"{"exact":"0.1"}"#, r#"{"exact":0.10000000149011612}"#, r#"{"exact":1e-1}"#],
    ),
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":3}"#,
        &[r#"{"exact":3.0}"#, r#"{"exact":"3e0"}"#],
    ),
    ("ResponseEvent.StreamFinished.RequestCost", r#"{"exact":-0}"#, &[r#"{"exact":-0.0}"#]),
    (
        "ResponseEvent.StreamFinished.RequestCost",
        r#"{"exact":1e20}"#,
        &[r#"{"exact":100000000000000000000}"#],
    ),
    ("ResponseEvent.StreamFinished.RequestCost", r#"{"exact":"NaN"}"#, &[]),
    ("ResponseEvent.StreamFinished.RequestCost", r#"{"exact":"-Infinity"}"#, &[]),
    // JSON in JSON, in its order.
    (
        "google.protobuf.Struct",
        r#"{"z":1,"a":{"y":[],"x":{}},"n":null,"":"","l":[1,"2",true,null,[{}]],"f":-0.5}"#,
        &[r#"{"z":1.0,"a":{"y":[],"x":{}},"n":null,"":"","l":[1e0,"2",true,null,[{}]],"f":-5e-1}"#],
    ),
    ("google.protobuf.Value", "null", &[" null "]),
    ("google.protobuf.Value", r#""NaN""#, &[]),
    ("google.protobuf.ListValue", "[[],{},1,null]", &[]),
    (
        "Request.Metadata",
        r#"{"logging":{"b":null,"a":{"@unknown":"not ours"}}}"#,
        &[r#"{"conversationId":"","logging":{"b":null,"a":{"@unknown":"not ours"}}}"#],
    ),
    // Times, spans, masks.
    (
        "google.protobuf.Timestamp",
        r#""2026-01-31T22:59:59.500Z""#,
        &[r#""2026-01-31T23:59:59.5+01:00""#, r#"{"seconds":"1769900399","nanos":500000000}"#],
    ),
    ("google.protobuf.Duration", r#""-0.000001s""#, &[r#""-0.000001000s""#, r#"{"nanos":-1000}"#]),
    (
        "google.protobuf.FieldMask",
        r#""agentOutput.text,id""#,
        &[r#""agent_output.text,id""#, r#"{"paths":["agent_output.text","id"]}"#],
    ),
    ("google.protobuf.FieldMask", r#""""#, &["{}", r#"{"paths":[]}"#]),
    // The same where a string cannot say it.
    ("google.protobuf.Timestamp", r#"{"seconds":"-62135596801"}"#, &[]),
    ("google.protobuf.Timestamp", r#"{"nanos":-1}"#, &[]),
    ("google.protobuf.Duration", r#"{"seconds":"1","nanos":-1}"#, &[]),
    ("google.protobuf.FieldMask", r#"{"paths":["Upper"]}"#, &[]),
    ("google.protobuf.Empty", "{}", &[]),
    // A member of a oneof is there even if it is empty.
    ("Request.Input", r#"{"resume_conversation":{}}"#, &[r#"{"userQuery":null,"resumeConversation":{}}"#]),
];

#[test]
fn every_value_has_one_form_that_is_written_and_others_that_are_read() {
    for (name, written, others) in FORMS {
        for given in std::iter::once(written).chain(*others) {
            let data = to_bytes(name, given).unwrap_or_else(|error| panic!("{name} {given}: {error}"));

            assert_eq!(to_json(name, &data).unwrap(), *written, "{name} {given}");
            let refused = Options { unknown: Unknown::Refuse, ..Options::default() };
            assert_eq!(transcode::to_json(message_type(name), &data, refused).unwrap(), *written);
        }
    }
}

#[test]
fn names_are_written_as_asked_for() {
    let json = r#"{"task_context":{"tasks":[]},"mcp_context":{},"metadata":{"logging":{"snake_case":1}}}"#;
    let data = to_bytes("Request", json).unwrap();

    let camel_json = transcode::to_json(message_type("Request"), &data, camel()).unwrap();

    // Fields by number; the keys of a map are content.
    let expected = r#"{"taskContext":{},"metadata":{"logging":{"snake_case":1}},"mcpContext":{}}"#;
    assert_eq!(camel_json, expected);
    assert_eq!(to_bytes("Request", &camel_json).unwrap(), data);
}

#[test]
fn the_last_value_on_the_wire_wins_and_pieces_of_a_message_are_merged() {
    let piece = |json: &str| to_bytes("Request.Input", json).unwrap();
    for (pieces, expected) in [
        (
            [r#"{"user_query":{"query":"a"}}"#, r#"{"user_query":{"query":"b"}}"#],
            r#"{"user_query":{"query":"b"}}"#,
        ),
        (
            [r#"{"user_query":{"query":"a"}}"#, r#"{"user_query":{"intended_agent":1}}"#],
            r#"{"user_query":{"query":"a","intended_agent":"AGENT_TYPE_PRIMARY"}}"#,
        ),
        (
            [r#"{"user_query":{"query":"a"}}"#, r#"{"resume_conversation":{}}"#],
            r#"{"resume_conversation":{}}"#,
        ),
    ] {
        assert_eq!(to_json("Request.Input", &pieces.map(piece).concat()).unwrap(), expected);
    }
}

#[test]
fn lists_of_numbers_are_read_packed_and_not() {
    // `supported_tools`, field 9 of the settings: packed, one by one, and both.
    for data in [&[0x4a, 2, 0, 9][..], &[0x48, 0, 0x48, 9], &[0x48, 0, 0x4a, 1, 9], &[0x4a, 0, 0x4a, 2, 0, 9]]
    {
        let json = to_json("Request.Settings", data).unwrap();

        assert_eq!(json, r#"{"supported_tools":["RUN_SHELL_COMMAND","CALL_MCP_TOOL"]}"#);
    }
    assert_eq!(to_json("Request.Settings", &[0x4a, 0]).unwrap(), "{}");
}

#[test]
fn map_entries_may_lack_parts_and_come_twice() {
    // `logging`, field 2 of the metadata, with keys "a", "b", "a" and an entry of nothing.
    let entry = |key: &[u8], value: &[u8]| {
        let body = [key, value].concat();
        [&[0x12, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    let (a, b) = (&[0x0a, 1, b'a'], &[0x0a, 1, b'b']);
    let (yes, no) = (&[0x12, 2, 0x20, 1], &[0x12, 2, 0x20, 0]);
    let data = [entry(a, yes), entry(b, yes), entry(a, no), entry(&[], &[])].concat();

    let json = to_json("Request.Metadata", &data).unwrap();

    assert_eq!(json, r#"{"logging":{"a":false,"b":true,"":null}}"#);
}
