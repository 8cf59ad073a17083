//! Bad input: the right status, an error object that names the field, and a house that serves the next request.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use warp2api_integration_tests::{House, ask, json_of, wait};

async fn send(house: &House, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = house.request("POST", "/v1/chat/completions").header("content-type", "application/json");
    let response = request.body(body).send().await.expect("the edge answers");
    (response.status().as_u16(), json_of(response).await)
}

async fn serves(house: &House) {
    let (status, answer) = house.chat(&ask("say exactly: fine")).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("fine")));
}

fn user(content: &Value) -> Value {
    json!([{ "role": "user", "content": content }])
}

#[tokio::test]
async fn every_mistake_is_named_and_the_next_request_works() {
    let house = House::start().await;
    let call = |arguments: &str| {
        json!([{ "role": "user", "content": "x" }, { "role": "assistant", "content": null, "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": arguments } }] }])
    };
    let function = json!({ "type": "function", "function": { "name": "f" } });
    let cases: Vec<(Value, Option<&str>)> = vec![
        (json!([]), None),
        (json!("text"), None),
        (json!({}), Some("messages")),
        (json!({ "messages": [] }), Some("messages")),
        (json!({ "messages": "hello" }), Some("messages")),
        (json!({ "messages": [7] }), Some("messages[0]")),
        (json!({ "messages": [{ "role": "wizard", "content": "x" }] }), Some("messages[0].role")),
        (json!({ "messages": [{ "content": "x" }] }), Some("messages[0].role")),
        (json!({ "messages": user(&json!(5)) }), Some("messages[0].content")),
        (
            json!({ "messages": user(&json!([{ "type": "text", "text": 5 }])) }),
            Some("messages[0].content[0].text"),
        ),
        (
            json!({ "messages": user(&json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,%%%" } }])) }),
            Some("messages[0].content[0].image_url.url"),
        ),
        (
            json!({ "messages": user(&json!([{ "type": "image_url", "image_url": { "url": "http://10.0.0.1/a.png" } }])) }),
            Some("messages[0].content[0].image_url.url"),
        ),
        (json!({ "messages": user(&json!([{ "type": "input_audio" }])) }), Some("messages[0].content[0]")),
        (json!({ "messages": call("not json") }), Some("messages[1].tool_calls[0].function.arguments")),
        (json!({ "messages": call("[1]") }), Some("messages[1].tool_calls[0].function.arguments")),
        (json!({ "messages": user(&json!("x")), "n": 2 }), Some("n")),
        (json!({ "messages": user(&json!("x")), "logprobs": true }), Some("logprobs")),
        (json!({ "messages": user(&json!("x")), "temperature": "hot" }), Some("temperature")),
        (json!({ "messages": user(&json!("x")), "max_tokens": 0 }), Some("max_tokens")),
        (json!({ "messages": user(&json!("x")), "stop": [""] }), Some("stop")),
        (json!({ "messages": user(&json!("x")), "model": 5 }), Some("model")),
        (json!({ "messages": user(&json!("x")), "stream": "yes" }), Some("stream")),
        (
            json!({ "messages": user(&json!("x")), "tools": [function.clone()], "tool_choice": "required" }),
            Some("tool_choice"),
        ),
        (
            json!({ "messages": user(&json!("x")), "tools": [{ "type": "function" }] }),
            Some("tools[0].function"),
        ),
        (
            json!({ "messages": user(&json!("x")), "tools": [function.clone(), function] }),
            Some("tools[1].function.name"),
        ),
    ];
    for (body, param) in cases {
        let (status, answer) = send(&house, body.to_string()).await;

        assert_eq!(status, 400, "{body} got {answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error", "{body}");
        let named = answer["error"]["param"].as_str();
        match param {
            Some(param) => {
                assert!(named.is_some_and(|named| named.starts_with(param)), "{body} got {answer}")
            }
            None => assert_eq!(named, None, "{body} got {answer}"),
        }
        serves(&house).await;
    }
    assert_eq!(house.record().chats().len(), 25, "only the good ones reached the upstream");
    house.close().await;
}

#[tokio::test]
async fn what_is_not_json_is_told_where_and_quotes_nothing() {
    let house = House::start().await;
    let deep = "[".repeat(10_000);
    for body in
        [&b""[..], b"{", b"{\"messages\": planted}", b"\xff\xfe", b"{\"messages\":\"\xff\"}", deep.as_bytes()]
    {
        let (status, answer) = send(&house, body.to_vec()).await;

        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["error"]["param"], Value::Null);
        assert!(!answer.to_string().contains("planted"), "{answer}");
        serves(&house).await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_bad_request_for_a_stream_is_answered_in_json() {
    let house = House::start().await;

    let (status, answer) = send(&house, json!({ "stream": true, "messages": [] }).to_string()).await;

    assert_eq!((status, &answer["error"]["param"]), (400, &json!("messages")));
    house.close().await;
}

#[tokio::test]
async fn a_body_of_40_mb_is_refused_with_its_length_told_or_not() {
    let house = House::start().await;
    let body = vec![b' '; 40 * 1024 * 1024];

    let (status, answer) = send(&house, body.clone()).await;
    assert_eq!(status, 413, "{answer}");

    let mut socket = tokio::net::TcpStream::connect(house.edge.trim_start_matches("http://")).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = [format!("{:x}\r\n", 1024 * 1024).as_bytes(), &body[..1024 * 1024], b"\r\n"].concat();
    let (mut read, mut write) = socket.into_split();
    let sending = async {
        for _ in 0..40 {
            // It may hang up before it has heard everything.
            if write.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    let mut answer = vec![0; 4096];
    let reading = async {
        let length = read.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let (_, answer) =
        tokio::time::timeout(wait::PATIENCE, async { tokio::join!(sending, reading) }).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let house = House::start().await;
    let mut socket = tokio::net::TcpStream::connect(house.edge.trim_start_matches("http://")).await.unwrap();

    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-bomb: {}\r\n\r\n", "b".repeat(1 << 20));
    let _cut_short = socket.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    let _reset = tokio::time::timeout(wait::PATIENCE, reading).await.expect("it hangs up");

    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_have_error_objects_too() {
    let house = House::start().await;
    for (method, path, status, code) in [
        ("GET", "/v2/nothing", 404, "unknown_url"),
        ("POST", "/v1/chat/completion", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ] {
        let response = house.request(method, path).send().await.unwrap();

        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(json_of(response).await["error"]["code"], code, "{method} {path}");
    }
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn the_same_connection_serves_the_next_request() {
    let house = House::start().await;
    let address = house.edge.strip_prefix("http://").unwrap();
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await.unwrap();
    let exchange = async {
        for (body, status) in [
            ("{", 400),
            (r#"{"messages":[]}"#, 400),
            (r#"{"messages":[{"role":"user","content":"say exactly: fine"}]}"#, 200),
            (r#"{"messages":[{"role":"user","content":"x"}],"n":2,"stream":true}"#, 400),
            (r#"{"messages":[{"role":"user","content":"say exactly: fine"}],"stream":true}"#, 200),
        ] {
            let request = http::Request::post("/v1/chat/completions").header("host", "localhost");
            let request = request.body(http_body_util::Full::<bytes::Bytes>::from(body)).unwrap();
            sender.ready().await.expect("the connection stays open");
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), status, "{body}");
            let answer = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            let answer = String::from_utf8(answer.to_vec()).unwrap();
            assert_eq!(answer.contains("fine"), status == 200, "{answer}");
        }
    };
    tokio::select! {
        () = exchange => {}
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
    house.close().await;
}

/// A request with everything in it.
fn everything() -> Value {
    let call =
        json!({ "id": "k1", "type": "function", "function": { "name": "f", "arguments": "{\"a\":[1]}" } });
    json!({
        "model": "auto",
        "messages": [
            { "role": "system", "content": "s" },
            { "role": "user", "content": [{ "type": "text", "text": "\u{e9}\u{1f600}" }] },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "k1", "content": "r" },
        ],
        "tools": [{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }],
        "stop": ["x"],
        "max_tokens": 5,
    })
}

#[tokio::test]
async fn a_request_that_is_cut_is_a_mistake_of_the_caller_wherever_it_is_cut() {
    let house = House::start().await;
    let whole = everything().to_string();
    assert_eq!(send(&house, whole.clone()).await.0, 200);

    for length in 0..whole.len() {
        let (status, answer) = send(&house, whole.as_bytes()[..length].to_vec()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_value")), "{length}: {answer}");
    }

    assert_eq!(house.record().received(), 1);
    house.close().await;
}

#[tokio::test]
async fn no_byte_that_changes_is_a_fault_of_ours() {
    let house = House::start().await;
    let whole = everything().to_string().into_bytes();
    for at in 0..whole.len() {
        // Each place gets a few of the bytes that mean something to someone.
        for byte in [b"\"\\{", b"}]0", b",:n", b"\0\xff "][at % 4] {
            let mut body = whole.clone();
            body[at] = *byte;
            let shown = String::from_utf8_lossy(&body).into_owned();

            let (status, answer) = send(&house, body).await;

            assert!(matches!(status, 200 | 400), "{status} {answer} for {shown}");
            assert_eq!(status == 200, answer.get("error").is_none(), "{answer}");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_nested_too_deep_is_refused_by_name() {
    let house = House::start().await;
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let with_arguments = |json: &str| {
        let mut chat = everything();
        chat["messages"][2]["tool_calls"][0]["function"]["arguments"] = json!(json);
        chat.to_string()
    };
    let with_schema = |json: &str| {
        let chat = everything().to_string();
        chat.replace(r#"{"type":"object"}"#, json)
    };
    assert_eq!(send(&house, with_arguments(&nested(30))).await.0, 200);
    assert_eq!(send(&house, with_schema(&nested(30))).await.0, 200);
    for levels in [31, 100, 127, 128, 200, 10_000] {
        let (status, answer) = send(&house, with_arguments(&nested(levels))).await;
        let param = answer["error"]["param"].as_str().unwrap_or_default();
        assert!(status == 400 && param.starts_with("messages[2]"), "{levels}: {answer}");
        let (status, answer) = send(&house, with_schema(&nested(levels))).await;
        let param = answer["error"]["param"].as_str().unwrap_or_default();
        assert!(status == 400 && param.starts_with("tools"), "{levels}: {answer}");
    }
    // What nobody looks at may be as deep as it likes.
    let ignored = everything().to_string().replacen('{', &format!(r#"{{"x":{},"#, nested(10_000)), 1);
    assert_eq!(send(&house, ignored).await.0, 200);
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn a_message_of_the_wrong_shape_is_named_for_a_stream_too() {
    let house = House::start().await;
    for (pointer, value, param) in [
        ("/messages/1/content/0/text", json!(5), "messages[1].content[0].text"),
        ("/messages/1/content/0/type", json!("hologram"), "messages[1].content[0].type"),
        ("/messages/2/tool_calls", json!({}), "messages[2].tool_calls"),
        ("/messages/2/tool_calls/0/id", json!(""), "messages[2].tool_calls[0].id"),
        ("/messages/2/tool_calls/0/function", json!(null), "messages[2].tool_calls[0].function"),
        ("/messages/2/tool_calls/0/function/name", json!([]), "messages[2].tool_calls[0].function.name"),
        ("/messages/3/tool_call_id", json!(null), "messages[3].tool_call_id"),
        ("/messages/3/role", json!("TOOL"), "messages[3].role"),
        ("/tools/0", json!("f"), "tools[0]"),
        ("/tools/0/function/parameters", json!([]), "tools[0].function.parameters"),
        ("/tools/0/function/name", json!(""), "tools[0].function.name"),
        ("/stop", json!({}), "stop"),
        ("/max_tokens", json!(1.5), "max_tokens"),
        ("/model", json!({}), "model"),
    ] {
        let mut chat = everything();
        chat["stream"] = json!(true);
        *chat.pointer_mut(pointer).expect("it is there") = value;

        let (status, answer) = send(&house, chat.to_string()).await;

        assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{pointer}: {answer}");
    }
    assert_eq!(house.record().received(), 0);
    house.close().await;
}
