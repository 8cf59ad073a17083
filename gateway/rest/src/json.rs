//! Messages to proto3 JSON and back, strictly: a field that the contract does not have is refused by name.
//!
//! What is wrong is told by place and rule. A value is never repeated: it may be a secret in the wrong place.

use bytes::Bytes;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::route::Route;

/// The message of a JSON text. Nothing but white space is the empty message. `within` is the path of the message in
/// the request, empty for the request itself.
pub(crate) fn read(
    message: &MessageDescriptor,
    json: &[u8],
    within: &str,
) -> Result<DynamicMessage, Failure> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Ok(DynamicMessage::new(message.clone()));
    }
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut text = serde_json::Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut text, &mut track);
    let read = DynamicMessage::deserialize_with_options(message.clone(), tracked, &options);
    let ended = read.and_then(|message| text.end().map(|()| message));
    ended.map_err(|error| refusal(&error, &track.path(), within))
}

/// The body of an answer of `route`, from the bytes of its message.
pub(crate) fn answer(route: &Route, bytes: Bytes) -> Result<Vec<u8>, Failure> {
    let message = DynamicMessage::decode(route.method.output(), bytes).map_err(|error| {
        tracing::error!(%error, method = route.method.full_name(), "an answer is not what the contract says");
        Failure::bug("internal error")
    })?;
    match &route.response_body {
        None => write(&message),
        Some(field) => match message.get_field(field).as_message() {
            Some(inner) => write(inner),
            None => write_field(&message, field.json_name()),
        },
    }
}

/// The JSON of a message. What has its default value is left out.
pub(crate) fn write(message: &DynamicMessage) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(message).map_err(unwritable)
}

/// The JSON of a field, its default value included.
fn write_field(message: &DynamicMessage, json_name: &str) -> Result<Vec<u8>, Failure> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let value =
        message.serialize_with_options(serde_json::value::Serializer, &options).map_err(unwritable)?;
    serde_json::to_vec(&value[json_name]).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Failure {
    tracing::error!(%error, "an answer has no JSON form");
    Failure::bug("internal error")
}

fn refusal(error: &serde_json::Error, path: &Path, within: &str) -> Failure {
    let place = format!("line {} column {}", error.line(), error.column());
    let said = error.to_string();
    let mut field = join(within, path);
    let mut inside = |name: &str| {
        let dot = if field.is_empty() { "" } else { "." };
        field = format!("{field}{dot}{}", presentable(name));
    };
    let words = if error.classify() != Category::Data {
        within.clone_into(&mut field);
        "is not JSON".to_owned()
    } else if let Some(name) = quoted(&said, "unrecognized field name '") {
        inside(name);
        "there is no such field".to_owned()
    } else if let Some(name) = quoted(&said, "multiple fields provided for oneof '") {
        inside(name);
        "more than one of its fields is given".to_owned()
    } else if said.starts_with("unrecognized enum value") {
        "the enum has no value of that name".to_owned()
    } else if let Some((_, expected)) = said.rsplit_once(", expected ") {
        let expected = expected.split(" at line ").next().unwrap_or_default();
        format!("expected {}", if expected == "a map" { "an object" } else { expected })
    } else {
        "does not fit the type of the field".to_owned()
    };
    if field.is_empty() {
        field.push_str("body");
    }
    let message = format!("{field} at {place}: {words}");
    Failure::new(ErrorReason::InvalidField, message).with_field(field, words)
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.rsplit_once('\'').map(|(name, _)| name)
}

/// The path as people write it; keys of maps, which are content, as a question mark where they are no names.
fn join(within: &str, path: &Path) -> String {
    let mut out = within.to_owned();
    for segment in path {
        match segment {
            Segment::Seq { index } => out.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(presentable(key));
            }
            Segment::Unknown => {}
        }
    }
    out
}

/// `name` if it can be the name of a field.
pub(crate) fn presentable(name: &str) -> &str {
    let of_a_name = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-' | b'@' | b'$');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(of_a_name) { name } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pool;

    fn message() -> MessageDescriptor {
        pool("").get_message_by_name("test.v1.A").unwrap()
    }

    fn refused(json: &str) -> (String, String) {
        let failure = read(&message(), json.as_bytes(), "").unwrap_err();
        assert_eq!(failure.reason, ErrorReason::InvalidField);
        let [violation] = &failure.violations[..] else { panic!("{failure:?}") };
        (violation.field.clone(), violation.description.clone())
    }

    #[test]
    fn json_that_does_not_fit_names_the_place() {
        for (json, field, words) in [
            (r#"{"nothing":1}"#, "nothing", "there is no such field"),
            (r#"{"inner":{"inner":{"txt":1}}}"#, "inner.inner.txt", "there is no such field"),
            (r#"{"inners":[{},{"a b":1}]}"#, "inners[1].?", "there is no such field"),
            (r#"{"inners":[{},{"text":1}]}"#, "inners[1].text", "expected a string"),
            (r#"{"text":["planted"]}"#, "text", "expected a string"),
            (r#"{"i32":"planted"}"#, "i32", "does not fit the type of the field"),
            (r#"{"i32":{}}"#, "i32", "expected a 32-bit signed integer"),
            (r#"{"inner":"planted"}"#, "inner", "expected an object"),
            (r#"{"colour":"planted"}"#, "colour", "the enum has no value of that name"),
            (r#"{"colours":["COLOUR_RED","planted"]}"#, "colours[1]", "the enum has no value of that name"),
            (r#"{"one":"a","other":"b"}"#, "choice", "more than one of its fields is given"),
            (r#"{"data":"?"}"#, "data", "does not fit the type of the field"),
            (r#"{"at_time":"planted"}"#, "at_time", "does not fit the type of the field"),
            (r#"["planted"]"#, "body", "expected an object"),
            (r#"{"text":"planted""#, "body", "is not JSON"),
            (r#"{} planted"#, "body", "is not JSON"),
        ] {
            assert_eq!(refused(json), (field.to_owned(), words.to_owned()), "{json}");
        }
    }

    #[test]
    fn nothing_is_the_empty_message_and_both_namings_are_read() {
        let message = message();
        assert_eq!(read(&message, b" \n", "").unwrap(), DynamicMessage::new(message.clone()));
        let (a, b) = (br#"{"maxWait":"1s"}"#, br#"{"max_wait":"1s"}"#);
        assert_eq!(read(&message, a, "").unwrap(), read(&message, b, "").unwrap());
    }

    #[test]
    fn no_value_is_repeated() {
        let message = message();
        for field in message.fields() {
            for value in [r#""planted""#, r#"["planted"]"#, r#"{"text":["planted"]}"#, r#"{"planted":1}"#] {
                let json = format!(r#"{{"{}":{value}}}"#, field.name());
                if let Err(failure) = read(&message, json.as_bytes(), "") {
                    let said = format!("{failure:?}");
                    // A key that could be a field's name is shown.
                    assert!(!said.contains("planted") || value.starts_with("{\"planted"), "{said}");
                }
            }
        }
    }
}
