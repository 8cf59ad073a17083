//! The object in place of an opaque `server_message_data`: `uuid`, `seconds`, `nanos`, `iso_utc`, `iso_ny`, `type` and
//! `raw`, the first five where they are known.

use super::cursor::{Cursor, Token};
use super::scan::quote;
use super::{number, scalar};
use crate::error::{Problem, presentable};
use crate::fault::Fault;
use crate::layout::Kind;
use crate::server_message_data::{Content, Given, Member, hide};
use crate::tree::Value;

/// Integers up to here are exact for every reader of JSON.
const SAFE: u64 = 1 << 53;

/// Appends the object. `raw` is the text of the field.
pub(crate) fn write(content: &Content, raw: &str, out: &mut String) {
    let mut object = Object { out, first: true };
    object.text("uuid", content.uuid.as_deref());
    object.number("seconds", content.seconds);
    object.number("nanos", content.nanos.map(i64::from));
    object.text("iso_utc", content.iso_utc().as_deref());
    object.text("iso_ny", content.iso_ny().as_deref());
    object.text("type", Some(content.kind()));
    object.text("raw", Some(raw));
    out.push('}');
}

/// The text of the field for the object that comes next. What `iso_utc`, `iso_ny` and `type` say follows from the
/// rest, and is not read.
pub(crate) fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<String, Fault> {
    let start = cursor.at();
    let mut given = Given::default();
    let mut seen = Vec::new();
    let mut first = true;
    cursor.open(Token::Object, "an object")?;
    while let Some((key, at)) = cursor.member(&mut first)? {
        if seen.contains(&key) {
            return Err(Fault::new(Problem::Duplicate, at).in_field(presentable(&key)));
        }
        member(cursor, &key, at, &mut given, depth).map_err(|fault| fault.in_field(presentable(&key)))?;
        seen.push(key);
    }
    hide(given).map_err(|_| Fault::new(Problem::Expected("a raw text that can be changed"), start))
}

fn member(
    cursor: &mut Cursor<'_>,
    key: &str,
    at: usize,
    given: &mut Given,
    depth: usize,
) -> Result<(), Fault> {
    match key {
        "uuid" => given.uuid = value(cursor, |cursor| Ok(cursor.string()?.into_owned()))?,
        "seconds" => given.seconds = value(cursor, |cursor| integer(Kind::Int64, cursor))?,
        // Of the kind that was asked for, it is not out of range.
        "nanos" => {
            given.nanos = value(cursor, |cursor| integer(Kind::Int32, cursor).map(|nanos| nanos as i32))?
        }
        "raw" => given.raw = Some(cursor.string()?.into_owned()),
        "iso_utc" | "iso_ny" | "type" => cursor.skip(depth)?,
        _ => return Err(Fault::new(Problem::UnknownField, at)),
    }
    Ok(())
}

fn value<T>(
    cursor: &mut Cursor<'_>,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, Fault>,
) -> Result<Member<T>, Fault> {
    match cursor.token()? {
        Token::Null => cursor.null().map(|()| Member::Null),
        _ => read(cursor).map(Member::Is),
    }
}

fn integer(kind: Kind, cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    match scalar::read(kind, cursor)? {
        Value::Signed(number) => Ok(number),
        _ => unreachable!("such integers are signed"),
    }
}

struct Object<'o> {
    out: &'o mut String,
    first: bool,
}

impl Object<'_> {
    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.key(key);
            quote(value, self.out);
        }
    }

    fn number(&mut self, key: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.key(key);
            let mark = if value.unsigned_abs() <= SAFE { "" } else { "\"" };
            number::print_whole(mark, value, self.out);
        }
    }

    fn key(&mut self, key: &str) {
        self.out.push(if std::mem::take(&mut self.first) { '{' } else { ',' });
        quote(key, self.out);
        self.out.push(':');
    }
}
