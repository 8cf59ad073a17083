//! Reads answers as the strictest client would: every key that must be there is, none is there that the reference does
//! not have, and events come in the only order there is. Accumulates events the way SDKs do.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

type Checked<T> = Result<T, String>;

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Reads a stream: the message so far, and the error that stands in the place of the end if one does.
pub(super) fn stream(bytes: &[u8]) -> Checked<(Value, Result<(), Value>)> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut reader = Reader::default();
    let mut end = None;
    let frames = text.strip_suffix("\n\n").ok_or("the last event is not closed")?;
    for frame in frames.split("\n\n") {
        require!(end.is_none(), "an event after the end: {frame}");
        let (name, data) = frame.split_once('\n').ok_or_else(|| format!("one line only: {frame}"))?;
        let name = name.strip_prefix("event: ").ok_or_else(|| format!("no name: {frame}"))?;
        let data = data.strip_prefix("data: ").ok_or_else(|| format!("no data: {frame}"))?;
        require!(!data.contains(['\n', '\r']), "more than one line: {data}");
        let object = parse(data)?;
        require!(object.get("type").is_some_and(|kind| kind == name), "another type than {name}: {data}");
        end = reader.event(name, &object).map_err(|message| format!("{message}: {data}"))?;
    }
    let end = end.ok_or("the stream has no end")?;
    if end.is_ok() {
        check(&reader.message)?;
    }
    Ok((reader.message, end))
}

/// Reads a whole answer.
pub(super) fn whole(bytes: &[u8]) -> Checked<Value> {
    // Arguments stand there as they were written, so it need not be the shortest form.
    let message = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    check(&message)?;
    Ok(message)
}

#[derive(Default)]
struct Reader {
    /// Null until it begins.
    message: Value,
    /// The text of the arguments of the open block, if it is a call; and whether a block is open.
    open: Option<String>,
    over: bool,
}

impl Reader {
    /// Takes an event in and gives the end if it is that.
    fn event(&mut self, name: &str, event: &Map<String, Value>) -> Checked<Option<Result<(), Value>>> {
        match name {
            "ping" => keys(event, &["type"])?,
            "error" => {
                keys(event, &["type", "error"])?;
                let error = object(&event["error"])?;
                keys(error, &["type", "message"])?;
                require!(error["type"].is_string() && error["message"].is_string(), "type or message");
                return Ok(Some(Err(event["error"].clone())));
            }
            "message_start" => {
                keys(event, &["type", "message"])?;
                require!(self.message.is_null(), "a second message");
                let message = object(&event["message"])?;
                self.message = Value::Object(message.clone());
                head(message)?;
                require!(message["content"] == json!([]), "content at the beginning");
                require!(message["stop_reason"].is_null() && message["stop_sequence"].is_null(), "an end");
            }
            _ if self.message.is_null() => return Err("before message_start".to_owned()),
            "message_stop" => {
                keys(event, &["type"])?;
                require!(self.over, "no message_delta");
                return Ok(Some(Ok(())));
            }
            _ if self.over => return Err("after message_delta".to_owned()),
            "content_block_start" => self.begin(event)?,
            "content_block_delta" => self.delta(event)?,
            "content_block_stop" => self.end(event)?,
            "message_delta" => {
                keys(event, &["type", "delta", "usage"])?;
                require!(self.open.is_none(), "a block is open");
                self.over = true;
                let delta = object(&event["delta"])?;
                keys(delta, &["stop_reason", "stop_sequence"])?;
                usage(&event["usage"])?;
                for key in ["stop_reason", "stop_sequence"] {
                    self.message[key] = delta[key].clone();
                }
                self.message["usage"] = event["usage"].clone();
            }
            other => return Err(format!("no event is called {other}")),
        }
        Ok(None)
    }

    fn content(&mut self) -> &mut Vec<Value> {
        self.message["content"].as_array_mut().expect("it was checked at the beginning")
    }

