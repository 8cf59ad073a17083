//! What is measured: ways from bytes to something and back.

use std::hint::black_box;

use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use warp2api_codec::{Options, Unknown, transcode};
use warp2api_proto::warp::multi_agent::v1::{Request, ResponseEvent};

use crate::corpus::{Kind, Sample};

/// A way to convert, and one pass of it over a sample.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) pass: fn(&Sample),
}

/// The first is what the others are compared with.
pub(crate) const ALL: &[Subject] = &[
    Subject { name: "bytes to a typed message (prost)", pass: typed },
    Subject { name: "bytes to JSON (this codec)", pass: to_json },
    Subject { name: "JSON to bytes (this codec)", pass: to_bytes },
    Subject { name: "bytes to JSON (prost-reflect, serde_json)", pass: dynamic_to_json },
    Subject { name: "JSON to bytes (prost-reflect, serde_json)", pass: dynamic_to_bytes },
];

fn typed(sample: &Sample) {
    for message in &sample.messages {
        match sample.kind {
            Kind::Request => drop(black_box(Request::decode(&message.data[..]).unwrap())),
            Kind::ResponseEvent => drop(black_box(ResponseEvent::decode(&message.data[..]).unwrap())),
        }
    }
}

fn to_json(sample: &Sample) {
    for message in &sample.messages {
        black_box(transcode::to_json(sample.message_type(), &message.data, Options::default()).unwrap());
    }
}

fn to_bytes(sample: &Sample) {
    for message in &sample.messages {
        black_box(transcode::to_bytes(sample.message_type(), &message.json, Unknown::Keep).unwrap());
    }
}

fn dynamic_to_json(sample: &Sample) {
    let options = SerializeOptions::new().use_proto_field_name(true);
    for message in &sample.messages {
        let descriptor = sample.message_type().descriptor().clone();
        let dynamic = DynamicMessage::decode(descriptor, &message.data[..]).unwrap();
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        dynamic.serialize_with_options(&mut serializer, &options).unwrap();
        black_box(json);
    }
}

fn dynamic_to_bytes(sample: &Sample) {
    for message in &sample.messages {
        let descriptor = sample.message_type().descriptor().clone();
        let mut deserializer = serde_json::Deserializer::from_str(&message.json);
        let dynamic = DynamicMessage::deserialize(descriptor, &mut deserializer).unwrap();
        black_box(dynamic.encode_to_vec());
    }
}
