use proptest::prelude::*;

use super::*;

const ID: &str = "0d5f6a2e-5a3b-4c7d-9e8f-1a2b3c4d5e6f";

/// The text of fields, given as they are on the wire.
fn text(fields: &[&[u8]]) -> String {
    URL_SAFE_NO_PAD.encode(fields.concat())
}

fn uuid() -> Vec<u8> {
    [&[0x0a, 36][..], ID.as_bytes()].concat()
}

/// 2026-01-31T22:59:59.5Z.
const TIME: &[u8] = &[0x1a, 12, 0x08, 0xef, 0x92, 0xfa, 0xcb, 0x6, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x1];

#[test]
fn each_kind_is_told_and_shown() {
    for (text, kind, id, seconds) in [
        (text(&[&uuid(), TIME]), "UUID_AND_TIMESTAMP", Some(ID), Some(1_769_900_399)),
        (text(&[&uuid()]), "UUID_ONLY", Some(ID), None),
        (text(&[TIME]), "TIMESTAMP_ONLY", None, Some(1_769_900_399)),
        (text(&[&[0x1a, 0]]), "TIMESTAMP_ONLY", None, Some(0)),
        (text(&[&[0x10, 1]]), "UNKNOWN", None, None),
    ] {
        let content = show(&text).unwrap();

        assert_eq!((content.kind(), content.uuid.as_deref(), content.seconds), (kind, id, seconds));
        assert_eq!(content.nanos.is_some(), seconds.is_some());
    }
}

#[test]
fn times_are_shown_by_two_clocks() {
    for (seconds, nanos, utc, new_york) in [
        (1_769_900_399, 500_000_000, "2026-01-31T22:59:59.500Z", "2026-01-31T17:59:59.500-05:00"),
        // Summer, and the minutes around the change of 2026-03-08 at 07:00 UTC.
        (1_783_000_000, 0, "2026-07-02T13:46:40Z", "2026-07-02T09:46:40-04:00"),
        (1_772_953_199, 0, "2026-03-08T06:59:59Z", "2026-03-08T01:59:59-05:00"),
        (1_772_953_200, 0, "2026-03-08T07:00:00Z", "2026-03-08T03:00:00-04:00"),
        // Before there were zones, and so far ahead that only the rule is known.
        (-2_717_650_801, 0, "1883-11-18T16:59:59Z", "1883-11-18T12:03:57-04:56:02"),
        (4_118_079_600, 0, "2100-06-30T23:00:00Z", "2100-06-30T19:00:00-04:00"),
    ] {
        let content = Content { seconds: Some(seconds), nanos: Some(nanos), ..Content::default() };

        assert_eq!(content.iso_utc().as_deref(), Some(utc));
        assert_eq!(content.iso_ny().as_deref(), Some(new_york));
    }
    for seconds in [i64::MIN, i64::MAX, 253_402_300_800] {
        let content = Content { seconds: Some(seconds), ..Content::default() };
        assert_eq!((content.iso_utc(), content.iso_ny()), (None, None));
    }
}

#[test]
fn a_text_of_another_form_is_not_shown() {
    // No base64, nothing, a UUID that is a number, one that is no text, a time that is text, a cut.
    let texts = [
        "opaque!".to_owned(),
        String::new(),
        text(&[&[0x08, 1]]),
        text(&[&[0x0a, 1, 0xff]]),
        text(&[&[0x1a, 2, 0x0a, 0]]),
        text(&[&[0x18, 1]]),
        text(&[&uuid()[..20]]),
    ];
    for text in texts {
        assert_eq!(show(&text), None, "{text}");
    }
}

#[test]
fn what_nobody_changed_comes_back_to_the_byte() {
    let padded = "CgFhGgA=".to_owned();
    for raw in [padded, text(&[TIME, &uuid()]), text(&[&uuid(), &[0x10, 1]]), "opaque!".to_owned()] {
        let alone = Given { raw: Some(raw.clone()), ..Given::default() };
        assert_eq!(hide(alone), Ok(raw.clone()));

        if let Some(content) = show(&raw) {
            assert_eq!(hide(given(&content, Some(&raw))), Ok(raw));
        }
    }
}

#[test]
fn what_is_unknown_survives_a_change() {
    let raw = text(&[&[0x10, 1], &uuid(), &[0x1a, 5, 0x08, 1, 0x48, 7, 0x10], &[2]]);
    assert_eq!(show(&raw), None, "a time that is cut");
    let raw = text(&[&[0x10, 1], &uuid(), &[0x1a, 6, 0x08, 1, 0x48, 7, 0x10, 2]]);

    let change = |given: Given| hide(Given { raw: Some(raw.clone()), ..given }).unwrap();

    let other = change(Given { uuid: Member::Is("b".to_owned()), ..Given::default() });
    assert_eq!(other, text(&[&[0x0a, 1, b'b'], &[0x1a, 6, 0x08, 1, 0x10, 2, 0x48, 7], &[0x10, 1]]));
    let without = change(Given { seconds: Member::Null, nanos: Member::Null, ..Given::default() });
    assert_eq!(without, text(&[&uuid(), &[0x10, 1]]));
    let opaque = Given { uuid: Member::Null, raw: Some("opaque!".to_owned()), ..Given::default() };
    assert_eq!(hide(opaque), Err(Opaque));
}

#[test]
fn it_can_be_made_from_nothing() {
    let given = Given {
        uuid: Member::Is(ID.to_owned()),
        seconds: Member::Is(1_769_900_399),
        nanos: Member::Is(500_000_000),
        raw: None,
    };

    assert_eq!(hide(given).unwrap(), text(&[&uuid(), TIME]));
    assert_eq!(hide(Given::default()).unwrap(), "");
}

fn given(content: &Content, raw: Option<&str>) -> Given {
    fn member<T: Clone>(value: &Option<T>) -> Member<T> {
        value.clone().map_or(Member::Null, Member::Is)
    }
    Given {
        uuid: member(&content.uuid),
        seconds: member(&content.seconds),
        nanos: member(&content.nanos),
        raw: raw.map(str::to_owned),
    }
}

proptest! {
    #[test]
    fn any_text_is_survived_and_comes_back(raw in "[A-Za-z0-9_=+/-]{0,60}") {
        if let Some(content) = show(&raw) {
            prop_assert_eq!(hide(given(&content, Some(&raw))).unwrap(), raw);
        }
    }

    #[test]
    fn any_bytes_that_are_shown_come_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let raw = URL_SAFE_NO_PAD.encode(&bytes);
        if let Some(content) = show(&raw) {
            prop_assert_eq!(hide(given(&content, Some(&raw))).unwrap(), raw);
            prop_assert!(content.iso_utc().is_none() || content.seconds.is_some());
            prop_assert!(content.iso_ny().is_none() || content.seconds.is_some());
        }
    }

    #[test]
    fn what_was_made_says_what_was_given(
        uuid in prop::option::of("\\PC{0,10}"),
        time in prop::option::of((any::<i64>(), any::<i32>())),
    ) {
        let content = Content { uuid, seconds: time.map(|t| t.0), nanos: time.map(|t| t.1), ..Content::default() };
        let made = hide(given(&content, None)).unwrap();
        prop_assert_eq!(show(&made).unwrap_or_default(), content);
    }
}
