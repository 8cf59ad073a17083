//! Opaque data shown and hidden again, wherever it stands in a message.

use serde_json::{Value, json};
use warp2api_codec::{Error, Options, Problem, Reading, Unknown, transcode};

use crate::support::{camel, message_type, to_bytes};

/// A UUID and a point in time, without padding, as the upstream sends it, and the same with padding.
const DATA: &str = "CiQwZDVmNmEyZS01YTNiLTRjN2QtOWU4Zi0xYTJiM2M0ZDVlNmYaDAjvkvrLBhCAyrXuAQ";
const PADDED: &str = "CgFhGgA=";
const READING: Reading = Reading { unknown: Unknown::Keep, server_message_data: true };

fn shown(name: &str, data: &[u8], options: Options) -> String {
    let options = Options { server_message_data: true, ..options };
    transcode::to_json(message_type(name), data, options).unwrap()
}

fn hidden(name: &str, json: &Value) -> Result<Vec<u8>, Error> {
    transcode::to_bytes(message_type(name), &json.to_string(), READING)
}

#[test]
fn it_is_shown_where_it_is_asked_for() {
    let json = json!({"messages": [{"id": "m", "server_message_data": DATA}]}).to_string();
    let data = to_bytes("Task", &json).unwrap();

    let object = r#"{"uuid":"0d5f6a2e-5a3b-4c7d-9e8f-1a2b3c4d5e6f","seconds":1769900399,"nanos":500000000,"iso_utc":"2026-01-31T22:59:59.500Z","iso_ny":"2026-01-31T17:59:59.500-05:00","type":"UUID_AND_TIMESTAMP","raw":""#;
    assert_eq!(
        shown("Task", &data, Options::default()),
        format!(r#"{{"messages":[{{"id":"m","server_message_data":{object}{DATA}"}}}}]}}"#)
    );
    assert_eq!(
        shown("Task", &data, camel()),
        format!(r#"{{"messages":[{{"id":"m","serverMessageData":{object}{DATA}"}}}}]}}"#)
    );
    assert_eq!(transcode::to_json(message_type("Task"), &data, Options::default()).unwrap(), json);
}

#[test]
fn what_is_shown_comes_back_to_the_byte() {
    for text in [DATA, PADDED, "opaque!", "", "CAE", "EAE", "GgA"] {
        let json = json!({"server_message_data": text}).to_string();
        let data = to_bytes("Message", &json).unwrap();

        let shown = shown("Message", &data, Options::default());

        let value: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(hidden("Message", &value).unwrap(), data, "{shown}");
        // A string is taken as it is.
        assert_eq!(hidden("Message", &json!({"server_message_data": text})).unwrap(), data);
        // Without the option, what cannot be shown is a string, and so is nothing else.
        assert_eq!(to_bytes("Message", &shown).is_ok(), !shown.contains("raw"));
    }
}

#[test]
fn a_change_is_taken() {
    let change = |given: Value| {
        let data = hidden("Message", &json!({"serverMessageData": given})).unwrap();
        let shown: Value = serde_json::from_str(&shown("Message", &data, Options::default())).unwrap();
        shown["server_message_data"].clone()
    };

    let changed = change(json!({"raw": DATA, "seconds": "0", "nanos": 0, "iso_utc": "not read"}));
    assert_eq!(changed["iso_utc"], "1970-01-01T00:00:00Z");
    assert_eq!(changed["uuid"], "0d5f6a2e-5a3b-4c7d-9e8f-1a2b3c4d5e6f");
    assert_eq!(change(json!({"uuid": "b"}))["type"], "UUID_ONLY");
    assert_eq!(change(json!({"raw": DATA, "seconds": null, "nanos": null}))["type"], "UUID_ONLY");
    assert_eq!(change(json!({"raw": DATA}))["raw"], DATA);
}

#[test]
fn a_wrong_object_is_refused_by_its_member() {
    for (given, problem, path) in [
        (json!({"uuid": 1}), Problem::Expected("a string"), "server_message_data.uuid"),
        (json!({"seconds": 0.5}), Problem::Range("int64"), "server_message_data.seconds"),
        (json!({"nanos": 3_000_000_000_u32}), Problem::Range("int32"), "server_message_data.nanos"),
        (json!({"other": 1}), Problem::UnknownField, "server_message_data.other"),
        (json!([]), Problem::Expected("a string"), "server_message_data"),
        (
            json!({"raw": "opaque!", "uuid": "b"}),
            Problem::Expected("a raw text that can be changed"),
            "server_message_data",
        ),
    ] {
        let Err(Error::Malformed(error)) = hidden("Message", &json!({"server_message_data": given})) else {
            panic!("{given} was taken");
        };
        assert_eq!((error.problem, error.path.as_str()), (problem, path), "{given}");
    }
    let twice = r#"{"server_message_data":{"uuid":"a","uuid":"b"}}"#;
    assert!(transcode::to_bytes(message_type("Message"), twice, READING).is_err());
}

#[test]
fn content_that_is_called_so_is_left_alone() {
    let json = json!({"server_message_data": DATA}).to_string();
    let data = to_bytes("google.protobuf.Struct", &json).unwrap();

    assert_eq!(shown("google.protobuf.Struct", &data, Options::default()), json);
}
