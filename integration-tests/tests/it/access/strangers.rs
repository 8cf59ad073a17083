//! What this machine's own addresses answer to those who are not on it: pages under a name that was made to point here,
//! pages from elsewhere, whoever comes through a proxy. Keys that are set elsewhere in the house change nothing.

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Response;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use warp2api_integration_tests::{House, ask, json_of};
use warp2api_rpc::policy::Access;

const REBOUND: &str = "evil.example:28888";
const ACQUIRE: &str = "/warp2api.token_pool.v1.TokenPool/AcquireCredential";
/// An empty message as gRPC frames it: all that is needed to lease.
const FRAME: &[u8] = &[0; 5];

/// Those who are not meant, and whether they are refused what is for everybody, too.
const STRANGERS: &[(&[(&str, &str)], bool)] = &[
    (&[("host", REBOUND), ("origin", "http://evil.example:28888")], true),
    // A browser names no origin when a page gets from what it takes for its own server.
    (&[("host", REBOUND)], true),
    (&[("host", "localhost.evil.example")], true),
    (&[("origin", "https://evil.example")], false),
    (&[("origin", "null")], false),
    (&[("x-forwarded-for", "10.0.0.5")], false),
    (&[("x-real-ip", "10.0.0.5")], false),
    (&[("forwarded", "for=10.0.0.5")], false),
];

/// A request for each kind of caller and each language of the port, which would be answered on this machine.
fn requests() -> Vec<(Access, &'static str, &'static str, &'static str, Vec<u8>)> {
    let chat = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "say exactly: planted"}]}]});
    let packet = json!({"input": {"user_inputs": {"inputs": [{"user_query": {"query": "hi"}}]}}});
    let (chat, packet) = (chat.to_string().into_bytes(), packet.to_string().into_bytes());
    let json = "application/json";
    vec![
        (Access::Service, "POST", ACQUIRE, "application/grpc", FRAME.to_vec()),
        (Access::Service, "POST", "/api/warp/send", json, packet.clone()),
        (Access::Service, "POST", "/api/warp/send_stream_sse", json, packet.clone()),
        (
            Access::Chat,
            "POST",
            "/warp2api.warp_chat.v1.WarpChat/StreamChat",
            "application/grpc",
            FRAME.to_vec(),
        ),
        (Access::Chat, "POST", "/v1/chatModels/auto:streamChat", json, chat),
        (Access::Admin, "GET", "/v1/credentials", json, Vec::new()),
        (Access::Open, "POST", "/api/encode", json, packet),
        (Access::Open, "GET", "/v1/messageTypes", json, Vec::new()),
        (Access::Open, "GET", "/v1/chatModels", json, Vec::new()),
        (Access::Open, "GET", "/v1/models", json, Vec::new()),
        (
            Access::Open,
            "POST",
            "/warp2api.codec.v1.Codec/ListMessageTypes",
            "application/grpc",
            FRAME.to_vec(),
        ),
    ]
}

/// What was said: HTTP's status, or gRPC's where there is one.
fn outcome(response: &Response) -> (u16, String) {
    let status = response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    (response.status().as_u16(), status.unwrap_or_default())
}

#[tokio::test]
async fn the_port_of_the_services_answers_nobody_who_is_not_of_this_machine() {
    for with_keys in [false, true] {
        let house = House::builder().settings(|settings| {
            settings.api_token = with_keys.then(|| "key-of-the-edge".to_owned());
            settings.admin_key = with_keys.then(|| "key-of-operators".to_owned());
        });
        let house = house.start().await;
        let send = async |sent: &[(&str, &str)], method: &str, path: &str, kind: &str, body: &[u8]| {
            let url = format!("http://{}{path}", house.token_pool);
            let request = house.http.request(method.parse().unwrap(), url).header("content-type", kind);
            let request = sent.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.body(body.to_vec()).send().await.unwrap()
        };
        for (sent, nothing_at_all) in STRANGERS {
            for (access, method, path, kind, body) in requests() {
                let response = send(sent, method, path, kind, &body).await;

                let what = format!("{method} {path} as {kind} for {sent:?}, keys {with_keys}");
                let (status, grpc) = outcome(&response);
                if access == Access::Open && !nothing_at_all {
                    // What is for all is for them, but for the original's paths, which are for no page.
                    assert!(status == 200 || status == 403, "{what}: {status}");
                    continue;
                }
                let unauthorized = access == Access::Admin && with_keys;
                match kind {
                    "application/grpc" => assert_eq!((status, grpc.as_str()), (200, "7"), "{what}"),
                    _ => assert_eq!(status, if unauthorized { 401 } else { 403 }, "{what}"),
                }
                let text = response.text().await.unwrap();
                assert!(!text.contains("planted") && !text.contains("wk-"), "{what}: {text}");
            }
            // What a browser sends for any page without asking first.
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
                let response = send(sent, "POST", ACQUIRE, kind, FRAME).await;
                assert_eq!(response.status(), 415, "{kind} for {sent:?}");
                assert_eq!(response.text().await.unwrap(), "", "{kind} for {sent:?}");
            }
        }
        assert_eq!(house.leases().await, 0, "nothing was granted");
        assert_eq!(house.record().received(), 0, "nothing was asked of the upstream");

        // They were refused for who they are: the machine's own get what they ask for.
        for (access, method, path, kind, body) in requests() {
            let response = send(&[], method, path, kind, &body).await;
            let refused = matches!(outcome(&response), (401 | 403 | 415, _));
            assert_eq!(refused, access == Access::Admin && with_keys, "{method} {path}");
            drop(response.bytes().await);
        }
        assert_eq!(house.leases().await, 1, "the one of the first request");
        end(house).await;
    }
}

