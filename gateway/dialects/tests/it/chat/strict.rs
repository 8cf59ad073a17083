//! Reads answers as the strictest client would: every key that must be there is, none is there that the reference
//! does not have, and the frames of a stream come in the only order that works for everyone. Accumulates deltas the
//! way SDKs do.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// What a client knows when an answer is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) model: String,
    /// Empty where there is none, be it null or `""`.
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) tool_calls: Vec<Call>,
    pub(crate) function_call: Option<Call>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Answer {
    /// The answer as JSON, to be compared.
    pub(crate) fn into_value(self) -> Value {
        let call = |call: Call| json!({ "id": call.id, "name": call.name, "arguments": call.arguments });
        json!({
            "id": self.id,
            "created": self.created,
            "model": self.model,
            "content": self.content,
            "reasoning": self.reasoning,
            "tool_calls": self.tool_calls.into_iter().map(call).collect::<Vec<_>>(),
            "function_call": self.function_call.map(call),
            "finish_reason": self.finish_reason,
            "usage": self.usage,
        })
    }
}

/// A stream that was read to its end: `[DONE]`, or the error that stands in its place.
pub(crate) type Streamed = (Answer, Result<(), Value>);

type Checked<T> = Result<T, String>;

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Reads a stream.
pub(crate) fn stream(bytes: &[u8], include_usage: bool) -> Checked<Streamed> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut reader = Reader { include_usage, answer: Answer::default(), chunks: 0, usage_seen: false };
    let mut end = None;
    let frames = text.strip_suffix("\n\n").ok_or("the last frame is not closed")?;
    for frame in frames.split("\n\n") {
        require!(end.is_none(), "a frame after the end: {frame}");
        let payload = frame.strip_prefix("data: ").ok_or_else(|| format!("not a data frame: {frame}"))?;
        require!(!payload.contains(['\n', '\r']), "more than one line: {payload}");
        if payload == "[DONE]" {
            require!(reader.answer.finish_reason.is_some(), "[DONE] without a finish_reason");
            end = Some(Ok(()));
            continue;
        }
        let object = parse(payload)?;
        if object.contains_key("error") {
            end = Some(Err(Value::Object(error(&object)?.clone())));
        } else {
            reader.chunk(&object).map_err(|message| format!("{message}: {payload}"))?;
        }
    }
    Ok((reader.answer, end.ok_or("the stream has no end")?))
}

/// Reads a whole answer.
pub(crate) fn whole(bytes: &[u8]) -> Checked<Answer> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let object = parse(text)?;
    keys(&object, &["id", "object", "created", "model", "choices"], &["usage"])?;
    require!(object["object"] == "chat.completion", "object is {}", object["object"]);
    let choices = object["choices"].as_array().ok_or("choices is no array")?;
    require!(choices.len() == 1, "not one choice");
    let choice = choices[0].as_object().ok_or("the choice is no object")?;
    keys(choice, &["index", "message", "logprobs", "finish_reason"], &[])?;
    require!(choice["index"] == 0 && choice["logprobs"].is_null(), "index or logprobs");
    let message = choice["message"].as_object().ok_or("the message is no object")?;
    keys(message, &["role", "content", "refusal"], &["reasoning_content", "tool_calls", "function_call"])?;
    require!(message["role"] == "assistant" && message["refusal"].is_null(), "role or refusal");

    let mut answer = Answer {
        id: string(&object["id"])?,
        created: object["created"].as_i64().ok_or("created is no integer")?,
        model: string(&object["model"])?,
        finish_reason: Some(string(&choice["finish_reason"])?),
        ..Answer::default()
    };
    if let Some(calls) = message.get("tool_calls") {
        let calls = calls.as_array().ok_or("tool_calls is no array")?;
        require!(!calls.is_empty(), "tool_calls is empty");
        for call in calls {
            let call = call.as_object().ok_or("the call is no object")?;
            keys(call, &["id", "type", "function"], &[])?;
            require!(call["type"] == "function", "type of a call");
            answer.tool_calls.push(Call { id: string(&call["id"])?, ..function(&call["function"])? });
        }
    }
    answer.function_call = message.get("function_call").map(function).transpose()?;
    let called = !answer.tool_calls.is_empty() || answer.function_call.is_some();
    match &message["content"] {
        Value::Null => require!(called, "content is null without calls"),
        content => {
            answer.content = string(content)?;
            require!(!called || !answer.content.is_empty(), "content is empty beside calls, not null");
        }
    }
    if let Some(reasoning) = message.get("reasoning_content") {
        answer.reasoning = string(reasoning)?;
        require!(!answer.reasoning.is_empty(), "reasoning_content is empty");
    }
    if let Some(value) = object.get("usage") {
        usage(value)?;
        answer.usage = Some(value.clone());
    }
    end_fits(&answer)?;
    Ok(answer)
}

