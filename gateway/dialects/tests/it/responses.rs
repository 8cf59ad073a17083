//! Responses.

mod properties;
mod requests;
mod rules;
mod strict;
mod tools;

use proptest::prelude::*;
use serde_json::Value;
use warp2api_dialects::responses::{Plan, Responses};
use warp2api_dialects::{Accepted, Rejection};

use crate::dialects::Tested;
use crate::support;

impl Tested for Responses {
    const FILES: &'static str = "responses";
    const PATH: &'static str = "/v1/responses";
    const PLAIN: &'static str = r#"{"input":"hi"}"#;
    const DEFAULTS: &'static str = r#"{"temperature":1,"top_p":1.0,"top_logprobs":0,"include":[],"background":false,
        "text":{"format":{"type":"text"},"verbosity":"medium"},"service_tier":"auto","truncation":"disabled",
        "store":true,"metadata":{},"user":"","parallel_tool_calls":true,"reasoning":{},
        "stream_options":{"include_obfuscation":false},"previous_response_id":""}"#;
    const REFERENCE: &'static str = "background context_management conversation include input instructions \
        max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt \
        prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store \
        stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user";

    fn plan() -> Plan {
        plan(Self::PLAIN)
    }

    fn any_plan() -> BoxedStrategy<Plan> {
        // The names that scripts call, as every kind of tool.
        let tools = prop::sample::select(vec![
            "[]",
            r#"[{"type":"custom","name":"a"}]"#,
            r#"[{"type":"namespace","name":"n","tools":[{"type":"function","name":"a"},{"type":"custom","name":"b"}]}]"#,
        ]);
        let plans = (tools, any::<bool>(), "[^\"\\\\\\x00-\\x1f]{0,9}");
        let plans = plans.prop_map(|(tools, store, model)| {
            plan(&format!(r#"{{"input":"hi","tools":{tools},"store":{store},"model":"{model}"}}"#))
        });
        plans.boxed()
    }

    fn read_stream(bytes: &[u8], _: &Plan) -> Result<(Value, Result<(), Value>), String> {
        strict::stream(bytes)
    }

    fn read_whole(bytes: &[u8], _: &Plan) -> Result<Value, String> {
        strict::whole(bytes)
    }

    fn describe(plan: &Plan) -> String {
        format!("store: {}", plan.echo.store)
    }
}

/// The plan of a request.
fn plan(body: &str) -> Plan {
    accept(body).unwrap().plan
}

/// Reads a body and takes it on, with nothing fetched.
fn accept(body: &str) -> Result<Accepted<Plan>, Rejection> {
    support::accept::<Responses>(body)
}
