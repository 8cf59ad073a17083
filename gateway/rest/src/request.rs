//! From an HTTP request to the bytes of the message that gRPC wants. Pure.
//!
//! Three sources fill it: the path, the query, the body. They are read apart and put one after the other, which is how
//! protobuf merges messages.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

use crate::json;
use crate::parameter::{Fields, resolve};
use crate::query;
use crate::route::{Body, Route};
use crate::template::Captured;

/// The message for `route` of what the path said, the query, and the body if there is one.
///
/// # Errors
/// INVALID_FIELD with the field's name when something is unknown, given twice or does not fit.
pub(crate) fn message(
    route: &Route,
    captured: &[Captured],
    query: &str,
    body: &[u8],
) -> Result<Bytes, Failure> {
    let input = route.method.input();
    let body = read_body(route, &input, body)?;
    let mut fields = Fields::new(input.clone());
    for Captured { field, value } in captured {
        agree(body.as_ref(), field, value)?;
        fields.set(field, value).map_err(|problem| Failure::invalid(field, problem.to_string()))?;
    }
    let parameters = query::parse(query).map_err(|error| Failure::invalid("query", error.to_string()))?;
    for query::Parameter { name, value } in parameters {
        let shown = json::presentable(&name);
        if let Some(elsewhere) = elsewhere(route, &input, &name) {
            return Err(Failure::invalid(shown, elsewhere));
        }
        fields.set(&name, &value).map_err(|problem| Failure::invalid(shown, problem.to_string()))?;
    }
    let fields = fields.into_message();
    let mut bytes = BytesMut::new();
    let encoded =
        body.map_or(Ok(()), |body| body.encode(&mut bytes)).and_then(|()| fields.encode(&mut bytes));
    encoded.map_err(|_| Failure::bug("internal error"))?;
    Ok(bytes.freeze())
}

fn read_body(
    route: &Route,
    input: &MessageDescriptor,
    body: &[u8],
) -> Result<Option<DynamicMessage>, Failure> {
    match &route.body {
        Body::None if body.is_empty() => Ok(None),
        Body::None => Err(Failure::new(ErrorReason::InvalidField, "this request takes no body")
            .with_field("body", "must be empty")),
        Body::Whole => json::read(input, body, "").map(Some),
        Body::Field(field) => {
            let Kind::Message(inner) = field.kind() else { return Err(Failure::bug("internal error")) };
            let inner = json::read(&inner, body, field.name())?;
            let mut message = DynamicMessage::new(input.clone());
            message.set_field(field, Value::Message(inner));
            Ok(Some(message))
        }
    }
}

/// Why a field cannot be in the query, if it has its place elsewhere.
fn elsewhere(route: &Route, input: &MessageDescriptor, name: &str) -> Option<&'static str> {
    // A name that leads nowhere is refused where it is set.
    let path = resolve(input, name)?;
    let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
    let dotted = names.join(".");
    if route.template.fields().any(|field| field == dotted) {
        return Some("is given by the path");
    }
    match &route.body {
        Body::Whole => Some("belongs into the body"),
        Body::Field(field) if names.first() == Some(&field.name()) => Some("belongs into the body"),
        _ => None,
    }
}

/// Refuses a body that says something else than the path. Saying the same is fine: a resource has its name in it.
fn agree(body: Option<&DynamicMessage>, field: &str, captured: &str) -> Result<(), Failure> {
    let Some(body) = body else { return Ok(()) };
    let Some(path) = resolve(&body.descriptor(), field) else { return Ok(()) };
    let mut message = body.clone();
    for field in &path {
        if !message.has_field(field) {
            return Ok(());
        }
        match message.get_field(field).into_owned() {
            Value::Message(inner) => message = inner,
            Value::String(given) if given == captured => return Ok(()),
            _ => break,
        }
    }
    Err(Failure::invalid(field, "is not what the path says"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::route::routes;
    use crate::testing::pool;

    fn asked(annotation: &str, path: &str, query: &str, body: &str) -> Result<Json, (String, String)> {
        let method = format!("rpc Do(A) returns (A) {{ option (google.api.http) = {{{annotation}}}; }}");
        let pool = pool(&method);
        let route = routes(&pool).unwrap().remove(0);
        let captured = route.template.matches(path).expect("the path matches").unwrap();
        let bytes = message(&route, &captured, query, body.as_bytes()).map_err(|failure| {
            let violation = failure.violations[0].clone();
            (violation.field, violation.description)
        })?;
        let message = DynamicMessage::decode(route.method.input(), bytes).unwrap();
        Ok(serde_json::to_value(message).unwrap())
    }

    const GET: &str = r#"get: "/v1/{text=things/*}""#;
    const WHOLE: &str = r#"post: "/v1/{text=things/*}:do" body: "*""#;
    const FIELD: &str = r#"patch: "/v1/{inner.text=things/*}" body: "inner""#;

    #[test]
    fn path_query_and_body_fill_one_message() {
        for (annotation, path, query, body, expected) in [
            (
                GET,
                "/v1/things/a",
                "i32=3&texts=x&texts=y",
                "",
                json!({"text": "things/a", "texts": ["x", "y"], "i32": 3}),
            ),
            (WHOLE, "/v1/things/a:do", "", "", json!({"text": "things/a"})),
            (WHOLE, "/v1/things/a:do", "", r#"{"i32":3}"#, json!({"text": "things/a", "i32": 3})),
            (WHOLE, "/v1/things/a:do", "", r#"{"text":"things/a"}"#, json!({"text": "things/a"})),
            (
                FIELD,
                "/v1/things/a",
                "updateMask=longName",
                r#"{"longName":"x"}"#,
                json!({"inner": {"text": "things/a", "longName": "x"}, "updateMask": "longName"}),
            ),
            (FIELD, "/v1/things/a", "", r#"{"text":"things/a"}"#, json!({"inner": {"text": "things/a"}})),
        ] {
            assert_eq!(
                asked(annotation, path, query, body),
                Ok(expected),
                "{annotation} {path}?{query} {body}"
            );
        }
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_refused_by_name() {
        for (annotation, path, query, body, field, words) in [
            (GET, "/v1/things/a", "nothing=1", "", "nothing", "there is no such field"),
            (GET, "/v1/things/a", "text=b", "", "text", "is given by the path"),
            (GET, "/v1/things/a", "i32=x", "", "i32", "expected an integer of 32 bits"),
            (GET, "/v1/things/a", "a%20b=x", "", "?", "there is no such field"),
            (GET, "/v1/things/a", "i32=%ff", "", "query", "the query is not UTF-8"),
            (GET, "/v1/things/a", "", "{}", "body", "must be empty"),
            (WHOLE, "/v1/things/a:do", "i32=3", "", "i32", "belongs into the body"),
            (WHOLE, "/v1/things/a:do", "", r#"{"text":"things/b"}"#, "text", "is not what the path says"),
            (FIELD, "/v1/things/a", "inner.longName=x", "", "inner.longName", "belongs into the body"),
            (FIELD, "/v1/things/a", "", r#"{"text":"b"}"#, "inner.text", "is not what the path says"),
            (FIELD, "/v1/things/a", "", r#"{"inner":{}, "x":1}"#, "inner.x", "there is no such field"),
        ] {
            let refused = asked(annotation, path, query, body).unwrap_err();
            assert_eq!(refused, (field.to_owned(), words.to_owned()), "{annotation} {path}?{query} {body}");
        }
    }
}
