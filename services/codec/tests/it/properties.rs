//! What holds for every message type and any content.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost_reflect::DynamicMessage;
use warp2api_codec::{MessageType, Options, Schema, Unknown, transcode};

use crate::generate::{self, Content};
use crate::support::{bytes_of_another, camel, json_of_another, normal, parsed};

/// Runs a property for every message type, a few times each.
fn for_every_type(property: impl Fn(&MessageType, &[u8]) -> Result<(), TestCaseError>) {
    for message_type in Schema::global().message_types() {
        let mut runner =
            TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
        let choices = prop::collection::vec(any::<u8>(), 0..300);
        let result = runner.run(&choices, |choices| property(message_type, &choices));
        if let Err(error) = result {
            panic!("{}: {error}", message_type.full_name());
        }
    }
}

#[test]
fn bytes_come_back_from_json_as_they_were() {
    for_every_type(|message_type, choices| {
        let content = Content { unknown: true, odd: true };
        let data = generate::message(message_type.descriptor(), choices, content);
        for options in [Options::default(), camel()] {
            let json = transcode::to_json(message_type, &data, options)?;
            let again = transcode::to_bytes(message_type, &json, Unknown::Keep)?;
            prop_assert_eq!(&again, &data, "{}", json);
            prop_assert_eq!(transcode::to_json(message_type, &again, options)?, json);
        }
        Ok(())
    });
}

#[test]
fn json_is_what_another_implementation_makes_of_the_bytes() {
    for_every_type(|message_type, choices| {
        let content = Content { unknown: false, odd: false };
        let data = generate::message(message_type.descriptor(), choices, content);

        let json = transcode::to_json(message_type, &data, Options::default())?;

        let expected = json_of_another(message_type, &data).map(normal);
        prop_assert_eq!(Some(parsed(&json)), expected);
        Ok(())
    });
}

#[test]
fn another_implementation_reads_the_json_as_the_same_message() {
    for_every_type(|message_type, choices| {
        let content = Content { unknown: false, odd: false };
        let data = generate::message(message_type.descriptor(), choices, content);
        let decode = |data: &[u8]| DynamicMessage::decode(message_type.descriptor().clone(), data).unwrap();
        for options in [Options::default(), camel()] {
            let json = transcode::to_json(message_type, &data, options)?;

            let read = bytes_of_another(message_type, &json).map(|data| decode(&data));

            // Without showing them: they carry their descriptors.
            prop_assert!(read == Some(decode(&data)), "{}", json);
        }
        Ok(())
    });
}

#[test]
fn leaving_unknown_fields_out_gives_the_message_without_them() {
    for_every_type(|message_type, choices| {
        let content = Content { unknown: true, odd: false };
        let data = generate::message(message_type.descriptor(), choices, content);
        let options = |unknown| Options { unknown, ..Options::default() };

        let kept = transcode::to_json(message_type, &data, options(Unknown::Keep))?;
        let ignored = transcode::to_json(message_type, &data, options(Unknown::Ignore))?;
        let refused = transcode::to_json(message_type, &data, options(Unknown::Refuse));

        // Leaving them out on the way in or on the way out comes to the same.
        let without = transcode::to_bytes(message_type, &ignored, Unknown::Refuse)?;
        prop_assert_eq!(transcode::to_bytes(message_type, &kept, Unknown::Ignore)?, without);
        prop_assert_eq!(refused.ok(), (kept == ignored).then_some(kept));
        Ok(())
    });
}
