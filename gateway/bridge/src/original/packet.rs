//! The packet of a request: an object under `json_data`, or the packet's own keys at the top. Pure.

use serde_json::{Map, Value};
use warp2api_rpc::Failure;

/// The type of a packet that says none.
pub(crate) const REQUEST_TYPE: &str = "warp.multi_agent.v1.Request";

/// The keys that are a packet's own when they stand at the top.
const OWN_KEYS: [&str; 10] = [
    "task_context",
    "input",
    "settings",
    "metadata",
    "mcp_context",
    "existing_suggestions",
    "client_version",
    "os_category",
    "os_name",
    "os_version",
];

/// A packet and its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    /// The message as proto3 JSON.
    pub(crate) json: Map<String, Value>,
    /// The full name of its type.
    pub(crate) message_type: String,
}

/// Reads a request body.
///
/// # Errors
/// When it is no JSON object, has no packet in it, or a key has a value of the wrong kind.
pub(crate) fn read(body: &[u8]) -> Result<Packet, Failure> {
    let mut body = object(body)?;
    let message_type = message_type(&mut body, REQUEST_TYPE)?;
    let json = match body.remove("json_data") {
        Some(Value::Object(packet)) => packet,
        None | Some(Value::Null) => {
            body.into_iter().filter(|(key, _)| OWN_KEYS.contains(&key.as_str())).collect()
        }
        Some(_) => return Err(Failure::invalid("json_data", "must be a JSON object")),
    };
    if json.is_empty() {
        let words = "is empty: give the packet as `json_data`, or its own keys (task_context, input, settings, ..) at the top";
        return Err(Failure::invalid("json_data", words));
    }
    Ok(Packet { json, message_type })
}

/// The object that a body is.
///
/// # Errors
/// When it is none.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::invalid("body", format!("is not JSON: {error}")))?;
    match body {
        Value::Object(body) => Ok(body),
        _ => Err(Failure::invalid("body", "must be a JSON object")),
    }
}

/// Takes the type out of a body; `usual` if it says none.
///
/// # Errors
/// When it is no text.
pub(crate) fn message_type(body: &mut Map<String, Value>, usual: &str) -> Result<String, Failure> {
    match body.remove("message_type") {
        None | Some(Value::Null) => Ok(usual.to_owned()),
        Some(Value::String(name)) => Ok(name),
        Some(_) => Err(Failure::invalid("message_type", "must be the full name of a message type")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_packet_is_found_where_the_original_looked_for_it() {
        for (body, packet, message_type) in [
            (
                json!({"json_data": {"input": {"a": 1}}, "settings": {}}),
                json!({"input": {"a": 1}}),
                REQUEST_TYPE,
            ),
            (
                json!({"input": {}, "os_version": "1", "unheard": 2, "message_type": "a.B"}),
                json!({"input": {}, "os_version": "1"}),
                "a.B",
            ),
            (
                json!({"json_data": null, "metadata": {"x": []}, "message_type": null}),
                json!({"metadata": {"x": []}}),
                REQUEST_TYPE,
            ),
        ] {
            let read = read(body.to_string().as_bytes()).unwrap();
            assert_eq!(
                (Value::Object(read.json), read.message_type.as_str()),
                (packet, message_type),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_packet_is_refused_by_the_name_of_the_key() {
        for (body, field) in [
            ("", "body"),
            ("[]", "body"),
            ("{}", "json_data"),
            (r#"{"json_data": {}}"#, "json_data"),
            (r#"{"json_data": "x"}"#, "json_data"),
            (r#"{"unheard": 1}"#, "json_data"),
            (r#"{"input": {}, "message_type": 7}"#, "message_type"),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().violations[0].field, field, "{body}");
        }
    }
}