#[tokio::test]
async fn the_authority_of_http_2_is_looked_at_as_well() {
    let house = House::start().await;
    let address = house.token_pool.to_string();
    for (authority, granted) in [(REBOUND, false), (address.as_str(), true)] {
        let io = TokioIo::new(TcpStream::connect(&address).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = handshake.await.unwrap();
        let mut moving = JoinSet::new();
        moving.spawn(connection);
        let request = http::Request::post(format!("http://{authority}{ACQUIRE}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(bytes::Bytes::from_static(FRAME)));

        let answer = sender.send_request(request.unwrap()).await.unwrap();

        let refused = answer.headers().get("grpc-status").is_some_and(|status| status == "7");
        assert_eq!(refused, !granted, "{authority}: {:?}", answer.headers());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), !granted, "{authority}");
        assert_eq!(house.leases().await, i32::from(granted), "{authority}");
        drop(sender);
        moving.join_next().await.expect("it was there").unwrap().unwrap();
    }
    end(house).await;
}

#[tokio::test]
async fn an_edge_without_keys_answers_this_machine_under_its_own_names() {
    for allow_open in [false, true] {
        let house = House::builder()
            .settings(|settings| settings.allow_open = allow_open.then(|| "true".to_owned()))
            .start()
            .await;
        let kept = json!({"model": "auto", "input": "say exactly: planted"}).to_string();
        let kept = json_of(house.request("POST", "/v1/responses").body(kept).send().await.unwrap()).await;
        let kept = format!("/v1/responses/{}", kept["id"].as_str().unwrap());
        let asked = house.record().received();
        for (sent, _) in STRANGERS {
            for (method, path) in [
                ("GET", "/v1/models"),
                ("GET", "/v1/models/auto"),
                ("GET", kept.as_str()),
                ("POST", "/v1/chat/completions"),
                ("POST", "/v1/messages"),
                ("POST", "/v1/messages/count_tokens"),
                ("DELETE", kept.as_str()),
            ] {
                let of_a_page = sent.iter().any(|(name, _)| *name == "origin");
                // One that is meant to be open deletes what it is told to, and would answer the chats.
                if allow_open && !of_a_page && method != "GET" {
                    continue;
                }
                let request = house.request(method, path).body(ask("say exactly: planted").to_string());
                let request = sent.iter().fold(request, |all, (name, value)| all.header(*name, *value));

                let response = request.send().await.unwrap();

                let what = format!("{method} {path} for {sent:?}, open {allow_open}");
                let expected = match (of_a_page, allow_open) {
                    (true, _) => 401,
                    (false, false) => 403,
                    (false, true) => 200,
                };
                assert_eq!(response.status().as_u16(), expected, "{what}");
                if expected != 200 {
                    let body = json_of(response).await.to_string();
                    assert!(body.contains("API_TOKEN") && !body.contains("planted"), "{what}: {body}");
                }
            }
        }
        assert_eq!(house.record().received(), asked, "nothing more was asked of the upstream");
        for name in ["localhost:28889", "host.docker.internal:28889", "[::1]:1", "127.0.0.1"] {
            let request = house.request("GET", &kept).header("host", name);
            assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn an_edge_with_a_key_is_reached_by_any_name_with_it() {
    let house = House::builder().settings(|settings| settings.api_token = Some("key".into())).start().await;
    for (key, expected) in [(None, 401), (Some("wrong"), 401), (Some("key"), 200)] {
        for (sent, _) in STRANGERS {
            let request = house.request("GET", "/v1/models");
            let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
            let request = sent.iter().fold(request, |all, (name, value)| all.header(*name, *value));
            assert_eq!(request.send().await.unwrap().status(), expected, "{key:?} {sent:?}");
        }
    }
    house.close().await;
}

/// Ends a house that has a lease out.
async fn end(mut house: House) {
    for running in house.take_running() {
        assert!(running.drain(std::future::pending()).await);
    }
}
