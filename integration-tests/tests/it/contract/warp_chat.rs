//! `WarpChat` as its callers in other services meet it.

use serde_json::{Value, json};
use tonic::Code;
use warp2api_upstream_sim::{Cut, Finish, Part, Refusal, Scenario};

use super::cases::{Case, call, hold};

const STREAM_CHAT: &str = "warp_chat.v1.WarpChat/StreamChat";
const LIST_MODELS: &str = "warp_chat.v1.WarpChat/ListChatModels";
const GET_MODEL: &str = "warp_chat.v1.WarpChat/GetChatModel";

fn user(text: &str) -> Value {
    json!({"role": "ROLE_USER", "parts": [{"text": text}]})
}

/// A chat that says `text`, with more fields.
fn say(text: &str, more: Value) -> Case {
    let mut request = json!({"messages": [user(text)]});
    for (key, value) in more.as_object().expect("an object") {
        request[key] = value.clone();
    }
    call(STREAM_CHAT, request)
}

fn text(piece: &str) -> Value {
    json!({"textDelta": {"text": piece}})
}

fn finished(reason: &str) -> Value {
    json!({"finished": {"reason": format!("FINISH_REASON_{reason}")}})
}

#[tokio::test]
async fn models_are_listed_and_found() {
    hold([
        call(LIST_MODELS, json!({}))
            .gives([json!({"chatModels": [{"name": "chatModels/auto", "modelId": "auto"}, "..."]})]),
        call(LIST_MODELS, json!({"pageSize": -1})).refuses_field("page_size"),
        call(LIST_MODELS, json!({"pageToken": "of another list"})).refuses_field("page_token"),
        call(GET_MODEL, json!({"name": "chatModels/auto"}))
            .gives([json!({"chatModel": {"name": "chatModels/auto"}})]),
        call(GET_MODEL, json!({"name": "auto"})).refuses_field("name"),
        call(GET_MODEL, json!({"name": "chatModels/nobody"}))
            .fails(Code::NotFound, "MODEL_NOT_FOUND")
            .with("model", "nobody"),
    ])
    .await;
}

