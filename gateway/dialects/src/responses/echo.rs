//! What a response says of its request: the parameters as they were sent, or what stands for them where they were not.
//! What has no effect upstream is not claimed to have one: sampling stays null.

use serde::Serialize;
use serde_json::value::RawValue;

use super::request::{Fields, ReasoningOptions, TextOptions};
use crate::json::{Object, Text};
use crate::raw::Json;

/// The parameters of a request, for its response.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Echo {
    instructions: Option<String>,
    max_output_tokens: Option<i64>,
    max_tool_calls: Option<i64>,
    metadata: Json,
    parallel_tool_calls: bool,
    previous_response_id: Option<String>,
    prompt_cache_key: Option<String>,
    reasoning: Reasoning,
    safety_identifier: Option<String>,
    service_tier: Option<String>,
    /// Whether the response is kept.
    pub store: bool,
    temperature: Option<f64>,
    text: TextConfig,
    tool_choice: Json,
    tools: Json,
    top_logprobs: i64,
    top_p: Option<f64>,
    truncation: &'static str,
    user: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Reasoning {
    effort: Option<String>,
    summary: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TextConfig {
    format: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<String>,
}

impl Echo {
    pub(super) fn of(fields: &Fields<'_>) -> Self {
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_owned());
        let json = |raw: Option<&RawValue>, usual: &str| raw.map_or_else(|| literal(usual), Json::compact);
        let none = (ReasoningOptions::default(), TextOptions::default());
        let reasoning = fields.reasoning.as_ref().map_or(&none.0, |Object(reasoning)| reasoning);
        let options = fields.text.as_ref().map_or(&none.1, |Object(text)| text);
        Self {
            instructions: text(&fields.instructions),
            max_output_tokens: fields.max_output_tokens.map(|tokens| tokens.0),
            max_tool_calls: fields.max_tool_calls.map(|calls| calls.0),
            metadata: json(fields.metadata, "{}"),
            parallel_tool_calls: fields.parallel_tool_calls.is_none_or(|parallel| parallel.0),
            previous_response_id: text(&fields.previous_response_id).filter(|id| !id.is_empty()),
            prompt_cache_key: text(&fields.prompt_cache_key),
            reasoning: Reasoning {
                effort: text(&reasoning.effort),
                summary: text(&reasoning.summary).or_else(|| text(&reasoning.generate_summary)),
            },
            safety_identifier: text(&fields.safety_identifier),
            service_tier: None,
            store: fields.store.is_none_or(|store| store.0),
            temperature: None,
            text: TextConfig {
                format: json(options.format, r#"{"type":"text"}"#),
                verbosity: text(&options.verbosity),
            },
            tool_choice: json(fields.tool_choice, r#""auto""#),
            tools: json(fields.tools, "[]"),
            top_logprobs: 0,
            top_p: None,
            truncation: "disabled",
            user: text(&fields.user),
        }
    }
}

fn literal(json: &str) -> Json {
    Json::compact(serde_json::from_str(json).expect("it is JSON"))
}
