//! Every annotated method answers by REST as by gRPC: the same messages, the same errors.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use warp2api_integration_tests::{House, Topology};
use warp2api_proto::descriptors;
use warp2api_rest::{Route, routes};
use warp2api_rpc::listener::Address;
use warp2api_rpc::policy::{Access, access};

use super::{cases, client};
use crate::dynamic::{self, Answer};

/// The name of a method as cases have it.
fn name(route: &Route) -> String {
    let service = route.method.parent_service();
    let service = service.full_name().strip_prefix("warp2api.").expect("a service of ours");
    format!("{service}/{}", route.method.name())
}

fn address<'a>(house: &'a House, method: &str) -> &'a Address {
    match method.split('.').next() {
        Some("codec") => &house.codec,
        Some("token_pool") => &house.token_pool,
        _ => &house.warp_chat,
    }
}

/// Takes out what is different each time: the upstream writes the time into its messages, so their sizes are, too.
fn blank(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let varies = |key: &str| {
                [
                    "conversationId",
                    "requestId",
                    "traceId",
                    "upstreamRequestId",
                    "upstreamRequestBytes",
                    "eventBytes",
                    "etag",
                ]
                .contains(&key)
                    || key.ends_with("Time")
                    || key.ends_with("Duration")
            };
            object.retain(|key, _| !varies(key));
            object.values_mut().for_each(blank);
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::String(text) if text.starts_with("auditEvents/") => text.truncate("auditEvents/".len()),
        _ => {}
    }
}

/// The request for this house: its credential has a name of its own.
async fn fitting(house: &House, request: &Value) -> Value {
    let pool = dynamic::at(&house.token_pool);
    let listed = dynamic::call(&pool, "token_pool.v1.TokenPool/ListCredentials", &json!({})).await;
    let id = listed.messages[0]["credentials"][0]["name"].as_str().expect("a credential").to_owned();
    serde_json::from_str(&request.to_string().replace("credentials/EMBEDDED", &id)).expect("JSON")
}

async fn by_rest(house: &House, route: &Route, request: &Value, most: usize) -> Answer {
    let client::Written { address: path, body } = client::write(route, request);
    let url = format!("http://{}{path}", address(house, &name(route)));
    let mut request = house.http.request(route.http_method.clone(), url);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    client::read(route, request.send().await.expect("an answer"), most).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_annotated_method_answers_by_rest_as_by_grpc() {
    let routes = routes(descriptors::pool()).unwrap();
    let cases = cases::all();
    let annotated: BTreeSet<_> = routes.iter().map(name).collect();
    let succeeds = cases.iter().filter(|case| !case.fails).map(|case| case.method.to_owned());
    assert_eq!(succeeds.collect::<BTreeSet<_>>(), annotated, "each method has a case that goes well");

    for topology in [Topology::InProcess, Topology::Tcp] {
        // A house for each, so that both see the same past.
        let (grpc, rest) = (
            House::builder().topology(topology).start().await,
            House::builder().topology(topology).start().await,
        );
        for case in &cases {
            let method = case.method;
            for house in [&grpc, &rest] {
                case.script.iter().for_each(|scenario| house.simulator.enqueue(scenario.clone()));
            }
            let request = fitting(&grpc, &case.request).await;
            let endpoint = dynamic::at(address(&grpc, method));
            let mut expected = dynamic::call_at_most(&endpoint, method, &request, case.most).await;
            for route in routes.iter().filter(|route| name(route) == method) {
                let request = fitting(&rest, &case.request).await;

                let mut answer = by_rest(&rest, route, &request, case.most).await;

                answer.messages.iter_mut().chain(&mut expected.messages).for_each(blank);
                assert_eq!(answer, expected, "{method} {request} in {topology:?}");
                assert_eq!(answer.refusal.is_some(), case.fails, "{method} {request}: {answer:?}");
            }
        }
        grpc.close().await;
        rest.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_call_by_grpc_may_not_by_rest() {
    let house =
        House::builder().settings(|settings| settings.admin_key = Some("right".to_owned())).start().await;
    let guarded = |route: &&Route| {
        let method = &route.method;
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        access(&path) == Some(Access::Admin)
    };
    let routes = routes(descriptors::pool()).unwrap();
    let guarded: Vec<_> = routes.iter().filter(guarded).collect();
    assert!(guarded.len() >= 3);
    for route in guarded {
        let path = route.path.replace(['{', '}'], "").replace("name=", "").replace("credential.", "");
        let url = format!("http://{}{path}", house.token_pool);
        let send = |key: Option<&str>| {
            // A body that nobody may look at before the key.
            let mut request = house.http.request(route.http_method.clone(), &url);
            request = request.header("content-type", "application/json").body("{");
            if let Some(key) = key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            request.send()
        };

        for wrong in [None, Some("wrong")] {
            let response = send(wrong).await.unwrap();
            assert_eq!(response.status(), 401, "{} {path}", route.http_method);
            let refused = client::read(route, response, 1).await.refusal.unwrap();
            assert_eq!((refused.code, refused.reason), (tonic::Code::Unauthenticated, "ADMIN_KEY_INVALID"));
        }
        // Let in, and its body looked at.
        assert_eq!(send(Some("right")).await.unwrap().status(), 400, "{path}");
    }
    house.close().await;
}
