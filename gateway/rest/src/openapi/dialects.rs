//! The routes of the edge: other people's dialects, which the contract does not hold. What parameters there are, and
//! what becomes of each, is in the tables of `warp2api-dialects`; their types are those of its examples.

use http::Method;
use serde_json::{Map, Value, json};
use warp2api_dialects::parameters::{Parameter, Reference, references};

use super::schema::Schemas;

pub(super) const TAG: &str = "Edge";
pub(super) const ABOUT: &str = "What OpenAI and Anthropic clients speak. Every parameter of their references is read; \
    the description says what becomes of it.";

/// Method, path and operation of every route.
pub(super) fn operations(schemas: &mut Schemas) -> Vec<(Method, String, Value)> {
    schemas.insert("Model", model());
    schemas.insert("EdgeError", error());
    let mut operations: Vec<_> = references()
        .iter()
        .map(|reference| (Method::POST, reference.path.to_owned(), completion(reference)))
        .collect();
    let list = json!({
        "type": "object",
        "required": ["object", "data"],
        "properties": { "object": { "const": "list" }, "data": { "type": "array", "items": of("Model") } },
    });
    operations.push((
        Method::GET,
        "/v1/models".to_owned(),
        read("listModels", "Lists the models known by name", list, &[]),
    ));
    let mut one = read("getModel", "Gets one model by id or alias", of("Model"), &[404]);
    one["parameters"] = json!([{
        "name": "model", "in": "path", "required": true, "description": "An id or alias, percent-encoded.",
        "schema": { "type": "string", "minLength": 1 },
    }]);
    operations.push((Method::GET, "/v1/models/{model}".to_owned(), one));
    operations
}

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn completion(reference: &Reference) -> Value {
    let name = reference.path.trim_start_matches("/v1/").replace('/', " ");
    let answer = json!({
        "application/json": { "schema": { "type": "object" } },
        "text/event-stream": { "schema": { "type": "object", "properties": { "data": { "type": "string" } } } },
    });
    let mut responses = errors(&[404, 409, 413, 429, 502]);
    responses.insert(
        "200".to_owned(),
        json!({ "description": "The answer, whole or streamed as `stream` says.", "content": answer }),
    );
    json!({
        "operationId": format!("create {name}").split(' ').collect::<Vec<_>>().join("_"),
        "summary": format!("Answers a conversation in the dialect of {}", reference.path),
        "tags": [TAG],
        "security": keys(),
        "requestBody": { "required": true, "content": { "application/json": { "schema": request(reference.parameters) } } },
        "responses": responses,
    })
}

fn read(id: &str, summary: &str, schema: Value, more: &[u16]) -> Value {
    let mut responses = errors(more);
    responses.insert(
        "200".to_owned(),
        json!({ "description": summary, "content": { "application/json": { "schema": schema } } }),
    );
    json!({ "operationId": id, "summary": summary, "tags": [TAG], "security": keys(), "responses": responses })
}

/// Any key is taken where none is set.
fn keys() -> Value {
    json!([{ "bearer": [] }, { "apiKey": [] }, {}])
}

fn errors(more: &[u16]) -> Map<String, Value> {
    let mut all: Vec<u16> = [400, 401, 403, 500, 503, 504].iter().chain(more).copied().collect();
    all.sort_unstable();
    let content = json!({ "application/json": { "schema": of("EdgeError") } });
    let response = |status: u16| {
        let description =
            http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        (status.to_string(), json!({ "description": description.unwrap_or_default(), "content": content }))
    };
    all.into_iter().map(response).collect()
}

/// The body: every parameter with what becomes of it.
fn request(parameters: &[Parameter]) -> Value {
    let mut properties = Map::new();
    for parameter in parameters {
        let name = parameter.name.split(['.', '[']).next().unwrap_or(parameter.name);
        let example: Value = serde_json::from_str(parameter.example).unwrap_or_default();
        let below = parameter.name.strip_prefix(name).unwrap_or_default();
        let line = match below.is_empty() {
            true => format!("*{}*: {}", parameter.treatment.word(), parameter.note),
            false => format!("*{}* `{}`: {}", parameter.treatment.word(), parameter.name, parameter.note),
        };
        let property = properties.entry(name).or_insert_with(|| json!({ "description": "" }));
        let before = property["description"].as_str().unwrap_or_default();
        let gap = if before.is_empty() { "" } else { "\n\n" };
        property["description"] = json!(format!("{before}{gap}{}", line.trim_end_matches(": ")));
        if let Some(kind) = example.get(name).and_then(kind) {
            let kinds =
                property.as_object_mut().map(|property| property.entry("type").or_insert_with(|| json!([])));
            if let Some(Value::Array(kinds)) = kinds
                && !kinds.contains(&json!(kind))
            {
                kinds.push(json!(kind));
            }
        }
    }
    let required: Vec<_> =
        ["messages", "input"].into_iter().filter(|name| properties.contains_key(*name)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}

fn model() -> Value {
    json!({
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": { "type": "string" },
            "object": { "const": "model" },
            "created": { "type": "integer", "description": "In seconds since 1970." },
            "owned_by": { "type": "string" },
            "display_name": { "type": "string" },
            "description": { "type": "string" },
            "vision_supported": { "type": "boolean" },
            "categories": { "type": "array", "items": { "type": "string" } },
        },
    })
}

/// OpenAI's error, or Anthropic's on its own routes.
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {
            "type": { "const": "error", "description": "Only in Anthropic's dialect." },
            "error": {
                "type": "object",
                "required": ["message", "type"],
                "properties": {
                    "message": { "type": "string" },
                    "type": { "type": "string" },
                    "param": { "type": ["string", "null"] },
                    "code": { "type": ["string", "null"] },
                },
            },
        },
    })
}
