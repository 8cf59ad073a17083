//! Whether the house can serve, as load balancers and probes ask it.

use std::time::Duration;

use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use warp2api_integration_tests::{House, Topology, json_of, wait};
use warp2api_rpc::listener::Address;

async fn ask(house: &House, url: &str) -> (u16, Value) {
    let response = house.http.get(url).send().await.expect("it answers");
    (response.status().as_u16(), json_of(response).await)
}

async fn until_ready(house: &House, url: &str, status: u16) -> Value {
    let turned = async {
        loop {
            let (found, body) = ask(house, url).await;
            if found == status {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(wait::PATIENCE, turned).await.expect("it turns")
}

fn at(address: &Address, path: &str) -> String {
    format!("http://{address}{path}")
}

#[tokio::test]
async fn both_ports_say_that_they_live_and_can_serve() {
    let house = House::start().await;
    for root in [house.edge.clone(), format!("http://{}", house.warp_chat)] {
        for path in ["/livez", "/readyz"] {
            assert_eq!(
                ask(&house, &format!("{root}{path}")).await,
                (200, json!({"status": "ok"})),
                "{root}{path}"
            );
        }
    }
    house.close().await;
}

/// The only credential is switched off and on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_without_a_credential_that_can_serve_is_not_ready_in_one_process_and_in_five() {
    for topology in [Topology::InProcess, Topology::Tcp] {
        let house = House::builder().topology(topology).start().await;
        let (edge, chat, pool) = (
            format!("{}/readyz", house.edge),
            at(&house.warp_chat, "/readyz"),
            at(&house.token_pool, "/readyz"),
        );
        for url in [&edge, &chat, &pool] {
            until_ready(&house, url, 200).await;
        }
        let (_, listed) = ask(&house, &at(&house.token_pool, "/v1/credentials")).await;
        let name = listed["credentials"][0]["name"].as_str().expect("a name").to_owned();
        let order = |verb: &str| house.http.post(at(&house.token_pool, &format!("/v1/{name}:{verb}"))).send();

        assert_eq!(order("disable").await.expect("it answers").status(), 200);

        for url in [&pool, &chat, &edge] {
            let body = until_ready(&house, url, 503).await;
            assert_eq!(body["reason"], "no_credential_available", "{url}: {body}");
        }
        assert_eq!(ask(&house, &format!("{}/livez", house.edge)).await.0, 200);
        let mut health = HealthClient::new(house.channel(&house.token_pool).await);
        for (service, expected) in [
            ("leases", ServingStatus::NotServing),
            ("warp2api.token_pool.v1.TokenPool", ServingStatus::Serving),
            ("", ServingStatus::Serving),
        ] {
            let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await;
            assert_eq!(answer.expect("it is known").into_inner().status(), expected, "{service}");
        }
        assert_eq!(order("enable").await.expect("it answers").status(), 200);
        for url in [&pool, &chat, &edge] {
            until_ready(&house, url, 200).await;
        }
        house.close().await;
    }
}

/// A service that went away takes those with it that need it, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_without_its_chat_service_is_not_ready() {
    let mut house = House::builder().topology(Topology::Tcp).start().await;
    let edge = format!("{}/readyz", house.edge);
    until_ready(&house, &edge, 200).await;
    let mut parts = house.take_running();
    // The order in which the house opens them: upstream, pool, codec, chat, edge.
    assert!(parts.remove(3).drain(std::future::pending()).await);

    let body = until_ready(&house, &edge, 503).await;

    assert_eq!(body["reason"], "service_unreachable", "{body}");
    until_ready(&house, &at(&house.token_pool, "/readyz"), 200).await;
    for running in parts.into_iter().rev() {
        assert!(running.drain(std::future::pending()).await);
    }
}
