//! The gRPC port as tools meet it: reflection, health, lists in pages, and a clear word for what it does not take.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use warp2api_integration_tests::{House, Topology, wait};
use warp2api_proto::opaque;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_rpc::MAX_MESSAGE_BYTES;

use crate::dynamic::{self, Refusal};

const SERVICES: [&str; 3] =
    ["warp2api.codec.v1.Codec", "warp2api.token_pool.v1.TokenPool", "warp2api.warp_chat.v1.WarpChat"];

/// Sends `bytes` to a path, whatever they are, and reads the first message.
async fn send(channel: Channel, path: &'static str, bytes: Bytes) -> Result<opaque::ResponseEvent, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("it is there");
    let codec = tonic_prost::ProstCodec::default();
    let request = tonic::Request::new(opaque::Request::from(bytes));
    Ok(client.unary(request, path.parse().expect("a path"), codec).await?.into_inner())
}

macro_rules! reflection {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let mut client = ServerReflectionClient::new($channel);
        let ask = |message: MessageRequest| tonic_reflection::pb::$version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let mut questions = vec![ask(MessageRequest::ListServices(String::new()))];
        questions.extend(SERVICES.map(|name| ask(MessageRequest::FileContainingSymbol(name.to_owned()))));
        let answers = client.server_reflection_info(futures_util::stream::iter(questions)).await;
        let answers: Vec<_> = answers.expect("it answers").into_inner().collect().await;
        let mut services = BTreeSet::new();
        let mut files = 0;
        for answer in answers {
            match answer.expect("a good answer").message_response.expect("an answer") {
                MessageResponse::ListServicesResponse(list) => {
                    services.extend(list.service.into_iter().map(|service| service.name));
                }
                MessageResponse::FileDescriptorResponse(found) => files += found.file_descriptor_proto.len(),
                other => panic!("{other:?}"),
            }
        }
        (services, files)
    }};
}

#[tokio::test]
async fn reflection_tells_every_service_in_both_versions() {
    let house = House::start().await;
    let channel = house.channel(&house.warp_chat).await;

    let v1 = reflection!(v1, channel.clone());
    let v1alpha = reflection!(v1alpha, channel);

    assert_eq!(v1.0, v1alpha.0);
    assert!(SERVICES.iter().all(|name| v1.0.contains(*name)), "{:?}", v1.0);
    assert!(v1.0.contains("grpc.health.v1.Health"), "{:?}", v1.0);
    assert!(v1.1 >= SERVICES.len() && v1.1 == v1alpha.1);
    house.close().await;
}

#[tokio::test]
async fn reflection_of_a_part_tells_its_own_service_only() {
    let house = House::builder().topology(Topology::Tcp).start().await;

    for (address, name) in
        [(&house.codec, SERVICES[0]), (&house.token_pool, SERVICES[1]), (&house.warp_chat, SERVICES[2])]
    {
        let (services, _) = reflection!(v1, house.channel(address).await);
        let ours: Vec<_> = services.iter().filter(|name| name.starts_with("warp2api.")).collect();
        assert_eq!(ours, [name]);
    }
    house.close().await;
}

