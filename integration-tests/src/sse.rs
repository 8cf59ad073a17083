//! A streamed answer, read as a client does: frames as they come, then what they say together.

use serde_json::Value;

use crate::wait::PATIENCE;

/// A streamed answer as it comes. Dropping it is leaving.
#[derive(Debug)]
pub struct Live {
    response: reqwest::Response,
    /// Bytes that were read and not handed out.
    buffer: Vec<u8>,
}

impl Live {
    /// Begins to read an answer.
    ///
    /// # Panics
    /// When it is no stream.
    pub fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { response, buffer: Vec::new() }
    }

    /// The next frame without its blank line, `None` at the end.
    ///
    /// # Panics
    /// When it does not come in time, the connection breaks, or the end cuts a frame.
    pub async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let rest = self.buffer.split_off(end + 2);
                let frame = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8(frame[..end].to_vec()).expect("frames are text"));
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("a frame in time");
            match piece.expect("the connection holds") {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => {
                    assert!(self.buffer.is_empty(), "the last frame is cut");
                    return None;
                }
            }
        }
    }

    /// Reads until there is text, and gives the first of it.
    ///
    /// # Panics
    /// When the answer ends before.
    pub async fn first_text(&mut self) -> String {
        loop {
            let frame = self.frame().await.expect("text before the end");
            let frames = Frames::parse(&format!("{frame}\n\n"));
            if !frames.text().is_empty() {
                return frames.text();
            }
        }
    }

    /// Reads to the end.
    pub async fn rest(mut self) -> Frames {
        let mut body = String::new();
        while let Some(frame) = self.frame().await {
            body.push_str(&frame);
            body.push_str("\n\n");
        }
        Frames::parse(&body)
    }
}

/// The frames of a streamed answer, whole.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    /// The JSON of each `data` frame in order, `[DONE]` left out.
    pub data: Vec<Value>,
    /// Whether `[DONE]` came, and came last.
    pub done: bool,
    /// Comments, for example keep-alives.
    pub comments: usize,
}

impl Frames {
    /// Reads a whole body.
    ///
    /// # Panics
    /// When a frame is not what a stream of chat completions may hold.
    pub fn parse(body: &str) -> Self {
        let mut frames = Self::default();
        assert!(body.is_empty() || body.ends_with("\n\n"), "the last frame is cut: {body:?}");
        for frame in body.split_terminator("\n\n") {
            assert!(!frames.done, "a frame after [DONE]: {frame:?}");
            if frame.starts_with(':') {
                frames.comments += 1;
                continue;
            }
            let data = frame.strip_prefix("data: ").unwrap_or_else(|| panic!("not a data frame: {frame:?}"));
            if data == "[DONE]" {
                frames.done = true;
            } else {
                let json = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data:?}"));
                frames.data.push(json);
            }
        }
        frames
    }

    /// The text of the answer.
    pub fn text(&self) -> String {
        self.deltas("content").collect()
    }

    /// The thinking of the answer.
    pub fn reasoning(&self) -> String {
        self.deltas("reasoning_content").collect()
    }

    /// The calls of the answer: id, name, arguments, put together by index.
    pub fn calls(&self) -> Vec<(String, String, String)> {
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for chunk in &self.data {
            for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().expect("every delta has an index"))
                    .expect("a small number");
                if index == calls.len() {
                    calls.push(Default::default());
                }
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let known = &mut calls[index];
                known.0.push_str(&text(&call["id"]));
                known.1.push_str(&text(&call["function"]["name"]));
                known.2.push_str(&text(&call["function"]["arguments"]));
            }
        }
        calls
    }

    /// The reason of the end, `None` if the answer broke off.
    pub fn finish_reason(&self) -> Option<&str> {
        self.data.iter().rev().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str())
    }

    /// The error that ended the answer.
    pub fn error(&self) -> Option<&Value> {
        self.data.last().and_then(|last| last.get("error"))
    }

    fn deltas(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.data.iter().filter_map(move |chunk| chunk["choices"][0]["delta"][key].as_str())
    }
}
