//! Fields that several requests have: read once, refused by their name.

use warp2api_proto::codec::v1::{FieldNaming, UnknownFields};
use warp2api_rpc::Failure;

use crate::schema::{MessageType, Schema};
use crate::transcode::{Naming, Unknown};

pub(super) const COLLECTION: &str = "messageTypes/";

/// The message type with that resource name, which stands in `field`.
pub(super) fn message_type(name: &str, field: &str) -> Result<&'static MessageType, Failure> {
    if name.is_empty() {
        return Err(Failure::invalid(field, "must not be empty"));
    }
    let full_name = name
        .strip_prefix(COLLECTION)
        .filter(|full_name| !full_name.is_empty())
        .ok_or_else(|| Failure::invalid(field, "must have the form messageTypes/{full name}"))?;
    Ok(Schema::global().message_type(full_name)?)
}

pub(super) fn unknown(value: i32, unspecified: Unknown, field: &str) -> Result<Unknown, Failure> {
    match UnknownFields::try_from(value) {
        Ok(UnknownFields::Unspecified) => Ok(unspecified),
        Ok(UnknownFields::Keep) => Ok(Unknown::Keep),
        Ok(UnknownFields::Refuse) => Ok(Unknown::Refuse),
        Ok(UnknownFields::Ignore) => Ok(Unknown::Ignore),
        Err(_) => Err(Failure::invalid(field, "is not a value of UnknownFields")),
    }
}

pub(super) fn naming(value: i32, field: &str) -> Result<Naming, Failure> {
    match FieldNaming::try_from(value) {
        Ok(FieldNaming::Unspecified | FieldNaming::SnakeCase) => Ok(Naming::Snake),
        Ok(FieldNaming::CamelCase) => Ok(Naming::Camel),
        Err(_) => Err(Failure::invalid(field, "is not a value of FieldNaming")),
    }
}