struct Reader {
    include_usage: bool,
    answer: Answer,
    chunks: usize,
    usage_seen: bool,
}

impl Reader {
    fn chunk(&mut self, chunk: &Map<String, Value>) -> Checked<()> {
        let usage_key: &[&str] = if self.include_usage { &["usage"] } else { &[] };
        keys(chunk, &[&["id", "object", "created", "model", "choices"], usage_key].concat(), &[])?;
        require!(chunk["object"] == "chat.completion.chunk", "object");
        let head = (string(&chunk["id"])?, chunk["created"].as_i64(), string(&chunk["model"])?);
        let created = head.1.ok_or("created is no integer")?;
        self.chunks += 1;
        if self.chunks == 1 {
            (self.answer.id, self.answer.created, self.answer.model) = (head.0, created, head.2);
        } else {
            let same = (&self.answer.id, self.answer.created, &self.answer.model);
            require!((&head.0, created, &head.2) == same, "the head changed");
        }
        let choices = chunk["choices"].as_array().ok_or("choices is no array")?;
        if self.answer.finish_reason.is_some() {
            require!(self.include_usage && choices.is_empty(), "a chunk after the finish_reason");
            require!(!self.usage_seen, "a second usage chunk");
            self.usage_seen = true;
            usage(&chunk["usage"])?;
            self.answer.usage = Some(chunk["usage"].clone());
            return Ok(());
        }
        require!(choices.len() == 1, "not one choice");
        require!(chunk.get("usage").is_none_or(Value::is_null), "usage on a chunk of content");
        let choice = choices[0].as_object().ok_or("the choice is no object")?;
        keys(choice, &["index", "delta", "logprobs", "finish_reason"], &[])?;
        require!(choice["index"] == 0 && choice["logprobs"].is_null(), "index or logprobs");
        let delta = choice["delta"].as_object().ok_or("the delta is no object")?;
        if self.chunks == 1 {
            let first = parse(r#"{"role":"assistant","content":""}"#)?;
            require!(*delta == first && choice["finish_reason"].is_null(), "the first chunk");
            return Ok(());
        }
        if !choice["finish_reason"].is_null() {
            require!(delta.is_empty(), "a delta beside the finish_reason");
            self.answer.finish_reason = Some(string(&choice["finish_reason"])?);
            return end_fits(&self.answer);
        }
        self.delta(delta)
    }

    fn delta(&mut self, delta: &Map<String, Value>) -> Checked<()> {
        require!(delta.len() <= 1, "more than one thing in a delta");
        let Some((key, value)) = delta.iter().next() else { return Ok(()) };
        match key.as_str() {
            "content" => {
                let text = string(value)?;
                require!(!text.is_empty(), "an empty content");
                self.answer.content.push_str(&text);
            }
            "reasoning_content" => {
                let text = string(value)?;
                require!(!text.is_empty(), "an empty reasoning_content");
                self.answer.reasoning.push_str(&text);
            }
            "tool_calls" => {
                let calls = value.as_array().ok_or("tool_calls is no array")?;
                for call in calls {
                    self.tool_call(call.as_object().ok_or("the call is no object")?)?;
                }
                require!(calls.len() == 1, "not one call in a delta");
            }
            "function_call" => {
                let call = value.as_object().ok_or("function_call is no object")?;
                if let Some(known) = &mut self.answer.function_call {
                    keys(call, &["arguments"], &[])?;
                    known.arguments.push_str(&string(&call["arguments"])?);
                } else {
                    let first = function(value)?;
                    require!(first.arguments.is_empty(), "arguments in the first delta of a call");
                    self.answer.function_call = Some(first);
                }
            }
            other => return Err(format!("{other} in a delta")),
        }
        Ok(())
    }

    fn tool_call(&mut self, call: &Map<String, Value>) -> Checked<()> {
        let index = call.get("index").and_then(Value::as_u64).ok_or("a call without an index")? as usize;
        let calls = &mut self.answer.tool_calls;
        if index == calls.len() {
            keys(call, &["index", "id", "type", "function"], &[])?;
            require!(call["type"] == "function", "type of a call");
            let first = Call { id: string(&call["id"])?, ..function(&call["function"])? };
            require!(first.arguments.is_empty(), "arguments in the first delta of a call");
            calls.push(first);
        } else {
            require!(index + 1 == calls.len(), "a delta for a call that is not the latest");
            keys(call, &["index", "function"], &[])?;
            let function = call["function"].as_object().ok_or("the function is no object")?;
            keys(function, &["arguments"], &[])?;
            calls[index].arguments.push_str(&string(&function["arguments"])?);
        }
        Ok(())
    }
}

/// The reason of the end says what the answer holds, and ids are unique.
fn end_fits(answer: &Answer) -> Checked<()> {
    let reason = answer.finish_reason.as_deref().unwrap_or_default();
    require!(["stop", "length", "tool_calls", "function_call"].contains(&reason), "finish_reason {reason}");
    require!((reason == "tool_calls") != answer.tool_calls.is_empty(), "{reason} and tool calls");
    require!((reason == "function_call") == answer.function_call.is_some(), "{reason} and a function call");
    let ids: HashSet<&str> = answer.tool_calls.iter().map(|call| call.id.as_str()).collect();
    require!(ids.len() == answer.tool_calls.len() && !ids.contains(""), "ids of calls");
    Ok(())
}

fn error(object: &Map<String, Value>) -> Checked<&Map<String, Value>> {
    keys(object, &["error"], &[])?;
    let error = object["error"].as_object().ok_or("the error is no object")?;
    keys(error, &["message", "type", "param", "code"], &[])?;
    require!(error["message"].is_string() && error["type"].is_string(), "message or type");
    require!(error["param"].is_string() || error["param"].is_null(), "param");
    require!(error["code"].is_string() || error["code"].is_null(), "code");
    Ok(error)
}

fn function(value: &Value) -> Checked<Call> {
    let function = value.as_object().ok_or("the function is no object")?;
    keys(function, &["name", "arguments"], &[])?;
    let (name, arguments) = (string(&function["name"])?, string(&function["arguments"])?);
    Ok(Call { id: String::new(), name, arguments })
}

fn usage(value: &Value) -> Checked<()> {
    let usage = value.as_object().ok_or("usage is no object")?;
    keys(usage, &["prompt_tokens", "completion_tokens", "total_tokens"], &["prompt_tokens_details"])?;
    let count = |key: &str| usage[key].as_u64().ok_or_else(|| format!("{key} is no count"));
    let sum = count("prompt_tokens")?.saturating_add(count("completion_tokens")?).min(i64::MAX as u64);
    require!(count("total_tokens")? == sum, "total_tokens is no sum");
    if let Some(details) = usage.get("prompt_tokens_details") {
        let details = details.as_object().ok_or("prompt_tokens_details is no object")?;
        keys(details, &["cached_tokens"], &[])?;
        require!(details["cached_tokens"].is_u64(), "cached_tokens is no count");
    }
    Ok(())
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

fn string(value: &Value) -> Checked<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no string"))
}

mod tests {
    use super::*;

