//! Base64 as people paste it: either alphabet, padded or not, and nothing else.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use warp2api_rpc::Failure;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The bytes of a text. The original let anything pass and lost what it did not know.
///
/// # Errors
/// When a character is of neither alphabet, or the length or the last character cannot be; `field` is named.
pub(crate) fn decode(text: &str, field: &str) -> Result<Vec<u8>, Failure> {
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, LENIENT).decode(text).map_err(|error| {
        use base64::DecodeError as E;
        let words = match error {
            E::InvalidByte(place, _) => {
                format!("is not base64: the character at {place} does not belong there")
            }
            E::InvalidLength(length) => format!("is not base64: {length} characters cannot be all of it"),
            E::InvalidLastSymbol(place, _) => {
                format!("is not base64: the character at {place} cannot be the last")
            }
            E::InvalidPadding => "is not base64: the padding is wrong".to_owned(),
        };
        Failure::invalid(field, words)
    })
}

/// Standard base64, padded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_and_nothing_else() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("aGk", b"hi"),
            ("-_-_", b"\xfb\xff\xbf"),
            ("+/+/", b"\xfb\xff\xbf"),
        ] {
            assert_eq!(decode(text, "f").unwrap(), bytes, "{text}");
        }
        for (text, words) in [
            ("@@@", "the character at 0 does not belong there"),
            ("aG k", "the character at 2 does not belong there"),
            ("+-+-", "the character at 0 does not belong there"),
            ("aGkaG", "5 characters cannot be all of it"),
            ("aGl=", "the character at 2 cannot be the last"),
            ("aGk==", "the character at 3 does not belong there"),
        ] {
            let failure = decode(text, "protobuf_bytes").unwrap_err();
            assert_eq!(failure.message, format!("protobuf_bytes: is not base64: {words}"), "{text}");
            assert_eq!(failure.violations[0].field, "protobuf_bytes");
        }
    }
}
