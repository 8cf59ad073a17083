//! JSON of the caller's that goes back to the caller as it came, without the white space between its pieces: a line
//! feed would end a frame of a stream.

use serde::Serialize;
use serde_json::value::RawValue;

/// The text of a JSON value on one line.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The value, compacted. Numbers, escapes and the order of keys stay as they were.
    pub(crate) fn compact(raw: &RawValue) -> Self {
        let mut compact = Vec::with_capacity(raw.get().len());
        let (mut in_text, mut escaped) = (false, false);
        for byte in raw.get().bytes() {
            if in_text || !byte.is_ascii_whitespace() {
                compact.push(byte);
            }
            in_text ^= byte == b'"' && !escaped;
            escaped = in_text && byte == b'\\' && !escaped;
        }
        // Only white space between values is gone, so what is left is the same value.
        let text = String::from_utf8(compact).ok().and_then(|text| RawValue::from_string(text).ok());
        Self(text.unwrap_or_else(|| raw.to_owned()))
    }

    /// Any value.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).expect("writing to memory does not fail"))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_white_space_between_values_goes() {
        let text = "{ \"a b\" : [ 1.0 ,\n\t-2e3, \"q \\\" \\\\\" , \" \\\\\\\" x\" ],\r\n \"n\" : null }";
        let raw: &RawValue = serde_json::from_str(text).unwrap();

        let compact = Json::compact(raw);

        assert_eq!(compact.get(), r#"{"a b":[1.0,-2e3,"q \" \\"," \\\" x"],"n":null}"#);
        assert_eq!(Json::of(&[1, 2]).get(), "[1,2]");
    }
}
