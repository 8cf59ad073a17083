//! Anthropic's messages against the whole system: what is theirs alone. What all dialects do alike is in `dialects`.

use std::time::Duration;

use serde_json::{Value, json};
use warp2api_gateway::RemoteImages;
use warp2api_integration_tests::{House, json_of, received};
use warp2api_upstream_sim::{Part, Refusal, Scenario, ToolCall};

use crate::dialects::messages::events;
use crate::images::Site;

fn ask(content: impl Into<Value>) -> Value {
    json!({ "model": "auto", "max_tokens": 1000, "messages": [{ "role": "user", "content": content.into() }] })
}

async fn post(house: &House, body: &Value) -> reqwest::Response {
    house.request("POST", "/v1/messages").body(body.to_string()).send().await.unwrap()
}

async fn whole(house: &House, body: &Value) -> Value {
    let response = post(house, body).await;
    let status = response.status();
    let answer = json_of(response).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn stream(house: &House, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let response = post(house, &body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    events(&response.text().await.unwrap())
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_result_finds_its_call_upstream_and_no_other_letters_get_there() {
    let house = House::start().await;
    for id in ["call_of:the/upstream", "7f0e-11", "toolu_01ABC"] {
        let call = ToolCall { id: id.into(), ..ToolCall::new("f", json!({ "a": 1 })) };
        house.simulator.enqueue(Scenario::parts([Part::Text("I look.".into()), Part::ToolCall(call)]));
        let mut body = ask("go");
        body["tools"] = json!([{ "name": "f", "input_schema": { "type": "object" } }]);
        let first = whole(&house, &body).await;
        assert_eq!(first["stop_reason"], "tool_use");
        let told = first["content"][1]["id"].as_str().unwrap().to_owned();
        assert!(told.starts_with("toolu_") && !told.contains([':', '/']), "{told}");

        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({ "role": "assistant", "content": first["content"] }));
        messages.push(json!({ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": told, "content": "done", "is_error": true },
        ] }));
        whole(&house, &body).await;

        assert_eq!(
            received::conversation(&house.last_request()),
            [
                "user \"go\"".to_owned(),
                "assistant \"I look.\"".to_owned(),
                format!("call {id} f {{\"a\":1}}"),
                format!("=> error {id} \"done\""),
            ]
        );
    }
    house.close().await;
}

#[tokio::test]
async fn a_conversation_goes_on_by_its_name_through_a_loop_of_tools() {
    let house = House::start().await;
    let mut body = ask("call the tool f with {\"a\":1}");
    body["tools"] = json!([{ "name": "f", "input_schema": {} }]);
    let send = async |body: &Value| {
        let request = house.request("POST", "/v1/messages").header("x-warp2api-conversation", "mine");
        let response = request.body(body.to_string()).send().await.unwrap();
        let resumed = response.headers()["x-warp2api-resumed"].to_str().unwrap().to_owned();
        (resumed, json_of(response).await)
    };

    let (resumed, first) = send(&body).await;
    assert_eq!(resumed, "false");
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": first["content"] }));
    let result =
        json!({ "type": "tool_result", "tool_use_id": first["content"][0]["id"], "content": "done" });
    messages.push(json!({ "role": "user", "content": [result] }));
    let (resumed, last) = send(&body).await;

    assert_eq!(resumed, "true");
    assert!(last["content"][0]["text"].as_str().unwrap().contains("done"), "{last}");
    house.close().await;
}

#[tokio::test]
async fn a_stop_sequence_is_named_and_thinking_is_not_made_up() {
    let house = House::start().await;
    let mut body = ask("hi");
    body["stop_sequences"] = json!(["never", "EN D"]);
    let said =
        [Part::Reasoning("a thought".into()), Part::Text("one EN".into()), Part::Text(" D two".into())];
    house.simulator.enqueue_times(2, &Scenario::parts(said));

    let whole = whole(&house, &body).await;
    let events = stream(&house, &body).await;

    assert_eq!(whole["content"], json!([{ "type": "text", "text": "one " }]));
    assert_eq!((&whole["stop_reason"], &whole["stop_sequence"]), (&json!("stop_sequence"), &json!("EN D")));
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"], json!({ "stop_reason": "stop_sequence", "stop_sequence": "EN D" }));
    assert!(!json!(events).to_string().contains("thought"));
    house.close().await;
}

#[tokio::test]
async fn usage_is_the_upstreams() {
    let house = House::start().await;
    let body = ask("say exactly: some words");

    let whole = whole(&house, &body).await;
    let events = stream(&house, &body).await;

    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 0, "nothing is known at the beginning");
    assert_eq!(events[events.len() - 2]["usage"], whole["usage"]);
    assert!(whole["usage"]["output_tokens"].as_u64().unwrap() > 0, "{whole}");
    house.close().await;
}

