//! What is too deep is refused, at the same depth as by other readers.

use prost_reflect::DynamicMessage;
use warp2api_codec::{Error, Problem, Unknown, transcode};

use crate::support::{message_type, to_bytes, to_json};

fn problem<T>(result: Result<T, Error>) -> Option<Problem> {
    match result {
        Ok(_) => None,
        Err(Error::Malformed(malformed)) => Some(malformed.problem),
        Err(other) => panic!("{other}"),
    }
}

/// Lists in lists, as JSON.
fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// Lists in lists, as a value on the wire.
fn nested_bytes(levels: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for level in 0..levels {
        let wrap = |tag: u8, body: &[u8]| {
            let mut out = vec![tag];
            prost::encoding::encode_varint(body.len() as u64, &mut out);
            out.extend_from_slice(body);
            out
        };
        // A list value, and around it, but for the outermost, the value it is an item of.
        data = wrap(0x32, &data);
        if level + 1 < levels {
            data = wrap(0x0a, &data);
        }
    }
    data
}

#[test]
fn nesting_ends_where_it_ends_for_other_readers() {
    let value = message_type("google.protobuf.Value");
    let mut accepted = 0;
    for levels in 1..60 {
        let (data, json) = (nested_bytes(levels), nested(levels));
        let other = DynamicMessage::decode(value.descriptor().clone(), &data[..]).is_ok();

        let from_bytes = to_json("google.protobuf.Value", &data);
        let from_json = to_bytes("google.protobuf.Value", &json);

        assert_eq!(from_bytes.is_ok(), other, "{levels}");
        assert_eq!(from_json.is_ok(), other, "{levels}");
        if other {
            accepted += 1;
            assert_eq!((from_bytes.unwrap(), from_json.unwrap()), (json, data));
        } else {
            assert_eq!(problem(from_bytes), Some(Problem::TooDeep));
            assert_eq!(problem(from_json), Some(Problem::TooDeep));
        }
    }
    assert!(accepted > 45, "{accepted}");
}

#[test]
fn the_deepest_nesting_does_not_exhaust_the_stack() {
    let (opened, deep) = ("[".repeat(1_000_000), nested_bytes(2_000));
    let unknown_groups = [0xa3, 0x1f].repeat(1_000_000);

    assert_eq!(problem(to_bytes("google.protobuf.Value", &opened)), Some(Problem::TooDeep));
    assert_eq!(problem(to_json("google.protobuf.Value", &deep)), Some(Problem::TooDeep));
    assert_eq!(problem(to_json("Task", &unknown_groups)), Some(Problem::TooDeep));
    let ignored =
        transcode::to_bytes(message_type("Task"), &format!(r#"{{"next":{opened}"#), Unknown::Ignore);
    assert_eq!(problem(ignored), Some(Problem::TooDeep));
}
