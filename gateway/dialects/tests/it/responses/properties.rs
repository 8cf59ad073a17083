//! What holds for any body.

use proptest::prelude::*;
use serde_json::{Value, json};
use warp2api_dialects::responses::Responses;

use crate::any_body::mapped_or_rejected;
use crate::support::json::any_json;

/// Keys that mean something somewhere, so that random bodies get deep into the mapping.
const KEYS: &[&str] = &[
    "type",
    "role",
    "content",
    "text",
    "input",
    "output",
    "call_id",
    "name",
    "namespace",
    "arguments",
    "tools",
    "summary",
    "image_url",
    "format",
    "definition",
    "mode",
];
const WORDS: &[&str] = &[
    "message",
    "user",
    "assistant",
    "function_call",
    "custom_tool_call",
    "function_call_output",
    "reasoning",
    "additional_tools",
    "namespace",
    "custom",
    "function",
    "input_text",
    "input_image",
    "allowed_tools",
    "{}",
    "",
];

proptest! {
    #[test]
    fn any_value_is_mapped_or_rejected_with_reason(value in any_json(KEYS, WORDS)) {
        let typed = |kind: &str| {
            let mut item = value.clone();
            if let Value::Object(item) = &mut item {
                item.insert("type".into(), kind.into());
            }
            json!({ "input": [item] })
        };
        let mut bodies = vec![
            value.clone(),
            json!({ "input": value }),
            json!({ "input": [value] }),
            json!({ "input": [{ "role": "user", "content": value }] }),
            json!({ "input": "hi", "tools": value, "tool_choice": value }),
            json!({ "input": "hi", "tools": [{ "type": "namespace", "name": "n", "tools": value }] }),
        ];
        bodies.extend(["function_call", "function_call_output", "custom_tool_call", "reasoning"].map(typed));
        for body in &bodies {
            mapped_or_rejected::<Responses>(body)?;
        }
    }
}
