//! What the tests of this folder build conversations of.

use prost::Message as _;
use warp2api_proto::value::Struct;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::client_action::Action;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::{CallMcpTool, Server, Subagent, Tool};
use warp2api_proto::warp::multi_agent::v1::message::tool_call_result::Result as CallResult;
use warp2api_proto::warp::multi_agent::v1::message::{self, Message as Kind};
use warp2api_proto::warp::multi_agent::v1::response_event::{
    ClientActions, StreamFinished, StreamInit, Type,
};
use warp2api_proto::warp::multi_agent::v1::{ClientAction, ResponseEvent, Task, client_action as act};

pub(super) fn arguments(json: &str) -> Struct {
    serde_json::from_str::<serde_json::Map<_, _>>(json).unwrap().try_into().unwrap()
}

pub(super) fn message(id: &str, kind: Kind) -> warp::Message {
    warp::Message { id: id.into(), message: Some(kind), ..Default::default() }
}

pub(super) fn output(id: &str, text: &str) -> warp::Message {
    message(id, Kind::AgentOutput(message::AgentOutput { text: text.into(), ..Default::default() }))
}

pub(super) fn query(id: &str, text: &str) -> warp::Message {
    message(id, Kind::UserQuery(message::UserQuery { query: text.into(), ..Default::default() }))
}

fn call(id: &str, call_id: &str, tool: Tool) -> warp::Message {
    message(id, Kind::ToolCall(message::ToolCall { tool_call_id: call_id.into(), tool: Some(tool) }))
}

pub(super) fn mcp_call(id: &str, call_id: &str, json: &str) -> warp::Message {
    let args = Some(arguments(json));
    call(id, call_id, Tool::CallMcpTool(CallMcpTool { name: "f".into(), args, ..Default::default() }))
}

pub(super) fn server_call(id: &str) -> warp::Message {
    call(id, &format!("call-of-{id}"), Tool::Server(Server { payload: "IgA=".into() }))
}

pub(super) fn subagent(id: &str, call_id: &str, task: &str) -> warp::Message {
    call(id, call_id, Tool::Subagent(Subagent { task_id: task.into(), ..Default::default() }))
}

pub(super) fn result(id: &str, call_id: &str) -> warp::Message {
    let result = Some(CallResult::Cancel(()));
    let tool_call_id = call_id.into();
    message(id, Kind::ToolCallResult(message::ToolCallResult { tool_call_id, result, ..Default::default() }))
}

pub(super) fn task(id: &str, parent: &str, messages: Vec<warp::Message>) -> Task {
    let parent_task_id = parent.to_owned();
    let dependencies = warp::task::Dependencies { parent_task_id, ..Default::default() };
    let dependencies = (!parent.is_empty()).then_some(dependencies);
    Task { id: id.into(), dependencies, messages, ..Default::default() }
}

pub(super) fn init(conversation_id: &str) -> Vec<u8> {
    let init = StreamInit { conversation_id: conversation_id.into(), ..Default::default() };
    ResponseEvent { r#type: Some(Type::Init(init)) }.encode_to_vec()
}

pub(super) fn finished() -> Vec<u8> {
    ResponseEvent { r#type: Some(Type::Finished(StreamFinished::default())) }.encode_to_vec()
}

/// One event with these actions.
pub(super) fn event(actions: impl IntoIterator<Item = Action>) -> Vec<u8> {
    let actions = actions.into_iter().map(|action| ClientAction { action: Some(action) }).collect();
    ResponseEvent { r#type: Some(Type::ClientActions(ClientActions { actions })) }.encode_to_vec()
}

pub(super) fn create(task: Task) -> Action {
    Action::CreateTask(act::CreateTask { task: Some(task) })
}

pub(super) fn add(task: &str, message: warp::Message) -> Action {
    Action::AddMessagesToTask(act::AddMessagesToTask { task_id: task.into(), messages: vec![message] })
}

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.into()] })
}

pub(super) fn append(task: &str, message: warp::Message, path: &str) -> Action {
    let (task_id, message, mask) = (task.into(), Some(message), mask(path));
    Action::AppendToMessageContent(act::AppendToMessageContent { task_id, message, mask })
}

pub(super) fn update(task: &str, message: warp::Message, path: &str) -> Action {
    let (task_id, message, mask) = (task.into(), Some(message), mask(path));
    Action::UpdateTaskMessage(act::UpdateTaskMessage { task_id, message, mask })
}

pub(super) fn begin() -> Action {
    Action::BeginTransaction(act::BeginTransaction::default())
}

pub(super) fn commit() -> Action {
    Action::CommitTransaction(act::CommitTransaction::default())
}

pub(super) fn rollback() -> Action {
    Action::RollbackTransaction(act::RollbackTransaction::default())
}
