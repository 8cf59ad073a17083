//! The exchange of tokens.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use warp2api_upstream_sim::{
    EmbeddedCredential, ExchangeScenario, Fingerprint, Refusal, Rotation, Simulator, SimulatorConfig,
};

use crate::client::{Body, bytes, call, post_as, request, simulator};

const TOKEN: &str = EmbeddedCredential::REFRESH_TOKEN;

fn form_request(path_and_query: &str, form: &str) -> http::Request<Body> {
    http::Request::post(format!("http://upstream{path_and_query}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

async fn exchange(simulator: &Simulator, token: &str) -> (u16, Value) {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    json_of(call(simulator, form_request("/proxy/token?key=k", &form)).await).await
}

async fn json_of(response: http::Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&bytes(response).await).unwrap())
}

fn error(code: &str) -> (u16, Value) {
    (400, json!({"error": {"code": 400, "message": code, "status": "INVALID_ARGUMENT"}}))
}

#[tokio::test]
async fn a_refresh_token_gives_a_bearer_that_works() {
    let simulator = simulator();
    let (status, reply) = exchange(&simulator, TOKEN).await;

    assert_eq!((status, &reply["expires_in"], &reply["token_type"]), (200, &json!("3600"), &json!("Bearer")));
    assert_eq!(reply["id_token"], reply["access_token"]);
    let bearer = reply["id_token"].as_str().unwrap();
    assert_eq!(post_as(&simulator, bearer, &request("hi")).await.status(), 200);
    let next = reply["refresh_token"].as_str().unwrap();
    assert_ne!(next, TOKEN);
    assert_eq!(exchange(&simulator, next).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_works_until_it_expires() {
    let simulator = simulator();
    simulator.enqueue_exchange(ExchangeScenario::usual().lasting(Duration::from_secs(60)));
    let (_, reply) = exchange(&simulator, TOKEN).await;
    let bearer = reply["id_token"].as_str().unwrap();
    assert_eq!(reply["expires_in"], "60");

    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(post_as(&simulator, bearer, &request("hi")).await.status(), 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(post_as(&simulator, bearer, &request("hi")).await.status(), 401);
}

#[tokio::test]
async fn a_form_must_be_in_order() {
    let good = format!("grant_type=refresh_token&refresh_token={TOKEN}");
    let mut json = form_request("/proxy/token?key=k", "{}");
    json.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    for (request, expected) in [
        (form_request("/proxy/token", &good), error("API key not valid. Please pass a valid API key.")),
        (form_request("/proxy/token?key=", &good), error("API key not valid. Please pass a valid API key.")),
        (form_request("/proxy/token?key=k", "refresh_token=x"), error("INVALID_GRANT_TYPE")),
        (form_request("/proxy/token?key=k", "grant_type=refresh_token"), error("MISSING_REFRESH_TOKEN")),
        (form_request("/proxy/token?key=k", "grant_type=%zz"), error("INVALID_FORM")),
        (json, error("INVALID_CONTENT_TYPE")),
    ] {
        assert_eq!(json_of(call(&simulator(), request).await).await, expected);
    }
    assert_eq!(exchange(&simulator(), "nobody").await, error("INVALID_REFRESH_TOKEN"));
}

#[tokio::test]
async fn a_token_is_decoded_from_the_form() {
    let simulator = Simulator::new(SimulatorConfig::default().exchanging("a+b/c=%"));

    assert_eq!(exchange(&simulator, "a%2Bb%2Fc%3D%25").await.0, 200);
}

#[tokio::test]
async fn failures_are_scripted() {
    let simulator = simulator();
    for code in ["TOKEN_EXPIRED", "USER_DISABLED", "USER_NOT_FOUND", "INVALID_REFRESH_TOKEN"] {
        simulator.enqueue_exchange(ExchangeScenario::error(code));
        assert_eq!(exchange(&simulator, TOKEN).await, error(code));
    }
    simulator.enqueue_exchange(ExchangeScenario::refuse(Refusal::json(503, &json!({}))));
    assert_eq!(exchange(&simulator, TOKEN).await.0, 503);
    simulator.enqueue_exchange(ExchangeScenario::usual().with_access_token_only());
    let (_, reply) = exchange(&simulator, TOKEN).await;
    assert!(reply.get("id_token").is_none() && reply["access_token"].is_string());

    simulator.on_refresh_token(TOKEN, ExchangeScenario::error("USER_DISABLED"));
    for _ in 0..2 {
        assert_eq!(exchange(&simulator, TOKEN).await.0, 400);
    }
    simulator.clear_refresh_token(TOKEN);
    assert_eq!(exchange(&simulator, TOKEN).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_can_be_late_or_never_come() {
    let simulator = simulator();
    let started = Instant::now();
    simulator.enqueue_exchange(ExchangeScenario::usual().delayed(Duration::from_secs(9)));
    assert_eq!(exchange(&simulator, TOKEN).await.0, 200);
    assert_eq!(started.elapsed().as_secs(), 9);

    simulator.enqueue_exchange(ExchangeScenario::stall());
    assert!(timeout(Duration::from_secs(3600), exchange(&simulator, TOKEN)).await.is_err());
}

#[tokio::test]
async fn refresh_tokens_rotate_as_told() {
    let simulator = simulator();
    simulator.enqueue_exchange(ExchangeScenario::usual().rotating(Rotation::Keep));
    assert_eq!(exchange(&simulator, TOKEN).await.1["refresh_token"], TOKEN);

    simulator.enqueue_exchange(ExchangeScenario::usual().rotating(Rotation::RotateAndRevoke));
    let (_, reply) = exchange(&simulator, TOKEN).await;
    assert_eq!(exchange(&simulator, TOKEN).await, error("INVALID_REFRESH_TOKEN"));
    assert_eq!(exchange(&simulator, reply["refresh_token"].as_str().unwrap()).await.0, 200);

    simulator.accept_refresh_token(TOKEN);
    assert_eq!(exchange(&simulator, TOKEN).await.0, 200);
    simulator.revoke_refresh_token(TOKEN);
    assert_eq!(exchange(&simulator, TOKEN).await.0, 400);
}

#[tokio::test]
async fn exchanges_are_recorded_without_their_secrets() {
    let simulator = simulator();
    exchange(&simulator, TOKEN).await;
    exchange(&simulator, "nobody").await;

    let recorded = simulator.record().exchanges();
    let statuses: Vec<_> = recorded.iter().map(|received| received.status).collect();
    assert_eq!(statuses, [Some(200), Some(400)]);
    assert_eq!(recorded[0].field("grant_type"), Some("refresh_token"));
    assert_eq!(recorded[0].field("refresh_token"), Some(Fingerprint::of(TOKEN).to_string().as_str()));
    assert!(recorded[0].body.is_empty());
    assert_eq!(simulator.record().received(), 0);
}

#[tokio::test]
async fn a_guest_signs_in_with_a_custom_token() {
    let simulator = simulator();
    let create = http::Request::post("http://upstream/graphql/v2?op=CreateAnonymousUser")
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    let (_, user) = json_of(call(&simulator, create).await).await;
    let token = user["data"]["createAnonymousUser"]["idToken"].as_str().unwrap();
    let sign_in =
        || form_request("/proxy/customToken?key=k", &format!("returnSecureToken=true&token={token}"));

    let (status, reply) = json_of(call(&simulator, sign_in()).await).await;

    assert_eq!((status, &reply["expiresIn"]), (200, &json!("3600")));
    assert_eq!(post_as(&simulator, reply["idToken"].as_str().unwrap(), &request("hi")).await.status(), 200);
    assert_eq!(exchange(&simulator, reply["refreshToken"].as_str().unwrap()).await.0, 200);
    assert_eq!(json_of(call(&simulator, sign_in()).await).await, error("INVALID_CUSTOM_TOKEN"));
}
