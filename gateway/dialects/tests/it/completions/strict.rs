//! Reads completions as the strictest client would: the keys of the reference and no others, frames in their only order.

use serde_json::{Map, Value, json};

type Checked<T> = Result<T, String>;

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Reads a stream: the completion that its chunks add up to, and the error if it broke off.
pub(super) fn stream(bytes: &[u8], include_usage: bool) -> Checked<(Value, Result<(), Value>)> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let frames = text.strip_suffix("\n\n").ok_or("the last frame is not closed")?;
    let (mut whole, mut said, mut reason, mut usage, mut end) = (None, String::new(), None, None, None);
    for frame in frames.split("\n\n") {
        require!(end.is_none(), "a frame after the end: {frame}");
        let data = frame.strip_prefix("data: ").ok_or_else(|| format!("not a data frame: {frame}"))?;
        require!(!data.contains(['\n', '\r']), "more than one line: {data}");
        if data == "[DONE]" {
            require!(reason.is_some(), "[DONE] without a finish_reason");
            end = Some(Ok(()));
            continue;
        }
        let chunk = parse(data)?;
        if let Some(error) = chunk.get("error") {
            end = Some(Err(error.clone()));
            continue;
        }
        let usage_key: &[&str] = if include_usage { &["usage"] } else { &[] };
        keys(&chunk, &[&["id", "object", "created", "model", "choices"], usage_key].concat())?;
        let head = head(&chunk)?;
        require!(*whole.get_or_insert_with(|| head.clone()) == head, "the head changed");
        let choices = chunk["choices"].as_array().ok_or("choices is no array")?;
        if reason.is_some() {
            require!(
                include_usage && choices.is_empty() && usage.is_none(),
                "a chunk after the finish_reason"
            );
            counts(&chunk["usage"])?;
            usage = Some(chunk["usage"].clone());
            continue;
        }
        require!(chunk.get("usage").is_none_or(Value::is_null), "usage on a chunk of text");
        let (text, ended) = choice(choices)?;
        require!(ended.is_none() || text.is_empty(), "text beside the finish_reason");
        said.push_str(&text);
        reason = ended;
    }
    let end = end.ok_or("the stream has no end")?;
    let head = whole.unwrap_or_default();
    Ok((json!({ "head": head, "text": said, "finish_reason": reason, "usage": usage }), end))
}

/// Reads a whole completion.
pub(super) fn whole(bytes: &[u8]) -> Checked<Value> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut completion = parse(text)?;
    let usage = completion.shift_remove("usage");
    keys(&completion, &["id", "object", "created", "model", "choices"])?;
    usage.as_ref().map_or(Ok(()), counts)?;
    let (text, reason) = choice(completion["choices"].as_array().ok_or("choices is no array")?)?;
    let reason = reason.ok_or("no finish_reason")?;
    Ok(json!({ "head": head(&completion)?, "text": text, "finish_reason": reason, "usage": usage }))
}

fn head(object: &Map<String, Value>) -> Checked<Value> {
    require!(object["object"] == "text_completion", "object is {}", object["object"]);
    require!(object["created"].is_i64() && object["model"].is_string(), "created or model");
    require!(object["id"].as_str().is_some_and(|id| id.starts_with("cmpl-")), "id");
    Ok(json!([object["id"], object["created"], object["model"]]))
}

fn choice(choices: &[Value]) -> Checked<(String, Option<String>)> {
    require!(choices.len() == 1, "not one choice");
    let choice = choices[0].as_object().ok_or("the choice is no object")?;
    keys(choice, &["text", "index", "logprobs", "finish_reason"])?;
    require!(choice["index"] == 0 && choice["logprobs"].is_null(), "index or logprobs");
    let reason = choice["finish_reason"].as_str().map(str::to_owned);
    require!(reason.as_deref().is_none_or(|reason| ["stop", "length"].contains(&reason)), "finish_reason");
    Ok((choice["text"].as_str().ok_or("text is no string")?.to_owned(), reason))
}

fn counts(usage: &Value) -> Checked<()> {
    let count = |key: &str| usage[key].as_u64().ok_or_else(|| format!("{key} is no count"));
    let sum = count("prompt_tokens")?.saturating_add(count("completion_tokens")?).min(i64::MAX as u64);
    require!(count("total_tokens")? == sum, "total_tokens is no sum");
    Ok(())
}

fn parse(text: &str) -> Checked<Map<String, Value>> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let shortest = value.to_string();
    require!(shortest == text, "not the shortest form, or a key twice: {text}");
    value.as_object().cloned().ok_or_else(|| format!("not an object: {text}"))
}

fn keys(object: &Map<String, Value>, expected: &[&str]) -> Checked<()> {
    let found: Vec<&str> = object.keys().map(String::as_str).collect();
    require!(found == expected, "keys are {found:?}");
    Ok(())
}
