//! A client of the simulator, with the generated types and the usual base64.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use prost::Message as _;
use tower::ServiceExt as _;
use warp2api_proto::value::{Field, Kind, Struct, Value};
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_upstream_sim::{EmbeddedCredential, Simulator, SimulatorConfig};

pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) type Body = axum::body::Body;

pub(crate) fn simulator() -> Simulator {
    Simulator::new(SimulatorConfig::default().with_seed(1))
}

/// Posts a request with everything in order.
pub(crate) async fn post(simulator: &Simulator, request: &warp::Request) -> Response<Body> {
    post_as(simulator, EmbeddedCredential::API_KEY, request).await
}

pub(crate) async fn post_as(simulator: &Simulator, bearer: &str, request: &warp::Request) -> Response<Body> {
    call(simulator, chat_request(bearer, request.encode_to_vec())).await
}

pub(crate) fn chat_request(bearer: &str, body: Vec<u8>) -> http::Request<Body> {
    http::Request::post("http://upstream/ai/multi-agent")
        .header("content-type", "application/x-protobuf")
        .header("authorization", format!("Bearer {bearer}"))
        .body(Body::from(body))
        .unwrap()
}

pub(crate) async fn call(simulator: &Simulator, request: http::Request<Body>) -> Response<Body> {
    simulator.router().oneshot(request).await.unwrap()
}

pub(crate) async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).unwrap()
}

/// The writes of a body until its end or error.
pub(crate) async fn writes(response: Response<Body>) -> (Vec<Bytes>, bool) {
    let mut body = response.into_body();
    let mut writes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => writes.push(frame.into_data().unwrap()),
            Err(_) => return (writes, false),
        }
    }
    (writes, true)
}

/// The events of a body in the usual spelling.
pub(crate) fn events(body: &[u8]) -> Vec<warp::ResponseEvent> {
    let body = std::str::from_utf8(body).unwrap();
    let frames: Vec<&str> = body.split_terminator("\n\n").collect();
    frames
        .iter()
        .map(|frame| {
            let payload = frame.strip_prefix("event:data\ndata:").unwrap();
            warp::ResponseEvent::decode(&URL_SAFE.decode(payload).unwrap()[..]).unwrap()
        })
        .collect()
}

/// Posts and reads the events.
pub(crate) async fn answer(simulator: &Simulator, request: &warp::Request) -> Answer {
    let response = post(simulator, request).await;
    assert_eq!(response.status(), 200);
    Answer(events(&bytes(response).await))
}

/// The answer to a new conversation with this text.
pub(crate) async fn ask(simulator: &Simulator, text: &str) -> Answer {
    answer(simulator, &request(text)).await
}

pub(crate) struct Answer(pub(crate) Vec<warp::ResponseEvent>);

impl Answer {
    pub(crate) fn actions(&self) -> Vec<&warp::client_action::Action> {
        let actions = self.0.iter().filter_map(|event| match event.r#type.as_ref()? {
            warp::response_event::Type::ClientActions(actions) => Some(&actions.actions),
            _ => None,
        });
        actions.flatten().filter_map(|action| action.action.as_ref()).collect()
    }

    /// A word for each event.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        use warp::client_action::Action;
        use warp::response_event::Type;
        self.0
            .iter()
            .map(|event| match event.r#type.as_ref() {
                Some(Type::Init(_)) => "init",
                Some(Type::Finished(_)) => "finished",
                Some(Type::ClientActions(actions)) => match actions.actions[0].action.as_ref() {
                    Some(Action::CreateTask(_)) => "create_task",
                    Some(Action::AddMessagesToTask(add)) => kind(&add.messages[0]),
                    Some(Action::UpdateTaskMessage(_)) => "update",
                    Some(Action::AppendToMessageContent(_)) => "append",
                    Some(Action::UpdateTaskDescription(_)) => "title",
                    Some(Action::BeginTransaction(_)) => "begin",
                    Some(Action::CommitTransaction(_)) => "commit",
                    Some(Action::RollbackTransaction(_)) => "rollback",
                    _ => "other action",
                },
                None => "unknown",
            })
            .collect()
    }

    /// The messages that were added, also with a new task.
    pub(crate) fn added(&self) -> Vec<&warp::Message> {
        use warp::client_action::Action;
        let messages = self.actions().into_iter().flat_map(|action| match action {
            Action::AddMessagesToTask(add) => add.messages.iter().collect(),
            Action::CreateTask(create) => create.task.iter().flat_map(|task| &task.messages).collect(),
            _ => vec![],
        });
        messages.collect()
    }

    /// The pieces of text in the order sent, updates and rollbacks aside.
    pub(crate) fn pieces(&self) -> Vec<String> {
        use warp::client_action::Action;
        self.actions()
            .into_iter()
            .filter_map(|action| {
                let message = match action {
                    Action::AddMessagesToTask(add) => add.messages.first(),
                    Action::AppendToMessageContent(append) => append.message.as_ref(),
                    _ => None,
                };
                match message?.message.as_ref()? {
                    warp::message::Message::AgentOutput(output) => Some(output.text.clone()),
                    _ => None,
                }
            })
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        self.pieces().concat()
    }

    pub(crate) fn calls(&self) -> Vec<&warp::message::ToolCall> {
        let added = self.added();
        let calls = added.iter().filter_map(|message| match message.message.as_ref()? {
            warp::message::Message::ToolCall(call) => Some(call),
            _ => None,
        });
        calls.filter(|call| !matches!(call.tool, Some(warp::message::tool_call::Tool::Server(_)))).collect()
    }

    pub(crate) fn init(&self) -> &warp::response_event::StreamInit {
        match self.0[0].r#type.as_ref().unwrap() {
            warp::response_event::Type::Init(init) => init,
            other => panic!("not init: {other:?}"),
        }
    }

    pub(crate) fn finished(&self) -> &warp::response_event::StreamFinished {
        match self.0.last().unwrap().r#type.as_ref().unwrap() {
            warp::response_event::Type::Finished(finished) => finished,
            other => panic!("not finished: {other:?}"),
        }
    }
}

