//! The ids of calls, as Anthropic's clients want them: `toolu_` and then letters, digits, `_` and `-`. The upstream's
//! own id can be read off each, so that a result finds its call again though nothing is kept.
//!
//! An id of the upstream's that looks right already stays as it is. Any other one follows `toolu_w2a_`, with `_` and
//! two hexadecimal digits for each byte that is not a letter, a digit or `-`. An id that was not written here means
//! itself: conversations are carried over from elsewhere.

const USUAL: &str = "toolu_";
const ENCODED: &str = "toolu_w2a_";

/// What the caller is told for an id of the upstream's.
pub(super) fn encode(id: &str) -> String {
    let is_usual = id.starts_with(USUAL) && !id.starts_with(ENCODED) && id.bytes().all(is_allowed);
    if is_usual {
        return id.to_owned();
    }
    let mut encoded = String::with_capacity(ENCODED.len() + id.len() + 8);
    encoded.push_str(ENCODED);
    for byte in id.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('_');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The upstream's id for one of the caller's.
pub(super) fn decode(id: &str) -> String {
    let decoded = id.strip_prefix(ENCODED).and_then(unescape);
    // Each id has one spelling, and none is empty; another one was not written here.
    let written = decoded.filter(|decoded| !decoded.is_empty() && encode(decoded) == id);
    written.unwrap_or_else(|| id.to_owned())
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'_' {
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn digit(byte: u8) -> Option<u8> {
    HEX.iter().position(|digit| *digit == byte).and_then(|digit| u8::try_from(digit).ok())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn is_allowed(byte: u8) -> bool {
    is_plain(byte) || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_encoded_as_written_down() {
        for (upstream, caller) in [
            ("toolu_01A-b_c", "toolu_01A-b_c"),
            ("call_0f9e", "toolu_w2a_call_5f0f9e"),
            ("0a1b-2c3d", "toolu_w2a_0a1b-2c3d"),
            ("toolu_w2a_x", "toolu_w2a_toolu_5fw2a_5fx"),
            ("toolu_a:b", "toolu_w2a_toolu_5fa_3ab"),
        ] {
            assert_eq!(encode(upstream), caller);
            assert_eq!(decode(caller), upstream);
        }
    }

    #[test]
    fn ids_from_elsewhere_mean_themselves() {
        for id in [
            "call_1",
            "toolu_01XYZ",
            "",
            "toolu_w2a_",
            "toolu_w2a_a_5",
            "toolu_w2a_a_5F",
            "toolu_w2a__zz",
            "toolu_w2a__ff",
            "toolu_w2a__41",
            "toolu_w2a_toolu_5fa",
            "toolu_w2a_a\u{e9}",
        ] {
            assert_eq!(decode(id), id);
        }
    }

    proptest! {
        #[test]
        fn every_id_comes_back(id in "(toolu_|toolu_w2a_|.)(\\PC|[a-z_-]){0,12}") {
            let caller = encode(&id);
            prop_assert!(caller.starts_with("toolu_") && caller.bytes().all(is_allowed), "{caller}");
            prop_assert_eq!(decode(&caller), id);
        }

        #[test]
        fn no_two_ids_are_encoded_alike(a in "(toolu_|toolu_w2a_|)[a5f_:-]{0,4}", b in "(toolu_|toolu_w2a_|)[a5f_:-]{0,4}") {
            prop_assert_eq!(a == b, encode(&a) == encode(&b));
        }

        #[test]
        fn no_two_ids_of_the_callers_are_decoded_to_one_that_was_written_here(id in "toolu_(w2a_)?[a5f_:-]{0,6}") {
            let upstream = decode(&id);
            prop_assert!(upstream == id || encode(&upstream) == id);
        }
    }
}
