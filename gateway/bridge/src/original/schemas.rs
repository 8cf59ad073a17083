//! `GET /api/schemas`: every message type with all its fields. The original showed the first ten of each.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::{
    GetMessageTypeRequest, ListMessageTypesRequest, MessageField, MessageType, MessageTypeView,
};
use warp2api_rpc::{Failure, GrpcEndpoint};

use super::caller::Admitted;
use super::codec::{Translator, object};
use super::failure::Refusal;

const METHOD: &str = "/warp2api.codec.v1.Codec/GetMessageType";
/// How many types are asked for at once.
const AT_ONCE: usize = 16;
/// More pages than there are: the bound is for a service that gets its tokens wrong.
const MAX_PAGES: usize = 100;

/// The list.
pub(crate) async fn list(
    State(translator): State<Translator>,
    request: Request,
) -> Result<Response, Refusal> {
    let admitted = Admitted::read(&translator.guard, METHOD, request).await?;
    let names = names(&translator, &admitted).await?;
    let view = MessageTypeView::Basic.into();
    let asked = |name| admitted.call(GetMessageTypeRequest { name, view, ..Default::default() });
    let calls: Vec<_> = names.into_iter().map(|name| one(translator.codec.clone(), asked(name))).collect();
    let types: Vec<MessageType> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let messages: BTreeSet<_> = types.iter().map(|one| one.full_name.as_str()).collect();
    let schemas: Vec<_> = types.iter().map(|one| schema(one, &messages)).collect();
    let message = format!("{} message types", schemas.len());
    Ok(object(json!({ "total_count": schemas.len(), "schemas": schemas, "message": message })))
}

async fn names(translator: &Translator, admitted: &Admitted) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let mut page_token = String::new();
    for _ in 0..MAX_PAGES {
        let request = admitted.call(ListMessageTypesRequest { page_size: 0, page_token });
        let page = translator.codec.clone().list_message_types(request).await;
        let page = page.map_err(|status| Failure::from(&status))?.into_inner();
        names.extend(page.message_types.into_iter().map(|one| one.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(names)
}

async fn one(
    mut codec: CodecClient<GrpcEndpoint>,
    request: tonic::Request<GetMessageTypeRequest>,
) -> Result<MessageType, Failure> {
    let answer = codec.get_message_type(request).await;
    Ok(answer.map_err(|status| Failure::from(&status))?.into_inner().message_type.unwrap_or_default())
}

fn schema(message: &MessageType, messages: &BTreeSet<&str>) -> Value {
    let fields = message.fields.iter().map(|field| {
        json!({
            "name": field.name,
            "type": kind(field, messages),
            "label": label(field),
            "number": field.number,
        })
    });
    json!({
        "name": message.full_name,
        "full_name": message.full_name,
        "field_count": message.fields.len(),
        "fields": fields.collect::<Vec<_>>(),
    })
}

/// The number that `FieldDescriptorProto.Type` has for the type of a field.
fn kind(field: &MessageField, messages: &BTreeSet<&str>) -> i32 {
    use prost_types::field_descriptor_proto::Type as T;
    let kind = match field.r#type.as_str() {
        "double" => T::Double,
        "float" => T::Float,
        "int64" => T::Int64,
        "uint64" => T::Uint64,
        "int32" => T::Int32,
        "fixed64" => T::Fixed64,
        "fixed32" => T::Fixed32,
        "bool" => T::Bool,
        "string" => T::String,
        "bytes" => T::Bytes,
        "uint32" => T::Uint32,
        "sfixed32" => T::Sfixed32,
        "sfixed64" => T::Sfixed64,
        "sint32" => T::Sint32,
        "sint64" => T::Sint64,
        // A map is a list of messages on the wire.
        name if name.starts_with("map<") || messages.contains(name) => T::Message,
        _ => T::Enum,
    };
    kind.into()
}

/// The number that `FieldDescriptorProto.Label` has for how often a field may stand there.
fn label(field: &MessageField) -> i32 {
    use prost_types::field_descriptor_proto::Label;
    let label =
        if field.repeated || field.r#type.starts_with("map<") { Label::Repeated } else { Label::Optional };
    label.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_labels_have_the_numbers_of_descriptors() {
        let messages = BTreeSet::from(["a.B"]);
        for (name, repeated, numbers) in [
            ("string", false, (9, 1)),
            ("int32", true, (5, 3)),
            ("a.B", false, (11, 1)),
            ("a.Colour", true, (14, 3)),
            ("map<string, a.B>", false, (11, 3)),
            ("sint64", false, (18, 1)),
        ] {
            let field = MessageField { r#type: name.to_owned(), repeated, ..Default::default() };
            assert_eq!((kind(&field, &messages), label(&field)), numbers, "{name}");
        }
    }
}
