//! The dialects as House tests see them: where each is spoken, how it says a talk, and what a client hears.

use serde_json::{Value, json};
use warp2api_dialects::error::{ErrorStyle, Words};
use warp2api_integration_tests::sse::Frames;
use warp2api_integration_tests::{House, json_of};
use warp2api_proto::error::v1::ErrorReason;

use super::completions::COMPLETIONS;
use super::messages::MESSAGES;
use super::responses::RESPONSES;
use super::talk::{self, Talk};

/// A dialect.
#[derive(Clone, Copy)]
pub(crate) struct Speaker {
    /// Its name in messages of tests.
    pub(crate) name: &'static str,
    /// The path, with `/v1`.
    pub(crate) path: &'static str,
    /// Whether it knows more than one question.
    pub(crate) converses: bool,
    /// The body of a request that says the talk.
    pub(crate) say: fn(&Talk) -> Value,
    /// Puts a limit of tokens into a body.
    pub(crate) limit: fn(&mut Value, u64),
    /// Puts something into a body that is refused as a wrong value; gives the name of the field.
    pub(crate) spoil: fn(&mut Value) -> &'static str,
    /// What a client hears of a stream that has ended, however it did.
    pub(crate) hear: fn(&str) -> Heard,
    /// What a client hears of a whole answer.
    pub(crate) hear_whole: fn(&Value) -> Heard,
    /// How errors are said.
    pub(crate) errors: ErrorStyle,
    /// The word that says what went wrong, in an error body.
    pub(crate) word: fn(&Value) -> String,
    /// Which of the words of a reason that is.
    pub(crate) word_of: fn(Words) -> &'static str,
}

/// Every dialect.
pub(crate) const SPEAKERS: &[Speaker] = &[CHAT, COMPLETIONS, RESPONSES, MESSAGES];

/// Those that can say any talk.
pub(crate) fn conversing() -> impl Iterator<Item = &'static Speaker> {
    SPEAKERS.iter().filter(|speaker| speaker.converses)
}

/// What a client knows when an answer is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// Id, name and arguments.
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) end: Option<End>,
    /// The word that says what went wrong, if the answer broke off.
    pub(crate) error: Option<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Length,
    Calls,
}

impl Speaker {
    /// What a client hears when it fails for that reason: status and word.
    pub(crate) fn says(&self, reason: ErrorReason) -> (u16, String) {
        let words = self.errors.words(reason);
        (words.status, (self.word_of)(words).to_owned())
    }

    /// Sends a body.
    pub(crate) async fn post(&self, house: &House, body: &Value) -> reqwest::Response {
        let request = house.request("POST", self.path).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// Says a talk and hears the answer, streamed.
    pub(crate) async fn stream(&self, house: &House, mut body: Value) -> Heard {
        body["stream"] = json!(true);
        let response = self.post(house, &body).await;
        assert_eq!(response.status(), 200, "{}: {:?}", self.name, response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        (self.hear)(&response.text().await.unwrap())
    }

    /// Says a talk and hears the answer, whole.
    pub(crate) async fn whole(&self, house: &House, body: &Value) -> Heard {
        let response = self.post(house, body).await;
        let status = response.status();
        let answer = json_of(response).await;
        assert_eq!(status, 200, "{}: {answer}", self.name);
        (self.hear_whole)(&answer)
    }

    /// Says a talk that fails before the first byte: the status and the word.
    pub(crate) async fn failure(&self, house: &House, body: &Value) -> (u16, String) {
        let response = self.post(house, body).await;
        let status = response.status().as_u16();
        let body = json_of(response).await;
        (status, (self.word)(&body))
    }
}

const CHAT: Speaker = Speaker {
    name: "chat",
    path: "/v1/chat/completions",
    converses: true,
    say: talk::chat,
    limit: |body, tokens| body["max_completion_tokens"] = json!(tokens),
    spoil: |body| {
        body["temperature"] = json!("warm");
        "temperature"
    },
    hear: |body| {
        let frames = Frames::parse(body);
        let end = frames.finish_reason().map(chat_end);
        let error = frames.error().map(|error| error["code"].as_str().unwrap().to_owned());
        assert_eq!(frames.done, error.is_none());
        assert_eq!(end.is_some(), error.is_none());
        Heard { text: frames.text(), calls: frames.calls(), end, error }
    },
    hear_whole: |answer| {
        let choice = &answer["choices"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let calls = choice["message"]["tool_calls"].as_array().into_iter().flatten().map(|call| {
            (text(&call["id"]), text(&call["function"]["name"]), text(&call["function"]["arguments"]))
        });
        Heard {
            text: text(&choice["message"]["content"]),
            calls: calls.collect(),
            end: choice["finish_reason"].as_str().map(chat_end),
            error: None,
        }
    },
    errors: ErrorStyle::OpenAi,
    word: |body| body["error"]["code"].as_str().unwrap().to_owned(),
    word_of: |words| words.code,
};

fn chat_end(reason: &str) -> End {
    match reason {
        "stop" => End::Stop,
        "length" => End::Length,
        "tool_calls" => End::Calls,
        other => panic!("{other}"),
    }
}
