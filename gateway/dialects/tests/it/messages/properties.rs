//! What holds for any body.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use warp2api_dialects::messages::Messages;
use warp2api_proto::warp_chat::v1::part::Content;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};

use super::{accept, strict};
use crate::any_body::mapped_or_rejected;
use crate::dialects::Tested as _;
use crate::support::json::any_json;
use crate::support::script::{Script, called, said};

/// Keys that mean something somewhere, so that random bodies get deep into the mapping.
const KEYS: &[&str] = &[
    "messages",
    "role",
    "content",
    "type",
    "text",
    "source",
    "url",
    "data",
    "id",
    "name",
    "input",
    "tool_use_id",
    "is_error",
    "tools",
    "input_schema",
    "tool_choice",
    "system",
    "thinking",
    "title",
    "context",
    "tool_name",
    "cache_control",
    "model",
    "stream",
    "max_tokens",
    "stop_sequences",
];
const WORDS: &[&str] = &[
    "user",
    "assistant",
    "system",
    "text",
    "image",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "tool_reference",
    "thinking",
    "redacted_thinking",
    "server_tool_use",
    "base64",
    "url",
    "content",
    "auto",
    "none",
    "any",
    "R0lGODlhAQABAA==",
    "https://a/b",
    "toolu_w2a_a",
    "{}",
    "",
];

/// A block that is nearly right.
fn any_block() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(WORDS);
    (kind, vec((prop::sample::select(KEYS), any_json(KEYS, WORDS)), 0..4)).prop_map(|(kind, entries)| {
        let mut block = Map::from_iter(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
        block.insert("type".to_owned(), kind.into());
        block.into()
    })
}

proptest! {
    #[test]
    fn any_value_is_mapped_or_rejected_with_reason(value in any_json(KEYS, WORDS), blocks in vec(any_block(), 0..3)) {
        let user = |content: &Value| json!({ "role": "user", "content": content });
        let blocks = Value::from(blocks);
        let bodies = [
            value.clone(),
            json!({ "messages": value }),
            json!({ "messages": [value] }),
            json!({ "messages": [user(&value)] }),
            json!({ "messages": [user(&blocks)], "system": value }),
            json!({ "messages": [{ "role": "assistant", "content": blocks }] }),
            json!({ "messages": [user(&json!([{ "type": "tool_result", "tool_use_id": "a", "content": blocks }]))] }),
            json!({ "messages": [user(&Value::Null)], "tools": value, "tool_choice": value }),
        ];
        for body in &bodies {
            mapped_or_rejected::<Messages>(body)?;
        }
    }

    #[test]
    fn text_of_any_kind_goes_through_both_ways(text in ".*") {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string();
        let mapped = accept(&body).unwrap().request.messages.remove(0).parts.remove(0);
        prop_assert_eq!(mapped.content.unwrap(), Content::Text(text.clone()));

        let bytes = Script::of([said(&text), Event::Finished(Finished::default())]).stream::<Messages>(Messages::plan());
        let (message, _) = strict::stream(&bytes).unwrap();
        prop_assert_eq!(message["content"][0]["text"].as_str().unwrap_or_default(), text);
    }

    /// What the caller was told of a call leads back to the call of the upstream's, with nothing kept in between.
    #[test]
    fn a_result_finds_the_call_it_belongs_to(ids in prop::collection::hash_set(".{1,9}", 1..4)) {
        let calls = ids.iter().map(|id| called(id, "f", "{}"));
        let whole = Script::of(calls.chain([Event::Finished(Finished::default())]))
            .collect::<Messages>(Messages::plan())
            .unwrap();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let content = whole["content"].clone();
        let blocks = content.as_array().unwrap().iter();
        let results = blocks.map(|block| json!({ "type": "tool_result", "tool_use_id": block["id"] }));
        let body = json!({ "messages": [
            { "role": "assistant", "content": content.clone() },
            { "role": "user", "content": results.collect::<Vec<_>>() },
        ] });

        let messages = accept(&body.to_string()).unwrap().request.messages;

        let called: Vec<_> = messages[0].parts.iter().map(|part| match &part.content {
            Some(Content::ToolCall(call)) => call.id.clone(),
            other => panic!("{other:?}"),
        }).collect();
        let answered: Vec<_> = messages[1].parts.iter().map(|part| match &part.content {
            Some(Content::ToolResult(result)) => result.tool_call_id.clone(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(&called, &ids.iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(called, answered);
    }
}