    const HEAD: &str = r#""id":"i","object":"chat.completion.chunk","created":1,"model":"m""#;

    fn frame(delta: &str, finish_reason: &str) -> String {
        let choice =
            format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}"#);
        format!("data: {{{HEAD},\"choices\":[{choice}]}}\n\n")
    }

    #[test]
    fn a_right_stream_passes_and_wrong_ones_do_not() {
        let role = frame(r#"{"role":"assistant","content":""}"#, "null");
        let text = frame(r#"{"content":"a"}"#, "null");
        let stop = frame("{}", "\"stop\"");
        let called = frame("{}", "\"tool_calls\"");
        let call = |index, id| {
            let call = format!(
                r#"{{"index":{index},"id":"{id}","type":"function","function":{{"name":"f","arguments":""}}}}"#
            );
            frame(&format!(r#"{{"tool_calls":[{call}]}}"#), "null")
        };
        let (a, b, a_again) = (call(0, "a"), call(0, "b"), call(1, "a"));
        let done = "data: [DONE]\n\n";
        assert!(stream([&role, &text, &stop, done].concat().as_bytes(), false).is_ok());
        assert!(stream([&role, &a, &called, done].concat().as_bytes(), false).is_ok());

        let usage = format!("data: {{{HEAD},\"choices\":[]}}\n\n");
        let other = stop.replace("\"i\"", "\"j\"");
        let wrong: [(&str, Vec<&str>); 14] = [
            ("no role", vec![&text, &stop, done]),
            ("a role twice", vec![&role, &role, &stop, done]),
            ("no finish_reason", vec![&role, &text, done]),
            ("no end", vec![&role, &text, &stop]),
            ("[DONE] twice", vec![&role, &stop, done, done]),
            ("text after the end", vec![&role, &stop, &text, done]),
            ("another id", vec![&role, &other, done]),
            ("usage unasked", vec![&role, &stop, &usage, done]),
            ("stop after calls", vec![&role, &a, &stop, done]),
            ("tool_calls without calls", vec![&role, &called, done]),
            ("calls that share an index", vec![&role, &a, &b, &called, done]),
            ("calls that share an id", vec![&role, &a, &a_again, &called, done]),
            ("an unknown key", vec![&role, "data: {\"id\":\"i\"}\n\n", &stop, done]),
            ("a comment", vec![&role, ": ping\n\n", &stop, done]),
        ];
        for (what, frames) in wrong {
            assert!(stream(frames.concat().as_bytes(), false).is_err(), "{what}");
        }
        assert!(stream([&role, &stop, done].concat().as_bytes(), true).is_err(), "no usage keys");
    }
}
