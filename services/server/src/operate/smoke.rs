//! `warp2api smoke`: what a client needs, asked of a running edge: models, a whole answer, a stream, a tool called and its
//! result taken.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use warp2api_rpc::HttpEndpoint;

use super::ask::{Answer, ask};
use super::report::{Line, say};
use super::{House, SmokeArgs, remote};
use crate::trust;

/// A turn of a real model may think for a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// A stream that takes this long and comes in one piece was held back by something.
const HELD: Duration = Duration::from_secs(1);

/// How long an edge may take to hear where its chats run.
const HEARSAY: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(100);

struct Smoke<'a> {
    client: HttpEndpoint,
    house: &'a House,
    model: &'a str,
}

pub(super) async fn run(house: &House, args: &SmokeArgs) -> bool {
    let client = match remote::client(&house.config, &house.edge) {
        Ok(client) => client,
        Err(words) => {
            let cure = "correct --ca, W2A_SERVICE_CA or W2A_TLS_CERT";
            return say(&[Line::fail("client", words, cure)], args.output, args.strict);
        }
    };
    let smoke = Smoke { client, house, model: &args.model };
    let upstream = match smoke.upstream().await {
        Ok(upstream) => upstream,
        Err(line) => return say(&[line], args.output, args.strict),
    };
    let is_embedded = upstream.as_deref() == Some("embedded");
    if !is_embedded && !args.yes {
        let words =
            format!("chats run on {}", upstream.as_deref().unwrap_or("an upstream that is not known yet"));
        let cure = "this spends quota, three or four short turns: `warp2api smoke --yes` does it";
        return say(&[Line::fail("upstream", words, cure)], args.output, args.strict);
    }
    let lines =
        [smoke.models().await, smoke.whole().await, smoke.stream(is_embedded).await, smoke.tool().await];
    say(&lines, args.output, args.strict)
}

const NO_EDGE: &str = "start it with `warp2api`, or name it with --url";
const LOOK: &str = "`warp2api doctor` looks for the cause, docs/troubleshooting.md knows the messages";