#[tokio::test]
async fn versions_betas_and_queries_are_tolerated() {
    let house = House::start().await;
    let body = ask("say exactly: in").to_string();
    for path in ["/v1/messages", "/messages", "/v1/messages/", "/v1/messages?beta=true", "/messages?a=b&c"] {
        for version in ["", "2023-06-01", "1999-01-01", "no date"] {
            let request = house.request("POST", path).header("anthropic-beta", "a-2026-01-01,b");
            let request =
                if version.is_empty() { request } else { request.header("anthropic-version", version) };
            let answer = request.body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {version}");
            let id = answer.headers()["request-id"].clone();
            assert_eq!(answer.headers()["x-request-id"], id);
            assert_eq!(json_of(answer).await["content"][0]["text"], "in");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn silence_is_filled_with_pings() {
    let house = House::builder().tune(|c| c.gateway.keep_alive = Duration::from_millis(5)).start().await;
    let pause = Part::Pause(Duration::from_millis(200));
    house.simulator.enqueue(Scenario::parts([Part::Text("a ".into()), pause, Part::Text("b".into())]));

    let events = stream(&house, &ask("hi")).await;

    let types = types(&events);
    assert!(types.iter().filter(|kind| **kind == "ping").count() >= 2, "{types:?}");
    assert_eq!((types[0], *types.last().unwrap()), ("message_start", "message_stop"));
    house.close().await;
}

#[tokio::test]
async fn what_fails_after_the_head_is_an_event() {
    let house = House::builder()
        .tune(|c| {
            c.chat.max_retries = 0;
            c.gateway.commit_after = Duration::from_millis(10);
        })
        .start()
        .await;
    let refused = Scenario::refuse(Refusal::new(500, "planted")).delayed(Duration::from_millis(150));
    house.simulator.enqueue(refused);

    let events = stream(&house, &ask("hi")).await;

    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["error"]["type"], "overloaded_error");
    assert!(!events[0].to_string().contains("planted"), "{}", events[0]);
    house.close().await;
}

#[tokio::test]
async fn what_fails_before_the_head_says_whether_to_come_back() {
    for (refusal, status, kind, again) in [
        (Refusal::new(500, "planted"), 503, "overloaded_error", Some("true")),
        (Refusal::new(429, "planted"), 429, "rate_limit_error", Some("true")),
        (Refusal::new(400, "planted"), 400, "invalid_request_error", None),
    ] {
        // What is wrong with a credential is remembered, so each has a house of its own.
        let house = House::builder().tune(|c| c.chat.max_retries = 0).start().await;
        house.simulator.enqueue_times(4, &Scenario::refuse(refusal));
        let response = post(&house, &ask("hi")).await;
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-should-retry").as_deref(), again, "{status}");
        assert_eq!(header("retry-after").is_some(), again.is_some());
        assert!(header("request-id").unwrap().starts_with("req_"));
        assert_eq!(response.status(), status);
        let answer = json_of(response).await;
        assert_eq!((&answer["type"], &answer["error"]["type"]), (&json!("error"), &json!(kind)));
        assert_eq!(answer["error"].as_object().unwrap().len(), 2, "{answer}");
        assert!(!answer.to_string().contains("planted"), "{answer}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_count_asks_nothing_of_the_upstream_and_says_what_it_is() {
    let house = House::start().await;
    let count = async |path: &str, body: &Value| {
        let response = house.request("POST", path).body(body.to_string()).send().await.unwrap();
        let estimated = response.headers().get("x-warp2api-estimated").cloned();
        (response.status().as_u16(), estimated, json_of(response).await)
    };
    let body =
        json!({ "model": "auto", "system": "be brief", "messages": [{ "role": "user", "content": "hi" }] });

    for path in ["/v1/messages/count_tokens", "/messages/count_tokens", "/v1/messages/count_tokens?beta=true"]
    {
        let (status, estimated, answer) = count(path, &body).await;
        assert_eq!((status, estimated.unwrap().to_str().unwrap()), (200, "input_tokens"));
        assert_eq!(answer, json!({ "input_tokens": 11 }));
    }
    let (status, estimated, answer) = count("/v1/messages/count_tokens", &json!({ "messages": 7 })).await;
    assert_eq!((status, estimated, &answer["error"]["type"]), (400, None, &json!("invalid_request_error")));
    assert_eq!(house.record().received(), 0);
    house.close().await;
}

#[tokio::test]
async fn models_come_in_the_shape_of_who_asks() {
    let house = House::start().await;
    let get = async |path: &str, version: bool| {
        let request = house.request("GET", path);
        let request = if version { request.header("anthropic-version", "2023-06-01") } else { request };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), json_of(response).await)
    };

    let (_, openais) = get("/v1/models", false).await;
    let (_, anthropics) = get("/v1/models", true).await;
    let ids = |list: &Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect()
    };
    assert_eq!((&openais["object"], &anthropics["has_more"]), (&json!("list"), &json!(false)));
    assert_eq!(ids(&openais), ids(&anthropics));
    assert_eq!(anthropics["data"][0]["type"], "model");

    let mut paged = Vec::new();
    let mut path = "/v1/models?limit=7".to_owned();
    loop {
        let (status, page) = get(&path, true).await;
        assert_eq!(status, 200, "{page}");
        paged.extend(ids(&page));
        if page["has_more"] == false {
            break;
        }
        path =
            format!("/v1/models?limit=7&after_id={}", page["last_id"].as_str().unwrap().replace(' ', "%20"));
    }
    assert_eq!(paged, ids(&openais));

    for name in ["claude-sonnet-4-5-20250929", "claude-4-5-sonnet"] {
        let (status, model) = get(&format!("/v1/models/{name}"), true).await;
        assert_eq!(
            (status, &model["id"], &model["type"]),
            (200, &json!("claude-4-5-sonnet"), &json!("model"))
        );
    }
    for (path, status, kind) in [
        ("/v1/models/none", 404, "not_found_error"),
        ("/v1/models?limit=0", 400, "invalid_request_error"),
        ("/v1/nowhere", 404, "not_found_error"),
    ] {
        let (found, answer) = get(path, true).await;
        assert_eq!((found, &answer["error"]["type"]), (status, &json!(kind)), "{path}");
    }
    assert_eq!(get("/v1/models?limit=0", false).await.0, 200, "OpenAI knows no pages");
    assert_eq!(get("/v1/nowhere", false).await.1["error"]["code"], "unknown_url");
    assert_eq!(get("/v1/messages/batches", false).await.1["error"]["type"], "not_found_error");
    house.close().await;
}

#[tokio::test]
async fn the_field_at_fault_is_the_callers_own() {
    let house = House::start().await;
    let mut deep = "1".to_owned();
    for _ in 0..120 {
        deep = format!("[{deep}]");
    }
    // Only the service finds out that the upstream cannot take it.
    let body = format!(
        r#"{{"system":"s","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"x"}},
        {{"type":"text","text":"hi"}}]}},{{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"f",
        "input":{{"a":{deep}}}}}]}}]}}"#
    );

    let response = house.request("POST", "/v1/messages").body(body).send().await.unwrap();

    assert_eq!(response.status(), 400);
    let answer = json_of(response).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("messages[1]: "), "{message}");
    house.close().await;
}

