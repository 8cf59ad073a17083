use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::message::{self, Message as Content};
use warp2api_proto::warp::multi_agent::v1::{Citation, InputContext, input_context};

use super::*;
use crate::resume::testing::{mcp_call, message, output, query, result, server_call};

fn dynamic(message: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(MESSAGE.clone(), message).unwrap()
}

/// The rules once more, on decoded messages. `None` if the path is unknown.
fn reference(
    target: &DynamicMessage,
    patch: &DynamicMessage,
    path: &[&str],
    how: Edit,
) -> Result<Option<DynamicMessage>, MaskError> {
    let mut edited = target.clone();
    let Some(field) = target.descriptor().get_field_by_name(path[0]) else { return Ok(None) };
    let rest = &path[1..];
    let (old, new) = (target.get_field(&field), patch.get_field(&field));
    if rest.is_empty() {
        match (how, &*old, &*new) {
            (Edit::Append, Value::String(old), Value::String(new)) => {
                edited.set_field(&field, Value::String(format!("{old}{new}")));
            }
            (Edit::Append, ..) => return Err(MaskError::NotText),
            (Edit::Replace, _, new) if patch.has_field(&field) || field.containing_oneof().is_some() => {
                edited.set_field(&field, new.clone());
            }
            (Edit::Replace, ..) => edited.clear_field(&field),
        }
        return Ok(Some(edited));
    }
    match (&*old, &*new) {
        (Value::Message(old), Value::Message(new)) => {
            let Some(inner) = reference(old, new, rest, how)? else { return Ok(None) };
            edited.set_field(&field, Value::Message(inner));
        }
        (Value::List(old), Value::List(new)) if field.kind().as_message().is_some() => {
            if old.len() != new.len() {
                return Err(MaskError::Lengths);
            }
            let mut elements = Vec::new();
            for (old, new) in old.iter().zip(new) {
                let (old, new) = (old.as_message().unwrap(), new.as_message().unwrap());
                let Some(inner) = reference(old, new, rest, how)? else { return Ok(None) };
                elements.push(Value::Message(inner));
            }
            edited.set_field(&field, Value::List(elements));
        }
        _ => return Ok(None),
    }
    Ok(Some(edited))
}

