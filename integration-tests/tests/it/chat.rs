//! What an app gets: whole and streamed answers, tools, models, health, and the headers around them.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use warp2api_gateway::KeepAliveForm;
use warp2api_integration_tests::sse::{Frames, Live};
use warp2api_integration_tests::{House, ask, json_of, received, wait};
use warp2api_upstream_sim::{Part, Scenario, Tokens, ToolCall, UsageForm};

/// Texts that a careless hand would change.
const DELICATE: &[&str] = &[
    "plain",
    "  two spaces before, three after   ",
    "\n\nlines\n\n\nwith nothing between\n",
    "\ttab\r\ncarriage return\rand a vertical\u{b}one",
    "日本語 🇨🇭 👩‍👩‍👧‍👦 e\u{301} \u{200f}rtl\u{200e} \u{feff}bom",
    "\"quotes\" \\backslashes\\ \\n </script> <|end|> \u{0}\u{1}\u{7f}\u{2028}",
    "data: [DONE]\n\ndata: {\"error\":{}}\n\n",
    "",
];

fn tool(name: &str, parameters: &Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "description": "about", "parameters": parameters } })
}

fn error_of(answer: &Value) -> (&str, &str, &Value) {
    let error = &answer["error"];
    assert_eq!(error.as_object().map(serde_json::Map::len), Some(4), "{answer}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    let text = |key: &str| error[key].as_str().expect("a string");
    (text("type"), text("code"), &error["param"])
}

#[tokio::test]
async fn a_whole_answer_has_openais_form() {
    let house = House::start().await;

    let (status, answer) = house.chat(&ask("say exactly: Hello, world")).await;

    assert_eq!(status, 200, "{answer}");
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-"), "{id}");
    assert!(answer["created"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "auto");
    assert_eq!(
        answer["choices"],
        json!([{
            "index": 0,
            "message": { "role": "assistant", "content": "Hello, world", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }])
    );
    let usage = &answer["usage"];
    let count = |key: &str| usage[key].as_i64().unwrap();
    assert_eq!(count("total_tokens"), count("prompt_tokens") + count("completion_tokens"));
    assert_eq!(received::conversation(&house.last_request()), [r#"=> user "say exactly: Hello, world""#]);
    house.close().await;
}

#[tokio::test]
async fn every_chunk_of_a_stream_is_what_strict_clients_want() {
    let house = House::start().await;

    let frames = house.stream(&ask("say exactly: one two three four")).await;

    assert_eq!((frames.text().as_str(), frames.finish_reason()), ("one two three four", Some("stop")));
    assert!(frames.done && frames.error().is_none() && frames.comments == 0);
    assert!(frames.data.len() >= 6, "the text comes in pieces: {}", frames.data.len());
    for key in ["id", "object", "created", "model"] {
        let values: HashSet<_> = frames.data.iter().map(|chunk| chunk[key].to_string()).collect();
        assert_eq!(values.len(), 1, "{key} differs: {values:?}");
    }
    assert_eq!(frames.data[0]["object"], "chat.completion.chunk");
    assert_eq!(frames.data[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let last = frames.data.len() - 1;
    for (at, chunk) in frames.data.iter().enumerate() {
        let choice = chunk["choices"][0].as_object().unwrap();
        let keys: Vec<_> = choice.keys().map(String::as_str).collect();
        assert_eq!(keys, ["index", "delta", "logprobs", "finish_reason"]);
        assert_eq!(choice["delta"].get("role").is_some(), at == 0);
        assert_eq!(choice["finish_reason"].is_null(), at != last);
        assert!(chunk.get("usage").is_none(), "nobody asked for usage");
    }
    assert_eq!(frames.data[last]["choices"][0]["delta"], json!({}));
    house.close().await;
}

#[tokio::test]
async fn text_comes_and_goes_to_the_byte() {
    let house = House::start().await;
    for text in DELICATE {
        let question = ask(&format!("say exactly: {text}"));

        let (status, whole) = house.chat(&question).await;
        let frames = house.stream(&question).await;

        assert_eq!((status, &whole["choices"][0]["message"]["content"]), (200, &json!(text)));
        assert_eq!(frames.text(), *text);
        let expected = format!("=> user {:?}", format!("say exactly: {text}"));
        assert_eq!(received::conversation(&house.last_request()), [expected]);
    }
    house.close().await;
}

#[tokio::test]
async fn a_schema_arrives_as_it_was_written() {
    let house = House::start().await;
    // Key order, references, unions, empty values of every kind, numbers, escapes.
    let schema = concat!(
        r##"{"type":"object","properties":{"zebra":{"$ref":"#/$defs/z"},"##,
        r#""apple":{"anyOf":[{"type":"string"},{"type":"null"}],"default":""},"mango":{},"#,
        r#""n":{"type":"integer","minimum":-5,"maximum":9007199254740991,"multipleOf":0.25,"enum":[0,1,-1]},"#,
        r#""s":{"type":"string","pattern":"^\\d+$","description":"a \"word\"\n日本"}},"#,
        r#""required":[],"$defs":{"z":{"type":"object","properties":{},"additionalProperties":false}},"#,
        r#""examples":[[],{},null,true,false]}"#
    );
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut chat = ask("hello");
    chat["tools"] = json!([tool("z_first", &schema), tool("a_second", &json!({})), {
        "type": "function", "function": { "name": "bare" }
    }]);

    let (status, answer) = house.chat(&chat).await;

    assert_eq!(status, 200, "{answer}");
    let none = r#"{"type":"object","properties":{}}"#;
    let expected = [
        ("z_first", "about", schema.to_string()),
        ("a_second", "about", none.to_owned()),
        ("bare", "", none.to_owned()),
    ];
    let expected = expected.map(|(name, about, schema)| (name.to_owned(), about.to_owned(), schema));
    assert_eq!(received::tools(&house.last_request()), expected);
    house.close().await;
}

#[tokio::test]
async fn no_tools_are_offered_where_none_may_be_called() {
    let house = House::start().await;
    let mut chat = ask("call the tool f with {}");
    chat["tools"] = json!([tool("f", &json!({})), tool("g", &json!({}))]);
    let names = |house: &House| -> Vec<String> {
        received::tools(&house.last_request()).into_iter().map(|(name, ..)| name).collect()
    };

    chat["tool_choice"] = json!("none");
    let (_, answer) = house.chat(&chat).await;
    assert_eq!((names(&house), &answer["choices"][0]["finish_reason"]), (vec![], &json!("stop")));

    chat["tool_choice"] = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "g" } }] } });
    house.chat(&chat).await;
    assert_eq!(names(&house), ["g"]);

    chat["tool_choice"] = json!("auto");
    let (_, answer) = house.chat(&chat).await;
    assert_eq!(
        (names(&house), &answer["choices"][0]["finish_reason"]),
        (vec!["f".into(), "g".into()], &json!("tool_calls"))
    );
    house.close().await;
}

/// A question that makes the embedded upstream call three tools, and the names and arguments of the calls.
fn three_calls() -> (Value, [(&'static str, &'static str); 3]) {
    let calls = [
        ("add", r#"{"z":1,"a":-2.5,"nested":{"list":[1,"two",null,[]],"empty":{}}}"#),
        ("add", r#"{"big":9007199254740991,"text":"  keep\n    this ","quote":"\"}"}"#),
        ("sub", "{}"),
    ];
    let words: Vec<_> =
        calls.iter().map(|(name, json)| format!("call the tool {name} with {json}")).collect();
    let mut chat = ask(&words.join("\nand then "));
    chat["tools"] =
        json!([tool("add", &json!({ "type": "object" })), tool("sub", &json!({ "type": "object" }))]);
    (chat, calls)
}

#[tokio::test]
async fn calls_of_tools_come_whole_and_streamed_alike() {
    let house = House::start().await;
    let (chat, expected) = three_calls();

    let (status, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    assert_eq!(status, 200, "{whole}");
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert!(choice["message"]["content"].is_null() && choice["message"].get("content").is_some());
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let mut ids = HashSet::new();
    assert_eq!(calls.len(), expected.len());
    for (call, (name, arguments)) in calls.iter().zip(expected) {
        assert_eq!(call["type"], "function");
        assert_eq!(call["function"], json!({ "name": name, "arguments": arguments }));
        assert!(ids.insert(call["id"].as_str().unwrap()));
    }

    assert_eq!(frames.finish_reason(), Some("tool_calls"));
    assert!(frames.done);
    let streamed = frames.calls();
    let shown: Vec<_> = streamed.iter().map(|(_, name, json)| (name.as_str(), json.as_str())).collect();
    assert_eq!(shown, expected);
    assert!(streamed.iter().all(|(id, ..)| !id.is_empty()));
    let deltas: Vec<_> = frames
        .data
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .collect();
    assert!(deltas.iter().all(|delta| delta.len() == 1 && delta[0]["index"].is_u64()));
    let firsts: Vec<_> = deltas.iter().filter(|delta| delta[0].get("id").is_some()).collect();
    assert_eq!(firsts.len(), 3, "the id comes once for each call");
    assert!(
        firsts.iter().all(|first| first[0]["type"] == "function" && first[0]["function"]["arguments"] == "")
    );
    house.close().await;
}

#[tokio::test]
async fn results_go_back_and_the_answer_quotes_them() {
    let house = House::start().await;
    for stream in [false, true] {
        let (mut chat, expected) = three_calls();
        let (_, answer) = house.chat(&chat).await;
        let message = &answer["choices"][0]["message"];
        let ids: Vec<_> = message["tool_calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| call["id"].as_str().unwrap())
            .collect();
        let messages = chat["messages"].as_array_mut().unwrap();
        let question = messages[0]["content"].as_str().unwrap().to_owned();
        messages.push(message.clone());
        // In another order than the calls, one as parts, one empty.
        messages.push(json!({ "role": "tool", "tool_call_id": ids[2], "content": "" }));
        messages.push(json!({ "role": "tool", "tool_call_id": ids[0], "content": "  3\n" }));
        let parts = json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]);
        messages.push(json!({ "role": "tool", "tool_call_id": ids[1], "content": parts }));

        let text = if stream {
            let frames = house.stream(&chat).await;
            assert_eq!(frames.finish_reason(), Some("stop"));
            frames.text()
        } else {
            let (status, answer) = house.chat(&chat).await;
            assert_eq!((status, &answer["choices"][0]["finish_reason"]), (200, &json!("stop")), "{answer}");
            answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };

        assert_eq!(
            text,
            "The tool add answered:   3\n\n\nThe tool add answered: one\ntwo\n\nThe tool sub answered: "
        );
        let mut lines = vec![format!("user {question:?}")];
        lines.extend(ids.iter().zip(expected).map(|(id, (name, json))| format!("call {id} {name} {json}")));
        lines.push(format!(r#"=> result {} "  3\n""#, ids[0]));
        lines.push(format!(r#"=> result {} "one" "two""#, ids[1]));
        lines.push(format!(r#"=> result {} """#, ids[2]));
        assert_eq!(received::conversation(&house.last_request()), lines);
    }
    house.close().await;
}

#[tokio::test]
async fn the_older_functions_work_as_they_did() {
    let house = House::start().await;
    let mut chat = ask(r#"call the tool f with {"a":1}"#);
    chat["functions"] = json!([{ "name": "f", "parameters": { "type": "object" } }]);

    let (status, answer) = house.chat(&chat).await;
    let choice = &answer["choices"][0];
    assert_eq!((status, &choice["finish_reason"]), (200, &json!("function_call")), "{answer}");
    assert_eq!(choice["message"]["function_call"], json!({ "name": "f", "arguments": r#"{"a":1}"# }));

    let messages = chat["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    messages.push(json!({ "role": "function", "name": "f", "content": "done" }));
    let (status, answer) = house.chat(&chat).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "The tool f answered: done");
    house.close().await;
}

#[tokio::test]
async fn text_beside_calls_stays() {
    let house = House::start().await;
    let parts = [Part::Text("I will add.".into()), Part::ToolCall(ToolCall::new("add", json!({ "a": 1 })))];
    let mut chat = ask("add");
    chat["tools"] = json!([tool("add", &json!({}))]);

    house.simulator.enqueue_times(2, &Scenario::parts(parts));
    let (_, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    let message = &whole["choices"][0]["message"];
    assert_eq!(
        (&message["content"], message["tool_calls"].as_array().map(Vec::len)),
        (&json!("I will add."), Some(1))
    );
    assert_eq!((frames.text().as_str(), frames.calls().len()), ("I will add.", 1));
    house.close().await;
}

#[tokio::test]
async fn usage_ends_a_stream_that_asked_for_it_and_no_other() {
    let house = House::start().await;
    let tokens = Tokens { input: 100, output: 20, cache_read: 7, cache_write: 3 };
    let expected = json!({
        "prompt_tokens": 110,
        "completion_tokens": 20,
        "total_tokens": 130,
        "prompt_tokens_details": { "cached_tokens": 7 },
    });
    let mut chat = ask("hello");
    house.simulator.enqueue_times(3, &Scenario::text("hi").using(tokens));

    let (_, whole) = house.chat(&chat).await;
    assert_eq!(whole["usage"], expected);

    let without = house.stream(&chat).await;
    assert!(without.data.iter().all(|chunk| chunk.get("usage").is_none()));

    chat["stream_options"] = json!({ "include_usage": true });
    let with = house.stream(&chat).await;
    let (last, others) = with.data.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &expected));
    assert!(others.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"][0].is_object()));
    assert!(with.done);
    house.close().await;
}

#[tokio::test]
async fn usage_that_the_upstream_does_not_split_is_left_out() {
    let house = House::start().await;
    let mut chat = ask("hello");
    chat["stream_options"] = json!({ "include_usage": true });
    for form in [UsageForm::Absent, UsageForm::Totals] {
        house.simulator.enqueue_times(2, &Scenario::text("hi").reporting(form));

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        assert!(whole.get("usage").is_none(), "{whole}");
        assert!(frames.done && frames.data.iter().all(|chunk| chunk["usage"].is_null()), "{form:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn models_are_listed_and_found_by_every_name() {
    let house = House::start().await;
    let get = async |path: &str| -> (u16, Value) {
        let response = house.request("GET", path).send().await.unwrap();
        (response.status().as_u16(), json_of(response).await)
    };

    let (status, list) = get("/v1/models").await;
    assert_eq!((status, &list["object"]), (200, &json!("list")));
    let models = list["data"].as_array().unwrap();
    assert!(models.len() > 20);
    for model in models {
        assert!(
            model["id"].is_string() && model["owned_by"].is_string() && model["created"].is_i64(),
            "{model}"
        );
        assert_eq!(model["object"], "model");
    }
    assert_eq!(get("/models").await, (200, list.clone()));
    assert_eq!(get("/v1/models").await.1, list, "the list does not change from call to call");

    let (status, model) = get("/v1/models/gpt-5%20%28high%20reasoning%29").await;
    assert_eq!((status, &model["id"]), (200, &json!("gpt-5 (high reasoning)")));
    assert!(models.contains(&model));
    let (_, by_alias) = get("/models/gpt-5-high-reasoning").await;
    assert_eq!(by_alias, model);

    for unknown in ["/v1/models/gpt-99", "/v1/models/a%2Fb%20c", "/v1/models/a/b"] {
        let (status, answer) = get(unknown).await;
        assert_eq!(status, 404);
        assert_eq!(
            error_of(&answer),
            ("invalid_request_error", "model_not_found", &json!("model")),
            "{answer}"
        );
    }
    house.close().await;
}

#[tokio::test]
async fn the_model_asked_for_is_the_model_of_the_upstreams_request() {
    let house = House::start().await;
    for (asked, effort, sent) in [
        (json!("gpt-5 (high reasoning)"), Value::Null, "gpt-5 (high reasoning)"),
        (json!("gpt-5"), json!("high"), "gpt-5 (high reasoning)"),
        (json!("claude-sonnet-4-5"), Value::Null, "claude-4-5-sonnet"),
        (json!("of-next-year"), Value::Null, "of-next-year"),
        (Value::Null, Value::Null, "auto"),
    ] {
        let mut chat = ask("hello");
        (chat["model"], chat["reasoning_effort"]) = (asked, effort);

        let (status, answer) = house.chat(&chat).await;

        assert_eq!((status, &answer["model"]), (200, &json!(sent)));
        let settings = house.last_request().settings.unwrap();
        assert_eq!(settings.model_config.unwrap().base, sent);
    }
    house.close().await;
}

#[tokio::test]
async fn health_names_the_upstream() {
    let house = House::start().await;
    for path in ["/", "/healthz"] {
        let response = house.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = json_of(response).await;
        assert_eq!((&body["status"], &body["upstream"]), (&json!("ok"), &json!("embedded")), "{body}");
    }
    house.close().await;
}

#[tokio::test]
async fn wrong_paths_and_methods_get_error_objects() {
    let house = House::start().await;
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/chat/completionss", 404, "unknown_url"),
        ("POST", "/v1/embeddings", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ] {
        let response = house.request(method, path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{method} {path}");
        let answer: Value = json_of(response).await;
        assert_eq!(error_of(&answer), ("invalid_request_error", code, &Value::Null));
        assert!(answer["error"]["message"].as_str().unwrap().contains(path), "{answer}");
    }
    house.close().await;
}

#[tokio::test]
async fn base_urls_may_be_written_in_every_way() {
    let house = House::start().await;
    let chat = ask("say exactly: here").to_string();
    for root in ["/v1", ""] {
        for end in ["", "/"] {
            let path = format!("{root}/chat/completions{end}");
            let response = house.request("POST", &path).body(chat.clone()).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(json_of(response).await["choices"][0]["message"]["content"], "here");
            let path = format!("{root}/models{end}");
            let response = house.request("GET", &path).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(json_of(response).await["object"], "list");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let house = House::builder().settings(|s| s.api_token = Some("key".into())).start().await;
    let chat = ask("say exactly: hi").to_string();
    let streamed = chat.replacen('{', r#"{"stream":true,"#, 1);
    for (method, path, key, body, status) in [
        ("POST", "/v1/chat/completions", "key", chat.as_str(), 200),
        ("POST", "/v1/chat/completions", "key", &streamed, 200),
        ("POST", "/v1/chat/completions", "key", "{", 400),
        ("POST", "/v1/chat/completions", "wrong", &chat, 401),
        ("GET", "/v1/models", "key", "", 200),
        ("GET", "/v1/nothing", "key", "", 404),
        ("GET", "/v1/chat/completions", "key", "", 405),
        ("GET", "/healthz", "", "", 200),
    ] {
        let request = || house.request(method, path).bearer_auth(key).body(body.to_owned());
        let given = request().header("x-request-id", "from-the-caller/1").send().await.unwrap();
        assert_eq!(given.status().as_u16(), status, "{method} {path}");
        assert_eq!(given.headers()["x-request-id"], "from-the-caller/1");
        let ours = request().send().await.unwrap();
        let id = ours.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.starts_with("req_") && id.len() > 20, "{id}");
        let unusable = request().header("x-request-id", "x".repeat(500)).send().await.unwrap();
        assert!(unusable.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    }
    house.close().await;
}

#[tokio::test]
async fn answers_say_where_they_come_from_and_what_was_not_done() {
    let house = House::start().await;
    let mut chat = ask("hello");
    let plain = house.post(&chat).await;
    assert_eq!(plain.headers()["x-warp2api-upstream"], "embedded");
    assert!(!plain.headers().contains_key("x-warp2api-ignored"));

    chat["temperature"] = json!(0.2);
    chat["seed"] = json!(7);
    chat["top_k"] = json!(40);
    for stream in [false, true] {
        chat["stream"] = json!(stream);
        let response = house.post(&chat).await;
        assert_eq!(response.headers()["x-warp2api-upstream"], "embedded");
        assert_eq!(response.headers()["x-warp2api-ignored"], "temperature, seed, top_k");
        if stream {
            let headers = response.headers();
            assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
            assert_eq!(headers["cache-control"], "no-cache, no-transform");
            assert_eq!(headers["x-accel-buffering"], "no");
            assert!(!headers.contains_key("content-encoding"));
        }
        drop(response.bytes().await);
    }
    house.close().await;
}

#[tokio::test]
async fn a_key_is_asked_for_where_one_is_set() {
    let house = House::builder().settings(|s| s.api_token = Some("first, second".into())).start().await;
    let chat = ask("say exactly: in").to_string();
    let send = async |path: &str, header: &str, value: &str| {
        let method = if path.ends_with("models") { "GET" } else { "POST" };
        let request = house.request(method, path).body(chat.clone());
        let request = if header.is_empty() { request } else { request.header(header, value) };
        request.send().await.unwrap()
    };

    for path in ["/v1/chat/completions", "/chat/completions", "/v1/models"] {
        for (header, value) in [
            ("", ""),
            ("authorization", "Bearer third"),
            ("authorization", "Bearer "),
            ("authorization", "Basic first"),
            ("authorization", "Bearer firstsecond"),
            ("x-api-key", ""),
            ("x-api-key", "first,second"),
        ] {
            let response = send(path, header, value).await;
            assert_eq!(response.status(), 401, "{path} {header}: {value}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let answer: Value = json_of(response).await;
            assert_eq!(error_of(&answer), ("authentication_error", "invalid_api_key", &Value::Null));
        }
        for (header, value) in
            [("authorization", "Bearer first"), ("authorization", "bearer second"), ("x-api-key", "first")]
        {
            assert_eq!(send(path, header, value).await.status(), 200, "{path} {header}: {value}");
        }
    }
    assert_eq!(send("/healthz", "", "").await.status(), 405, "health needs no key, whatever the method");
    assert_eq!(house.record().received(), 6, "nobody without a key reached the upstream");
    house.close().await;
}

#[tokio::test]
async fn a_wrong_key_is_told_before_the_body_is_looked_at() {
    let house = House::builder().settings(|s| s.api_token = Some("key".into())).start().await;
    let address = house.edge.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();

    // A body is announced and never sent.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(wait::PATIENCE, socket.read_exact(&mut answer)).await.unwrap().unwrap();

    assert_eq!(&answer, b"HTTP/1.1 401");
    drop(socket);
    house.close().await;
}

#[tokio::test]
async fn thinking_comes_before_the_answer_and_apart_from_it() {
    let house = House::start().await;
    let chat = ask("think first, then say exactly: done");

    let (_, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    let message = &whole["choices"][0]["message"];
    let thought = message["reasoning_content"].as_str().unwrap();
    assert!(thought.starts_with("The latest message has 6 words."), "{thought}");
    assert_eq!(message["content"], "done");
    assert_eq!((frames.reasoning().as_str(), frames.text().as_str()), (thought, "done"));
    let first = |key: &str| {
        let has =
            |chunk: &Value| chunk["choices"][0]["delta"][key].as_str().is_some_and(|text| !text.is_empty());
        frames.data.iter().position(has)
    };
    assert!(first("reasoning_content") < first("content"));
    house.close().await;
}

#[tokio::test]
async fn a_stop_sequence_ends_the_answer_before_it() {
    let house = House::start().await;
    for (stop, text) in [
        (json!("END"), "one two "),
        (json!(["three", "two EN"]), "one "),
        (json!([" thr"]), "one two END"),
        (json!(["absent", "thr33"]), "one two END three"),
    ] {
        let mut chat = ask("say exactly: one two END three");
        chat["stop"] = stop.clone();

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(text), &json!("stop")),
            "{stop}"
        );
        assert_eq!((frames.text().as_str(), frames.finish_reason()), (text, Some("stop")), "{stop}");
        assert!(frames.done);
    }
    house.close().await;
}

#[tokio::test]
async fn a_token_limit_cuts_the_answer_and_says_so() {
    let house = House::start().await;
    for (limit, text, reason) in [
        (json!({ "max_tokens": 2 }), "12345678", "length"),
        (json!({ "max_completion_tokens": 1, "max_tokens": 100 }), "1234", "length"),
        (json!({ "max_tokens": 100 }), "123456789", "stop"),
        (json!({ "max_tokens": null }), "123456789", "stop"),
    ] {
        let mut chat = ask("say exactly: 123456789");
        chat.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(text), &json!(reason)),
            "{limit}"
        );
        assert_eq!((frames.text().as_str(), frames.finish_reason()), (text, Some(reason)), "{limit}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_limit_that_is_reached_ends_the_upstreams_turn() {
    let house = House::start().await;
    let endless = Scenario::chunks(100_000, "again and ", Duration::from_millis(1));
    let mut chat = ask("hello");
    chat["stop"] = json!("again and again and again");
    house.simulator.enqueue(endless);

    let frames = house.stream(&chat).await;

    assert_eq!((frames.text().as_str(), frames.finish_reason(), frames.done), ("", Some("stop"), true));
    house.settle().await;
    assert_eq!((house.record().finished(), house.record().abandoned()), (0, 1));
    house.close().await;
}

#[tokio::test]
async fn silence_is_filled_so_that_nobody_on_the_way_gives_up() {
    for form in [KeepAliveForm::Comment, KeepAliveForm::Chunk] {
        let house = House::builder()
            .tune(move |c| {
                c.gateway.keep_alive = Duration::from_millis(5);
                c.gateway.keep_alive_form = form;
            })
            .start()
            .await;
        let pause = Part::Pause(Duration::from_millis(200));
        house.simulator.enqueue(Scenario::parts([Part::Text("a ".into()), pause, Part::Text("b".into())]));

        let frames = house.stream(&ask("hello")).await;

        assert_eq!((frames.text().as_str(), frames.done), ("a b", true));
        let empty = |choice: &Value| choice["delta"] == json!({}) && choice["finish_reason"].is_null();
        let chunks = frames.data.iter().filter(|chunk| empty(&chunk["choices"][0])).count();
        match form {
            KeepAliveForm::Comment => assert!(frames.comments >= 2 && chunks == 0, "{frames:?}"),
            KeepAliveForm::Chunk => assert!(frames.comments == 0 && chunks >= 2, "{frames:?}"),
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_long_gets_its_head_and_its_error_as_last_frame() {
    let house = House::builder()
        .tune(|c| {
            c.gateway.commit_after = Duration::from_millis(10);
            c.gateway.keep_alive = Duration::from_millis(10);
        })
        .start()
        .await;
    let delay = Duration::from_millis(150);
    let mut chat = ask("hello");
    chat["stream"] = json!(true);

    house.simulator.enqueue(Scenario::text("at last").delayed(delay));
    let mut live = Live::new(house.post(&chat).await);
    assert_eq!(house.record().finished(), 0, "the head came before the answer");
    assert_eq!(live.first_text().await, "at ");
    let frames = live.rest().await;
    assert_eq!((frames.text().as_str(), frames.done), ("last", true));

    let refusal = warp2api_upstream_sim::Refusal::new(400, "no");
    house.simulator.enqueue(Scenario::refuse(refusal).delayed(delay));
    let frames = Live::new(house.post(&chat).await).rest().await;
    assert_eq!(frames.error().unwrap()["code"], "upstream_rejected");
    assert!(!frames.done && frames.text().is_empty());

    // Whole answers have no head before they are there.
    house.simulator.enqueue(Scenario::text("at last").delayed(delay));
    chat["stream"] = json!(false);
    assert_eq!(house.chat(&chat).await.0, 200);
    house.close().await;
}

#[tokio::test]
async fn a_stream_is_what_the_whole_answer_is() {
    let house = House::start().await;
    let chat = ask("think first and tell me something");
    let (_, whole) = house.chat(&chat).await;
    let Frames { data, .. } = house.stream(&chat).await;
    let joined = |key: &str| -> String {
        data.iter().filter_map(|chunk| chunk["choices"][0]["delta"][key].as_str()).collect()
    };
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], joined("content"));
    assert_eq!(message["reasoning_content"], joined("reasoning_content"));
    house.close().await;
}
