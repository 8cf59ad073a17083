use prost::Message as _;
use serde_json::Map;
use warp2api_proto::warp::multi_agent::v1 as w;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_proto::warp::multi_agent::v1::message::ToolCall as WarpCall;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::Tool;
use warp2api_proto::warp::multi_agent::v1::response_event::stream_finished::{self, Reason};
use warp2api_proto::warp::multi_agent::v1::response_event::{ClientActions, StreamInit};
use warp2api_proto::warp_chat::v1::FinishReason;

use super::*;
use crate::warp::payload;

mod properties;

fn action(action: Action) -> ResponseEvent {
    let actions = vec![ClientAction { action: Some(action) }];
    ResponseEvent { r#type: Some(Type::ClientActions(ClientActions { actions })) }
}

fn init() -> ResponseEvent {
    let init = StreamInit { conversation_id: "c1".into(), request_id: "r1".into(), ..Default::default() };
    ResponseEvent { r#type: Some(Type::Init(init)) }
}

fn finished(reason: Option<Reason>) -> ResponseEvent {
    ResponseEvent { r#type: Some(Type::Finished(StreamFinished { reason, ..Default::default() })) }
}

fn done() -> ResponseEvent {
    finished(Some(Reason::Done(Default::default())))
}

fn output(id: &str, text: &str) -> Message {
    let kind = Kind::AgentOutput(w::message::AgentOutput { text: text.into(), ..Default::default() });
    Message { id: id.into(), message: Some(kind), ..Default::default() }
}

fn reasoning(id: &str, text: &str) -> Message {
    let kind =
        Kind::AgentReasoning(w::message::AgentReasoning { reasoning: text.into(), ..Default::default() });
    Message { id: id.into(), message: Some(kind), ..Default::default() }
}

fn call(id: &str, call_id: &str, args: Option<&str>) -> Message {
    let args = args.map(|json| serde_json::from_str::<Map<_, _>>(json).unwrap().try_into().unwrap());
    let tool = w::message::tool_call::CallMcpTool { name: "f".into(), args, ..Default::default() };
    let call = WarpCall { tool_call_id: call_id.into(), tool: Some(Tool::CallMcpTool(tool)) };
    Message { id: id.into(), message: Some(Kind::ToolCall(call)), ..Default::default() }
}

fn add_to(task: &str, message: Message) -> ResponseEvent {
    action(Action::AddMessagesToTask(w::client_action::AddMessagesToTask {
        task_id: task.into(),
        messages: vec![message],
    }))
}

fn add(message: Message) -> ResponseEvent {
    add_to("t1", message)
}

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.into()] })
}

fn append(message: Message, path: &str) -> ResponseEvent {
    action(Action::AppendToMessageContent(w::client_action::AppendToMessageContent {
        message: Some(message),
        mask: mask(path),
        task_id: "t1".into(),
    }))
}

fn update(message: Message, path: &str) -> ResponseEvent {
    action(Action::UpdateTaskMessage(w::client_action::UpdateTaskMessage {
        message: Some(message),
        mask: mask(path),
        task_id: "t1".into(),
    }))
}

fn begin() -> ResponseEvent {
    action(Action::BeginTransaction(Default::default()))
}

fn commit() -> ResponseEvent {
    action(Action::CommitTransaction(Default::default()))
}

fn rollback() -> ResponseEvent {
    action(Action::RollbackTransaction(Default::default()))
}

fn create_subtask(id: &str) -> ResponseEvent {
    let dependencies = Some(w::task::Dependencies { parent_task_id: "t1".into(), ..Default::default() });
    let task = Task { id: id.into(), dependencies, ..Default::default() };
    action(Action::CreateTask(w::client_action::CreateTask { task: Some(task) }))
}

fn run(
    delivery: Delivery,
    events: impl IntoIterator<Item = ResponseEvent>,
) -> (Vec<Event>, Option<TurnError>) {
    let mut reducer = Reducer::new(delivery, Started::default());
    let mut out = VecDeque::new();
    let failed = events.into_iter().find_map(|event| reducer.apply(event, &mut out).err());
    (out.into(), failed)
}

/// The events in a form that reads well: `S`tarted, `T`ext, `R`easoning, `C`all, `F`inished.
fn told(delivery: Delivery, events: impl IntoIterator<Item = ResponseEvent>) -> Vec<String> {
    let (events, failed) = run(delivery, events);
    let mut told: Vec<_> = events
        .into_iter()
        .map(|event| match event {
            Event::Started(s) => format!("S {}", s.conversation_id),
            Event::TextDelta(t) => format!("T {}", t.text),
            Event::ReasoningDelta(r) => format!("R {}", r.text),
            Event::ToolCall(c) => format!("C {} {} {}", c.id, c.name, c.arguments_json),
            Event::UsageReported(u) => format!("U {:?} {:?}", u.input_tokens, u.output_tokens),
            Event::Finished(f) => format!("F {}", f.reason().as_str_name()),
        })
        .collect();
    told.extend(failed.map(|error| format!("E {}", error.reason.as_str_name())));
    told
}

