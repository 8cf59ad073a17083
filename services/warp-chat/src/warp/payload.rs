//! From the `data` of an event to the bytes of a `ResponseEvent`: base64 with the URL-safe alphabet.
//!
//! Padding may be there or not, quotes around the text and white space in it are passed over, and the standard
//! alphabet is understood too. Hexadecimal is not: a base64 text may happen to consist of hex digits.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE_ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
const STANDARD_ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

/// The data is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data of an event is not base64")]
pub struct NotBase64;

/// Puts the bytes that `data` stands for into `bytes`, in place of what is there.
///
/// # Errors
/// When it is base64 in neither alphabet; `bytes` is of no use then.
pub fn decode(data: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    bytes.clear();
    if URL_SAFE_ENGINE.decode_vec(data, bytes).is_ok() { Ok(()) } else { decode_tolerantly(data, bytes) }
}

fn decode_tolerantly(data: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    let text: Vec<u8> = data.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'"').collect();
    let decoded = URL_SAFE_ENGINE.decode(&text).or_else(|_| STANDARD_ENGINE.decode(&text));
    *bytes = decoded.map_err(|_| NotBase64)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = b"of the event before".to_vec();
        decode(text.as_bytes(), &mut bytes).map(|()| bytes)
    }

    #[test]
    fn the_forms_that_senders_use_are_read() {
        let expected = [0xfb, 0xff, 0x01, 0x02];
        for text in ["-_8BAg==", "-_8BAg", "\"-_8BAg==\"", "-_8B\nAg==", "+/8BAg==", " -_8BAg== "] {
            assert_eq!(decoded(text).as_deref(), Ok(&expected[..]), "{text}");
        }
    }

    #[test]
    fn text_of_hex_digits_is_base64_all_the_same() {
        assert_eq!(decoded("cafe").as_deref(), Ok(&[0x71, 0xa7, 0xde][..]));
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in ["[DONE]", "a", "ab*d", "ümlaut"] {
            assert_eq!(decoded(text), Err(NotBase64), "{text}");
        }
    }
}
