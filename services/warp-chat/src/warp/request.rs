//! Pure builder: a conversation in order, made a request of the upstream's.
//!
//! Ids and the time are arguments. The application's instructions are attached to the last thing the user said, on
//! every turn, tool-result turns included: the upstream has no place of its own for them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_types::Timestamp;
use warp2api_proto::value::{Kind, Struct, Value};
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::attachment::Value as AttachmentValue;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::{CallMcpTool, Server, Tool};
use warp2api_proto::warp::multi_agent::v1::message::tool_call_result::Result as HistoryResult;
use warp2api_proto::warp::multi_agent::v1::message::{self, Message as Kinds};
use warp2api_proto::warp::multi_agent::v1::request::input::tool_call_result::Result as InputResult;
use warp2api_proto::warp::multi_agent::v1::request::input::user_inputs::{UserInput, user_input};
use warp2api_proto::warp::multi_agent::v1::request::input::{self, UserInputs};
use warp2api_proto::warp::multi_agent::v1::request::mcp_context::{McpServer, McpTool};
use warp2api_proto::warp::multi_agent::v1::request::settings::ModelConfig;
use warp2api_proto::warp::multi_agent::v1::request::{
    Input as RequestInput, McpContext, Metadata, Settings, TaskContext,
};
use warp2api_proto::warp::multi_agent::v1::{
    AgentType, Attachment, CallMcpToolResult, InputContext, Request, Task, ToolType, UserQueryMode,
    call_mcp_tool_result, input_context,
};

use crate::arrange::{Arranged, Input};
use crate::config::{ChatConfig, History, ToolForm};
use crate::conversation::{Answer, AnswerContent, AnswerPart, Call, Item, UserTurn};
use crate::image::CheckedImage;
use crate::warp::flatten;

/// The key of the attachment that holds the application's instructions.
pub const INSTRUCTIONS_KEY: &str = "SYSTEM_PROMPT";
/// Names the group that all tools of a caller are offered in. Fixed: a call brings it back.
pub const SERVER_ID: &str = "5f1d0c1e-3c5b-4b6e-9a4e-2f6a5d9a7c10";

/// The number of the field of a request that holds the history.
pub(crate) const TASK_CONTEXT: u32 = 1;

/// What a request needs besides the conversation.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a ChatConfig,
    /// The id of the model, resolved.
    pub(crate) model: &'a str,
    pub(crate) tools: Vec<OfferedTool>,
    pub(crate) parallel_tool_calls: bool,
    pub(crate) now: Timestamp,
    /// Makes the ids of the task and its messages.
    pub(crate) next_id: fn() -> String,
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfferedTool {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: Struct,
}

/// Builds the request of one turn.
pub(crate) fn build(mut arranged: Arranged, context: Context<'_>) -> Request {
    if context.config.history == History::Flattened {
        arranged = flatten::flatten(arranged);
    }
    let (answers, query) = match arranged.input {
        Input::Query(turn) => (Vec::new(), Some(turn)),
        Input::Answers(answers) => (answers, None),
        Input::Continue => (Vec::new(), None),
    };
    let (mut request, instructions) = latest(arranged.instructions, answers, query, &context);
    request.task_context = Some(task_context(arranged.history, instructions, &context));
    request.mcp_context = mcp_context(context.tools, context.config.tools);
    request
}

