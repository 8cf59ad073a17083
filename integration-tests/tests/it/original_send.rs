//! The original's paths that send a packet: `/api/warp/send`, `/api/warp/send_stream`, `/api/warp/send_stream_sse`.

use serde_json::{Value, json};
use warp2api_integration_tests::{House, json_of, received, wait};
use warp2api_rpc::listener::Address;
use warp2api_upstream_sim::{Cut, Refusal, Scenario};

const PATHS: [&str; 3] = ["/api/warp/send", "/api/warp/send_stream", "/api/warp/send_stream_sse"];

fn packet(question: &str) -> Value {
    json!({
        "task_context": {},
        "input": { "user_inputs": { "inputs": [{ "user_query": { "query": question } }] } },
        "settings": { "model_config": { "base": "auto" } },
    })
}

async fn post(house: &House, path: &str, body: &Value) -> reqwest::Response {
    let Address::Tcp(bridge) = &house.codec else { panic!("the bridge has a port") };
    let request =
        reqwest::Client::builder().no_proxy().build().unwrap().post(format!("http://{bridge}{path}"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    request.send().await.expect("the bridge answers")
}

/// The objects in the frames of a stream, and whether `[DONE]` came last.
fn frames(text: &str) -> (Vec<Value>, bool) {
    let mut data: Vec<_> = text.split("\n\n").filter(|frame| !frame.is_empty()).collect();
    let done = data.last() == Some(&"data: [DONE]");
    if done {
        data.pop();
    }
    let parse = |frame: &str| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap();
    (data.into_iter().map(parse).collect(), done)
}

#[tokio::test]
async fn a_packet_reaches_the_upstream_and_its_answer_comes_back_with_the_originals_keys() {
    let house = House::start().await;

    for body in
        [packet("say exactly: Grüezi, 世界"), json!({ "json_data": packet("say exactly: Grüezi, 世界") })]
    {
        let answer = json_of(post(&house, "/api/warp/send", &body).await).await;

        assert_eq!(answer["response"], "Grüezi, 世界", "{answer}");
        assert_eq!(answer["response_size"], 10);
        assert_eq!(answer["message_type"], "warp.multi_agent.v1.Request");
        assert!(answer["conversation_id"].is_string() && answer["task_id"].is_string(), "{answer}");
        let sent = house.record().last_chat().unwrap();
        assert_eq!(answer["request_size"], sent.body.len());
        assert_eq!(received::query(&sent.request().unwrap()), Some("say exactly: Grüezi, 世界"));
    }
    house.close().await;
}

#[tokio::test]
async fn every_event_is_shown_and_counted_in_one_vocabulary() {
    let house = House::start().await;
    let question = packet("say exactly: one two three");

    let whole = json_of(post(&house, "/api/warp/send_stream", &question).await).await;
    let (events, done) =
        frames(&post(&house, "/api/warp/send_stream_sse", &question).await.text().await.unwrap());

    assert!(done);
    let names = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    };
    let parsed = whole["parsed_events"].as_array().unwrap();
    assert_eq!(names(parsed), names(&events));
    assert_eq!(names(parsed).first().map(String::as_str), Some("INITIALIZATION"));
    assert_eq!(names(parsed).last().map(String::as_str), Some("FINISHED"));
    assert!(names(parsed).iter().any(|name| name.contains("APPEND_CONTENT")), "{parsed:?}");
    assert!(parsed.iter().zip(1..).all(|(event, number)| event["event_number"] == number));
    assert!(parsed[0]["parsed_data"]["init"]["conversation_id"].is_string());
    assert_eq!((&whole["response"], &whole["events_count"]), (&json!("one two three"), &json!(parsed.len())));
    let counted: u64 = whole["events_summary"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(counted, parsed.len() as u64);
    house.close().await;
}

#[tokio::test]
async fn failures_have_a_true_status_and_say_nothing_of_the_inside() {
    for path in PATHS {
        // The pool holds its credential back at the end of each round.
        let house = House::start().await;
        for (body, status) in [
            (json!({}), 400),
            (json!({ "json_data": { "nofield": 1 } }), 400),
            (json!({ "json_data": packet("hi"), "message_type": "warp.multi_agent.v1.Task" }), 400),
        ] {
            let response = post(&house, path, &body).await;
            assert_eq!(response.status(), status, "{path} {body}");
            assert!(json_of(response).await["detail"].is_string(), "{path} {body}");
        }
        house.simulator.enqueue(Scenario::refuse(Refusal::no_requests_left()));
        let response = post(&house, path, &packet("hi")).await;
        assert_eq!(response.status(), 429, "{path}");
        assert!(response.headers().contains_key("retry-after"), "{path}");
        let body = response.text().await.unwrap();
        assert!(!body.contains("Traceback") && !body.contains(".rs"), "{body}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_page_of_a_browser_cannot_send_packets() {
    let house = House::start().await;
    let Address::Tcp(bridge) = &house.codec else { panic!("the bridge has a port") };
    for path in PATHS {
        for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let request = house.http.post(format!("http://{bridge}{path}")).header("content-type", kind);
            let response = request.body(packet("hi").to_string()).send().await.expect("the bridge answers");
            assert_eq!(response.status(), 415, "{path} {kind}");
        }
    }
    assert_eq!(house.record().received(), 0, "nothing was asked of the upstream");
    house.close().await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_does_not_look_complete() {
    let house = House::start().await;
    for path in PATHS {
        house.simulator.enqueue(Scenario::text("one two three four five").cut_after(6, Cut::Error));
        let response = post(&house, path, &packet("hi")).await;
        let streamed = path.ends_with("sse");
        assert_eq!(response.status(), if streamed { 200 } else { 502 }, "{path}");
        let text = response.text().await.unwrap();
        if streamed {
            let (events, done) = frames(&text);
            assert!(!done, "{text}");
            assert!(events.last().unwrap()["error"]["message"].is_string(), "{text}");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstreams_request() {
    let house = House::start().await;
    for (left, path) in (1..).zip(PATHS) {
        let question = packet("stream 6000 chunks of 8 bytes every 100 ms");
        if path.ends_with("sse") {
            let mut response = post(&house, path, &question).await;
            assert!(response.chunk().await.unwrap().unwrap().starts_with(b"data: "));
        } else {
            tokio::select! {
                _ = post(&house, path, &question) => panic!("it goes on for minutes"),
                () = wait::until("the upstream answers", || house.record().running() == 1) => {}
            }
        }
        wait::until("the upstream sees that it left", || house.record().abandoned() == left).await;
    }
    house.settle().await;
    house.close().await;
}
