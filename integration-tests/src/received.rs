//! What the upstream received, in a form that tests compare: every text quoted to the byte, no ids but those of calls.

use serde_json::{Map, Value};
use warp2api_proto::value::Struct;
use warp2api_proto::warp::multi_agent::v1::attachment::Value as AttachmentValue;
use warp2api_proto::warp::multi_agent::v1::call_mcp_tool_result::Result as McpResult;
use warp2api_proto::warp::multi_agent::v1::call_mcp_tool_result::success::result::Result as McpPart;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_proto::warp::multi_agent::v1::message::tool_call::Tool;
use warp2api_proto::warp::multi_agent::v1::message::tool_call_result::Result as HistoryResult;
use warp2api_proto::warp::multi_agent::v1::request::input::Type as InputType;
use warp2api_proto::warp::multi_agent::v1::request::input::tool_call_result::Result as InputResult;
use warp2api_proto::warp::multi_agent::v1::request::input::user_inputs::user_input::Input;
use warp2api_proto::warp::multi_agent::v1::request::mcp_context::McpTool;
use warp2api_proto::warp::multi_agent::v1::{
    Attachment, CallMcpToolResult, InputContext, Request, input_context,
};

/// The conversation of a request, a line for each message of the history, `=> ` before what is new.
///
/// - `user "text"`, followed by ` image/png:64` for each image with its size, and ` instructions "text"`.
/// - `assistant "text"`.
/// - `call ID NAME {"arguments":"in their order"}`.
/// - `result ID "text" "text"`, `error ID "text"`, `cancelled ID`.
/// - `server`, a call of the upstream's own.
/// - `resume`, which is only ever new.
/// - `unexpected`, for what no request of ours holds.
pub fn conversation(request: &Request) -> Vec<String> {
    let tasks = request.task_context.iter().flat_map(|context| &context.tasks);
    let messages = tasks.flat_map(|task| &task.messages);
    let mut lines: Vec<String> = messages.map(|message| history(message.message.as_ref())).collect();
    let input = request.input.as_ref();
    let context = input.and_then(|input| input.context.as_ref());
    match input.and_then(|input| input.r#type.as_ref()) {
        Some(InputType::UserInputs(inputs)) => {
            lines.extend(
                inputs.inputs.iter().map(|new| format!("=> {}", latest(new.input.as_ref(), context))),
            );
        }
        Some(InputType::ResumeConversation(_)) => lines.push("=> resume".to_owned()),
        other => lines.push(format!("=> unexpected {other:?}")),
    }
    lines
}

/// The instructions that a request carries, wherever they stand.
pub fn instructions(request: &Request) -> Option<&str> {
    let tasks = request.task_context.iter().flat_map(|context| &context.tasks);
    let past = tasks.flat_map(|task| &task.messages).filter_map(|message| match &message.message {
        Some(Kind::UserQuery(query)) => Some(&query.referenced_attachments),
        _ => None,
    });
    let new = match request.input.as_ref().and_then(|input| input.r#type.as_ref()) {
        Some(InputType::UserInputs(inputs)) => &inputs.inputs[..],
        _ => &[],
    };
    let new = new.iter().filter_map(|new| match &new.input {
        Some(Input::UserQuery(query)) => Some(&query.referenced_attachments),
        _ => None,
    });
    past.chain(new).flat_map(|attachments| attachments.values()).find_map(plain_text)
}

