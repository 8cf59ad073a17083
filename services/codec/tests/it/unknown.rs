//! Fields that the schema does not have: kept, refused or left out, at any depth.

use warp2api_codec::{Error, Malformed, Options, Position, Problem, Unknown, transcode};

use crate::support::{message_type, to_bytes, to_json};

/// A task with an unknown field 500 = 7, whose first message has a timestamp with an unknown field 500 = 7.
const DATA: &[u8] = &[
    0x2a, 10, // messages[0]
    0x72, 8, // timestamp
    0x08, 5, 0x10, 6, 0xa0, 0x1f, 7, 0, // seconds 5, nanos 6, field 500
];

#[test]
fn they_stand_under_one_key_of_the_message_that_holds_them() {
    // Field 500 as a number, a string and a group with field 1 in it, behind the id "t".
    let data = [
        &[0x0a, 1, b't'][..],
        &[0xa0, 0x1f, 7],
        &[0xa2, 0x1f, 2, b'h', b'i'],
        &[0xa3, 0x1f, 0x08, 1, 0xa4, 0x1f],
    ]
    .concat();

    let json = to_json("Task", &data).unwrap();

    assert_eq!(json, r#"{"id":"t","@unknown":"oB8Hoh8CaGmjHwgBpB8="}"#);
    assert_eq!(to_bytes("Task", &json).unwrap(), data);
}

#[test]
fn a_time_that_has_some_is_written_as_an_object() {
    let data = &DATA[4..11];

    let json = to_json("google.protobuf.Timestamp", data).unwrap();

    assert_eq!(json, r#"{"seconds":"5","nanos":6,"@unknown":"oB8H"}"#);
    assert_eq!(to_bytes("google.protobuf.Timestamp", &json).unwrap(), data);
    let ignore = Options { unknown: Unknown::Ignore, ..Options::default() };
    let json = transcode::to_json(message_type("google.protobuf.Timestamp"), data, ignore).unwrap();
    assert_eq!(json, r#""1970-01-01T00:00:05.000000006Z""#);
}

#[test]
fn they_are_refused_with_their_path() {
    let data = to_bytes("Task", r#"{"messages":[{},{"agent_output":{"@unknown":"oB8H"}}]}"#).unwrap();
    let refuse = Options { unknown: Unknown::Refuse, ..Options::default() };

    let Err(Error::Malformed(error)) = transcode::to_json(message_type("Task"), &data, refuse) else {
        panic!()
    };

    assert_eq!((error.path.as_str(), error.problem), ("messages[1].agent_output.500", Problem::UnknownField));
}

#[test]
fn json_keys_that_the_schema_does_not_have_follow_the_same_choice() {
    let task = message_type("Task");
    let unknown_field = |path: &str, column, problem| {
        let position = Position::Text { line: 1, column };
        Err(Error::Malformed(Malformed { path: path.to_owned(), position, problem }))
    };
    let text = r#"{"id":"t","next":[{"a":"\n"},-1.5e3,true,false,null]}"#;
    let kept = r#"{"id":"t","@unknown":"oB8H"}"#;

    assert_eq!(transcode::to_bytes(task, text, Unknown::Ignore).unwrap(), [0x0a, 1, b't']);
    assert_eq!(
        transcode::to_bytes(task, text, Unknown::Keep),
        unknown_field("next", 11, Problem::UnknownField)
    );
    assert_eq!(
        transcode::to_bytes(task, text, Unknown::Refuse),
        unknown_field("next", 11, Problem::UnknownField)
    );
    assert_eq!(transcode::to_bytes(task, kept, Unknown::Ignore).unwrap(), [0x0a, 1, b't']);
    assert_eq!(transcode::to_bytes(task, kept, Unknown::Keep).unwrap(), [0x0a, 1, b't', 0xa0, 0x1f, 7]);
    assert_eq!(
        transcode::to_bytes(task, kept, Unknown::Refuse),
        unknown_field("@unknown", 11, Problem::Kept)
    );
    // What is left out is still JSON.
    let broken = transcode::to_bytes(task, r#"{"next":[1,]}"#, Unknown::Ignore);
    assert_eq!(broken, unknown_field("next", 12, Problem::Syntax("a value is missing")));
}

#[test]
fn fields_that_the_schema_has_got_since_are_read_as_such() {
    // Field 1 is the id.
    let data = to_bytes("Task", r#"{"@unknown":"CgF0oB8H"}"#).unwrap();

    assert_eq!(to_json("Task", &data).unwrap(), r#"{"id":"t","@unknown":"oB8H"}"#);
}
