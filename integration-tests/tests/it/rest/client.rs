//! Calls a method by its route: puts a request where the annotation says, and reads the answer as gRPC would give it.

use reqwest::Response;
use serde_json::{Map, Value};
use tonic::Code;
use warp2api_integration_tests::json_of;
use warp2api_integration_tests::sse::Live;
use warp2api_rest::{Body, Route};
use warp2api_rpc::reason::{all_reasons, reason_name};

use crate::dynamic::{Answer, Refusal};

/// A request by HTTP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// Path and query.
    pub(crate) address: String,
    pub(crate) body: Option<Value>,
}

/// Writes `request`, the whole message in JSON, as the route wants it.
pub(crate) fn write(route: &Route, request: &Value) -> Written {
    let mut rest = request.as_object().expect("an object").clone();
    let mut address = String::new();
    let mut pieces = route.path.split(['{', '}']);
    address += pieces.next().expect("a path");
    while let Some(variable) = pieces.next() {
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let value = take(&mut rest, field).unwrap_or_else(|| panic!("{} wants {field}", route.path));
        let segments = value.as_str().expect("a name").splitn(pattern.split('/').count(), '/').map(encode);
        address += &segments.collect::<Vec<_>>().join("/");
        address += pieces.next().unwrap_or_default();
    }
    let body = match &route.body {
        Body::None => None,
        Body::Whole => Some(Value::Object(std::mem::take(&mut rest))),
        Body::Field(field) => Some(rest.remove(field.json_name()).unwrap_or_else(|| Map::new().into())),
    };
    let mut query = Vec::new();
    rest.iter().for_each(|(name, value)| flatten(name, value, &mut query));
    if !query.is_empty() {
        address += &format!("?{}", query.join("&"));
    }
    Written { address, body }
}

/// Takes a field out, perhaps one of a message in the message.
fn take(message: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((field, rest)) => take(message.get_mut(field)?.as_object_mut()?, rest),
        None => message.remove(path),
    }
}

fn flatten(name: &str, value: &Value, query: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, query))
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(name, item, query)),
        Value::String(text) => query.push(format!("{name}={}", encode(text))),
        other => query.push(format!("{name}={other}")),
    }
}

/// Everything but letters and digits percent-encoded.
pub(crate) fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The answer as gRPC would have given it. Of a stream, at most so many messages are read.
pub(crate) async fn read(route: &Route, response: Response, most: usize) -> Answer {
    let status = response.status();
    let streams = route.method.is_server_streaming() && status.is_success();
    if !streams {
        let json = json_of(response).await;
        if !status.is_success() {
            assert_eq!(json["error"]["code"], status.as_u16(), "{json}");
            return Answer { messages: Vec::new(), refusal: Some(refusal(&json["error"])) };
        }
        let message = match &route.response_body {
            Some(field) => Value::Object(Map::from_iter([(field.json_name().to_owned(), json)])),
            None => json,
        };
        return Answer { messages: vec![message], refusal: None };
    }
    let mut live = Live::new(response);
    let mut answer = Answer { messages: Vec::new(), refusal: None };
    while answer.messages.len() < most {
        let Some(frame) = live.frame().await else { break };
        assert!(answer.refusal.is_none(), "an event after an error: {frame}");
        let data = frame.strip_prefix("data: ").expect("a data line");
        let json: Value = serde_json::from_str(data).expect("JSON");
        match json.get("error") {
            Some(error) => answer.refusal = Some(refusal(error)),
            None => answer.messages.push(json),
        }
    }
    answer
}

fn refusal(error: &Value) -> Refusal {
    let details = error["details"].as_array().expect("details");
    let detail = |name: &str| {
        let kind = format!("type.googleapis.com/google.rpc.{name}");
        details.iter().find(|detail| detail["@type"] == kind.as_str())
    };
    let info = detail("ErrorInfo").expect("every error has a reason");
    assert_eq!(info["domain"], "warp2api");
    let violations = detail("BadRequest").and_then(|bad| bad["fieldViolations"].as_array());
    let fields =
        violations.into_iter().flatten().map(|one| one["field"].as_str().expect("a field").to_owned());
    let metadata = info["metadata"].as_object().expect("metadata");
    let mut metadata: Vec<_> =
        metadata.iter().map(|(key, value)| (key.clone(), value.as_str().expect("text").to_owned())).collect();
    metadata.sort();
    let code = (0..=16).map(Code::from).find(|code| screaming(*code) == error["status"].as_str().unwrap());
    Refusal {
        code: code.expect("a code of gRPC's"),
        reason: all_reasons()
            .map(reason_name)
            .find(|name| *name == info["reason"])
            .expect("a reason of ours"),
        fields: fields.collect(),
        metadata,
        wait: detail("RetryInfo").is_some(),
        message: error["message"].as_str().expect("a message").to_owned(),
    }
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(code: Code) -> String {
    let name = format!("{code:?}");
    let words = name.chars().enumerate().map(|(index, letter)| {
        let gap = if index > 0 && letter.is_ascii_uppercase() { "_" } else { "" };
        format!("{gap}{}", letter.to_ascii_uppercase())
    });
    words.collect()
}