/// The text of the query that is new, if that is what is new.
pub fn query(request: &Request) -> Option<&str> {
    match request.input.as_ref()?.r#type.as_ref()? {
        InputType::UserInputs(inputs) => inputs.inputs.iter().find_map(|new| match &new.input {
            Some(Input::UserQuery(query)) => Some(query.query.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

/// The tools that a request offers in groups: name, description and the JSON of the schema, keys in their order.
pub fn tools(request: &Request) -> Vec<(String, String, String)> {
    let servers = request.mcp_context.iter().flat_map(|context| &context.servers);
    let tools = servers.flat_map(|server| &server.tools);
    let shown = tools.map(|McpTool { name, description, input_schema }| {
        let schema = input_schema.as_ref().map(json).unwrap_or_default();
        (name.clone(), description.clone(), schema)
    });
    shown.collect()
}

/// The images of the last thing said: media type and the base64 text the upstream wants.
pub fn new_images(request: &Request) -> Vec<(String, String)> {
    let context = request.input.as_ref().and_then(|input| input.context.as_ref());
    let images = context.iter().flat_map(|context| &context.images);
    let texts =
        images.map(|image| (image.mime_type.clone(), String::from_utf8_lossy(&image.data).into_owned()));
    texts.collect()
}

/// The request without what differs from one time to the next: ids of tasks and messages, the time.
#[must_use]
pub fn without_ids(mut request: Request) -> Request {
    for task in request.task_context.iter_mut().flat_map(|context| &mut context.tasks) {
        task.id = "task".to_owned();
        for (index, message) in task.messages.iter_mut().enumerate() {
            message.id = format!("message-{index}");
            message.task_id = "task".to_owned();
        }
    }
    if let Some(context) = request.input.as_mut().and_then(|input| input.context.as_mut()) {
        context.current_time = None;
    }
    request
}

/// The JSON of an object, keys in their order.
pub fn json(object: &Struct) -> String {
    Value::Object(Map::from(object.clone())).to_string()
}

fn history(kind: Option<&Kind>) -> String {
    match kind {
        Some(Kind::UserQuery(query)) => {
            let attachments = query.referenced_attachments.values();
            user(&query.query, query.context.as_ref(), attachments)
        }
        Some(Kind::AgentOutput(output)) => format!("assistant {:?}", output.text),
        Some(Kind::ToolCall(call)) => match &call.tool {
            Some(Tool::CallMcpTool(tool)) => {
                let arguments = tool.args.as_ref().map(json).unwrap_or_default();
                format!("call {} {} {arguments}", call.tool_call_id, tool.name)
            }
            Some(Tool::Server(_)) => "server".to_owned(),
            other => format!("unexpected {other:?}"),
        },
        Some(Kind::ToolCallResult(result)) => match &result.result {
            Some(HistoryResult::CallMcpTool(content)) => answer(&result.tool_call_id, content),
            Some(HistoryResult::Cancel(())) => format!("cancelled {}", result.tool_call_id),
            other => format!("unexpected {other:?}"),
        },
        other => format!("unexpected {other:?}"),
    }
}

fn latest(input: Option<&Input>, context: Option<&InputContext>) -> String {
    match input {
        Some(Input::UserQuery(query)) => user(&query.query, context, query.referenced_attachments.values()),
        Some(Input::ToolCallResult(result)) => match &result.result {
            Some(InputResult::CallMcpTool(content)) => answer(&result.tool_call_id, content),
            other => format!("unexpected {other:?}"),
        },
        other => format!("unexpected {other:?}"),
    }
}

fn user<'a>(
    text: &str,
    context: Option<&InputContext>,
    attachments: impl Iterator<Item = &'a Attachment>,
) -> String {
    let mut line = format!("user {text:?}");
    for input_context::Image { data, mime_type } in context.iter().flat_map(|context| &context.images) {
        line.push_str(&format!(" {mime_type}:{}", data.len()));
    }
    for attachment in attachments {
        line.push_str(&format!(" instructions {:?}", plain_text(attachment).unwrap_or("(not a text)")));
    }
    line
}

fn plain_text(attachment: &Attachment) -> Option<&str> {
    match &attachment.value {
        Some(AttachmentValue::PlainText(text)) => Some(text),
        _ => None,
    }
}

fn answer(id: &str, content: &CallMcpToolResult) -> String {
    match &content.result {
        Some(McpResult::Success(success)) => {
            let parts = success.results.iter().map(|part| match &part.result {
                Some(McpPart::Text(text)) => format!(" {:?}", text.text),
                Some(McpPart::Image(image)) => format!(" {}:{}", image.mime_type, image.data.len()),
                other => format!(" unexpected {other:?}"),
            });
            format!("result {id}{}", parts.collect::<String>())
        }
        Some(McpResult::Error(error)) => format!("error {id} {:?}", error.message),
        None => format!("unexpected result {id}"),
    }
}

/// The conversation in a query that holds one as text, a line for each message as in [`conversation`]. A query that is
/// only a question is a line of the user's.
///
/// Reads the format on its own, not with the code that writes it or the upstream's.
///
/// # Panics
/// When something in the query is neither a section nor escaped.
pub fn flattened(query: &str) -> Vec<String> {
    if !SECTIONS.iter().any(|section| query.starts_with(section)) {
        return vec![format!("user {query:?}")];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut rest = query;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("<continue/>\n") {
            lines.push("resume".to_owned());
            rest = after;
            continue;
        }
        let (head, body) = rest.strip_prefix('<').and_then(|rest| rest.split_once(">\n")).expect("a section");
        let name = head.split(' ').next().expect("a name");
        let (content, after) = body.split_once(&format!("\n</{name}>\n")).expect("the end of the section");
        rest = after;
        let attribute = |key: &str| {
            let (_, value) = head.split_once(&format!(" {key}=\""))?;
            value.split_once('"').map(|(value, _)| unescape(value))
        };
        let images = attribute("images").map(|count| format!(" images:{count}")).unwrap_or_default();
        let text = unescape(content);
        let id = || attribute("id").expect("an id");
        let line = match name {
            "user" => format!("user {text:?}{images}"),
            "assistant" => format!("assistant {text:?}"),
            "tool_call" => format!("call {} {} {text}", id(), attribute("name").expect("a name")),
            "tool_result" if attribute("cancelled").is_some() => format!("cancelled {}", id()),
            "tool_result" if attribute("error").is_some() => format!("error {} {text:?}", id()),
            "tool_result" => {
                let part = if images.is_empty() { format!(" {text:?}") } else { images };
                let head = format!("result {}", id());
                // Parts of one result stand in sections of their own.
                match lines.last_mut() {
                    Some(last) if *last == head || last.starts_with(&format!("{head} ")) => {
                        last.push_str(&part);
                        continue;
                    }
                    _ => format!("{head}{part}"),
                }
            }
            other => panic!("a section `{other}`"),
        };
        lines.push(line);
    }
    lines
}

const SECTIONS: [&str; 5] = ["<user", "<assistant>", "<tool_call ", "<tool_result ", "<continue/>"];

fn unescape(text: &str) -> String {
    assert!(!text.contains('<'), "not escaped: {text:?}");
    let plain = text.replace("&lt;", "<").replace("&quot;", "\"").replace("&#10;", "\n");
    plain.replace("&amp;", "&")
}
