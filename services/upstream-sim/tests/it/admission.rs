//! Which requests are let in, and what is noted of those that are not.

use warp2api_upstream_sim::{EmbeddedCredential, Fingerprint, Simulator, SimulatorConfig, Violation};

use crate::client::{
    Body, answer, call, chat_request, next_turn, offering, post, query, request, request_with, result,
    simulator, text,
};

fn body() -> Vec<u8> {
    prost::Message::encode_to_vec(&request("hi"))
}

#[tokio::test]
async fn a_request_must_be_in_order() {
    let good = || chat_request(EmbeddedCredential::API_KEY, body());
    let without = |name: &str| {
        let mut request = good();
        request.headers_mut().remove(name);
        request
    };
    let with = |name: &'static str, value: &'static str| {
        let mut request = good();
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
        request
    };
    for (request, status, reason) in [
        (good(), 200, "event:data"),
        (with("content-type", "application/x-protobuf; charset=utf-8"), 200, "event:data"),
        (without("content-type"), 415, "application/x-protobuf"),
        (with("content-type", "application/json"), 415, "application/x-protobuf"),
        (without("authorization"), 401, "User not in context"),
        (with("authorization", "Bearer "), 401, "User not in context"),
        (with("authorization", "Basic eDp5"), 401, "User not in context"),
        (with("authorization", "Bearer nobody"), 401, "invalid token"),
        (
            chat_request(EmbeddedCredential::API_KEY, vec![0x0a, 0x7f]),
            400,
            "cannot parse invalid wire-format data",
        ),
        (chat_request(EmbeddedCredential::API_KEY, vec![]), 400, "got <nil>"),
    ] {
        let simulator = simulator();
        let response = call(&simulator, request).await;

        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["x-warp2api-upstream"], "embedded");
        assert!(text(response).await.contains(reason), "{reason}");
        let received = simulator.record().last_chat().unwrap();
        assert_eq!(received.status, Some(status));
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_not_found() {
    for (method, path, status) in [("POST", "/ai/other", 404), ("GET", "/ai/multi-agent", 405)] {
        let request = http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();

        assert_eq!(call(&simulator(), request).await.status().as_u16(), status);
    }
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let simulator = Simulator::new(SimulatorConfig::default().limiting_bodies_to(100));
    let response = call(&simulator, chat_request(EmbeddedCredential::API_KEY, vec![0; 101])).await;

    assert_eq!(response.status(), 413);
    assert_eq!(simulator.record().received(), 0);
}

#[tokio::test]
async fn a_violation_is_answered_and_noted() {
    let simulator = simulator();

    let response = post(&simulator, &request_with(vec![result("nobody", "x")])).await;

    assert_eq!(response.status(), 400);
    assert_eq!(text(response).await, "No tool call found for tool_result with id \"nobody\"");
    let received = simulator.record().last_chat().unwrap();
    assert_eq!(received.violations, [Violation::ResultWithoutCall { call_id: "nobody".to_owned() }]);
}

#[tokio::test]
async fn a_call_that_stays_without_result_is_a_violation() {
    let simulator = simulator();
    let first = answer(&simulator, &offering(request("call the tool f with {}"), &["f"])).await;

    let response = post(&simulator, &next_turn(&first, vec![query("never mind")])).await;

    assert_eq!(response.status(), 400);
    let id = first.calls()[0].tool_call_id.clone();
    let violations = &simulator.record().last_chat().unwrap().violations;
    assert_eq!(violations, &[Violation::CallWithoutResult { call_id: id }]);
}

#[tokio::test]
async fn the_record_keeps_requests_without_their_secrets() {
    let simulator = simulator();
    let mut request = chat_request(EmbeddedCredential::API_KEY, body());
    request.headers_mut().insert("x-warp-client-id", http::HeaderValue::from_static("warp-app"));
    call(&simulator, request).await;

    let received = simulator.record().last_chat().unwrap();
    let fingerprint = Fingerprint::of(EmbeddedCredential::API_KEY);
    assert_eq!(received.bearer, Some(fingerprint));
    assert_eq!(received.header("authorization"), Some(format!("Bearer {fingerprint}").as_str()));
    assert_eq!(received.header("x-warp-client-id"), Some("warp-app"));
    assert_eq!((received.number, &received.body[..]), (1, &body()[..]));
    assert_eq!(received.request().unwrap(), crate::client::request("hi"));
    assert_eq!(received.json().unwrap()["settings"]["model_config"]["base"], "gpt-5");
    assert!(!format!("{:?} {simulator:?}", received.headers).contains(EmbeddedCredential::API_KEY));
}