fn any_message() -> impl Strategy<Value = warp::Message> {
    let text = || prop_oneof![Just(String::new()), "[a-zß]{1,6}"];
    let reasoning = |text: String, seconds: Option<i64>| message::AgentReasoning {
        reasoning: text,
        finished_duration: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
    };
    let context = |types: Vec<String>| {
        let images =
            types.into_iter().map(|mime_type| input_context::Image { mime_type, ..Default::default() });
        InputContext { images: images.collect(), ..Default::default() }
    };
    let content = prop_oneof![
        Just(None),
        text().prop_map(|text| output("", &text).message),
        (text(), prop::option::of(0..9i64))
            .prop_map(move |(t, s)| Some(Content::AgentReasoning(reasoning(t, s)))),
        (text(), prop::option::of(prop::collection::vec(text(), 0..3))).prop_map(move |(query, types)| {
            let context = types.map(context);
            Some(Content::UserQuery(message::UserQuery { query, context, ..Default::default() }))
        }),
        Just(mcp_call("", "c1", r#"{"b":1,"a":[{"x":""}]}"#).message),
        Just(server_call("s").message),
        Just(result("", "c1").message),
    ];
    let citation = |id| Citation { document_id: id, ..Default::default() };
    (content, text(), prop::collection::vec(text(), 0..3)).prop_map(move |(content, data, citations)| {
        warp::Message {
            id: "m".into(),
            message: content,
            server_message_data: data,
            citations: citations.into_iter().map(citation).collect(),
            ..Default::default()
        }
    })
}

const PATHS: &[&str] = &[
    "agent_output",
    "agent_output.text",
    "agent_output.text.deeper",
    "agent_output.unknown",
    "agent_reasoning.reasoning",
    "agent_reasoning.finished_duration",
    "agent_reasoning.finished_duration.seconds",
    "citations",
    "citations.document_id",
    "citations.document_type",
    "citations.unknown",
    "server_message_data",
    "timestamp",
    "tool_call",
    "tool_call.call_mcp_tool",
    "tool_call.call_mcp_tool.args",
    "tool_call.call_mcp_tool.name",
    "tool_call.server.payload",
    "tool_call.tool_call_id",
    "tool_call_result.cancel",
    "unknown",
    "user_query.context.images.mime_type",
    "user_query.query",
    "user_query.referenced_attachments",
    "",
];

proptest! {
    #[test]
    fn masks_do_on_the_wire_what_they_do_on_messages(
        target in any_message(),
        patch in any_message(),
        path in prop::sample::select(PATHS),
        how in prop::sample::select(&[Edit::Replace, Edit::Append][..]),
    ) {
        let (target, patch) = (target.encode_to_vec(), patch.encode_to_vec());
        let names: Vec<_> = path.split('.').collect();

        let edited = masked(&target, &patch, path, how);

        let expected = reference(&dynamic(&target), &dynamic(&patch), &names, how);
        let edited = edited.map(|edited| edited.map(|edited| dynamic(&edited)));
        // A list that was set to nothing is one that is not set.
        let expected = expected.map(|edited| edited.map(|edited| dynamic(&edited.encode_to_vec())));
        prop_assert!(edited == expected, "a dynamic message takes pages to print");
    }

    #[test]
    fn text_that_was_put_together_is_appended_as_its_pieces_are(
        target in any_message(),
        pieces in prop::collection::vec("[a-zß]{0,4}", 0..5),
        path in prop::sample::select(&["agent_output.text", "user_query.query", "server_message_data"][..]),
    ) {
        let target = target.encode_to_vec();
        let mut one_by_one = append(&target, &patch_with("", path), path).unwrap().unwrap();
        for piece in &pieces {
            one_by_one = append(&one_by_one, &patch_with(piece, path), path).unwrap().unwrap();
        }

        let all = patch_with(&pieces.concat(), path);

        prop_assert_eq!(text_at(&all, path), Ok(Some(pieces.concat())));
        prop_assert_eq!(append(&target, &all, path).unwrap().unwrap(), one_by_one);
    }

    #[test]
    fn any_bytes_and_any_path_end_without_a_panic(
        target in prop::collection::vec(any::<u8>(), 0..40),
        patch in prop::collection::vec(any::<u8>(), 0..40),
        path in prop_oneof![prop::sample::select(PATHS).prop_map(str::to_owned), "[a-z.]{0,20}"],
    ) {
        let _ignored = (update(&target, &patch, &path), append(&target, &patch, &path));
    }
}

#[test]
fn what_a_mask_does_not_name_stays_to_the_byte() {
    // A field of the future in front, keys of arguments that are not in their order.
    let mut target = vec![0xc8, 0x3e, 0x07];
    target.extend(mcp_call("m", "c1", r#"{"z":1,"a":{"y":"","b":[]}}"#).encode_to_vec());
    let mut data = output("m", "");
    data.server_message_data = "data".into();

    let updated = update(&target, &data.encode_to_vec(), "server_message_data").unwrap().unwrap();

    assert!(updated.starts_with(&[0x3a, 4]) || updated.windows(target.len() - 3).any(|w| w == &target[3..]));
    let without = wire::replace(&updated, 7, |number| number == 7, &[]).unwrap();
    assert_eq!(without, target);
}

#[test]
fn only_single_texts_are_put_together() {
    for (path, is_text) in [
        ("agent_output.text", true),
        ("user_query.query", true),
        ("citations.document_id", false),
        ("agent_output", false),
        ("unknown.text", false),
        ("agent_output.text.deeper", false),
    ] {
        let patch = query("m", "x").encode_to_vec();
        assert_eq!(text_at(&patch, path).unwrap().is_some(), is_text, "{path}");
    }
    assert_eq!(
        text_at(&message("m", Content::ServerEvent(Default::default())).encode_to_vec(), "user_query.query"),
        Ok(Some(String::new()))
    );
}

#[test]
fn a_path_that_goes_round_in_circles_leads_nowhere() {
    let path = vec!["user_query"; 100_000].join(".");
    assert_eq!(update(b"", b"", &path), Ok(None));
}