fn kind(message: &warp::Message) -> &'static str {
    use warp::message::Message;
    match message.message.as_ref() {
        Some(Message::UserQuery(_)) => "user_query",
        Some(Message::AgentOutput(_)) => "agent_output",
        Some(Message::AgentReasoning(_)) => "agent_reasoning",
        Some(Message::ToolCall(_)) => "tool_call",
        Some(Message::ToolCallResult(_)) => "tool_call_result",
        Some(Message::ServerEvent(_)) => "server_event",
        _ => "other message",
    }
}

/// A request of a new conversation with this text.
pub(crate) fn request(text: &str) -> warp::Request {
    request_with(vec![query(text)])
}

pub(crate) fn request_with(inputs: Vec<warp::request::input::user_inputs::UserInput>) -> warp::Request {
    use warp::request::{Input, Settings, TaskContext, input, settings};
    warp::Request {
        task_context: Some(TaskContext::default()),
        input: Some(Input {
            context: Some(warp::InputContext {
                directory: Some(warp::input_context::Directory {
                    pwd: "/home/me".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            r#type: Some(input::Type::UserInputs(input::UserInputs { inputs })),
        }),
        settings: Some(Settings {
            model_config: Some(settings::ModelConfig { base: "gpt-5".to_owned(), ..Default::default() }),
            supported_tools: vec![9],
            supports_reasoning_message: true,
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) fn query(text: &str) -> warp::request::input::user_inputs::UserInput {
    use warp::request::input;
    let query = input::UserQuery {
        query: text.to_owned(),
        mode: Some(warp::UserQueryMode::default()),
        intended_agent: 1,
        ..Default::default()
    };
    input::user_inputs::UserInput { input: Some(input::user_inputs::user_input::Input::UserQuery(query)) }
}

pub(crate) fn result(call_id: &str, text: &str) -> warp::request::input::user_inputs::UserInput {
    use warp::call_mcp_tool_result::success::{Result, result};
    use warp::request::input;
    let text = Result { result: Some(result::Result::Text(result::Text { text: text.to_owned() })) };
    let success = warp::call_mcp_tool_result::Success { results: vec![text] };
    let result = input::ToolCallResult {
        tool_call_id: call_id.to_owned(),
        result: Some(input::tool_call_result::Result::CallMcpTool(warp::CallMcpToolResult {
            result: Some(warp::call_mcp_tool_result::Result::Success(success)),
        })),
    };
    input::user_inputs::UserInput {
        input: Some(input::user_inputs::user_input::Input::ToolCallResult(result)),
    }
}

/// The same request with these tools offered by a server.
pub(crate) fn offering(mut request: warp::Request, tools: &[&str]) -> warp::Request {
    use warp::request::{McpContext, mcp_context};
    let tools = tools
        .iter()
        .map(|name| mcp_context::McpTool {
            name: (*name).to_owned(),
            input_schema: Some(Struct {
                fields: vec![Field {
                    key: "type".to_owned(),
                    value: Some(Value { kind: Some(Kind::String("object".to_owned())) }),
                }],
            }),
            ..Default::default()
        })
        .collect();
    let server = mcp_context::McpServer { id: SERVER_ID.to_owned(), tools, ..Default::default() };
    request.mcp_context = Some(McpContext { servers: vec![server], ..Default::default() });
    request
}

pub(crate) const SERVER_ID: &str = "0b8f2c7e-0000-4000-8000-000000000001";

/// The next turn of the conversation that `answer` began, with everything it sent sent back.
pub(crate) fn next_turn(
    answer: &Answer,
    inputs: Vec<warp::request::input::user_inputs::UserInput>,
) -> warp::Request {
    let mut next = request_with(inputs);
    let mut task = warp::Task { id: answer.added()[0].task_id.clone(), ..Default::default() };
    task.messages = answer.added().into_iter().cloned().collect();
    next.task_context = Some(warp::request::TaskContext { tasks: vec![task], ..Default::default() });
    next.metadata = Some(warp::request::Metadata {
        conversation_id: answer.init().conversation_id.clone(),
        ..Default::default()
    });
    next
}
