//! Legacy completions as House tests see them.

use serde_json::{Value, json};
use warp2api_dialects::error::ErrorStyle;

use super::speaker::{End, Heard, Speaker};
use super::talk::{Said, Talk, Turn};

/// The dialect. It has room for one text.
pub(crate) const COMPLETIONS: Speaker = Speaker {
    name: "completions",
    path: "/v1/completions",
    converses: false,
    say: completion,
    limit: |body, tokens| body["max_tokens"] = json!(tokens),
    spoil: |body| {
        body["temperature"] = json!("warm");
        "temperature"
    },
    hear: |body| {
        let mut heard = Heard::default();
        let mut done = false;
        for frame in body.split_terminator("\n\n") {
            let data = frame.strip_prefix("data: ").unwrap();
            if data == "[DONE]" {
                done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(data).unwrap();
            heard.error = chunk["error"]["code"].as_str().map(str::to_owned).or(heard.error);
            heard.text.push_str(chunk["choices"][0]["text"].as_str().unwrap_or_default());
            heard.end = chunk["choices"][0]["finish_reason"].as_str().map(end).or(heard.end);
        }
        assert_eq!((done, heard.end.is_some()), (heard.error.is_none(), heard.error.is_none()));
        heard
    },
    hear_whole: |answer| {
        let choice = &answer["choices"][0];
        let text = choice["text"].as_str().unwrap().to_owned();
        Heard { text, end: choice["finish_reason"].as_str().map(end), ..Heard::default() }
    },
    errors: ErrorStyle::OpenAi,
    word: |body| body["error"]["code"].as_str().unwrap().to_owned(),
    word_of: |words| words.code,
};

fn end(reason: &str) -> End {
    match reason {
        "stop" => End::Stop,
        "length" => End::Length,
        other => panic!("{other}"),
    }
}

fn completion(talk: &Talk) -> Value {
    match &talk.turns[..] {
        [Turn::User(said)] => match &said[..] {
            [Said::Text(text)] => json!({ "model": "auto", "prompt": text }),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
