//! The contract's service, called as a client calls it.

use std::collections::BTreeMap;

use tonic::{Code, Request, Status};
use warp2api_codec::CodecService;
use warp2api_proto::codec::v1::codec_server::Codec as _;
use warp2api_proto::codec::v1::{
    DecodeMessageRequest, EncodeMessageRequest, FieldNaming, GetMessageTypeRequest, ListMessageTypesRequest,
    MessageField, MessageType, UnknownFields,
};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::Failure;

const REQUEST: &str = "messageTypes/warp.multi_agent.v1.Request";
const GOLDEN: &[u8] = b"\x12\x0a\x32\x08\x0a\x06\x0a\x04\x0a\x02hi\x22\x03\x0a\x01c";

async fn list(page_size: i32) -> Vec<MessageType> {
    let service = CodecService::new();
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMessageTypesRequest { page_size, page_token };
        let response = service.list_message_types(Request::new(request)).await.unwrap().into_inner();
        all.extend(response.message_types);
        assert!(usize::try_from(response.total_size).unwrap() >= all.len());
        page_token = response.next_page_token;
        if page_token.is_empty() {
            assert_eq!(usize::try_from(response.total_size).unwrap(), all.len());
            return all;
        }
    }
}

async fn get(name: &str) -> Result<MessageType, Status> {
    let request = GetMessageTypeRequest { name: name.to_owned(), ..Default::default() };
    let response = CodecService::new().get_message_type(Request::new(request)).await?;
    Ok(response.into_inner().message_type.unwrap())
}

async fn encode(request: EncodeMessageRequest) -> Result<Vec<u8>, Status> {
    let response = CodecService::new().encode_message(Request::new(request)).await?;
    Ok(response.into_inner().data.to_vec())
}

async fn decode(request: DecodeMessageRequest) -> Result<String, Status> {
    Ok(CodecService::new().decode_message(Request::new(request)).await?.into_inner().json)
}

#[tokio::test]
async fn the_types_of_the_upstream_and_those_they_use_are_listed_in_order() {
    let all = list(0).await;

    let names: Vec<_> = all.iter().map(|t| t.full_name.as_str()).collect();
    assert!(names.is_sorted());
    assert!(names.len() > 400, "{}", names.len());
    let known =
        |name: &&str| name.starts_with("warp.multi_agent.v1.") || name.starts_with("google.protobuf.");
    assert!(names.iter().all(known));
    assert!(names.contains(&"google.protobuf.FieldMask") && !names.contains(&"google.protobuf.FileOptions"));
    assert!(!names.iter().any(|name| name.ends_with("Entry")), "map entries are no types of their own");
    assert!(all.iter().all(|t| t.name == format!("messageTypes/{}", t.full_name) && t.fields.is_empty()));
    let request = all.iter().find(|t| t.name == REQUEST).unwrap();
    assert_eq!(request.field_count, 6);
}

#[tokio::test]
async fn pages_cover_the_list_once() {
    assert_eq!(list(100).await, list(0).await);
}

