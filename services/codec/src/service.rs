//! The contract's `Codec` over the pure core. Reads requests, writes responses, converts nothing itself.

mod decode_stream;
mod fields;

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};
use warp2api_proto::codec::v1::{
    DecodeMessageRequest, DecodeMessageResponse, DecodeStreamRequest, DecodeStreamResponse,
    EncodeMessageRequest, EncodeMessageResponse, GetMessageTypeRequest, GetMessageTypeResponse,
    ListMessageTypesRequest, ListMessageTypesResponse, MessageField, MessageType as MessageTypeResource,
    MessageTypeView, codec_server::Codec,
};
use warp2api_rpc::Failure;
use warp2api_rpc::page::Page;

use crate::json_schema;
use crate::schema::{Field, MessageType, Schema};
use crate::service::fields::COLLECTION;
use crate::transcode::{self, Options, Reading, Unknown};
use crate::workshop::Workshop;

const MAX_PAGE_SIZE: usize = 1000;

/// The service `Codec`, over the schema of the upstream.
#[derive(Debug, Clone)]
pub struct CodecService {
    workshop: Workshop,
}

impl CodecService {
    /// The service.
    pub fn new() -> Self {
        Self { workshop: Workshop::new() }
    }
}

impl Default for CodecService {
    fn default() -> Self {
        Self::new()
    }
}

/// The answers of a stream.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Codec for CodecService {
    type DecodeStreamStream = Answers<DecodeStreamResponse>;

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
        let request = request.into_inner();
        let message_type = fields::message_type(&request.name, "name")?;
        let naming = fields::naming(request.field_naming, "field_naming")?;
        let json_schema = match MessageTypeView::try_from(request.view) {
            Ok(MessageTypeView::Basic) => String::new(),
            Ok(MessageTypeView::Unspecified | MessageTypeView::Full) => {
                // It takes as long as a large message.
                let schema = move || json_schema::of(message_type, naming).to_string();
                self.workshop.run(usize::MAX, schema).await?
            }
            Err(_) => return Err(Failure::invalid("view", "is not a value of MessageTypeView").into()),
        };
        let resource = MessageTypeResource {
            fields: message_type.fields().into_iter().map(field).collect(),
            description: message_type.description(),
            json_schema,
            ..summary(message_type)
        };
        Ok(Response::new(GetMessageTypeResponse { message_type: Some(resource) }))
    }

    async fn encode_message(
        &self,
        request: Request<EncodeMessageRequest>,
    ) -> Result<Response<EncodeMessageResponse>, Status> {
        let request = request.into_inner();
        let message_type = fields::message_type(&request.name, "name")?;
        let reading = Reading {
            unknown: fields::unknown(request.unknown_fields, Unknown::Refuse, "unknown_fields")?,
            server_message_data: request.hide_server_message_data,
        };
        let json = request.json;
        let bytes = json.len();
        if bytes == 0 {
            return Err(Failure::invalid("json", "must not be empty").into());
        }
        let encode = move || transcode::to_bytes(message_type, &json, reading).map_err(Failure::from);
        let data = self.workshop.run(bytes, encode).await??;
        Ok(Response::new(EncodeMessageResponse { data: data.into() }))
    }

    async fn decode_message(
        &self,
        request: Request<DecodeMessageRequest>,
    ) -> Result<Response<DecodeMessageResponse>, Status> {
        let request = request.into_inner();
        let message_type = fields::message_type(&request.name, "name")?;
        let options = Options {
            naming: fields::naming(request.field_naming, "field_naming")?,
            unknown: fields::unknown(request.unknown_fields, Unknown::Keep, "unknown_fields")?,
            server_message_data: request.show_server_message_data,
        };
        let data = request.data;
        let bytes = data.len();
        let decode = move || transcode::to_json(message_type, &data, options).map_err(Failure::from);
        let json = self.workshop.run(bytes, decode).await??;
        Ok(Response::new(DecodeMessageResponse { json }))
    }

    async fn decode_stream(
        &self,
        request: Request<Streaming<DecodeStreamRequest>>,
    ) -> Result<Response<Self::DecodeStreamStream>, Status> {
        let answers = decode_stream::answers(request.into_inner(), self.workshop.clone());
        Ok(Response::new(Box::pin(answers)))
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
