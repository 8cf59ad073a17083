//! Ten thousand bad requests, made by rule out of good ones: each is refused with an error object of its own API, and
//! then a good one works.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use warp2api_integration_tests::{House, ask};

const COUNT: usize = 10_000;

struct Bad {
    method: &'static str,
    path: String,
    kind: &'static str,
    coding: Option<&'static str>,
    body: Vec<u8>,
}

fn good(path: &str) -> Value {
    match path {
        "/v1/messages" | "/v1/messages/count_tokens" => {
            json!({"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]})
        }
        "/v1/responses" => json!({"model": "auto", "input": "hello"}),
        "/v1/completions" => json!({"model": "auto", "prompt": "hello"}),
        _ => ask("hello"),
    }
}

/// The one field without which a request is none.
fn needed(path: &str) -> &'static str {
    match path {
        "/v1/responses" => "input",
        "/v1/completions" => "prompt",
        _ => "messages",
    }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(most).unwrap()).unwrap()
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.roll().to_le_bytes()[0]).collect()
    }

    /// A value that the needed field never has.
    fn nonsense(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => json!(self.roll()),
            1 => json!(self.below(2) == 0),
            2 => json!(-1.5e300),
            3 => json!({}),
            4 => json!([self.nonsense(depth - 1)]),
            _ => json!({ "role": self.nonsense(depth - 1), "content": self.nonsense(depth - 1) }),
        }
    }
}

/// A request that nobody can answer.
fn bad(dice: &mut Dice) -> Bad {
    let paths = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
    ];
    let path = dice.of(&paths);
    let text = good(path).to_string().into_bytes();
    let mut made = Bad {
        method: "POST",
        path: path.to_owned(),
        kind: "application/json",
        coding: None,
        body: Vec::new(),
    };
    match dice.below(12) {
        // Cut somewhere.
        0 => made.body = text[..dice.below(text.len())].to_vec(),
        // Bytes.
        1 => {
            made.body = vec![0xfe];
            made.body.extend(dice.bytes(200));
        }
        // A byte in it that no JSON has.
        2 => {
            made.body.clone_from(&text);
            made.body.insert(dice.below(text.len()), dice.of(&[0_u8, 0xff, 0x80, 0xc0]));
        }
        // The one field that is needed is of another kind, or missing.
        3 => {
            let mut body = good(path);
            body[needed(path)] = dice.nonsense(4);
            made.body = body.to_string().into_bytes();
        }
        4 => {
            let mut body = good(path);
            body.as_object_mut().unwrap().remove(needed(path));
            made.body = body.to_string().into_bytes();
        }
        // Deeper than anybody nests.
        5 => {
            let depth = 200 + dice.below(5000);
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            made.body = format!("{{\"{}\": {open}{close}}}", needed(path)).into_bytes();
        }
        // Paths and methods that are none.
        6 => {
            let letters: String =
                (0..dice.below(60)).map(|_| dice.of(&['a', '%', '/', '.', '~', '0', '2'])).collect();
            made.path = format!("/v1/nowhere/{}", letters.replace('%', "%C3%28"));
            made.body = text;
        }
        7 => {
            made.method = dice.of(&["PUT", "PATCH", "DELETE", "TRACE", "BREW"]);
            made.body = text;
        }
        // Compressed, it says, and is not; or in a way that nobody knows.
        8 => {
            made.coding =
                Some(dice.of(&["gzip", "br", "zstd", "deflate", "compress", "gzip, br", "x-planted"]));
            made.body = text;
        }
        // A part of a chat is none, or asks for what cannot be had.
        9 | 10 => {
            "/v1/chat/completions".clone_into(&mut made.path);
            let mut body = ask("hello");
            let image = |url: &str| json!([{ "type": "image_url", "image_url": { "url": url } }]);
            let (key, value) = match dice.below(9) {
                0 => ("n", json!(2 + dice.below(100))),
                1 => ("logprobs", json!(true)),
                2 => ("tools", json!([{ "type": "function", "function": { "name": dice.nonsense(1) } }])),
                3 => ("tools", json!([{ "type": "function" }])),
                4 => ("max_tokens", json!(-1 - i64::try_from(dice.below(1000)).unwrap())),
                5 => ("stop", json!({ "not": dice.nonsense(2) })),
                6 => ("messages", json!([{ "role": "narrator", "content": "hello" }])),
                7 => ("messages", json!([{ "role": "tool", "content": "of no call" }])),
                _ => {
                    let url = dice.of(&[
                        "ftp://a/b.png",
                        "data:image/png;base64,!!!!",
                        "data:text/html,a",
                        "no url",
                    ]);
                    ("messages", json!([{ "role": "user", "content": image(url) }]))
                }
            };
            body[key] = value;
            made.body = body.to_string().into_bytes();
        }
        _ => {
            made.path = dice
                .of(&[
                    "/v1/models/%ff%fe",
                    "/v1/models/no-such-model%20of-ours%00",
                    "/v1/responses/%ff",
                    "/v1/responses/none/input_items",
                    "/v1/responses/none",
                ])
                .to_owned();
            made.method = "GET";
        }
    }
    made
}

/// Sends it and says what is wrong with the answer.
async fn fault(house: &House, bad: Bad) -> Option<String> {
    let request =
        house.request(bad.method, &bad.path).header("content-type", bad.kind).body(bad.body.clone());
    let request = match bad.coding {
        Some(coding) => request.header("content-encoding", coding),
        None => request,
    };
    let what = || {
        format!(
            "{} {} {:?} {:?}",
            bad.method,
            bad.path,
            bad.coding,
            String::from_utf8_lossy(&bad.body[..bad.body.len().min(200)])
        )
    };
    let answer = match request.timeout(Duration::from_secs(30)).send().await {
        Ok(answer) => answer,
        Err(error) => return Some(format!("{}: {error:?}", what())),
    };
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap_or_default();
    let object: Value = serde_json::from_slice(&body).unwrap_or_default();
    let anthropic = bad.path.starts_with("/v1/messages");
    let right = if anthropic {
        object["type"] == "error" && object["error"]["type"].is_string()
    } else {
        object["error"]["code"].is_string() && object["error"]["type"] == "invalid_request_error"
    };
    let right = right && object["error"]["message"].as_str().is_some_and(|message| !message.is_empty());
    let refused = (400..500).contains(&status);
    (!(right && refused)).then(|| format!("{}: {status} {object} {}", what(), String::from_utf8_lossy(&body)))
}

#[tokio::test]
async fn ten_thousand_bad_requests_get_the_right_object_and_then_a_good_one_works() {
    let house = House::start().await;
    let mut dice = Dice(1);
    let corpus: Vec<_> = (0..COUNT).map(|_| bad(&mut dice)).collect();

    let faults = stream::iter(corpus).map(|bad| fault(&house, bad)).buffer_unordered(32);
    let faults: Vec<String> = faults.filter_map(std::future::ready).take(5).collect().await;

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(house.record().chats().is_empty(), "none reached the upstream");
    let (status, answer) = house.chat(&ask("say exactly: fine")).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("fine")));
    house.close().await;
}
