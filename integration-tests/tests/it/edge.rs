//! What is around a chat: models, health, keys, paths, and the headers of every answer.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use warp2api_integration_tests::{House, ask, json_of, wait};

fn error_of(answer: &Value) -> (&str, &str, &Value) {
    let error = &answer["error"];
    assert_eq!(error.as_object().map(serde_json::Map::len), Some(4), "{answer}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    let text = |key: &str| error[key].as_str().expect("a string");
    (text("type"), text("code"), &error["param"])
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
async fn an_edge_that_is_open_answers_no_page_from_elsewhere() {
    let house = House::start().await;
    let closed = House::builder().settings(|s| s.api_token = Some("key".into())).start().await;
    let send = async |house: &House, origin: &str| {
        let request = house.request("POST", "/v1/chat/completions").body(ask("say exactly: in").to_string());
        // What a browser sends without asking the server first.
        let request = request.header("content-type", "text/plain").header("authorization", "Bearer key");
        request.header("origin", origin).send().await.unwrap().status().as_u16()
    };

    for origin in ["https://evil.example", "http://localhost.evil.example", "null"] {
        assert_eq!(send(&house, origin).await, 401, "{origin}");
        assert_eq!(send(&closed, origin).await, 200, "it has a key: {origin}");
    }
    assert_eq!(house.record().received(), 0, "nothing was asked of the upstream");
    for origin in ["http://localhost:3000", "http://127.0.0.1:28888", "vscode-webview://a"] {
        assert_eq!(send(&house, origin).await, 200, "{origin}");
    }
    house.close().await;
    closed.close().await;
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

    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1//chat/completions",
        "//v1/v1/chat/completions/",
        "/v1/models",
    ] {
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
            assert_eq!(response.headers()["x-should-retry"], "false", "the key will not get right");
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
    assert_eq!(house.record().received(), 12, "nobody without a key reached the upstream");
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
