//! Reads responses as the strictest client would: every key that must be there is, none is there that the reference
//! does not have, and the events of a stream come in their only order, numbered. Accumulates deltas the way SDKs do and
//! holds what comes whole to what was accumulated.

use serde_json::{Map, Value, json};

type Checked<T> = Result<T, String>;

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

const RESPONSE: &[&str] = &[
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "error",
    "incomplete_details",
    "model",
    "output",
    "usage",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Reads a stream: the response it ended with, and the error if it failed.
pub(super) fn stream(bytes: &[u8]) -> Checked<(Value, Result<(), Value>)> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut reader = Reader::default();
    let mut end = None;
    let frames = text.strip_suffix("\n\n").ok_or("the last frame is not closed")?;
    for frame in frames.split("\n\n") {
        require!(end.is_none(), "a frame after the end: {frame}");
        let (name, data) = frame.split_once('\n').ok_or("not two lines")?;
        let name = name.strip_prefix("event: ").ok_or_else(|| format!("no name: {frame}"))?;
        let data = data.strip_prefix("data: ").ok_or_else(|| format!("no data: {frame}"))?;
        require!(!data.contains(['\n', '\r']), "more than one line: {data}");
        let event = parse(data)?;
        require!(event["type"] == name, "{name} is {}", event["type"]);
        require!(event["sequence_number"] == reader.next, "number {} of {name}", event["sequence_number"]);
        reader.next += 1;
        end = reader.event(name, &event).map_err(|message| format!("{message}: {data}"))?;
    }
    end.ok_or_else(|| "the stream has no end".to_owned())
}

/// Reads a whole response.
pub(super) fn whole(bytes: &[u8]) -> Checked<Value> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let response = parse(text)?;
    response_object(&response)?;
    let incomplete = response["status"] == "incomplete";
    require!(incomplete || response["status"] == "completed", "status {}", response["status"]);
    require!(response["error"].is_null(), "an error");
    require!(response["incomplete_details"].is_null() != incomplete, "incomplete_details");
    for item in response["output"].as_array().into_iter().flatten() {
        done_item(item, if incomplete { &["completed", "incomplete"] } else { &["completed"] })?;
    }
    require!(response["output"].as_array().is_some_and(|items| !items.is_empty()), "no output");
    Ok(Value::Object(response))
}

#[derive(Default)]
struct Reader {
    next: u64,
    first: Option<Value>,
    done: Vec<Value>,
    open: Option<Open>,
}

/// The item that is open, as accumulated.
struct Open {
    item: Value,
    text: String,
    /// The part of it was begun, its text is whole, the part is whole.
    part: (bool, bool, bool),
}

type End = (Value, Result<(), Value>);

impl Reader {
    fn event(&mut self, name: &str, event: &Map<String, Value>) -> Checked<Option<End>> {
        match (self.next, name) {
            (1, "response.created") => {
                self.first = Some(self.begun(event)?);
                return Ok(None);
            }
            (2, "response.in_progress") => {
                require!(Some(&self.begun(event)?) == self.first.as_ref(), "another response");
                return Ok(None);
            }
            (1 | 2, _) => return Err("not the beginning".into()),
            _ => {}
        }
        match name {
            "response.completed" | "response.incomplete" | "response.failed" => {
                return self.end(name, event).map(Some);
            }
            "response.output_item.added" => self.added(event)?,
            "response.output_item.done" => self.item_done(event)?,
            "keepalive" => keys(event, &["type", "sequence_number"], &[])?,
            _ => self.inside(name, event)?,
        }
        Ok(None)
    }

    fn begun(&self, event: &Map<String, Value>) -> Checked<Value> {
        keys(event, &["type", "sequence_number", "response"], &[])?;
        let response = event["response"].as_object().ok_or("no response")?;
        response_object(response)?;
        require!(response["status"] == "in_progress" && response["output"] == json!([]), "not a beginning");
        require!(response["error"].is_null() && response["usage"].is_null(), "error or usage");
        Ok(event["response"].clone())
    }