async fn check(channel: &Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn health_is_told_for_each_service_and_overall() {
    let house = House::start().await;
    let channel = house.channel(&house.warp_chat).await;

    for service in SERVICES.iter().chain(&[""]) {
        assert_eq!(check(&channel, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(check(&channel, "nobody").await, Err(Code::NotFound));
    house.close().await;
}

#[tokio::test]
async fn whoever_watches_health_hears_of_the_stop_before_it() {
    let mut house = House::start().await;
    let mut watching = Vec::new();
    for service in SERVICES.iter().chain(&[""]) {
        let request = HealthCheckRequest { service: (*service).to_owned() };
        let mut client = HealthClient::new(house.channel(&house.warp_chat).await);
        let mut watch = client.watch(request).await.expect("it answers").into_inner();
        let first = watch.message().await.expect("it goes well").expect("it begins with the state");
        assert_eq!(first.status(), ServingStatus::Serving);
        watching.push(watch);
    }

    let running = house.take_running().pop().expect("it runs");
    let told = async {
        for mut watch in watching {
            let next = watch.message().await.expect("it goes well").expect("it goes on");
            assert_eq!(next.status(), ServingStatus::NotServing);
        }
    };
    let drained = async { running.drain(std::future::pending()).await };
    let (drained, ()) =
        tokio::time::timeout(wait::PATIENCE, async { tokio::join!(drained, told) }).await.unwrap();

    assert!(drained, "nothing is left once the watchers have gone");
}

#[tokio::test]
async fn a_method_that_is_not_there_is_unimplemented() {
    let house = House::start().await;
    let channel = house.channel(&house.warp_chat).await;

    for path in ["/warp2api.nobody.v1.Nobody/Do", "/warp2api.warp_chat.v1.WarpChat/Nothing"] {
        let status = send(channel.clone(), path, Bytes::new()).await.expect_err("there is no such method");
        let refusal = Refusal::from(&status);
        assert_eq!((refusal.code, refusal.reason), (Code::Unimplemented, "METHOD_NOT_FOUND"), "{path}");
        assert!(refusal.message.contains(path), "{refusal:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn bytes_that_are_no_request_are_malformed() {
    let house = House::start().await;
    let channel = house.channel(&house.warp_chat).await;

    for path in ["/warp2api.warp_chat.v1.WarpChat/StreamChat", "/warp2api.warp_chat.v1.WarpChat/StreamWarp"] {
        let status = send(channel.clone(), path, Bytes::from_static(b"\x0a\xff")).await;
        let refusal = Refusal::from(&status.expect_err("it is no request"));
        assert_eq!((refusal.code, refusal.reason), (Code::InvalidArgument, "MALFORMED_MESSAGE"), "{path}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_as_that() {
    let house = House::start().await;
    let mut chat = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let large = Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1]);

    let status = chat.stream_warp(opaque::Request::from(large)).await.map(|_| ()).expect_err("too large");

    let refusal = Refusal::from(&status);
    assert_eq!((refusal.code, refusal.reason), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"), "{refusal:?}");
    assert_eq!(check(&house.channel(&house.warp_chat).await, "").await, Ok(ServingStatus::Serving));
    house.close().await;
}

/// Every list is the same in pages of any size, each item once.
#[tokio::test]
async fn lists_come_in_pages() {
    let keys = (0..5).map(|n| format!("wk-key-{n}")).collect::<Vec<_>>().join(",");
    let house = House::builder().settings(|s| s.warp_api_key = Some(keys)).start().await;

    for (method, address, key) in [
        ("codec.v1.Codec/ListMessageTypes", &house.codec, "messageTypes"),
        ("token_pool.v1.TokenPool/ListCredentials", &house.token_pool, "credentials"),
        ("warp_chat.v1.WarpChat/ListChatModels", &house.warp_chat, "chatModels"),
    ] {
        let endpoint = dynamic::at(address);
        let page = async |size: usize, token: &Value| {
            let answer =
                dynamic::call(&endpoint, method, &json!({"pageSize": size, "pageToken": token})).await;
            assert_eq!(answer.refusal, None, "{method}");
            let mut page = answer.messages[0].clone();
            let names = |item: &Value| item["name"].as_str().expect("every resource has a name").to_owned();
            let items: Vec<_> = page[key].as_array().expect("a list").iter().map(names).collect();
            (items, page["nextPageToken"].take())
        };
        let (all, _) = page(1000, &json!("")).await;
        assert!(all.len() >= 5, "{method}");
        for size in [2, all.len() - 1, all.len()] {
            let mut seen = Vec::new();
            let mut token = json!("");
            for _ in 0..all.len() {
                let (items, next) = page(size, &token).await;
                assert!(items.len() <= size && !items.is_empty(), "{method}");
                seen.extend(items);
                token = next;
                if token.is_null() {
                    break;
                }
            }
            assert_eq!(seen, all, "{method} in pages of {size}");
            assert_eq!(token, Value::Null, "{method}: the last page says so");
        }
    }
    house.close().await;
}