#[tokio::test]
async fn a_type_says_what_the_schema_says() {
    let request = get(REQUEST).await.unwrap();
    let input = get("messageTypes/warp.multi_agent.v1.Request.Input").await.unwrap();
    let query = get("messageTypes/warp.multi_agent.v1.Request.Input.UserQuery").await.unwrap();
    let fields = |t: &MessageType| -> BTreeMap<String, MessageField> {
        t.fields.iter().map(|field| (field.name.clone(), field.clone())).collect()
    };

    let context = &fields(&request)["task_context"];
    let expected = ("taskContext", 1, "warp.multi_agent.v1.Request.TaskContext", false, "", false);
    let given = (
        &*context.json_name,
        context.number,
        &*context.r#type,
        context.repeated,
        &*context.oneof,
        context.deprecated,
    );
    assert_eq!(given, expected);
    assert!(!request.description.is_empty() && !context.description.is_empty());
    assert!(!context.description.starts_with(' ') && !context.description.ends_with('\n'));
    let old = &fields(&input)["user_query"];
    assert_eq!((old.oneof.as_str(), old.deprecated), ("type", true));
    let attachments = &fields(&query)["referenced_attachments"];
    assert_eq!(
        (attachments.r#type.as_str(), attachments.repeated),
        ("map<string, warp.multi_agent.v1.Attachment>", false)
    );
    assert_eq!(fields(&query)["query"].r#type, "string");
    for t in [&request, &input, &query] {
        assert!(t.fields.is_sorted_by_key(|field| field.number));
        assert_eq!(usize::try_from(t.field_count).unwrap(), t.fields.len());
    }
}

#[tokio::test]
async fn every_listed_type_can_be_had() {
    for listed in list(0).await {
        let got = get(&listed.name).await.unwrap();

        assert_eq!((got.full_name, got.field_count), (listed.full_name, listed.field_count));
    }
}

#[tokio::test]
async fn a_request_of_one_query_is_encoded_and_decoded() {
    let json = r#"{"input":{"userInputs":{"inputs":[{"userQuery":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}}"#;
    let encoded = encode(EncodeMessageRequest {
        name: REQUEST.to_owned(),
        json: json.to_owned(),
        ..Default::default()
    });
    let decoded = |field_naming: FieldNaming| {
        decode(DecodeMessageRequest {
            name: REQUEST.to_owned(),
            data: GOLDEN.into(),
            field_naming: field_naming.into(),
            ..Default::default()
        })
    };
    let snake = r#"{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}}"#;

    assert_eq!(encoded.await.unwrap(), GOLDEN);
    assert_eq!(decoded(FieldNaming::Unspecified).await.unwrap(), snake);
    assert_eq!(decoded(FieldNaming::SnakeCase).await.unwrap(), snake);
    assert!(decoded(FieldNaming::CamelCase).await.unwrap().contains("conversationId"));
}

#[tokio::test]
async fn unknown_fields_are_kept_when_decoding_and_refused_when_encoding_unless_said_otherwise() {
    let name = || REQUEST.to_owned();
    let json = r#"{"@unknown":"oB8H"}"#;
    let data = [0xa0, 0x1f, 7];
    let decode = |unknown_fields: UnknownFields| {
        let unknown_fields = unknown_fields.into();
        decode(DecodeMessageRequest {
            name: name(),
            data: data.to_vec().into(),
            unknown_fields,
            ..Default::default()
        })
    };
    let encode = |unknown_fields: UnknownFields| {
        encode(EncodeMessageRequest {
            name: name(),
            json: json.to_owned(),
            unknown_fields: unknown_fields.into(),
            ..Default::default()
        })
    };

    assert_eq!(decode(UnknownFields::Unspecified).await.unwrap(), json);
    assert_eq!(decode(UnknownFields::Keep).await.unwrap(), json);
    assert_eq!(decode(UnknownFields::Ignore).await.unwrap(), "{}");
    assert_eq!(decode(UnknownFields::Refuse).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(encode(UnknownFields::Unspecified).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(encode(UnknownFields::Refuse).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(encode(UnknownFields::Keep).await.unwrap(), data);
    assert_eq!(encode(UnknownFields::Ignore).await.unwrap(), [0u8; 0]);
}

#[tokio::test]
async fn empty_bytes_are_the_empty_message() {
    let request = DecodeMessageRequest { name: REQUEST.to_owned(), ..Default::default() };

    assert_eq!(decode(request).await.unwrap(), "{}");
}

#[tokio::test]
async fn faults_of_the_request_name_the_field() {
    let cases = [
        (get("").await.map(drop), "name"),
        (get("warp.multi_agent.v1.Request").await.map(drop), "name"),
        (get("messageTypes/").await.map(drop), "name"),
        (encode(EncodeMessageRequest::default()).await.map(drop), "name"),
        (
            encode(EncodeMessageRequest { name: REQUEST.to_owned(), ..Default::default() }).await.map(drop),
            "json",
        ),
        (
            encode(EncodeMessageRequest {
                name: REQUEST.to_owned(),
                json: "{}".to_owned(),
                unknown_fields: 9,
                ..Default::default()
            })
            .await
            .map(drop),
            "unknown_fields",
        ),
        (
            decode(DecodeMessageRequest { name: REQUEST.to_owned(), field_naming: -1, ..Default::default() })
                .await
                .map(drop),
            "field_naming",
        ),
    ];
    for (result, field) in cases {
        let failure = Failure::from(&result.unwrap_err());

        assert_eq!(failure.reason, ErrorReason::InvalidField);
        assert_eq!(failure.violations[0].field, field);
    }
    let request = ListMessageTypesRequest { page_size: -1, page_token: String::new() };
    let status = CodecService::new().list_message_types(Request::new(request)).await.unwrap_err();
    assert_eq!(Failure::from(&status).violations[0].field, "page_size");
}

#[tokio::test]
async fn a_type_that_is_not_there_is_not_found() {
    for name in ["messageTypes/warp.multi_agent.v1.Response", "messageTypes/warp2api.codec.v1.MessageType"] {
        let status = get(name).await.unwrap_err();

        assert_eq!(status.code(), Code::NotFound);
        let failure = Failure::from(&status);
        assert_eq!(failure.reason, ErrorReason::MessageTypeNotFound);
        let full_name = name.strip_prefix("messageTypes/").unwrap();
        assert_eq!(failure.metadata, [("message_type".to_owned(), full_name.to_owned())]);
    }
}

#[tokio::test]
async fn a_malformed_message_is_located_in_the_metadata() {
    let json = "{\"input\":\n{\"user_inputs\":{\"inputs\":[{\"user_query\":{\"query\":false}}]}}}".to_owned();
    let encoded = encode(EncodeMessageRequest { name: REQUEST.to_owned(), json, ..Default::default() }).await;
    let data = GOLDEN[..11].to_vec().into();
    let decoded = decode(DecodeMessageRequest { name: REQUEST.to_owned(), data, ..Default::default() }).await;

    for (status, path, position) in [
        (encoded.unwrap_err(), "input.user_inputs.inputs[0].user_query.query", "2:50"),
        (decoded.unwrap_err(), "input", "1"),
    ] {
        let failure = Failure::from(&status);
        assert_eq!((failure.reason, status.code()), (ErrorReason::MalformedMessage, Code::InvalidArgument));
        let expected = [("path", path), ("position", position)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(failure.metadata, expected);
    }
}
