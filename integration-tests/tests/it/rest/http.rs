//! What only HTTP has: methods, headers, bodies, paths, streams that a client leaves.

use reqwest::Method;
use serde_json::{Value, json};
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, json_of, wait};

use super::client::encode;

fn url(house: &House, path: &str) -> String {
    format!("http://{}{path}", house.warp_chat)
}

fn chat(text: &str) -> String {
    json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": text}]}]}).to_string()
}

/// A chat with some model, to be refined and sent.
fn stream(house: &House, text: &str) -> reqwest::RequestBuilder {
    let request = house.http.post(url(house, "/v1/chatModels/auto:streamChat"));
    request.header("content-type", "application/json").body(chat(text))
}

async fn error(response: reqwest::Response) -> (u16, Vec<String>) {
    let status = response.status().as_u16();
    let json = json_of(response).await;
    let details = json["error"]["details"].as_array().expect("details");
    let violations = details.iter().filter_map(|detail| detail["fieldViolations"].as_array()).flatten();
    (status, violations.map(|one| one["field"].as_str().expect("a field").to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_are_told_apart() {
    let house = House::start().await;
    for (method, path, status, allow) in [
        ("GET", "/v1/chatModels/auto", 200, None),
        ("HEAD", "/v1/chatModels/auto", 200, None),
        ("OPTIONS", "/v1/chatModels/auto", 204, Some("GET, HEAD, OPTIONS")),
        ("PUT", "/v1/chatModels/auto", 405, Some("GET, HEAD, OPTIONS")),
        ("GET", "/v1/chatModels/auto:streamChat", 405, Some("POST, OPTIONS")),
        ("HEAD", "/v1/chatModels/nobody", 404, None),
        ("GET", "/v1/nothing", 404, None),
        ("OPTIONS", "/v1/nothing", 404, None),
        ("GET", "/v1/chatModels/", 404, None),
        ("GET", "/v1/chatModels/%ff", 400, None),
    ] {
        let method: Method = method.parse().unwrap();

        let response = house.http.request(method.clone(), url(&house, path)).send().await.unwrap();

        assert_eq!(response.status(), status, "{method} {path}");
        let header = response.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), allow, "{method} {path}");
        assert!(response.headers().contains_key("x-request-id"), "{method} {path}");
        if method == Method::HEAD {
            assert!(response.bytes().await.unwrap().is_empty());
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_with_the_field_named() {
    let house = House::builder().start().await;
    let post = |body: &str| {
        let request = house.http.post(url(&house, "/v1/chatModels/auto:streamChat"));
        request.header("content-type", "application/json").body(body.to_owned()).send()
    };
    for (body, field) in [
        (r#"{"mesages":[]}"#, "mesages"),
        (r#"{"messages":[{"role":"ROLE_USER","parts":[{"txt":"x"}]}]}"#, "messages[0].parts[0].txt"),
        (r#"{"messages":[{"role":"USER"}]}"#, "messages[0].role"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"model":"chatModels/other","messages":[]}"#, "model"),
        ("{", "body"),
        ("", "messages"),
    ] {
        assert_eq!(error(post(body).await.unwrap()).await, (400, vec![field.to_owned()]), "{body}");
    }
    for (path, field) in [
        ("/v1/chatModels?page_sise=1", "page_sise"),
        ("/v1/chatModels?page_size=x", "page_size"),
        ("/v1/chatModels?pageSize=1&page_size=1", "page_size"),
        ("/v1/chatModels/auto?name=x", "name"),
    ] {
        let response = house.http.get(url(&house, path)).send().await.unwrap();
        assert_eq!(error(response).await, (400, vec![field.to_owned()]), "{path}");
    }
    let unread = house.http.get(url(&house, "/v1/chatModels")).body("{}").send().await.unwrap();
    assert_eq!(error(unread).await, (400, vec!["body".to_owned()]));
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let request = house.http.post(url(&house, "/v1/chatModels/auto:streamChat")).body(chat("x"));
        let request = match kind {
            Some(kind) => request.header("content-type", kind),
            None => request,
        };
        assert_eq!(error(request.send().await.unwrap()).await, (415, vec!["content-type".to_owned()]));
    }
    let large = "x".repeat(33 * 1024 * 1024);
    let (status, _) = error(post(&large).await.unwrap()).await;
    assert_eq!(status, 413);
    for (name, value) in [("x-request-timeout", "soon"), ("grpc-timeout", "5")] {
        let response = stream(&house, "x").header(name, value).send().await.unwrap();
        assert_eq!(error(response).await, (400, vec![name.to_owned()]));
    }
    assert!(house.record().chats().is_empty(), "nothing of this reached the upstream");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_of_models_survive_the_path() {
    let house = House::start().await;
    for model in ["gpt-5 (high reasoning)", "a/b", "100% [x]:streamChat", "日本", "..", "a+b?c#d"] {
        let path = format!("/v1/chatModels/{}:streamChat", encode(model).replace('.', "%2E"));

        let request = house.http.post(url(&house, &path)).header("content-type", "application/json");
        let response = request.body(chat("say exactly: hi")).send().await.unwrap();

        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.unwrap();
        let started: Value =
            serde_json::from_str(text.lines().next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(started["started"]["model"], model);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_stream_ends_the_upstream_request() {
    let house = House::start().await;
    let response = stream(&house, "stream 1000 chunks of 8 bytes every 20 ms").send().await.unwrap();

    let mut live = Live::new(response);
    for _ in 0..3 {
        live.frame().await.expect("an event");
    }
    drop(live);

    wait::until("the upstream sees it leave", || house.record().abandoned() == 1).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_stream_with_an_error() {
    let house = House::start().await;
    let request = stream(&house, "stream 1000 chunks of 8 bytes every 20 ms");

    let response = request.header("x-request-timeout", "400ms").send().await.unwrap();

    assert_eq!(response.status(), 200);
    let body = response.text().await.unwrap();
    let last: Value =
        serde_json::from_str(body.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap())
            .unwrap();
    assert_eq!(
        (&last["error"]["code"], &last["error"]["status"]),
        (&json!(504), &json!("DEADLINE_EXCEEDED"))
    );
    wait::until("the upstream sees it leave", || house.record().abandoned() == 1).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_comes_as_lines_to_who_asks_for_them() {
    let house = House::start().await;

    let request = stream(&house, "say exactly: one two").header("accept", "application/x-ndjson");
    let response = request.header("x-request-id", "of-the-caller").send().await.unwrap();

    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(response.headers()["x-request-id"], "of-the-caller");
    let lines: Vec<Value> =
        response.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text: String = lines.iter().filter_map(|line| line["textDelta"]["text"].as_str()).collect();
    assert_eq!(text, "one two");
    assert_eq!(lines.last().unwrap()["finished"]["reason"], "FINISH_REASON_STOP");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_and_grpc_share_a_port_in_both_versions_of_http() {
    let house = House::start().await;
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for client in [&house.http, &http2] {
        let response = client.get(url(&house, "/v1/poolStatus")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let status = json_of(response).await;
        assert_eq!(status["totalCount"], 1);
    }
    assert_eq!(house.leases().await, 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ports_describe_themselves_and_each_other() {
    let house = House::start().await;
    let bridge = format!("http://{}", house.warp_chat);
    for (base, own, other) in [
        (&house.edge, "/v1/chat/completions", "/v1/poolStatus"),
        (&bridge, "/v1/poolStatus", "/v1/chat/completions"),
    ] {
        let response = house.http.get(format!("{base}/openapi.json")).send().await.unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        let document = json_of(response).await;
        let operation =
            |path: &str| document["paths"][path].as_object().unwrap().values().next().cloned().unwrap();
        assert!(operation(own)["servers"].is_null(), "{own} is at the port that was asked");
        let port = base.rsplit(':').next().unwrap();
        let elsewhere = operation(other)["servers"][0]["url"].as_str().unwrap().to_owned();
        assert!(elsewhere.starts_with("http://{host}:") && !elsewhere.ends_with(port), "{elsewhere}");
        let page = house.http.get(format!("{base}/docs")).send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let root = house.http.get(format!("{base}/")).send().await.unwrap().text().await.unwrap();
        assert!(root.contains("/docs") && root.contains("/openapi.json"), "{root}");
    }
    house.close().await;
}
