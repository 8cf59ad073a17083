//! A caller who goes on with a conversation: says something, and puts the answer behind it, as every client does.

use serde_json::{Value, json};
use warp2api_integration_tests::{House, json_of, sse::Frames};

/// A conversation as its caller has it.
pub(crate) struct Talk<'h> {
    house: &'h House,
    pub(crate) conversation: Option<String>,
    pub(crate) api_key: Option<String>,
    pub(crate) stream: bool,
    pub(crate) tools: Value,
    pub(crate) messages: Vec<Value>,
    /// Further parameters.
    pub(crate) parameters: Value,
}

/// What came of a turn that ended well.
pub(crate) struct Turn {
    /// What the edge says of it, if it says anything.
    pub(crate) resumed: Option<bool>,
    pub(crate) text: String,
    /// The ids of the calls.
    pub(crate) calls: Vec<String>,
}

impl<'h> Talk<'h> {
    pub(crate) fn named(house: &'h House, conversation: &str) -> Self {
        Self {
            house,
            conversation: Some(conversation.to_owned()),
            api_key: None,
            stream: false,
            tools: Value::Null,
            messages: Vec::new(),
            parameters: json!({}),
        }
    }

    /// Says something and takes the answer.
    pub(crate) async fn say(&mut self, text: &str) -> Turn {
        self.messages.push(json!({ "role": "user", "content": text }));
        self.send().await
    }

    /// Answers a call and takes the answer to that.
    pub(crate) async fn answer(&mut self, call: &str, text: &str) -> Turn {
        self.messages.push(json!({ "role": "tool", "tool_call_id": call, "content": text }));
        self.send().await
    }

    /// Sends what there is and puts the answer behind it.
    pub(crate) async fn send(&mut self) -> Turn {
        let response = self.request().send().await.expect("the edge answers");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-warp2api-conversation"), self.conversation);
        let resumed = header("x-warp2api-resumed").map(|value| value == "true");
        let status = response.status();
        let message = if self.stream {
            message_of(&Frames::parse(&response.text().await.unwrap()))
        } else {
            json_of(response).await["choices"][0]["message"].take()
        };
        assert_eq!(status, 200, "{message}");
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls = calls.map(|call| call["id"].as_str().unwrap().to_owned()).collect();
        let text = message["content"].as_str().unwrap_or_default().to_owned();
        self.messages.push(message);
        Turn { resumed, text, calls }
    }

    /// The request with what there is so far.
    pub(crate) fn request(&self) -> reqwest::RequestBuilder {
        let mut body = json!({ "model": "auto", "messages": self.messages, "stream": self.stream });
        if self.tools.is_array() {
            body["tools"] = self.tools.clone();
        }
        for (name, value) in self.parameters.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let mut request = self.house.request("POST", "/v1/chat/completions").body(body.to_string());
        if let Some(conversation) = &self.conversation {
            request = request.header("x-warp2api-conversation", conversation);
        }
        match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// The message that a client makes of a stream.
fn message_of(frames: &Frames) -> Value {
    assert!(frames.done, "{frames:?}");
    let calls = frames.calls().into_iter().map(|(id, name, arguments)| {
        json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
    });
    let calls: Vec<_> = calls.collect();
    let mut message = json!({ "role": "assistant", "content": frames.text() });
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    message
}

/// The last request the upstream received, to the byte.
pub(crate) fn last_body(house: &House) -> Vec<u8> {
    house.record().last_chat().expect("a chat").body.to_vec()
}

/// The encoded messages of all tasks of a request.
pub(crate) fn contents(request: &[u8]) -> Vec<Vec<u8>> {
    let tasks = field(request, 1).into_iter().flat_map(|context| field(&context, 1));
    tasks.flat_map(|task| field(&task, 5)).collect()
}

/// What the fields of this number hold. A reader of its own, so that a mistake in ours does not cancel out.
pub(crate) fn field(mut message: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            5 => 4,
            other => panic!("no wire type of ours: {other}"),
        };
        let (content, rest) = message.split_at(length);
        if key >> 3 == wanted {
            found.push(content.to_vec());
        }
        message = rest;
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number without an end")
}
