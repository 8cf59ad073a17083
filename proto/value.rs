//! `google.protobuf.Struct` and friends with the order of keys kept, and their way to JSON and back.
//!
//! On the wire a Struct is a list of entries; only the usual map type forgets their order. Tool schemas and tool
//! arguments keep theirs here, so that what the model sees is what the caller wrote.
//!
//! Numbers are doubles on the wire. An integer beyond 2^53 loses digits there; nothing here can prevent that.

use prost::Message;
use serde_json::{Map, Number};

/// The deepest nesting of arrays and objects that goes into a message. Protobuf readers refuse about a hundred nested
/// messages, and one level of JSON takes three.
pub const MAX_DEPTH: usize = 30;

/// A JSON object.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    /// The entries in their order.
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Field>,
}

/// An entry of a JSON object.
#[derive(Clone, PartialEq, Message)]
pub struct Field {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value. Absent means null.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
}

/// A JSON array.
#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    /// The items.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// A JSON value.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// What it is. Absent means null.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

/// What a JSON value is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    /// null.
    #[prost(int32, tag = "1")]
    Null(i32),
    /// A number, always a double.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A string.
    #[prost(string, tag = "3")]
    String(String),
    /// true or false.
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// An object.
    #[prost(message, tag = "5")]
    Struct(Struct),
    /// An array.
    #[prost(message, tag = "6")]
    List(ListValue),
}

/// The value is nested deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep;

impl std::fmt::Display for TooDeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nested more than {MAX_DEPTH} levels deep")
    }
}

impl std::error::Error for TooDeep {}

impl TryFrom<Map<String, serde_json::Value>> for Struct {
    type Error = TooDeep;

    fn try_from(object: Map<String, serde_json::Value>) -> Result<Self, TooDeep> {
        object_to_struct(object, MAX_DEPTH)
    }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = TooDeep;

    fn try_from(value: serde_json::Value) -> Result<Self, TooDeep> {
        json_to_value(value, MAX_DEPTH)
    }
}

impl From<Struct> for Map<String, serde_json::Value> {
    fn from(object: Struct) -> Self {
        object
            .fields
            .into_iter()
            .map(|field| (field.key, field.value.map_or(serde_json::Value::Null, Into::into)))
            .collect()
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value.kind {
            None | Some(Kind::Null(_)) => Self::Null,
            Some(Kind::Number(number)) => json_number(number),
            Some(Kind::String(text)) => Self::String(text),
            Some(Kind::Bool(flag)) => Self::Bool(flag),
            Some(Kind::Struct(object)) => Self::Object(object.into()),
            Some(Kind::List(list)) => Self::Array(list.values.into_iter().map(Into::into).collect()),
        }
    }
}

/// A double as a JSON number: an integer where it is one that fits 64 bits, so that 5 stays `5` and is not `5.0`.
/// JSON knows neither NaN nor infinity; they become null.
fn json_number(number: f64) -> serde_json::Value {
    // 2^63 as a double is exact; the cast is safe below it.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0
        && (-LIMIT..LIMIT).contains(&number)
        && !(number == 0.0 && number.is_sign_negative())
    {
        return serde_json::Value::Number(Number::from(number as i64));
    }
    Number::from_f64(number).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

fn object_to_struct(object: Map<String, serde_json::Value>, depth: usize) -> Result<Struct, TooDeep> {
    let depth = depth.checked_sub(1).ok_or(TooDeep)?;
    let fields = object
        .into_iter()
        .map(|(key, value)| Ok(Field { key, value: Some(json_to_value(value, depth)?) }))
        .collect::<Result<_, _>>()?;
    Ok(Struct { fields })
}

fn json_to_value(value: serde_json::Value, depth: usize) -> Result<Value, TooDeep> {
    let kind = match value {
        serde_json::Value::Null => Kind::Null(0),
        serde_json::Value::Bool(flag) => Kind::Bool(flag),
        serde_json::Value::Number(number) => Kind::Number(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Kind::String(text),
        serde_json::Value::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(TooDeep)?;
            let values =
                items.into_iter().map(|item| json_to_value(item, depth)).collect::<Result<_, _>>()?;
            Kind::List(ListValue { values })
        }
        serde_json::Value::Object(object) => Kind::Struct(object_to_struct(object, depth)?),
    };
    Ok(Value { kind: Some(kind) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let object: Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
        let encoded = Struct::try_from(object).unwrap().encode_to_vec();
        let decoded = Struct::decode(&encoded[..]).unwrap();
        serde_json::to_string(&Map::from(decoded)).unwrap()
    }

    #[test]
    fn order_empty_values_and_white_space_survive() {
        for text in [
            r#"{"zebra":1,"apple":{"y":[],"x":{}},"mango":""}"#,
            r#"{"text":"  keep\n    this ","none":null,"flag":false}"#,
            r#"{}"#,
        ] {
            assert_eq!(round_trip(text), text);
        }
    }

    #[test]
    fn numbers_are_printed_as_integers_where_they_are() {
        for (given, expected) in [
            (r#"{"n":5}"#, r#"{"n":5}"#),
            (r#"{"n":5.0}"#, r#"{"n":5}"#),
            (r#"{"n":-0.5}"#, r#"{"n":-0.5}"#),
            (r#"{"n":9007199254740991}"#, r#"{"n":9007199254740991}"#),
            // Beyond 2^53 doubles have gaps: the nearest one comes back.
            (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
            (r#"{"n":1e300}"#, r#"{"n":1e+300}"#),
        ] {
            assert_eq!(round_trip(given), expected);
        }
    }

    #[test]
    fn a_struct_of_another_writer_is_read() {
        // `{"a": 1}` as the official libraries write it.
        let bytes = [0x0a, 0x0e, 0x0a, 0x01, b'a', 0x12, 0x09, 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];

        let read = Struct::decode(&bytes[..]).unwrap();

        assert_eq!(serde_json::to_string(&Map::from(read.clone())).unwrap(), r#"{"a":1}"#);
        assert_eq!(read.encode_to_vec(), bytes);
    }

    #[test]
    fn what_readers_would_refuse_is_refused_here() {
        let nested = |levels: usize| {
            let text = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
            Struct::try_from(serde_json::from_str::<Map<String, serde_json::Value>>(&text).unwrap())
        };

        assert!(nested(MAX_DEPTH).is_ok_and(|s| Struct::decode(&s.encode_to_vec()[..]).is_ok()));
        assert_eq!(nested(MAX_DEPTH + 1), Err(TooDeep));
    }
}
