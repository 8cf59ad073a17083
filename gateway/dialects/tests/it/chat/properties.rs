//! What holds for any body.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use warp2api_dialects::chat::{ChatCompletionRequest, ChunkStream, PARAMETERS};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};

use super::{accept, head, strict};
use crate::support::script::{Script, said};

/// Keys that mean something somewhere, so that random bodies get deep into the mapping.
const KEYS: &[&str] = &[
    "messages",
    "role",
    "content",
    "type",
    "text",
    "image_url",
    "url",
    "detail",
    "tool_calls",
    "function",
    "id",
    "name",
    "arguments",
    "tool_call_id",
    "tools",
    "parameters",
    "tool_choice",
    "allowed_tools",
    "mode",
    "stop",
    "function_call",
    "functions",
    "stream",
    "stream_options",
    "reasoning",
    "refusal",
    "logit_bias",
    "n",
    "model",
];
const WORDS: &[&str] = &[
    "user",
    "assistant",
    "tool",
    "system",
    "developer",
    "function",
    "text",
    "image_url",
    "refusal",
    "thinking",
    "auto",
    "none",
    "required",
    "allowed_tools",
    "data:image/png;base64,R0lGODlh",
    "https://a/b",
    "{}",
    "{",
    "",
];

fn any_json() -> impl Strategy<Value = Value> {
    let key = || prop_oneof![4 => prop::sample::select(KEYS).prop_map(str::to_owned), 1 => ".*"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key(), inner), 0..6).prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_mapped_or_rejected_with_reason(value in any_json()) {
        let bodies = [
            value.clone(),
            json!({ "messages": value }),
            json!({ "messages": [value] }),
            json!({ "messages": [{ "role": "user", "content": value }] }),
            json!({ "messages": [{ "role": "assistant", "tool_calls": value }] }),
            json!({ "messages": [{ "role": "user" }], "tools": value, "tool_choice": value }),
        ];
        for body in bodies {
            match accept(&body.to_string()) {
                Ok(accepted) => prop_assert!(!accepted.request.messages.is_empty()),
                Err(rejection) => prop_assert!(matches!(
                    rejection.reason,
                    ErrorReason::InvalidField | ErrorReason::UnsupportedField
                )),
            }
        }
    }

    #[test]
    fn any_value_may_stand_for_any_parameter(value in any_json(), index in 0..PARAMETERS.len()) {
        let name = PARAMETERS[index].name.split(['.', '[']).next().unwrap();
        let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        body[name] = value;
        if let Err(rejection) = accept(&body.to_string()) {
            let param = rejection.param.unwrap();
            prop_assert!(param.starts_with(name), "{param} for {name}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_rejected(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(rejection) = ChatCompletionRequest::parse(&bytes) {
            prop_assert_eq!(rejection.reason, ErrorReason::InvalidField);
        }
    }

    #[test]
    fn a_body_that_was_cut_off_is_rejected(text in ".*", cut in any::<prop::sample::Index>()) {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string().into_bytes();
        let cut = &body[..cut.index(body.len())];

        let rejection = ChatCompletionRequest::parse(cut).unwrap_err();

        prop_assert_eq!(rejection.param, None);
    }

    #[test]
    fn text_of_any_kind_goes_through_both_ways(text in ".*") {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string();
        let mapped = accept(&body).unwrap().request.messages.remove(0).parts.remove(0);
        prop_assert_eq!(
            mapped.content.unwrap(),
            warp2api_proto::warp_chat::v1::part::Content::Text(text.clone())
        );

        let finished = Event::Finished(Finished::default());
        let bytes = Script::of([said(&text), finished]).write(ChunkStream::new(head()));
        prop_assert_eq!(strict::stream(&bytes, false).unwrap().0.content, text);
    }
}