    fn begin(&mut self, event: &Map<String, Value>) -> Checked<()> {
        keys(event, &["type", "index", "content_block"])?;
        require!(self.open.is_none(), "a block is open");
        require!(event["index"] == self.content().len(), "the index of another block");
        let block = object(&event["content_block"])?;
        block_fits(block)?;
        match block["type"].as_str() {
            Some("text") => require!(block["text"] == "", "text at the beginning"),
            _ => require!(block["input"] == json!({}), "arguments at the beginning"),
        }
        self.open = Some(String::new());
        self.content().push(event["content_block"].clone());
        Ok(())
    }

    fn delta(&mut self, event: &Map<String, Value>) -> Checked<()> {
        keys(event, &["type", "index", "delta"])?;
        let open = self.open.as_mut().ok_or("no block is open")?;
        let delta = object(&event["delta"])?;
        let kind = string(&delta["type"])?;
        let content = self.message["content"].as_array_mut().expect("it was checked at the beginning");
        require!(event["index"] == content.len() - 1, "the index of another block");
        let block = content.last_mut().ok_or("no block")?;
        match (kind.as_str(), block["type"].as_str()) {
            ("text_delta", Some("text")) => {
                keys(delta, &["type", "text"])?;
                let text = string(&delta["text"])?;
                require!(!text.is_empty(), "nothing in a delta");
                block["text"] = json!(string(&block["text"])? + &text);
            }
            ("input_json_delta", Some("tool_use")) => {
                keys(delta, &["type", "partial_json"])?;
                open.push_str(&string(&delta["partial_json"])?);
            }
            (delta, block) => return Err(format!("{delta} in {block:?}")),
        }
        Ok(())
    }

