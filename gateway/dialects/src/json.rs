//! Reads JSON as callers send it: `null` for every optional, unknown keys anywhere, and for a wrong type the path of
//! the value and what was expected there. Messages never repeat what the body says.
//!
//! serde's own derive would do most of this, but its messages quote the value and name Rust types, and it takes an
//! array where an object belongs.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why JSON could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// It is not JSON. Says where, in lines and columns.
    Syntax(String),
    /// It is JSON of another shape.
    Shape {
        /// The path of the value at fault, empty for the whole.
        path: String,
        /// What was expected and what was found.
        message: String,
    },
}

/// Reads one JSON value and nothing after it.
pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ReadError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| describe(error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| describe(String::new(), &error))?;
    Ok(value)
}

fn describe(path: String, error: &serde_json::Error) -> ReadError {
    let text = error.to_string();
    if !error.is_data() {
        return ReadError::Syntax(text);
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&position).unwrap_or(&text).to_owned();
    // The keys of a free-form object are the caller's own, of any length.
    let path = if path == "." { String::new() } else { path.chars().take(MAX_PATH_CHARS).collect() };
    ReadError::Shape { path, message }
}

const MAX_PATH_CHARS: usize = 200;

/// Appends a value in its shortest form.
pub(crate) fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut BytesMut) {
    serde_json::to_writer(out.writer(), value).expect("writing to memory does not fail");
}

/// The JSON of a body, without the byte order mark that some clients begin with.
///
/// # Errors
/// When there is nothing, it is not JSON, or no object of that shape.
pub(crate) fn read_body<'a, T: Entries<'a>>(body: &'a [u8]) -> Result<T, ReadError> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        let message = "expected an object, got nothing".to_owned();
        return Err(ReadError::Shape { path: String::new(), message });
    }
    read(body).map(|Object(request)| request)
}

/// A type that is read from the entries of an object, in whatever order they come. Of a key that comes twice the
/// last one counts.
pub(crate) trait Entries<'de>: Default {
    /// Reads the value of `key` from `map`, or [`skip`]s it.
    fn entry<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads past the value of a key that means nothing here.
pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Reads each of the keys into its field and skips all others.
macro_rules! entries {
    ($name:ty { $($key:literal => $field:ident,)* }) => {
        impl<'de> $crate::json::Entries<'de> for $name {
            fn entry<A: serde::de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $($key => self.$field = map.next_value()?,)*
                    _ => $crate::json::skip(map)?,
                }
                Ok(())
            }
        }
    };
}
pub(crate) use entries;

/// An object and nothing else.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Entries<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::<Skipped, T>::read(deserializer)? {
            Value::Object(object) => Ok(Self(object)),
            other => Err(other.instead_of("an object")),
        }
    }
}

/// An array and nothing else.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::<T, Skipped>::read(deserializer)? {
            Value::List(items) => Ok(Self(items)),
            other => Err(other.instead_of("an array")),
        }
    }
}

/// A string or an array.
#[derive(Debug)]
pub(crate) enum TextOrList<'a, T> {
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOrList<'de, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::<T, Skipped>::read(deserializer)? {
            Value::Text(text) => Ok(Self::Text(text)),
            Value::List(items) => Ok(Self::List(items)),
            other => Err(other.instead_of("a string or an array")),
        }
    }
}

/// A string or an array, or something that is not looked at.
#[derive(Debug)]
pub(crate) enum TextOrListOrElse<'a, T> {
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<T>),
    /// Anything else.
    Else,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOrListOrElse<'de, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::<T, Skipped>::read(deserializer)? {
            Value::Text(text) => Self::Text(text),
            Value::List(items) => Self::List(items),
            _ => Self::Else,
        })
    }
}

/// A string or an object.
#[derive(Debug)]
pub(crate) enum TextOrObject<'a, T> {
    /// A string.
    Text(Cow<'a, str>),
    /// An object.
    Object(T),
}

impl<'de, T: Entries<'de>> Deserialize<'de> for TextOrObject<'de, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::<Skipped, T>::read(deserializer)? {
            Value::Text(text) => Ok(Self::Text(text)),
            Value::Object(object) => Ok(Self::Object(object)),
            other => Err(other.instead_of("a string or an object")),
        }
    }
}

/// A string, borrowed from the body where it has no escapes.
#[derive(Debug, Clone)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The string.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::read(deserializer)? {
            Value::Text(text) => Ok(Self(text)),
            other => Err(other.instead_of("a string")),
        }
    }
}

/// A boolean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::read(deserializer)? {
            Value::Flag(flag) => Ok(Self(flag)),
            other => Err(other.instead_of("a boolean")),
        }
    }
}

/// A number with or without a fraction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real(pub(crate) f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::read(deserializer)? {
            Value::Integer(integer) => Ok(Self(integer as f64)),
            Value::Real(real) => Ok(Self(real)),
            other => Err(other.instead_of("a number")),
        }
    }
}

/// An integer, also when written as `5.0`; beyond 64 bits the nearest one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integer(pub(crate) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::read(deserializer)? {
            Value::Integer(integer) => Ok(Self(integer)),
            // The cast ends at the bounds of the type.
            Value::Real(real) if real.fract() == 0.0 => Ok(Self(real as i64)),
            Value::Real(_) => Err(Error::custom("expected an integer, got a fraction")),
            other => Err(other.instead_of("an integer")),
        }
    }
}

/// What stands where nothing is looked at.
#[derive(Debug, Default)]
pub(crate) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<'de> Entries<'de> for Skipped {
    fn entry<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        skip(map)
    }
}

type Scalar<'a> = Value<'a, Skipped, Skipped>;

/// Any JSON value, with its items read as `L` and its entries as `O`.
enum Value<'a, L, O> {
    Null,
    Flag(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    List(Vec<L>),
    Object(O),
}

impl<'de, L: Deserialize<'de>, O: Entries<'de>> Value<'de, L, O> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }

    fn instead_of<E: Error>(&self, expected: &str) -> E {
        let found = match self {
            Self::Null => "null",
            Self::Flag(_) => "a boolean",
            Self::Integer(_) | Self::Real(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        };
        E::custom(format_args!("expected {expected}, got {found}"))
    }
}

struct ValueVisitor<L, O>(PhantomData<(L, O)>);

impl<'de, L: Deserialize<'de>, O: Entries<'de>> Visitor<'de> for ValueVisitor<L, O> {
    type Value = Value<'de, L, O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(Value::Integer(i64::try_from(integer).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, real: f64) -> Result<Self::Value, E> {
        Ok(Value::Real(real))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = O::default();
        while let Some(Text(key)) = map.next_key()? {
            object.entry(&key, &mut map)?;
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests;
