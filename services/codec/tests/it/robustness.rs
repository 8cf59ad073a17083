//! Whatever is given: an answer or an error, never a panic, and never another answer than other readers have.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use warp2api_codec::{Error, MessageType, Options, Problem, Schema, Unknown, transcode};

use crate::generate::{self, Content};
use crate::support::{json_of_another, rough, to_bytes, to_json};

fn any_type() -> impl Strategy<Value = &'static MessageType> {
    any::<Index>().prop_map(|index| {
        let types: Vec<_> = Schema::global().message_types().collect();
        *index.get(&types)
    })
}

/// A change somewhere in a sequence: another element, one more, one less, an end, or a piece twice.
fn change<T: Clone>(given: &mut Vec<T>, how: u8, place: Index, element: T) {
    if given.is_empty() {
        return given.push(element);
    }
    let place = place.index(given.len());
    match how % 5 {
        0 => given[place] = element,
        1 => given.insert(place, element),
        2 => drop(given.remove(place)),
        3 => given.truncate(place),
        _ => given.extend_from_slice(&given.clone()[place..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(message_type in any_type(), data in prop::collection::vec(any::<u8>(), 0..60)) {
        for unknown in [Unknown::Keep, Unknown::Refuse, Unknown::Ignore] {
            if let Ok(json) = transcode::to_json(message_type, &data, Options { unknown, ..Options::default() }) {
                let again = transcode::to_bytes(message_type, &json, unknown)?;
                prop_assert_eq!(transcode::to_json(message_type, &again, Options::default())?, json);
            }
        }
    }

    #[test]
    fn changed_messages_are_read_as_by_another_implementation(
        message_type in any_type(),
        choices in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<u8>(), any::<Index>(), any::<u8>()), 1..4),
    ) {
        let content = Content { unknown: false, odd: false };
        let mut data = generate::message(message_type.descriptor(), &choices, content);
        for (how, place, byte) in changes {
            change(&mut data, how, place, byte);
        }
        // Unknown fields in a map entry or a JSON value are an error of ours only if they are to be kept.
        let options = Options { unknown: Unknown::Ignore, ..Options::default() };
        let theirs = json_of_another(message_type, &data);
        match transcode::to_json(message_type, &data, options) {
            // The other one changes times and masks that have no string, and has no JSON for some values.
            Ok(json) if !["seconds", "nanos", "paths"].iter().any(|key| json.contains(key)) => {
                let ours: Value = serde_json::from_str(&json)?;
                if let Some(theirs) = theirs {
                    prop_assert_eq!(rough(ours), rough(theirs));
                }
            }
            Ok(_) => {}
            // It does not look at the wire type of map entries.
            Err(Error::Malformed(error)) if error.problem == Problem::WrongWireType("message") => {}
            Err(error) => prop_assert_eq!(theirs, None, "{}", error),
        }
    }

    #[test]
    fn any_text_is_answered(message_type in any_type(), text in ".{0,40}") {
        for unknown in [Unknown::Keep, Unknown::Refuse, Unknown::Ignore] {
            if let Ok(data) = transcode::to_bytes(message_type, &text, unknown) {
                transcode::to_json(message_type, &data, Options::default())?;
            }
        }
    }

    #[test]
    fn changed_json_is_answered_and_what_is_accepted_comes_back(
        message_type in any_type(),
        choices in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<u8>(), any::<Index>(), piece()), 1..4),
    ) {
        let content = Content { unknown: true, odd: true };
        let data = generate::message(message_type.descriptor(), &choices, content);
        let json = transcode::to_json(message_type, &data, Options::default())?;
        let mut pieces: Vec<_> = json.chars().map(String::from).collect();
        for (how, place, piece) in changes {
            change(&mut pieces, how, place, piece.to_owned());
        }
        let text = pieces.concat();
        for unknown in [Unknown::Keep, Unknown::Refuse, Unknown::Ignore] {
            if let Ok(data) = transcode::to_bytes(message_type, &text, unknown) {
                let json = transcode::to_json(message_type, &data, Options::default())?;
                prop_assert_eq!(transcode::to_bytes(message_type, &json, Unknown::Keep)?, data);
            }
        }
    }

    #[test]
    fn what_is_json_and_what_it_says_is_as_for_another_parser(
        text in json_text(),
        changes in prop::collection::vec((any::<u8>(), any::<Index>(), piece()), 0..3),
    ) {
        let mut pieces: Vec<_> = text.chars().map(String::from).collect();
        for (how, place, piece) in changes {
            change(&mut pieces, how, place, piece.to_owned());
        }
        let text = pieces.concat();

        let ours = to_bytes("google.protobuf.Value", &text).and_then(|data| to_json("google.protobuf.Value", &data));

        match serde_json::from_str::<Value>(&text) {
            Ok(value) => {
                // Of a key that stands there twice, the other parser keeps the last.
                prop_assume!(!matches!(&ours, Err(error) if error.to_string().ends_with("given twice")));
                // Nor is it exact in the last bit of a number.
                prop_assert_eq!(rough(serde_json::from_str(&ours?)?), rough(value));
            }
            Err(_) => prop_assert!(ours.is_err(), "{} is no JSON", text),
        }
    }
}

/// Something that JSON is made of, or that breaks it.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "[]",
        "{}",
        "[1,",
        "{\"c\":",
        " ",
        "\n",
        "\t",
        "\u{a0}",
        "1",
        "0",
        "-",
        ".",
        "e",
        "E",
        "+",
        "-1.5e3",
        "1e400",
        "1e-400",
        "true",
        "false",
        "null",
        "tru",
        "\\",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\"\\ud83e\\udd80\"",
        "\"\\ud83e\"",
        "\\u",
        "\u{1f980}",
        "\u{0}",
        "@unknown",
        "NaN",
        "'",
        "/",
        "0.1",
        "9007199254740993",
        "\"x",
    ])
}

/// A JSON text of whatever shape.
fn json_text() -> impl Strategy<Value = String> {
    let simple = [
        "1",
        "0",
        "-1.5e3",
        "0.1",
        "1e-400",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\ud83e\\udd80\"",
        "\"\u{e9}\\n\\/\"",
    ];
    let leaf = prop::sample::select(simple.map(String::from).to_vec());
    leaf.prop_recursive(4, 30, 4, |inner| {
        let items = prop::collection::vec(inner, 0..4);
        (items, any::<bool>()).prop_map(|(items, is_array)| {
            let members = items.iter().enumerate().map(|(index, item)| format!("\"\\t{index}\" :\n{item}"));
            match is_array {
                true => format!("[ {} ]", items.join(" , ")),
                false => format!("{{{}}}", members.collect::<Vec<_>>().join(",\r\t")),
            }
        })
    })
}
