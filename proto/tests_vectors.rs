//! Upstream messages as bytes, with what they say: the schema reads them so, typed and by descriptor, and writes the
//! same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::warp::multi_agent::v1::{Request, ResponseEvent, request, response_event};

const TABLE: &str = include_str!("testdata/warp_vectors.tsv");

struct Vector {
    name: &'static str,
    message_type: &'static str,
    bytes: Vec<u8>,
    content: &'static str,
}

#[test]
fn every_vector_is_read_by_descriptor_as_what_it_says() {
    for vector in vectors() {
        let descriptor = descriptor(vector.message_type);

        let read = DynamicMessage::decode(descriptor.clone(), &vector.bytes[..]).unwrap();

        assert_eq!(read, parse(descriptor, vector.content), "{}", vector.name);
    }
}

#[test]
fn every_content_is_written_as_its_vector() {
    for vector in vectors() {
        let message = parse(descriptor(vector.message_type), vector.content);

        assert_eq!(message.encode_to_vec(), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn every_vector_passes_through_the_typed_messages_whole() {
    for vector in vectors() {
        let descriptor = descriptor(vector.message_type);

        let again = match vector.message_type {
            "Request" => Request::decode(&vector.bytes[..]).unwrap().encode_to_vec(),
            "ResponseEvent" => ResponseEvent::decode(&vector.bytes[..]).unwrap().encode_to_vec(),
            other => panic!("no typed message for {other}"),
        };

        // The typed writer puts the members of a oneof where the first one stands, so the order may differ.
        let read = DynamicMessage::decode(descriptor.clone(), &again[..]).unwrap();
        assert_eq!(read, parse(descriptor, vector.content), "{}", vector.name);
        assert_eq!(again.len(), vector.bytes.len(), "{}", vector.name);
    }
}

#[test]
fn the_typed_messages_say_what_the_vectors_say() {
    let bytes = |name: &str| vectors().into_iter().find(|vector| vector.name == name).unwrap().bytes;

    let request = Request::decode(&bytes("one user query hi, conversation c")[..]).unwrap();
    let event = ResponseEvent::decode(&bytes("init, conversation c1, request r1")[..]).unwrap();

    assert_eq!(request.metadata.unwrap().conversation_id, "c");
    let Some(request::input::Type::UserInputs(inputs)) = request.input.unwrap().r#type else { panic!() };
    let query = inputs.inputs[0].input.clone().unwrap();
    let request::input::user_inputs::user_input::Input::UserQuery(query) = query else { panic!() };
    assert_eq!(query.query, "hi");
    let Some(response_event::Type::Init(init)) = event.r#type else { panic!() };
    assert_eq!((init.conversation_id.as_str(), init.request_id.as_str()), ("c1", "r1"));
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<_> = TABLE.lines().skip(1).map(vector).collect();
    assert_eq!(vectors.len(), 16);
    vectors
}

fn vector(line: &'static str) -> Vector {
    let columns: Vec<_> = line.split('\t').collect();
    let &[name, message_type, encoding, payload, content] = columns.as_slice() else { panic!("{line}") };
    let bytes = match encoding {
        "hex" => from_hex(payload),
        "base64" => STANDARD.decode(payload).unwrap(),
        "base64url" => URL_SAFE.decode(payload).unwrap(),
        other => panic!("no encoding {other}"),
    };
    Vector { name, message_type, bytes, content }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn descriptor(name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
    pool.get_message_by_name(&format!("warp.multi_agent.v1.{name}")).unwrap()
}

fn parse(descriptor: MessageDescriptor, json: &str) -> DynamicMessage {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    DynamicMessage::deserialize(descriptor, &mut deserializer).unwrap()
}
