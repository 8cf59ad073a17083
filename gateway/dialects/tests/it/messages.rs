//! Anthropic's messages.

mod properties;
mod refused;
mod requests;
mod rules;
mod strict;

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::Value;
use warp2api_dialects::messages::{Messages, Plan};
use warp2api_dialects::{Accepted, Rejection};

use crate::dialects::Tested;

/// Reads a body and takes it on, with nothing fetched.
fn accept(body: &str) -> Result<Accepted<Plan>, Rejection> {
    crate::support::accept::<Messages>(body)
}

impl Tested for Messages {
    const FILES: &'static str = "messages";
    const PATH: &'static str = "/v1/messages";
    const PLAIN: &'static str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    const DEFAULTS: &'static str = r#"{"temperature":1,"top_p":1.0,"thinking":{"type":"disabled"},"metadata":{},
        "service_tier":"auto","speed":"standard","mcp_servers":[],"context_management":{},"output_config":{},
        "tools":[{"name":"f","type":"custom","strict":false,"defer_loading":false,"cache_control":null}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":false}}"#;
    const REFERENCE: &'static str = "max_tokens messages model cache_control container context_management diagnostics \
        inference_geo mcp_servers metadata output_config service_tier speed stop_sequences stream system temperature \
        thinking tool_choice tools top_k top_p";

    fn plan() -> Plan {
        Plan { model: "claude-4-5-sonnet".to_owned(), call_ids: HashSet::new() }
    }

    fn any_plan() -> BoxedStrategy<Plan> {
        let call_ids = prop::collection::hash_set("(a|b|a_1|a_0)", 0..3);
        (".{0,9}", call_ids).prop_map(|(model, call_ids)| Plan { model, call_ids }).boxed()
    }

    fn read_stream(bytes: &[u8], _: &Plan) -> Result<(Value, Result<(), Value>), String> {
        strict::stream(bytes)
    }

    fn read_whole(bytes: &[u8], _: &Plan) -> Result<Value, String> {
        strict::whole(bytes)
    }

    fn describe(plan: &Plan) -> String {
        let mut ids: Vec<&String> = plan.call_ids.iter().collect();
        ids.sort();
        format!("calls so far: {ids:?}")
    }
}