#[tokio::test]
async fn images_on_the_network_are_fetched_where_the_operator_has_it_and_never_for_a_count() {
    let site = Site::with_images().await;
    let image = json!({ "type": "image", "source": { "type": "url", "url": site.url("/small") } });
    let result = json!({ "type": "tool_result", "tool_use_id": "none", "content": [image] });
    let body = ask(json!([result, { "type": "text", "text": "look" }, image]));

    let closed = House::start().await;
    let answer = json_of(post(&closed, &body).await).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("messages[0].content[0].content[0].source.url: "), "{message}");
    closed.close().await;

    let open = House::builder()
        .tune(|config| config.gateway.remote_images = RemoteImages::PublicAndLoopback)
        .start()
        .await;
    let count = open.request("POST", "/v1/messages/count_tokens").body(body.to_string());
    let count = json_of(count.send().await.unwrap()).await;
    assert!(count["input_tokens"].as_u64().unwrap() > 2 * 1600, "{count}");
    assert_eq!(site.asked(), 0);
    whole(&open, &body).await;
    assert_eq!(site.asked(), 1, "each URL once");
    let lines = received::conversation(&open.last_request());
    assert!(lines.iter().filter(|line| line.contains("image/gif:")).count() == 2, "{lines:?}");
    open.close().await;
}
