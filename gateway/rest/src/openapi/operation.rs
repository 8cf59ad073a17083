//! A route as an operation: parameters, body, answers, who may call it.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use warp2api_rpc::policy::{Access, access};

use super::comments;
use super::schema::{Schemas, has_behavior};
use crate::parameter::is_plain;
use crate::route::{Body, Route};
use crate::template::Segment;

/// How deep query parameters go.
const MAX_DEPTH: usize = 3;

/// The path of a route and its operation.
pub(super) fn of(route: &Route, schemas: &mut Schemas) -> (String, Value) {
    let method = &route.method;
    let input = method.input();
    let (path, mut parameters) = path(route);
    let in_path: Vec<_> = route.template.fields().collect();
    match &route.body {
        Body::None => query(&input, "", &in_path, schemas, &mut parameters, 0),
        Body::Field(field) => {
            let mut elsewhere = in_path.clone();
            elsewhere.push(field.name());
            query(&input, "", &elsewhere, schemas, &mut parameters, 0);
        }
        Body::Whole => {}
    }
    let description = comments::of(method);
    let mut operation = json!({
        "operationId": format!("{}_{}", method.parent_service().name(), method.name()),
        "summary": comments::summary(&description),
        "description": description,
        "tags": [method.parent_service().name()],
        "x-grpc-method": route.grpc_path.as_str(),
    });
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some((schema, required)) = body(route, &input, &in_path, schemas) {
        operation["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation["responses"] = responses(route, schemas);
    if access(route.grpc_path.as_str()) == Some(Access::Admin) {
        // Nothing at all is enough on the machine of a house without a key.
        operation["security"] = json!([{ "bearer": [] }, { "adminKey": [] }, {}]);
    }
    (path, operation)
}

/// The path as OpenAPI writes it, where a parameter is one segment: `/v1/messageTypes/{messageType}:encode`.
fn path(route: &Route) -> (String, Vec<Value>) {
    let mut path = String::new();
    let mut parameters: Vec<Value> = Vec::new();
    let mut before = "";
    for segment in route.template.segments() {
        path.push('/');
        match segment {
            Segment::Literal(text) => {
                path.push_str(text);
                before = text;
            }
            Segment::One | Segment::Rest => {
                let mut name =
                    before.strip_suffix('s').filter(|name| !name.is_empty()).unwrap_or("id").to_owned();
                while parameters.iter().any(|parameter| parameter["name"] == name.as_str()) {
                    name.push('_');
                }
                path.push_str(&format!("{{{name}}}"));
                let about =
                    format!("The id of the {name}. What is not a letter or a digit is percent-encoded.");
                parameters.push(json!({
                    "name": name,
                    "in": "path",
                    "required": true,
                    "description": about,
                    "schema": { "type": "string", "minLength": 1 },
                }));
            }
        }
    }
    if let Some(verb) = route.template.verb() {
        path.push(':');
        path.push_str(verb);
    }
    (path, parameters)
}

/// Fields that are given in the query, those of messages by their path.
fn query(
    message: &MessageDescriptor,
    within: &str,
    elsewhere: &[&str],
    schemas: &mut Schemas,
    parameters: &mut Vec<Value>,
    depth: usize,
) {
    for field in message.fields() {
        let path = format!("{within}{}", field.name());
        if elsewhere.contains(&path.as_str()) || has_behavior(&field, "OUTPUT_ONLY") {
            continue;
        }
        if is_plain(&field) {
            parameters.push(query_parameter(&field, within, schemas));
        } else if let Kind::Message(inner) = field.kind()
            && !field.is_list()
            && !field.is_map()
            && depth < MAX_DEPTH
        {
            query(&inner, &format!("{path}."), elsewhere, schemas, parameters, depth + 1);
        }
    }
}

fn query_parameter(field: &FieldDescriptor, within: &str, schemas: &mut Schemas) -> Value {
    let mut schema = schemas.described(field);
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter = json!({
        "name": format!("{within}{}", field.json_name()),
        "in": "query",
        "required": has_behavior(field, "REQUIRED"),
        "schema": schema,
    });
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

/// The schema of the body and whether there must be one.
fn body(
    route: &Route,
    input: &MessageDescriptor,
    in_path: &[&str],
    schemas: &mut Schemas,
) -> Option<(Value, bool)> {
    match &route.body {
        Body::None => None,
        Body::Field(field) => Some((schemas.described(field), has_behavior(field, "REQUIRED"))),
        Body::Whole => {
            let mut schema = schemas.object(input, in_path);
            schema["additionalProperties"] = json!(false);
            let required = schema.get("required").is_some();
            Some((schema, required))
        }
    }
}

fn responses(route: &Route, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    let output = route.method.output();
    let answer = match &route.response_body {
        Some(field) => {
            let mut schema = schemas.described(field);
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("description");
            }
            schema
        }
        None => schemas.message(&output),
    };
    let description = match &route.response_body {
        Some(field) => comments::of(field),
        None => comments::of(&output),
    };
    let content = if route.method.is_server_streaming() {
        let event = json!({
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": answer },
            },
        });
        // A stream has no schema of its own in OpenAPI 3.1; what its events and lines hold does.
        json!({
            "text/event-stream": { "schema": event, "x-item-schema": answer },
            "application/x-ndjson": { "schema": { "type": "string" }, "x-item-schema": answer },
        })
    } else {
        json!({ "application/json": { "schema": answer } })
    };
    responses.insert("200".to_owned(), json!({ "description": description, "content": content }));
    let read_only = matches!(route.body, Body::None) && route.http_method == http::Method::GET;
    for (status, _) in ERRORS {
        let wanted = match status {
            400 | 500 | 503 | 504 => true,
            401 | 403 => access(route.grpc_path.as_str()) == Some(Access::Admin),
            404 => route.template.fields().next().is_some() || !read_only,
            413 | 415 => !matches!(route.body, Body::None),
            _ => !read_only || route.method.is_server_streaming(),
        };
        if wanted {
            responses.insert(
                status.to_string(),
                json!({ "$ref": format!("#/components/responses/Error{status}") }),
            );
        }
    }
    Value::Object(responses)
}

/// What failures answer with.
const ERRORS: [(u16, &str); 12] = [
    (400, "Something in the request does not fit; `details` names the field."),
    (401, "The key is missing or wrong."),
    (403, "Not from where the request came."),
    (404, "There is no such thing."),
    (409, "It is there already, or something else is under way with it."),
    (413, "The body is too large."),
    (415, "The body is not JSON."),
    (429, "The quota is used up, or the upstream asks to slow down."),
    (500, "A fault of the service itself."),
    (502, "The upstream failed."),
    (503, "Not now; `retry-after` says when."),
    (504, "Not in time."),
];

/// The errors as components.
pub(super) fn error_responses() -> Map<String, Value> {
    let error = json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "status", "details"],
            "properties": {
                "code": { "type": "integer", "description": "The HTTP status." },
                "message": { "type": "string" },
                "status": { "type": "string", "description": "The code of `google.rpc.Code`." },
                "details": { "type": "array", "items": { "type": "object" }, "description":
                    "A `google.rpc.ErrorInfo` with the reason, a `BadRequest` with the fields at fault, a `RetryInfo` with the wait." },
            },
        } },
    });
    let responses = ERRORS.map(|(status, description)| {
        let content = json!({ "application/json": { "schema": error } });
        (format!("Error{status}"), json!({ "description": description, "content": content }))
    });
    responses.into_iter().collect()
}
