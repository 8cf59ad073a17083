//! Every dialect as the tests that are for all of them see it. A new one implements [`Tested`] and gets a line in
//! [`for_each_dialect`].

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::Value;
use warp2api_dialects::Dialect;
use warp2api_dialects::chat::{CallStyle, ChatCompletions, Plan as ChatPlan};

use crate::chat::strict as chat;

/// A dialect and those who read its answers.
pub(crate) trait Tested: Dialect<Plan: Clone + std::fmt::Debug> {
    /// What its golden files begin with.
    const FILES: &'static str;
    /// The path it is asked at.
    const PATH: &'static str;
    /// A request that asks for nothing but an answer to "hi".
    const PLAIN: &'static str;

    /// Parameters that ask for what happens without them.
    const DEFAULTS: &'static str;
    /// The names of all parameters of the reference.
    const REFERENCE: &'static str;

    /// The plan of a plain request.
    fn plan() -> Self::Plan;

    /// Plans of requests of every kind.
    fn any_plan() -> BoxedStrategy<Self::Plan>;

    /// The same plan, with everything asked for that a stream may leave out.
    fn telling_all(plan: Self::Plan) -> Self::Plan {
        plan
    }

    /// Reads a stream as the strictest client would, and accumulates it as SDKs do: the answer so far, and the error
    /// that stands in the place of the end if one does.
    fn read_stream(bytes: &[u8], plan: &Self::Plan) -> Result<(Value, Result<(), Value>), String>;

    /// Reads a whole answer as the strictest client would.
    fn read_whole(bytes: &[u8], plan: &Self::Plan) -> Result<Value, String>;

    /// What a plan says that the golden file of the request is to show.
    fn describe(plan: &Self::Plan) -> String;
}

/// Runs a generic function for every dialect.
macro_rules! for_each_dialect {
    ($function:ident($($argument:expr),*)) => {{
        $function::<warp2api_dialects::chat::ChatCompletions>($($argument),*);
        $function::<warp2api_dialects::completions::Completions>($($argument),*);
        $function::<warp2api_dialects::responses::Responses>($($argument),*);
        $function::<warp2api_dialects::messages::Messages>($($argument),*);
    }};
}
pub(crate) use for_each_dialect;

impl Tested for ChatCompletions {
    const FILES: &'static str = "chat";
    const PATH: &'static str = "/v1/chat/completions";
    const PLAIN: &'static str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    const DEFAULTS: &'static str = r#"{"temperature":1,"top_p":1.0,"n":1,"logprobs":false,"top_logprobs":0,
        "presence_penalty":0,"frequency_penalty":0,"logit_bias":{},"response_format":{"type":"text"},
        "modalities":["text"],"service_tier":"auto","verbosity":"medium","store":false,"metadata":{},"user":"",
        "parallel_tool_calls":true,"stream_options":{"include_usage":false,"include_obfuscation":false}}"#;
    const REFERENCE: &'static str = "messages model audio frequency_penalty function_call functions logit_bias \
        logprobs max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction \
        presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort \
        response_format safety_identifier seed service_tier stop store stream stream_options temperature \
        tool_choice tools top_logprobs top_p user verbosity web_search_options";

    fn plan() -> ChatPlan {
        ChatPlan { model: "gpt-5".to_owned(), include_usage: false, call_style: CallStyle::Tools }
    }

    fn any_plan() -> BoxedStrategy<ChatPlan> {
        let style = prop_oneof![3 => Just(CallStyle::Tools), 1 => Just(CallStyle::Function)];
        let plans = (any::<bool>(), style, ".{0,9}");
        plans
            .prop_map(|(include_usage, call_style, model)| ChatPlan { include_usage, call_style, model })
            .boxed()
    }

    fn telling_all(plan: ChatPlan) -> ChatPlan {
        ChatPlan { include_usage: true, ..plan }
    }

    fn read_stream(bytes: &[u8], plan: &ChatPlan) -> Result<(Value, Result<(), Value>), String> {
        let (answer, end) = chat::stream(bytes, plan.include_usage)?;
        Ok((answer.into_value(), end))
    }

    fn read_whole(bytes: &[u8], _: &ChatPlan) -> Result<Value, String> {
        chat::whole(bytes).map(chat::Answer::into_value)
    }

    fn describe(plan: &ChatPlan) -> String {
        let style = if plan.call_style == CallStyle::Function { "\ncalls as function_call" } else { "" };
        format!("include_usage: {}{style}", plan.include_usage)
    }
}