    fn end(&mut self, event: &Map<String, Value>) -> Checked<()> {
        keys(event, &["type", "index"])?;
        let input = self.open.take().ok_or("no block is open")?;
        let content = self.content();
        require!(event["index"] == content.len() - 1, "the index of another block");
        let block = content.last_mut().ok_or("no block")?;
        if block["type"] == "tool_use" {
            block["input"] = serde_json::from_str(&input).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// A message that is whole.
fn check(message: &Value) -> Checked<()> {
    let message = object(message)?;
    head(message)?;
    let content = message["content"].as_array().ok_or("content is no array")?;
    let mut ids = HashSet::new();
    let mut after_text = false;
    for block in content {
        let block = object(block)?;
        block_fits(block)?;
        let is_text = block["type"] == "text";
        require!(!(is_text && after_text), "two blocks of text in a row");
        require!(!is_text || block["text"] != "", "a block of no text");
        after_text = is_text;
        if let Some(id) = block.get("id") {
            require!(ids.insert(string(id)?), "an id twice");
        }
    }
    let reason = string(&message["stop_reason"])?;
    let reasons = ["end_turn", "max_tokens", "stop_sequence", "tool_use"];
    require!(reasons.contains(&reason.as_str()), "stop_reason {reason}");
    require!((reason == "tool_use") != ids.is_empty(), "{reason} and calls");
    let sequence = &message["stop_sequence"];
    require!((reason == "stop_sequence") == sequence.is_string(), "{reason} and {sequence}");
    require!(sequence.is_string() || sequence.is_null(), "stop_sequence");
    Ok(())
}

/// What a message has from the beginning.
fn head(message: &Map<String, Value>) -> Checked<()> {
    let wanted = ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"];
    keys(message, &wanted)?;
    require!(string(&message["id"])?.starts_with("msg_"), "id");
    require!(message["type"] == "message" && message["role"] == "assistant", "type or role");
    string(&message["model"])?;
    usage(&message["usage"])
}

fn block_fits(block: &Map<String, Value>) -> Checked<()> {
    match block.get("type").and_then(Value::as_str) {
        Some("text") => {
            keys(block, &["type", "text"])?;
            string(&block["text"])?;
        }
        Some("tool_use") => {
            keys(block, &["type", "id", "name", "input"])?;
            string(&block["name"])?;
            let id = string(&block["id"])?;
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            require!(id.starts_with("toolu_") && id.bytes().all(usual), "id {id}");
            require!(block["input"].is_object(), "input");
        }
        other => return Err(format!("a block of type {other:?}")),
    }
    Ok(())
}

fn usage(value: &Value) -> Checked<()> {
    let wanted = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"];
    keys(object(value)?, &wanted)?;
    for key in wanted {
        require!(value[key].is_u64(), "{key} is no count");
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

/// That an object has these keys and no others.
fn keys(object: &Map<String, Value>, wanted: &[&str]) -> Checked<()> {
    for key in wanted {
        require!(object.contains_key(*key), "{key} is missing");
    }
    for key in object.keys() {
        require!(wanted.contains(&key.as_str()), "{key} is too much");
    }
    Ok(())
}

fn object(value: &Value) -> Checked<&Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{value} is no object"))
}

fn string(value: &Value) -> Checked<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no string"))
}

mod tests {
    use super::*;

    fn event(name: &str, rest: &str) -> String {
        format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n")
    }

    #[test]
    fn a_right_stream_passes_and_wrong_ones_do_not() {
        let usage = r#"{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}"#;
        let start = event(
            "message_start",
            &format!(
                r#","message":{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}"#
            ),
        );
        let block = |index: usize, block: &str| {
            event("content_block_start", &format!(r#","index":{index},"content_block":{block}"#))
        };
        let text = |index| block(index, r#"{"type":"text","text":""}"#);
        let call = |index, id: &str| {
            block(index, &format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}"#))
        };
        let delta = |index: usize, delta: &str| {
            event("content_block_delta", &format!(r#","index":{index},"delta":{delta}"#))
        };
        let (say, input) =
            (r#"{"type":"text_delta","text":"a"}"#, r#"{"type":"input_json_delta","partial_json":"{}"}"#);
        let close = |index: usize| event("content_block_stop", &format!(r#","index":{index}"#));
        let end = |reason: &str| {
            let delta =
                format!(r#","delta":{{"stop_reason":"{reason}","stop_sequence":null}},"usage":{usage}"#);
            event("message_delta", &delta)
        };
        let (done, stop) = (end("end_turn"), event("message_stop", ""));
        let (first, last) = (format!("{}{}{}", text(0), delta(0, say), close(0)), format!("{done}{stop}"));
        let calls = |a: &str, b: &str| {
            let one = |index, id| format!("{}{}{}", call(index, id), delta(index, input), close(index));
            format!("{start}{}{}{}{stop}", one(0, a), one(1, b), end("tool_use"))
        };

        assert!(stream(format!("{start}{first}{last}").as_bytes()).is_ok());
        assert!(stream(format!("{start}{}{first}{last}", event("ping", "")).as_bytes()).is_ok());
        assert!(stream(calls("toolu_a", "toolu_b").as_bytes()).is_ok());
        let wrong = [
            ("no start", format!("{first}{last}")),
            ("a start twice", format!("{start}{start}{last}")),
            ("no message_delta", format!("{start}{first}{stop}")),
            ("no message_stop", format!("{start}{first}{done}")),
            ("message_stop twice", format!("{start}{last}{stop}")),
            ("a block after the end", format!("{start}{done}{first}{stop}")),
            ("a block left open", format!("{start}{}{}{last}", text(0), delta(0, say))),
            ("an index left out", format!("{start}{}{}{}{last}", text(1), delta(1, say), close(1))),
            ("text in two blocks", format!("{start}{first}{}{}{}{last}", text(1), delta(1, say), close(1))),
            ("arguments in text", format!("{start}{}{}{}{last}", text(0), delta(0, input), close(0))),
            ("a block of no text", format!("{start}{}{}{last}", text(0), close(0))),
            ("a delta without a block", format!("{start}{}{last}", delta(0, say))),
            ("tool_use without a call", format!("{start}{first}{}{stop}", end("tool_use"))),
            ("calls that share an id", calls("toolu_a", "toolu_a")),
            ("an id of another form", calls("call_a", "toolu_b")),
            (
                "a null in usage",
                format!("{start}{first}{last}").replace("\"output_tokens\":0", "\"output_tokens\":null"),
            ),
            ("a comment", format!("{start}: ping\n\n{first}{last}")),
            ("another name", format!("{start}{first}{last}").replace("event: message_stop", "event: stop")),
        ];
        for (what, bytes) in wrong {
            assert!(stream(bytes.as_bytes()).is_err(), "{what}");
        }
    }
}