#[tokio::test]
async fn a_chat_begins_grows_and_finishes() {
    let weather = json!([{"name": "weather", "parametersJson": "{\"type\":\"object\"}"}]);
    hold([
        say("say exactly: one two", json!({})).gives([
            json!({"started": {"model": "auto", "upstream": "embedded"}}),
            text("one "),
            text("two"),
            json!({"usageReported": {}}),
            finished("STOP"),
        ]),
        say("call the tool weather with {\"z\":1,\"a\":[]}", json!({"tools": weather})).gives([
            json!({"started": {}}),
            json!({"toolCall": {"name": "weather", "argumentsJson": "{\"z\":1,\"a\":[]}"}}),
            json!({"usageReported": {}}),
            finished("TOOL_CALLS"),
        ]),
        say("say exactly: one END two", json!({"limits": {"stopSequences": ["END"]}})).gives([
            json!({"started": {}}),
            text("one "),
            json!({"finished": {"reason": "FINISH_REASON_STOP", "stopSequence": "END"}}),
        ]),
        say("hi", json!({"model": "chatModels/gpt-5-high-reasoning"}))
            .gives([json!({"started": {"model": "gpt-5 (high reasoning)"}}), "...".into()]),
        say("hi", json!({"model": "gpt-5"}))
            .script([Scenario::parts([Part::Reasoning("hm".to_owned()), Part::WholeText("yes".to_owned())])])
            .gives([
                json!({"started": {"model": "gpt-5"}}),
                json!({"reasoningDelta": {"text": "hm"}}),
                text("yes"),
                json!({"usageReported": {}}),
                finished("STOP"),
            ]),
        say("hi", json!({})).script([Scenario::text("cut").finishing(Finish::MaxTokenLimit)]).gives([
            json!({"started": {}}),
            text("cut"),
            json!({"usageReported": {}}),
            finished("LENGTH"),
        ]),
    ])
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_field() {
    let tool = |name: &str| json!({"name": name});
    hold([
        call(STREAM_CHAT, json!({})).refuses_field("messages"),
        call(STREAM_CHAT, json!({"messages": [{}]})).refuses_field("messages[0].role"),
        call(STREAM_CHAT, json!({"messages": [user("a"), {"role": "ROLE_TOOL", "parts": [{"text": "b"}]}]}))
            .refuses_field("messages[1].parts[0]"),
        say("hi", json!({"tools": [tool("a"), tool("a")]})).refuses_field("tools[1].name"),
        say("hi", json!({"tools": [{"name": "a", "parametersJson": "[1]"}]}))
            .refuses_field("tools[0].parameters_json"),
        say("hi", json!({"tools": [tool("a")], "toolChoice": {"mode": "MODE_AUTO", "toolNames": ["b"]}}))
            .refuses_field("tool_choice.tool_names[0]"),
        say("hi", json!({"tools": [tool("a")], "toolChoice": {"mode": "MODE_REQUIRED"}}))
            .fails(Code::InvalidArgument, "UNSUPPORTED_FIELD")
            .naming("tool_choice.mode"),
        say("hi", json!({"limits": {"maxOutputTokens": "-1"}})).refuses_field("limits.max_output_tokens"),
        say("hi", json!({"limits": {"stopSequences": ["a", ""]}})).refuses_field("limits.stop_sequences[1]"),
        say("hi", json!({"delivery": 77})).refuses_field("delivery"),
    ])
    .await;
}

/// Every failure of the upstream before it said anything, and what callers hear of it.
#[tokio::test]
async fn failures_of_the_upstream_have_their_status() {
    let failing = |scenario: Scenario| say("hi", json!({})).script([scenario]);
    let refused = |refusal: Refusal| failing(Scenario::refuse(refusal));
    let ending = |finish: Finish| failing(Scenario::finish(finish));
    // With the same credential the turn tries three times.
    let insisting = |scenario: Scenario| say("hi", json!({})).script([(); 3].map(|()| scenario.clone()));
    hold([
        refused(Refusal::out_of_credits())
            .fails(Code::ResourceExhausted, "UPSTREAM_QUOTA_EXHAUSTED")
            .until_later(),
        ending(Finish::QuotaLimit).fails(Code::ResourceExhausted, "UPSTREAM_QUOTA_EXHAUSTED").until_later(),
        refused(Refusal::overloaded()).fails(Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED").until_later(),
        refused(Refusal::blocked()).fails(Code::Unavailable, "NO_CREDENTIAL_AVAILABLE"),
        refused(Refusal::model_not_allowed("x")).fails(Code::NotFound, "MODEL_NOT_FOUND"),
        refused(Refusal::new(400, "no")).fails(Code::FailedPrecondition, "UPSTREAM_REJECTED"),
        refused(Refusal::new(413, "")).fails(Code::ResourceExhausted, "REQUEST_TOO_LARGE"),
        refused(Refusal::new(302, "")).fails(Code::Internal, "UPSTREAM_MALFORMED"),
        insisting(Scenario::refuse(Refusal::unavailable())).fails(Code::Unavailable, "UPSTREAM_UNAVAILABLE"),
        insisting(Scenario::usual().cut_after(1, Cut::Error))
            .fails(Code::Unavailable, "UPSTREAM_INTERRUPTED"),
        failing(Scenario::parts([Part::Payload("!".to_owned())])).fails(Code::Internal, "UPSTREAM_MALFORMED"),
        ending(Finish::ContextWindowExceeded).fails(Code::InvalidArgument, "CONTEXT_TOO_LONG"),
        ending(Finish::LlmUnavailable).fails(Code::Unavailable, "UPSTREAM_UNAVAILABLE"),
        ending(Finish::InternalError("oh".to_owned())).fails(Code::Internal, "UPSTREAM_FAILED"),
        ending(Finish::Other).fails(Code::Internal, "UPSTREAM_FAILED"),
        ending(Finish::InvalidApiKey { provider: 2, model: "gpt-5".to_owned() })
            .fails(Code::FailedPrecondition, "PROVIDER_KEY_REJECTED"),
    ])
    .await;
}

#[tokio::test]
async fn an_error_in_the_middle_comes_after_what_was_said() {
    let said = Scenario::parts([Part::WholeText("so far".to_owned())]);
    let before = [json!({"started": {}}), text("so far")];
    let hi = || say("hi", json!({}));
    hold([
        hi().script([said.clone().without_finished(Cut::Clean)])
            .gives(before.clone())
            .fails(Code::Unavailable, "UPSTREAM_INTERRUPTED"),
        hi().script([said.clone().without_finished(Cut::Error)])
            .gives(before.clone())
            .fails(Code::Unavailable, "UPSTREAM_INTERRUPTED"),
        hi().script([said.finishing(Finish::InternalError("oh".to_owned()))])
            .gives(before)
            .fails(Code::Internal, "UPSTREAM_FAILED"),
    ])
    .await;
}
