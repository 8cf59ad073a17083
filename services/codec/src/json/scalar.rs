//! Single values from JSON: numbers by number or string, bytes by either base64 alphabet, enums by name or number.

use std::borrow::Cow;

use super::cursor::{Cursor, Token};
use super::number;
use crate::error::Problem;
use crate::fault::Fault;
use crate::layout::{EnumLayout, Kind};
use crate::tree::{Key, Value};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const PADDED_OR_NOT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDED_OR_NOT);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, PADDED_OR_NOT);

/// The value of that kind, which is no message nor enum, that comes next.
pub(crate) fn read<'a>(kind: Kind, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Fault> {
    let at = cursor.at();
    match kind {
        Kind::Bool => cursor.bool().map(Value::Bool),
        Kind::String => cursor.string().map(Value::String),
        Kind::Bytes => bytes(cursor).map(|bytes| Value::Bytes(Cow::Owned(bytes))),
        Kind::Float | Kind::Double => float(kind, cursor),
        Kind::Message(_) | Kind::Enum(_) => unreachable!("what the schema describes is read elsewhere"),
        _ => integer(kind, &number_text(kind, cursor)?, at),
    }
}

/// The key of a map entry, which is always a string in JSON.
pub(crate) fn key(kind: Kind, text: Cow<'_, str>, at: usize) -> Result<Key<'_>, Fault> {
    match kind {
        Kind::String => Ok(Key::String(text)),
        Kind::Bool => match text.as_ref() {
            "true" => Ok(Key::Bool(true)),
            "false" => Ok(Key::Bool(false)),
            _ => Err(Fault::new(Problem::Expected("a key that is true or false"), at)),
        },
        _ => match integer(kind, &text, at)? {
            Value::Unsigned(number) => Ok(Key::Unsigned(number)),
            Value::Signed(number) => Ok(Key::Signed(number)),
            _ => unreachable!("integers are signed or unsigned"),
        },
    }
}

/// Base64 in either alphabet, padded or not.
pub(crate) fn bytes(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Fault> {
    let at = cursor.at();
    let text = cursor.string()?;
    let engine = if text.contains(['-', '_']) { URL_SAFE_BASE64 } else { STANDARD_BASE64 };
    engine.decode(text.as_bytes()).map_err(|_| Fault::new(Problem::Expected("base64"), at))
}

fn integer(kind: Kind, text: &str, at: usize) -> Result<Value<'static>, Fault> {
    let range = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i128::from(i32::MIN)..=i32::MAX.into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => i128::from(i64::MIN)..=i64::MAX.into(),
        Kind::Uint32 | Kind::Fixed32 => 0..=u32::MAX.into(),
        _ => 0..=u64::MAX.into(),
    };
    // Most are short and plain.
    let is_plain = matches!(text.as_bytes(), [b'0'] | [b'1'..=b'9', ..]) && text.len() < 10;
    if is_plain && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.bytes().fold(0, |number, digit| 10 * number + u32::from(digit - b'0'));
        return Ok(match *range.start() < 0 {
            true => Value::Signed(number.into()),
            false => Value::Unsigned(number.into()),
        });
    }
    let value = Some(text)
        .filter(|text| number::is_number(text))
        .and_then(number::whole)
        .filter(|value| range.contains(value))
        .ok_or_else(|| Fault::new(Problem::Range(kind.name()), at))?;
    // The range has been checked, so one of the two holds it.
    Ok(match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) if *range.start() < 0 => Value::Signed(value),
        (_, value) => Value::Unsigned(value.unwrap_or_default()),
    })
}

fn float<'a>(kind: Kind, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Fault> {
    let at = cursor.at();
    let text = number_text(kind, cursor)?;
    let special = match text.as_ref() {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    let out_of_range = || Fault::new(Problem::Range(kind.name()), at);
    if special.is_none() && !number::is_number(&text) {
        return Err(out_of_range());
    }
    // Straight to the width of the field: rounding twice can miss the nearest float.
    if matches!(kind, Kind::Float) {
        let parse = || text.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(out_of_range);
        return special.map_or_else(parse, |special| Ok(special as f32)).map(Value::Float);
    }
    let parse = || text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(out_of_range);
    special.map_or_else(parse, Ok).map(Value::Double)
}

/// The enum value that comes next.
pub(crate) fn enum_value<'a>(layout: &EnumLayout, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Fault> {
    let at = cursor.at();
    match cursor.token()? {
        Token::String => {
            let number = layout.number(&cursor.string()?);
            let number = number.ok_or_else(|| Fault::new(Problem::EnumValue, at))?;
            Ok(Value::Signed(number.into()))
        }
        Token::Number => {
            // As wide as an int32, under a name of its own in errors.
            let out_of_range = |_| Fault::new(Problem::Range("enum"), at);
            integer(Kind::Int32, cursor.number()?, at).map_err(out_of_range)
        }
        _ => Err(Fault::new(Problem::Expected("the name or number of an enum value"), at)),
    }
}

/// The text of a number, which may stand in quotes.
fn number_text<'a>(kind: Kind, cursor: &mut Cursor<'a>) -> Result<Cow<'a, str>, Fault> {
    match cursor.token()? {
        Token::Number => cursor.number().map(Into::into),
        Token::String => cursor.string(),
        _ => Err(Fault::new(Problem::Range(kind.name()), cursor.at())),
    }
}