/// The request of a turn but for its history and its tools. The instructions come back if nothing new can carry them.
pub(crate) fn latest(
    instructions: String,
    answers: Vec<Answer>,
    said: Option<UserTurn>,
    context: &Context<'_>,
) -> (Request, Option<String>) {
    let mut instructions = Some(instructions).filter(|text| !text.is_empty());
    let mut input_context = input_context(context);
    let results = answers.into_iter().map(|answer| user_input::Input::ToolCallResult(input_result(answer)));
    let mut inputs: Vec<_> = results.collect();
    if let Some(turn) = said {
        input_context.images = turn.images.iter().map(image).collect();
        inputs.push(user_input::Input::UserQuery(query(turn.text, instructions.take())));
    }
    let inputs: Vec<_> = inputs.into_iter().map(|input| UserInput { input: Some(input) }).collect();
    let input = if inputs.is_empty() {
        input::Type::ResumeConversation(Default::default())
    } else {
        input::Type::UserInputs(UserInputs { inputs })
    };
    let request = Request {
        task_context: None,
        input: Some(RequestInput { context: Some(input_context), r#type: Some(input) }),
        settings: Some(settings(context)),
        metadata: Some(metadata()),
        existing_suggestions: None,
        mcp_context: None,
    };
    (request, instructions)
}

/// A query of the history that has nothing but the instructions.
pub(crate) fn instructions_query(text: String) -> message::UserQuery {
    message::UserQuery { referenced_attachments: attachments(text), ..Default::default() }
}

fn task_context(history: Vec<Item>, instructions: Option<String>, context: &Context<'_>) -> TaskContext {
    if history.is_empty() && instructions.is_none() {
        return TaskContext::default();
    }
    let task_id = (context.next_id)();
    let mut kinds: Vec<Kinds> = Vec::with_capacity(history.len() + 2);
    if context.config.server_preamble {
        let tool = Some(Tool::Server(Server { payload: "IgA=".to_owned() }));
        kinds.push(Kinds::ToolCall(message::ToolCall { tool_call_id: (context.next_id)(), tool }));
    }
    kinds.extend(history.into_iter().map(history_message));
    if let Some(text) = instructions {
        attach_to_last_query(&mut kinds, text);
    }
    let messages = kinds.into_iter().map(|kind| warp::Message {
        id: (context.next_id)(),
        task_id: task_id.clone(),
        message: Some(kind),
        ..Default::default()
    });
    let messages = messages.collect();
    TaskContext { tasks: vec![Task { id: task_id, messages, ..Default::default() }], ..Default::default() }
}

/// Where nobody asked anything, an empty question at the head carries the instructions.
fn attach_to_last_query(kinds: &mut Vec<Kinds>, text: String) {
    let carrier = instructions_query(text);
    let last = kinds.iter_mut().rev().find_map(|kind| match kind {
        Kinds::UserQuery(query) => Some(query),
        _ => None,
    });
    match last {
        Some(query) => query.referenced_attachments = carrier.referenced_attachments,
        None => kinds.insert(0, Kinds::UserQuery(carrier)),
    }
}

fn attachments(text: String) -> HashMap<String, Attachment> {
    let attachment = Attachment { value: Some(AttachmentValue::PlainText(text)) };
    HashMap::from([(INSTRUCTIONS_KEY.to_owned(), attachment)])
}

fn history_message(item: Item) -> Kinds {
    match item {
        Item::User(UserTurn { text, images }) => {
            let images: Vec<_> = images.iter().map(image).collect();
            let context = (!images.is_empty()).then(|| InputContext { images, ..Default::default() });
            Kinds::UserQuery(message::UserQuery { query: text, context, ..Default::default() })
        }
        Item::Assistant(text) => Kinds::AgentOutput(message::AgentOutput { text, ..Default::default() }),
        Item::Call(Call { id, name, arguments }) => {
            let tool = CallMcpTool { name, args: Some(arguments), server_id: SERVER_ID.to_owned() };
            Kinds::ToolCall(message::ToolCall { tool_call_id: id, tool: Some(Tool::CallMcpTool(tool)) })
        }
        Item::Answer(Answer { call_id, content }) => {
            let result = match content {
                AnswerContent::Cancelled => HistoryResult::Cancel(()),
                content => HistoryResult::CallMcpTool(mcp_result(content)),
            };
            Kinds::ToolCallResult(message::ToolCallResult {
                tool_call_id: call_id,
                result: Some(result),
                ..Default::default()
            })
        }
    }
}

fn query(text: String, instructions: Option<String>) -> input::UserQuery {
    input::UserQuery {
        query: text,
        referenced_attachments: instructions.map(attachments).unwrap_or_default(),
        mode: Some(UserQueryMode::default()),
        intended_agent: AgentType::Primary.into(),
    }
}

fn input_result(answer: Answer) -> input::ToolCallResult {
    input::ToolCallResult {
        tool_call_id: answer.call_id,
        result: Some(InputResult::CallMcpTool(mcp_result(answer.content))),
    }
}

fn mcp_result(content: AnswerContent) -> CallMcpToolResult {
    use call_mcp_tool_result::success::result::{Image, Result as Part, Text};
    let result = match content {
        AnswerContent::Parts(parts) => {
            let results = parts.into_iter().map(|part| call_mcp_tool_result::success::Result {
                result: Some(match part {
                    AnswerPart::Text(text) => Part::Text(Text { text }),
                    AnswerPart::Image(image) => Part::Image(Image {
                        data: STANDARD.encode(&image.data).into(),
                        mime_type: image.mime_type.to_owned(),
                    }),
                }),
            });
            call_mcp_tool_result::Result::Success(call_mcp_tool_result::Success {
                results: results.collect(),
            })
        }
        AnswerContent::Error(message) => error(message),
        // A request has no member for it as history has.
        AnswerContent::Cancelled => error("the tool call was cancelled".to_owned()),
    };
    CallMcpToolResult { result: Some(result) }
}

fn error(message: String) -> call_mcp_tool_result::Result {
    call_mcp_tool_result::Result::Error(call_mcp_tool_result::Error { message })
}

/// The upstream wants the base64 text itself in the bytes field.
fn image(image: &CheckedImage) -> input_context::Image {
    input_context::Image { data: STANDARD.encode(&image.data).into(), mime_type: image.mime_type.to_owned() }
}

fn input_context(context: &Context<'_>) -> InputContext {
    InputContext {
        directory: Some(input_context::Directory {
            pwd: "/".to_owned(),
            home: "/".to_owned(),
            ..Default::default()
        }),
        operating_system: Some(input_context::OperatingSystem {
            platform: context.config.client.os_category.clone(),
            ..Default::default()
        }),
        shell: Some(input_context::Shell { name: "bash".to_owned(), ..Default::default() }),
        current_time: Some(context.now),
        ..Default::default()
    }
}

/// Only the caller's own tools, and none of the upstream's conveniences: the conversation is the caller's.
fn settings(context: &Context<'_>) -> Settings {
    Settings {
        model_config: Some(ModelConfig {
            base: context.model.to_owned(),
            cli_agent: "cli-agent-auto".to_owned(),
            computer_use_agent: "computer-use-agent-auto".to_owned(),
            ..Default::default()
        }),
        supports_parallel_tool_calls: context.parallel_tool_calls,
        supported_tools: vec![ToolType::CallMcpTool.into()],
        supports_reasoning_message: true,
        ..Default::default()
    }
}

fn metadata() -> Metadata {
    let text = |text: &str| Value { kind: Some(Kind::String(text.to_owned())) };
    let flag = |flag| Value { kind: Some(Kind::Bool(flag)) };
    let logging = [
        ("entrypoint", text("USER_INITIATED")),
        ("is_autodetected_user_query", flag(false)),
        ("is_auto_resume_after_error", flag(false)),
    ];
    let logging = logging.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Metadata { logging, ..Default::default() }
}

#[expect(deprecated, reason = "the flat form is a setting")]
pub(crate) fn mcp_context(tools: Vec<OfferedTool>, form: ToolForm) -> Option<McpContext> {
    if tools.is_empty() {
        return None;
    }
    let tools = tools.into_iter().map(|tool| McpTool {
        name: tool.name,
        description: tool.description,
        input_schema: Some(tool.schema),
    });
    let tools = tools.collect();
    Some(match form {
        ToolForm::Flat => McpContext { tools, ..Default::default() },
        ToolForm::Grouped => McpContext {
            servers: vec![McpServer {
                id: SERVER_ID.to_owned(),
                name: "tools".to_owned(),
                tools,
                ..Default::default()
            }],
            ..Default::default()
        },
    })
}
