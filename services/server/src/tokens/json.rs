//! Messages of the contract as proto3 JSON, as the REST routes have it: what has its default value is left out.

use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message;
use serde_json::Value;
use warp2api_proto::descriptors;

const PACKAGE: &str = "warp2api.token_pool.v1";

/// A message, by the name it has in the contract. The empty object if it is none of that name.
pub(super) fn message(name: &str, message: &impl Message) -> Value {
    let pool = descriptors::pool();
    let known = pool.get_message_by_name(&format!("{PACKAGE}.{name}"));
    let read = known.and_then(|known| DynamicMessage::decode(known, message.encode_to_vec().as_slice()).ok());
    read.and_then(|read| serde_json::to_value(&read).ok())
        .unwrap_or_else(|| Value::Object(Default::default()))
}

/// Messages as an array.
pub(super) fn messages<'a, M: Message + 'a>(name: &str, messages: impl IntoIterator<Item = &'a M>) -> Value {
    messages.into_iter().map(|one| message(name, one)).collect()
}

/// A document.
pub(super) fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
