//! What holds for any body.

use proptest::prelude::*;
use serde_json::json;
use warp2api_dialects::chat::{ChatCompletions, ChunkStream};
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished};

use super::{accept, head, strict};
use crate::any_body::mapped_or_rejected;
use crate::support::json::any_json;
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

proptest! {
    #[test]
    fn any_value_is_mapped_or_rejected_with_reason(value in any_json(KEYS, WORDS)) {
        let bodies = [
            value.clone(),
            json!({ "messages": value }),
            json!({ "messages": [value] }),
            json!({ "messages": [{ "role": "user", "content": value }] }),
            json!({ "messages": [{ "role": "assistant", "tool_calls": value }] }),
            json!({ "messages": [{ "role": "user" }], "tools": value, "tool_choice": value }),
        ];
        for body in &bodies {
            mapped_or_rejected::<ChatCompletions>(body)?;
        }
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
