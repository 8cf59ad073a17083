//! `Codec` as its callers meet it. What conversion does to which message is held by its own crate.

use serde_json::json;
use tonic::Code;

use super::cases::{call, hold};

const LIST: &str = "codec.v1.Codec/ListMessageTypes";
const GET: &str = "codec.v1.Codec/GetMessageType";
const ENCODE: &str = "codec.v1.Codec/EncodeMessage";
const DECODE: &str = "codec.v1.Codec/DecodeMessage";
/// `{"metadata": {"conversation_id": "c"}}` in base64: field 4 with field 1 in it.
const BYTES: &str = "IgMKAWM=";
const REQUEST: &str = "messageTypes/warp.multi_agent.v1.Request";

#[tokio::test]
async fn message_types_are_listed_and_described() {
    hold([
        call(LIST, json!({"pageSize": 2})).gives([json!({"messageTypes": [{}, {}]})]),
        call(LIST, json!({"pageSize": -1})).refuses_field("page_size"),
        call(LIST, json!({"pageToken": "?"})).refuses_field("page_token"),
        call(GET, json!({"name": REQUEST})).gives([json!({"messageType": {
            "fullName": "warp.multi_agent.v1.Request",
            "fields": [{"name": "task_context", "number": 1}, {"name": "input", "number": 2}, "..."],
        }})]),
        call(GET, json!({"name": REQUEST, "view": "MESSAGE_TYPE_VIEW_BASIC"}))
            .gives([json!({"messageType": {"fieldCount": 6}})]),
        call(GET, json!({"name": REQUEST, "view": 9})).refuses_field("view"),
        call(GET, json!({"name": REQUEST, "fieldNaming": 9})).refuses_field("field_naming"),
        call(GET, json!({"name": "messageTypes/no.Such"}))
            .fails(Code::NotFound, "MESSAGE_TYPE_NOT_FOUND")
            .with("message_type", "no.Such"),
        call(GET, json!({"name": "Request"})).refuses_field("name"),
    ])
    .await;
}

#[tokio::test]
async fn messages_go_there_and_back() {
    let text = "{\"metadata\": {\"conversation_id\": \"c\"}}";
    hold([
        call(ENCODE, json!({"name": REQUEST, "json": text})).gives([json!({"data": BYTES})]),
        call(ENCODE, json!({"name": REQUEST, "json": "{}"})).gives([json!({})]),
        call(DECODE, json!({"name": REQUEST, "data": BYTES, "fieldNaming": "FIELD_NAMING_CAMEL_CASE"}))
            .gives([json!({"json": "{\"metadata\":{\"conversationId\":\"c\"}}"})]),
        call(DECODE, json!({"name": REQUEST})).gives([json!({"json": "{}"})]),
    ])
    .await;
}

#[tokio::test]
async fn what_fits_no_message_is_refused() {
    hold([
        call(DECODE, json!({"name": "messageTypes/no.Such"}))
            .fails(Code::NotFound, "MESSAGE_TYPE_NOT_FOUND")
            .with("message_type", "no.Such"),
        call(ENCODE, json!({"name": "no.Such", "json": "{}"})).refuses_field("name"),
    ])
    .await;
}