impl Smoke<'_> {
    /// Where chats run. An edge that has just started may not have heard of it yet: its chat service tells it within a
    /// second or two.
    async fn upstream(&self) -> Result<Option<String>, Line> {
        let end = Instant::now() + HEARSAY;
        loop {
            let health = match self.get("/healthz").await {
                Ok(health) if health.status == 200 => health.json(),
                Ok(health) => return Err(Line::fail("edge", health.trouble(), NO_EDGE)),
                Err(words) => {
                    let url = &self.house.edge.url;
                    let cure = trust::advice(&words, url, &self.house.config).unwrap_or(NO_EDGE);
                    return Err(Line::fail("edge", format!("{url}: {words}"), cure));
                }
            };
            let upstream = health["upstream"].as_str().map(str::to_owned);
            if upstream.is_some() || Instant::now() >= end {
                return Ok(upstream);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn get(&self, path: &str) -> Result<Answer, String> {
        let key = self.house.api_key.as_deref().map(|key| ("authorization", key));
        ask(&self.client, Method::GET, &self.house.edge.at(path), key, None, PATIENCE).await
    }

    async fn chat(&self, body: Value) -> Result<Answer, String> {
        let key = self.house.api_key.as_deref().map(|key| ("authorization", key));
        let url = self.house.edge.at("/v1/chat/completions");
        let answer = ask(&self.client, Method::POST, &url, key, Some(&body), PATIENCE).await?;
        if answer.status == 200 { Ok(answer) } else { Err(answer.trouble()) }
    }

    async fn models(&self) -> Line {
        match self.get("/v1/models").await {
            Ok(answer) if answer.status == 200 => match answer.json()["data"].as_array() {
                Some(models) if !models.is_empty() => Line::ok("models", format!("{} of them", models.len())),
                _ => Line::fail("models", "the list is empty", LOOK),
            },
            Ok(answer) => Line::fail("models", answer.trouble(), LOOK),
            Err(words) => Line::fail("models", words, LOOK),
        }
    }

    async fn whole(&self) -> Line {
        let begun = Instant::now();
        let answer = self.chat(json!({"model": self.model, "messages": [said("say exactly: pong")]})).await;
        match answer.map(|answer| answer.json()) {
            Ok(body)
                if body["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()) =>
            {
                Line::ok("whole", took(begun))
            }
            Ok(_) => Line::fail("whole", "the answer has no text", LOOK),
            Err(words) => Line::fail("whole", words, LOOK),
        }
    }

    async fn stream(&self, is_embedded: bool) -> Line {
        let text = if is_embedded { SLOWLY } else { "Count from one to twenty in words." };
        let body = json!({"model": self.model, "stream": true, "messages": [said(text)]});
        match self.chat(body).await {
            Ok(answer) => streamed("stream", &answer),
            Err(words) => Line::fail("stream", words, LOOK),
        }
    }

    async fn tool(&self) -> Line {
        let begun = Instant::now();
        match self.tool_loop().await {
            Ok(()) => Line::ok("tool", took(begun)),
            Err(words) => Line::fail("tool", words, LOOK),
        }
    }

    async fn tool_loop(&self) -> Result<(), String> {
        let function = json!({
            "name": "get_weather",
            "description": "Tells the weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        });
        let tools = json!([{"type": "function", "function": function}]);
        let question = said("call the tool get_weather with {\"city\":\"Oslo\"}");
        let first =
            self.chat(json!({"model": self.model, "tools": tools, "messages": [question]})).await?.json();
        let message = &first["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        if call["function"]["name"] != "get_weather" {
            return Err("the tool was not called".to_owned());
        }
        let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "{\"degrees\": 21}"});
        let messages = json!([question, message, result]);
        let last =
            self.chat(json!({"model": self.model, "tools": tools, "messages": messages})).await?.json();
        match last["choices"][0]["message"]["content"].as_str() {
            Some(text) if !text.is_empty() => Ok(()),
            _ => Err("there was no answer to the result of the tool".to_owned()),
        }
    }
}

/// What makes the embedded upstream take its time.
pub(super) const SLOWLY: &str = "say slowly: one two three four five six seven eight";

/// How a streamed answer came.
pub(super) fn streamed(name: &'static str, answer: &Answer) -> Line {
    if !answer.text.contains("[DONE]") {
        return Line::fail(name, "it ended without [DONE]", LOOK);
    }
    let (first, last) = (answer.pieces.first().copied(), answer.pieces.last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let words = format!(
        "{} pieces, the first after {} ms, the last after {} ms",
        answer.pieces.len(),
        first.as_millis(),
        last.as_millis()
    );
    if last >= HELD && last - first < last / 4 {
        let cure = "something on the way holds the stream back: switch buffering off for it (nginx: proxy_buffering off)";
        return Line::warn(name, words, cure);
    }
    Line::ok(name, words)
}

fn said(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn took(begun: Instant) -> String {
    format!("{} ms", begun.elapsed().as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn answer(text: &str, pieces: &[u64]) -> Answer {
        Answer {
            status: 200,
            version: http::Version::HTTP_11,
            headers: http::HeaderMap::new(),
            text: text.to_owned(),
            pieces: pieces.iter().copied().map(Duration::from_millis).collect(),
        }
    }

    #[test]
    fn a_stream_that_was_held_back_is_told_from_one_that_came_as_it_was_said() {
        let whole = "data: {}\n\ndata: [DONE]\n\n";
        for (text, pieces, level) in [
            (whole, &[100, 400, 900, 2000][..], Level::Ok),
            (whole, &[2000, 2001, 2002], Level::Warn),
            (whole, &[30, 31], Level::Ok),
            ("data: {}\n\n", &[100, 2000], Level::Fail),
        ] {
            assert_eq!(streamed("stream", &answer(text, pieces)).level, level, "{pieces:?}");
        }
    }
}
