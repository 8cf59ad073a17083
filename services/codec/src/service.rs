//! The contract's `Codec` over the pure core. Reads requests, writes responses, converts nothing itself.

use tonic::{Request, Response, Status};
use warp2api_proto::codec::v1::{
    DecodeMessageRequest, DecodeMessageResponse, EncodeMessageRequest, EncodeMessageResponse, FieldNaming,
    GetMessageTypeRequest, GetMessageTypeResponse, ListMessageTypesRequest, ListMessageTypesResponse,
    MessageField, MessageType as MessageTypeResource, UnknownFields, codec_server::Codec,
};
use warp2api_rpc::Failure;
use warp2api_rpc::page::Page;

use crate::schema::{Field, MessageType, Schema};
use crate::transcode::{self, Naming, Options, Unknown};

const COLLECTION: &str = "messageTypes/";
const MAX_PAGE_SIZE: usize = 1000;

/// The service `Codec`, over the schema of the upstream.
#[derive(Debug, Clone, Copy, Default)]
pub struct CodecService;

impl CodecService {
    /// The service.
    pub fn new() -> Self {
        Self
    }
}

#[tonic::async_trait]
impl Codec for CodecService {
    async fn list_message_types(
        &self,
        request: Request<ListMessageTypesRequest>,
    ) -> Result<Response<ListMessageTypesResponse>, Status> {
        let request = request.into_inner();
        let types = Schema::global().message_types();
        let total_size = count(types.len());
        let page = Page::parse(request.page_size, &request.page_token, MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
        let (types, next_page_token) = page.cut(types);
        let message_types = types.into_iter().map(summary).collect();
        Ok(Response::new(ListMessageTypesResponse { message_types, next_page_token, total_size }))
    }

    async fn get_message_type(
        &self,
        request: Request<GetMessageTypeRequest>,
    ) -> Result<Response<GetMessageTypeResponse>, Status> {
        let message_type = message_type(&request.get_ref().name)?;
        let resource = MessageTypeResource {
            fields: message_type.fields().into_iter().map(field).collect(),
            description: message_type.description(),
            ..summary(message_type)
        };
        Ok(Response::new(GetMessageTypeResponse { message_type: Some(resource) }))
    }

    async fn encode_message(
        &self,
        request: Request<EncodeMessageRequest>,
    ) -> Result<Response<EncodeMessageResponse>, Status> {
        let request = request.into_inner();
        let message_type = message_type(&request.name)?;
        let unknown = unknown(request.unknown_fields, Unknown::Refuse)?;
        if request.json.is_empty() {
            return Err(Failure::invalid("json", "must not be empty").into());
        }
        let data = transcode::to_bytes(message_type, &request.json, unknown).map_err(Failure::from)?;
        Ok(Response::new(EncodeMessageResponse { data: data.into() }))
    }

    async fn decode_message(
        &self,
        request: Request<DecodeMessageRequest>,
    ) -> Result<Response<DecodeMessageResponse>, Status> {
        let request = request.into_inner();
        let message_type = message_type(&request.name)?;
        let unknown = unknown(request.unknown_fields, Unknown::Keep)?;
        let naming = naming(request.field_naming)?;
        let json = transcode::to_json(message_type, &request.data, Options { naming, unknown })
            .map_err(Failure::from)?;
        Ok(Response::new(DecodeMessageResponse { json }))
    }
}

/// The message type with that resource name.
fn message_type(name: &str) -> Result<&'static MessageType, Failure> {
    if name.is_empty() {
        return Err(Failure::invalid("name", "must not be empty"));
    }
    let full_name = name
        .strip_prefix(COLLECTION)
        .filter(|full_name| !full_name.is_empty())
        .ok_or_else(|| Failure::invalid("name", "must have the form messageTypes/{full name}"))?;
    Ok(Schema::global().message_type(full_name)?)
}

fn unknown(value: i32, unspecified: Unknown) -> Result<Unknown, Failure> {
    match UnknownFields::try_from(value) {
        Ok(UnknownFields::Unspecified) => Ok(unspecified),
        Ok(UnknownFields::Keep) => Ok(Unknown::Keep),
        Ok(UnknownFields::Refuse) => Ok(Unknown::Refuse),
        Ok(UnknownFields::Ignore) => Ok(Unknown::Ignore),
        Err(_) => Err(Failure::invalid("unknown_fields", "is not a value of UnknownFields")),
    }
}

fn naming(value: i32) -> Result<Naming, Failure> {
    match FieldNaming::try_from(value) {
        Ok(FieldNaming::Unspecified | FieldNaming::SnakeCase) => Ok(Naming::Snake),
        Ok(FieldNaming::CamelCase) => Ok(Naming::Camel),
        Err(_) => Err(Failure::invalid("field_naming", "is not a value of FieldNaming")),
    }
}

/// The resource as lists have it, without fields and description.
fn summary(message_type: &MessageType) -> MessageTypeResource {
    MessageTypeResource {
        name: format!("{COLLECTION}{}", message_type.full_name()),
        full_name: message_type.full_name().to_owned(),
        field_count: count(message_type.field_count()),
        ..MessageTypeResource::default()
    }
}

fn field(field: Field) -> MessageField {
    MessageField {
        name: field.name,
        json_name: field.json_name,
        // The largest field number is below 2^29.
        number: count(field.number as usize),
        r#type: field.type_name,
        repeated: field.repeated,
        oneof: field.oneof.unwrap_or_default(),
        deprecated: field.deprecated,
        description: field.description,
    }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