    fn added(&mut self, event: &Map<String, Value>) -> Checked<()> {
        keys(event, &["type", "sequence_number", "output_index", "item"], &[])?;
        require!(self.open.is_none(), "an item while another is open");
        require!(event["output_index"] == self.done.len(), "output_index");
        let item = &event["item"];
        item_keys(item)?;
        match item["type"].as_str() {
            Some("message") => require!(item["content"] == json!([]), "content in the beginning"),
            Some("reasoning") => require!(item["summary"] == json!([]), "a summary in the beginning"),
            Some("function_call") => require!(item["arguments"] == "", "arguments in the beginning"),
            _ => require!(item["input"] == "", "input in the beginning"),
        }
        require!(item.get("status").is_none_or(|status| status == "in_progress"), "status");
        let id = item["id"].as_str().ok_or("no id")?;
        require!(self.done.iter().all(|done| done["id"] != id), "an id twice");
        self.open = Some(Open { item: item.clone(), text: String::new(), part: (false, false, false) });
        Ok(())
    }

    fn inside(&mut self, name: &str, event: &Map<String, Value>) -> Checked<()> {
        let open = self.open.as_mut().ok_or("no item is open")?;
        require!(event["item_id"] == open.item["id"], "of another item");
        require!(event["output_index"] == self.done.len(), "output_index");
        let kind = open.item["type"].as_str().unwrap_or_default().to_owned();
        let known = ["type", "sequence_number", "item_id", "output_index"];
        let (stem, index, more): (_, _, &[&str]) = match kind.as_str() {
            "message" => ("response.output_text", Some("content_index"), &["logprobs"]),
            "reasoning" => ("response.reasoning_summary_text", Some("summary_index"), &[]),
            "function_call" => ("response.function_call_arguments", None, &[]),
            _ => ("response.custom_tool_call_input", None, &[]),
        };
        let part =
            if kind == "message" { "response.content_part" } else { "response.reasoning_summary_part" };
        if let Some(index) = index {
            require!(event.get(index).is_some_and(|index| *index == 0), "{index}");
        }
        let index = index.as_slice();
        if name == format!("{part}.added") || name == format!("{part}.done") {
            keys(event, &[&known, index, &["part"]].concat(), &[])?;
            let (begun, texted, closed) = open.part;
            let expected = if begun { open.text.as_str() } else { "" };
            require!(event["part"] == part_of(&kind, expected), "the part is {}", event["part"]);
            require!(!closed && begun == name.ends_with(".done") && begun == texted, "the order of the part");
            open.part = (true, texted, begun);
            return Ok(());
        }
        require!(index.is_empty() || open.part.0, "before the part");
        require!(!open.part.1, "after its end");
        if name == format!("{stem}.delta") {
            keys(event, &[&known, index, more, &["delta"]].concat(), &[])?;
            open.text.push_str(event["delta"].as_str().ok_or("delta")?);
            return Ok(());
        }
        require!(name == format!("{stem}.done"), "{name} in a {kind}");
        let key = match kind.as_str() {
            "message" | "reasoning" => "text",
            "function_call" => "arguments",
            _ => "input",
        };
        keys(event, &[&known, index, more, &[key]].concat(), &[])?;
        require!(event[key] == open.text, "{key} is not what was accumulated");
        open.part.1 = true;
        Ok(())
    }

    fn item_done(&mut self, event: &Map<String, Value>) -> Checked<()> {
        keys(event, &["type", "sequence_number", "output_index", "item"], &[])?;
        let open = self.open.take().ok_or("no item is open")?;
        require!(event["output_index"] == self.done.len(), "output_index");
        let item = &event["item"];
        done_item(item, &["completed", "incomplete"])?;
        for key in ["id", "type", "role", "call_id", "name", "namespace"] {
            require!(item.get(key) == open.item.get(key), "{key} changed");
        }
        let kind = item["type"].as_str().unwrap_or_default();
        let text = match kind {
            "message" => &item["content"][0]["text"],
            "reasoning" => &item["summary"][0]["text"],
            "function_call" => &item["arguments"],
            _ => &item["input"],
        };
        require!(*text == open.text, "not what was accumulated");
        let parts = matches!(kind, "message" | "reasoning");
        require!(open.part == (parts, true, parts), "its parts are not closed");
        self.done.push(item.clone());
        Ok(())
    }

    fn end(&self, name: &str, event: &Map<String, Value>) -> Checked<End> {
        keys(event, &["type", "sequence_number", "response"], &[])?;
        let response = event["response"].as_object().ok_or("no response")?;
        response_object(response)?;
        let status = name.strip_prefix("response.").unwrap_or_default();
        require!(response["status"] == status, "status {}", response["status"]);
        for key in RESPONSE
            .iter()
            .filter(|key| !["status", "output", "error", "incomplete_details", "usage"].contains(key))
        {
            let first = self.first.as_ref().and_then(|first| first.get(key));
            require!(response.get(*key) == first, "{key} changed");
        }
        let output = response["output"].as_array().ok_or("output")?;
        if status == "failed" {
            let error = response["error"].as_object().ok_or("no error")?;
            keys(error, &["code", "message"], &[])?;
            require!(error["code"].is_string() && error["message"].is_string(), "code or message");
            require!(output.len() == self.done.len() + usize::from(self.open.is_some()), "output");
            require!(output[..self.done.len()] == self.done, "the output changed");
            return Ok((event["response"].clone(), Err(response["error"].clone())));
        }
        require!(self.open.is_none(), "an item is open");
        require!(*output == self.done, "the output is not what was told");
        whole(event["response"].to_string().as_bytes())?;
        Ok((event["response"].clone(), Ok(())))
    }
}

