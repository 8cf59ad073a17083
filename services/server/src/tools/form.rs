//! The forms that bytes have in a pipe: raw, base64, hexadecimal. Pure.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

use super::failure::Failure;

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

/// A form of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Raw,
    Base64,
    Hex,
}

/// Which form the bytes of a message have.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(multiple = false)]
pub(super) struct FormArgs {
    /// The bytes are base64, standard or URL-safe, padded or not.
    #[arg(long)]
    base64: bool,
    /// The bytes are hexadecimal digits.
    #[arg(long)]
    hex: bool,
    /// The bytes are as they are.
    #[arg(long)]
    raw: bool,
}

impl FormArgs {
    /// What was asked for, if anything was.
    pub(super) fn form(self) -> Option<Form> {
        match self {
            Self { base64: true, .. } => Some(Form::Base64),
            Self { hex: true, .. } => Some(Form::Hex),
            Self { raw: true, .. } => Some(Form::Raw),
            _ => None,
        }
    }
}

impl Form {
    /// The bytes in this form, with a line end unless they are raw.
    pub(super) fn write(self, bytes: &[u8]) -> Vec<u8> {
        let mut out = match self {
            Self::Raw => return bytes.to_vec(),
            Self::Base64 => general_purpose::STANDARD.encode(bytes),
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        out.push('\n');
        out.into_bytes()
    }
}

/// The bytes that `given` stands for. Without a form, base64 if it can be, else raw.
pub(super) fn read(form: Option<Form>, given: Vec<u8>, name: &str) -> Result<Vec<u8>, Failure> {
    match form {
        Some(Form::Raw) => Ok(given),
        Some(Form::Base64) => from_base64(&given).ok_or_else(|| Failure::NotBase64 { name: name.to_owned() }),
        Some(Form::Hex) => from_hex(&given).ok_or_else(|| Failure::NotHex { name: name.to_owned() }),
        None => Ok(from_base64(&given).unwrap_or(given)),
    }
}

fn from_base64(given: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = given.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'"').collect();
    URL_SAFE_BASE64.decode(&text).or_else(|_| STANDARD_BASE64.decode(&text)).ok()
}

/// Digits in pairs, with white space and colons anywhere between.
fn from_hex(given: &[u8]) -> Option<Vec<u8>> {
    let digits = given.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b':');
    let digits: Option<Vec<_>> = digits.map(|&byte| char::from(byte).to_digit(16)).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_as_it_is_written() {
        let bytes = vec![0, 0xfb, 0xff, b'\n', b'a'];
        for form in [Form::Raw, Form::Base64, Form::Hex] {
            assert_eq!(read(Some(form), form.write(&bytes), "it").unwrap(), bytes);
        }
        for form in [Form::Raw, Form::Base64] {
            assert_eq!(read(None, form.write(&bytes), "it").unwrap(), bytes);
        }
    }

    #[test]
    fn what_people_paste_is_read() {
        let bytes = vec![0xfb, 0xff, 0x01];
        for text in ["-_8B", "+/8B\n", "\"-_8B\"", " +/\n8B "] {
            assert_eq!(read(None, text.into(), "it").unwrap(), bytes, "{text}");
        }
        for text in ["fbff01", "FB FF 01\n", "fb:ff:01"] {
            assert_eq!(read(Some(Form::Hex), text.into(), "it").unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn another_form_than_was_said_is_refused() {
        let refused = |form, text: &str| read(Some(form), text.into(), "it").unwrap_err().to_string();
        assert_eq!(refused(Form::Base64, "a"), "it is not base64; --hex and --raw say what else it may be");
        for text in ["fbf", "xy", "0x0a"] {
            let expected = "it is not hexadecimal; --base64 and --raw say what else it may be";
            assert_eq!(refused(Form::Hex, text), expected);
        }
    }
}
