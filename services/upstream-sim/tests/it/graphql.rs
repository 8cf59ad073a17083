//! The GraphQL operations.

use serde_json::{Value, json};
use warp2api_upstream_sim::{EmbeddedCredential, Endpoint, Quota, Refusal, Simulator};

use crate::client::{Body, bytes, call, simulator};

async fn graphql(simulator: &Simulator, operation: &str, bearer: Option<&str>) -> (u16, Value) {
    let mut request = http::Request::post(format!("http://upstream/graphql/v2?op={operation}"))
        .header("content-type", "application/json");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    let body = json!({"query": "query { }", "variables": {}, "operationName": operation});
    let response = call(simulator, request.body(Body::from(body.to_string())).unwrap()).await;
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&bytes(response).await).unwrap_or_default())
}

async fn data(simulator: &Simulator, operation: &str) -> Value {
    let (status, mut reply) = graphql(simulator, operation, Some(EmbeddedCredential::API_KEY)).await;
    assert_eq!(status, 200);
    reply["data"].take()
}

#[tokio::test]
async fn models_are_where_clients_look_for_them() {
    let simulator = simulator();
    let choices = data(&simulator, "GetFeatureModelChoices").await["user"]["user"]["workspaces"][0]
        ["featureModelChoice"]
        .take();

    let models = choices["agentMode"]["choices"].as_array().unwrap();
    assert_eq!(choices["agentMode"]["defaultId"], "auto");
    assert!(models.iter().any(|model| model["id"] == "gpt-5 (high reasoning)"));
    assert!(models.iter().any(|model| model["disableReason"] == "REQUIRES_UPGRADE"));
    assert!(models.iter().any(|model| model["visionSupported"] == false));
    assert_eq!(data(&simulator, "GetUser").await["user"]["user"]["llms"], choices);
    let (status, free) = graphql(&simulator, "FreeAvailableModels", None).await;
    assert_eq!((status, &free["data"]["freeAvailableModels"]["featureModelChoice"]), (200, &choices));
}

#[tokio::test]
async fn the_quota_is_what_the_test_says() {
    let simulator = simulator();
    let limit = async |simulator: &Simulator| {
        data(simulator, "GetRequestLimitInfo").await["user"]["user"]["requestLimitInfo"].take()
    };
    let available = async |simulator: &Simulator| {
        data(simulator, "GetAICreditAvailability").await["user"]["user"]["aiCreditAvailability"].take()
    };
    let fresh = limit(&simulator).await;
    assert_eq!((&fresh["requestLimit"], &fresh["requestsUsedSinceLastRefresh"]), (&json!(150), &json!(0)));
    assert!(fresh["nextRefreshTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(available(&simulator).await["available"], true);

    simulator.set_quota(Quota::used_up());
    assert_eq!(limit(&simulator).await["requestsUsedSinceLastRefresh"], 150);
    assert_eq!(available(&simulator).await["denialReason"], "OUT_OF_CREDITS");

    let unlimited = Quota { unlimited: true, ..Quota::used_up() };
    simulator.set_quota_of(EmbeddedCredential::API_KEY, unlimited);
    assert_eq!(limit(&simulator).await["isUnlimited"], true);
    assert_eq!(available(&simulator).await["denialReason"], "NONE");
}

#[tokio::test]
async fn what_is_asked_for_must_exist_and_be_allowed() {
    let simulator = simulator();
    let (status, reply) = graphql(&simulator, "Nonsense", Some(EmbeddedCredential::API_KEY)).await;
    assert_eq!((status, reply), (200, json!({"errors": [{"message": "Unknown operation: Nonsense"}]})));
    assert_eq!(graphql(&simulator, "GetUser", None).await.0, 401);
    assert_eq!(graphql(&simulator, "GetUser", Some("nobody")).await.0, 401);

    simulator.enqueue_graphql(Refusal::unavailable());
    assert_eq!(graphql(&simulator, "GetUser", Some(EmbeddedCredential::API_KEY)).await.0, 503);
    let operations: Vec<_> =
        simulator.record().graphql().iter().map(|received| received.endpoint.clone()).collect();
    let named = |name: &str| Endpoint::GraphQl(name.to_owned());
    assert_eq!(operations, [named("Nonsense"), named("GetUser"), named("GetUser"), named("GetUser")]);
}

#[tokio::test]
async fn the_operation_may_be_named_in_the_body_alone() {
    let simulator = simulator();
    for (body, expected) in [(r#"{"operationName":"GetUser"}"#, 200), ("not json", 400)] {
        let request = http::Request::post("http://upstream/graphql/v2")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", EmbeddedCredential::API_KEY))
            .body(Body::from(body))
            .unwrap();

        assert_eq!(call(&simulator, request).await.status().as_u16(), expected);
    }
}