fn response_object(response: &Map<String, Value>) -> Checked<()> {
    keys(response, RESPONSE, &[])?;
    require!(response["object"] == "response" && response["background"] == false, "object or background");
    let id = response["id"].as_str().unwrap_or_default();
    require!(id.starts_with("resp_"), "id {id}");
    require!(response["created_at"].is_i64() && response["model"].is_string(), "created_at or model");
    require!(response["tools"].is_array() && response["metadata"].is_object(), "tools or metadata");
    require!(response["tool_choice"].is_string() || response["tool_choice"].is_object(), "tool_choice");
    require!(response["text"]["format"]["type"].is_string(), "text.format");
    require!(response["parallel_tool_calls"].is_boolean() && response["store"].is_boolean(), "a boolean");
    if let Some(usage) = response["usage"].as_object() {
        let all = [
            "input_tokens",
            "input_tokens_details",
            "output_tokens",
            "output_tokens_details",
            "total_tokens",
        ];
        keys(usage, &all, &[])?;
        let count = |value: &Value| value.as_u64().ok_or_else(|| format!("{value} is no count"));
        count(&usage["input_tokens_details"]["cached_tokens"])?;
        count(&usage["input_tokens_details"]["cache_write_tokens"])?;
        count(&usage["output_tokens_details"]["reasoning_tokens"])?;
        let sum = count(&usage["input_tokens"])?.saturating_add(count(&usage["output_tokens"])?);
        require!(count(&usage["total_tokens"])? == sum.min(i64::MAX as u64), "total_tokens is no sum");
    } else {
        require!(response["usage"].is_null(), "usage");
    }
    Ok(())
}

fn item_keys(item: &Value) -> Checked<()> {
    let item = item.as_object().ok_or("the item is no object")?;
    let all: &[&str] = match item.get("type").and_then(Value::as_str) {
        Some("message") => &["id", "type", "status", "role", "content"],
        Some("reasoning") => &["id", "type", "summary"],
        Some("function_call") => &["id", "type", "status", "call_id", "name", "arguments"],
        Some("custom_tool_call") => &["id", "type", "status", "call_id", "name", "input"],
        other => return Err(format!("an item of the type {other:?}")),
    };
    keys(item, all, &["namespace"])?;
    require!(item.get("role").is_none_or(|role| role == "assistant"), "role");
    require!(item.get("call_id").is_none_or(|id| id.as_str().is_some_and(|id| !id.is_empty())), "call_id");
    Ok(())
}

fn done_item(item: &Value, statuses: &[&str]) -> Checked<()> {
    item_keys(item)?;
    let kind = item["type"].as_str().unwrap_or_default();
    let parts = if kind == "message" { &item["content"] } else { &item["summary"] };
    if matches!(kind, "message" | "reasoning") {
        let text = parts[0]["text"].as_str().ok_or("no text")?;
        require!(*parts == json!([part_of(kind, text)]), "parts are {parts}");
    }
    let status = item.get("status").and_then(Value::as_str).unwrap_or("completed");
    require!(statuses.contains(&status), "status {status}");
    Ok(())
}

fn part_of(kind: &str, text: &str) -> Value {
    match kind {
        "message" => json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text }),
        _ => json!({ "type": "summary_text", "text": text }),
    }
}

/// Parses an object that has no key twice.
fn parse(text: &str) -> Checked<Map<String, Value>> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let shortest = value.to_string();
    require!(shortest == text, "not the shortest form, or a key twice: {text}");
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("not an object: {text}")),
    }
}

fn keys(object: &Map<String, Value>, required: &[&str], optional: &[&str]) -> Checked<()> {
    for key in required {
        require!(object.contains_key(*key), "{key} is missing");
    }
    for key in object.keys() {
        require!(required.contains(&key.as_str()) || optional.contains(&key.as_str()), "{key} is too much");
    }
    Ok(())
}