fn live(events: impl IntoIterator<Item = ResponseEvent>) -> Vec<String> {
    told(Delivery::Live, events)
}

const TEXT: &str = "agent_output.text";
const STOP: &str = "F FINISH_REASON_STOP";
const CALLS: &str = "F FINISH_REASON_TOOL_CALLS";
const INTERRUPTED: &str = "E ERROR_REASON_UPSTREAM_INTERRUPTED";

#[test]
fn the_recorded_vectors_tell_a_whole_turn() {
    let vectors = [
        "CggKAmMxEgJyMQ==",
        "EgoKCAoGCgQKAnQx",
        "EgQKAkoA",
        "EhkKFxoVCgJ0MRIPCgJtMRoFCgNIZWxaAnQx",
        "Ei0KKyopCg4KAm0xGgQKAmxvWgJ0MRITChFhZ2VudF9vdXRwdXQudGV4dBoCdDE=",
        "EhgKFhoUCgJ0MRIOCgJtMloCdDF6BAoCaG0=",
        "Ei8KLRorCgJ0MRIlCgJtMyIbCgJrMWIVCgFmEhAKDgoBYRIJEQAAAAAAAPA_WgJ0MQ==",
        "EigKJiIkCgcKAm0xOgF4EhUKE3NlcnZlcl9tZXNzYWdlX2RhdGEaAnQx",
        "EgQKAlIA",
        "GgkSAFIFDQAAgD8=",
    ];
    let events = vectors.map(|vector| {
        let mut bytes = Vec::new();
        payload::decode(vector.as_bytes(), &mut bytes).unwrap();
        ResponseEvent::decode(&bytes[..]).unwrap()
    });

    assert_eq!(live(events), ["S c1", "T Hel", "T lo", "R hm", r#"C k1 f {"a":1}"#, "U None None", CALLS]);
}

#[test]
fn echoes_of_the_input_are_not_told() {
    let query = Kind::UserQuery(w::message::UserQuery { query: "hi".into(), ..Default::default() });
    let echo = Message { id: "u".into(), message: Some(query), ..Default::default() };

    let told = live([
        init(),
        add(echo.clone()),
        update(echo, "server_message_data"),
        add(output("m", "ok")),
        done(),
    ]);

    assert_eq!(told, ["S c1", "T ok", STOP]);
}

#[test]
fn an_update_tells_only_what_text_has_grown_by() {
    let told = live([
        init(),
        add(output("m", "Hel")),
        update(output("m", "Hello"), TEXT),
        update(output("m", "Hello"), "server_message_data"),
        update(output("m", "Hello, you"), "agent_output"),
        done(),
    ]);

    assert_eq!(told, ["S c1", "T Hel", "T lo", "T , you", STOP]);
}

#[test]
fn a_correction_keeps_what_was_sent_live_and_is_whole_when_committed() {
    let script =
        || [init(), begin(), add(output("m", "Helo")), update(output("m", "Hello"), TEXT), commit(), done()];

    assert_eq!(live(script()), ["S c1", "T Helo", STOP]);
    assert_eq!(told(Delivery::Committed, script()), ["S c1", "T Hello", STOP]);
}

#[test]
fn an_update_of_an_unknown_message_inserts_it_and_tells_it_only_if_the_mask_touches_it() {
    assert_eq!(live([init(), update(output("m", "new"), TEXT), done()]), ["S c1", "T new", STOP]);
    let echo = live([init(), update(output("old", "history"), "server_message_data"), done()]);
    assert_eq!(echo, ["S c1", STOP]);
}

#[test]
fn an_append_to_an_unknown_message_breaks_the_protocol() {
    let told = live([init(), append(output("nowhere", "x"), TEXT)]);

    assert_eq!(told, ["S c1", "E ERROR_REASON_UPSTREAM_MALFORMED"]);
}

#[test]
fn a_rolled_back_draft_that_is_said_again_goes_on_where_it_was() {
    let script = || {
        [
            init(),
            begin(),
            add(output("m", "The answer")),
            rollback(),
            begin(),
            add(output("n", "The answer is 4")),
            commit(),
            done(),
        ]
    };

    assert_eq!(live(script()), ["S c1", "T The answer", "T  is 4", STOP]);
    assert_eq!(told(Delivery::Committed, script()), ["S c1", "T The answer is 4", STOP]);
}

#[test]
fn a_rolled_back_draft_that_is_not_said_again_fails_live_and_vanishes_when_committed() {
    let script =
        || [init(), begin(), add(output("m", "DRAFT")), rollback(), add(output("n", "FINAL")), done()];

    assert_eq!(live(script()), ["S c1", "T DRAFT", INTERRUPTED]);
    assert_eq!(told(Delivery::Committed, script()), ["S c1", "T FINAL", STOP]);
    assert_eq!(
        live([init(), begin(), add(output("m", "DRAFT")), rollback(), done()]),
        ["S c1", "T DRAFT", INTERRUPTED]
    );
}

#[test]
fn rolled_back_calls_are_not_told() {
    let told = live([
        init(),
        add(call("k", "k1", Some("{}"))),
        begin(),
        add(call("l", "l1", Some("{}"))),
        update(call("k", "k1", Some(r#"{"a":2}"#)), "tool_call"),
        rollback(),
        done(),
    ]);

    assert_eq!(told, ["S c1", "C k1 f {}", CALLS]);
}

#[test]
fn calls_are_told_once_at_the_end_with_the_arguments_that_came_late() {
    let told = live([
        init(),
        add(call("k", "k1", None)),
        add(call("l", "l1", Some(r#"{"n":5,"a":""}"#))),
        add(output("m", "text")),
        update(call("k", "k1", Some(r#"{"z":1}"#)), "tool_call.call_mcp_tool.args"),
        done(),
    ]);

    assert_eq!(told, ["S c1", "T text", r#"C k1 f {"z":1}"#, r#"C l1 f {"n":5,"a":""}"#, CALLS]);
}

#[test]
fn the_inner_life_of_subtasks_is_not_told() {
    let told = live([
        init(),
        create_subtask("t2"),
        add_to("t2", output("s", "searching")),
        add_to("t2", call("k", "k1", Some("{}"))),
        append(output("s", " on"), TEXT),
        add(output("m", "found")),
        done(),
    ]);

    assert_eq!(told, ["S c1", "T found", STOP]);
}

#[test]
fn thinking_is_told_apart_from_text() {
    let told = live([
        init(),
        add(reasoning("r", "hm")),
        append(reasoning("r", ", well"), "agent_reasoning.reasoning"),
        update(reasoning("r", ""), "agent_reasoning.finished_duration"),
        add(output("m", "4")),
        done(),
    ]);

    assert_eq!(told, ["S c1", "R hm", "R , well", "T 4", STOP]);
}

#[test]
fn every_finish_reason_has_its_form_before_and_after_text() {
    use ErrorReason as E;
    let internal = stream_finished::InternalError { message: "secret prompt".into() };
    type End = Result<FinishReason, E>;
    let cases: [(Option<Reason>, End, End); 9] = [
        (None, Ok(FinishReason::Stop), Ok(FinishReason::Stop)),
        (Some(Reason::Done(Default::default())), Ok(FinishReason::Stop), Ok(FinishReason::Stop)),
        (Some(Reason::MaxTokenLimit(Default::default())), Err(E::ContextTooLong), Ok(FinishReason::Length)),
        (
            Some(Reason::ContextWindowExceeded(Default::default())),
            Err(E::ContextTooLong),
            Err(E::ContextTooLong),
        ),
        (
            Some(Reason::QuotaLimit(Default::default())),
            Err(E::UpstreamQuotaExhausted),
            Err(E::UpstreamQuotaExhausted),
        ),
        (
            Some(Reason::LlmUnavailable(Default::default())),
            Err(E::UpstreamUnavailable),
            Err(E::UpstreamUnavailable),
        ),
        (Some(Reason::InternalError(internal)), Err(E::UpstreamFailed), Err(E::UpstreamFailed)),
        (
            Some(Reason::InvalidApiKey(Default::default())),
            Err(E::ProviderKeyRejected),
            Err(E::ProviderKeyRejected),
        ),
        (Some(Reason::Other(Default::default())), Err(E::UpstreamFailed), Err(E::UpstreamFailed)),
    ];
    for (reason, before, after) in cases {
        for (text, expected) in [(false, before), (true, after)] {
            let mut script = vec![init()];
            script.extend(text.then(|| add(output("m", "text"))));
            script.push(finished(reason.clone()));

            let (events, failed) = run(Delivery::Live, script);

            let ended = match (events.last(), failed) {
                (_, Some(error)) => {
                    assert!(!error.message.contains("secret"), "{error}");
                    Err(error.reason)
                }
                (Some(Event::Finished(finished)), None) => Ok(finished.reason()),
                other => panic!("{other:?}"),
            };
            assert_eq!(ended, expected, "{reason:?} with text: {text}");
        }
    }
}

#[test]
fn usage_is_the_upstreams_or_absent() {
    let tokens = |total_input, output, input_cache_read| stream_finished::TokenUsage {
        total_input,
        output,
        input_cache_read,
        ..Default::default()
    };
    let finished =
        StreamFinished { token_usage: vec![tokens(100, 40, 7), tokens(23, 5, 0)], ..Default::default() };
    let by_model = usage::reported(&finished).unwrap();
    assert_eq!((by_model.input_tokens, by_model.output_tokens), (Some(123), Some(45)));
    assert_eq!((by_model.cached_input_tokens, by_model.total_tokens), (Some(7), Some(168)));

    assert_eq!(usage::reported(&StreamFinished::default()), None);
}
