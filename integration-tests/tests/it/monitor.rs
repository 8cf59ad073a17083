//! What operators see of chats: the feed of WarpChat, over every kind of endpoint.

use std::time::Duration;

use prost::Message as _;
use serde_json::json;
use tonic::Streaming;
use warp2api_integration_tests::{House, Topology, ask, wait};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialTier;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;
use warp2api_proto::warp_chat::v1::{
    Exchange, ExchangeFilter, ExchangeState, FinishReason, GetExchangeRequest, ListExchangesRequest,
    WatchExchangesRequest, WatchExchangesResponse,
};
use warp2api_upstream_sim::{Refusal, Scenario, SimulatorConfig};

use crate::failover::hasty;

/// A watch that has been told of all that was before.
async fn watch(house: &House, request: WatchExchangesRequest) -> Streaming<WatchExchangesResponse> {
    let mut client = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let mut watch = client.watch_exchanges(request).await.expect("it can be watched").into_inner();
    until(&mut watch, |event| matches!(event, Event::CaughtUp(_))).await;
    watch
}

/// What is told until something that `is_last`.
async fn until(
    watch: &mut Streaming<WatchExchangesResponse>,
    is_last: impl Fn(&Event) -> bool,
) -> Vec<WatchExchangesResponse> {
    let mut told = Vec::new();
    let read = async {
        loop {
            let next = watch.message().await.expect("the watch goes on").expect("it does not end");
            let last = is_last(next.event.as_ref().expect("an event this reader knows"));
            told.push(next);
            if last {
                return;
            }
        }
    };
    tokio::time::timeout(wait::PATIENCE, read).await.expect("it is told in time");
    told
}

fn finished(told: &[WatchExchangesResponse]) -> &Exchange {
    match told.last().and_then(|told| told.event.as_ref()) {
        Some(Event::ExchangeFinished(end)) => end.exchange.as_ref().expect("the exchange"),
        other => panic!("{other:?}"),
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::ExchangeFinished(_))
}

fn text(told: &[WatchExchangesResponse]) -> String {
    let bytes: Vec<u8> = told.iter().flat_map(|told| told.encode_to_vec()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_chat_is_seen_from_its_arrival_to_its_end_wherever_the_services_are() {
    for &topology in Topology::ALL {
        let house = House::builder().topology(topology).start().await;
        let mut watch = watch(&house, WatchExchangesRequest::default()).await;

        let request = house.request("POST", "/v1/chat/completions").header("x-request-id", "r-77");
        let request =
            request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let body = ask("say exactly: planted-answer").to_string();
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);

        let told = until(&mut watch, is_end).await;
        let end = finished(&told);
        assert!(matches!(told[0].event, Some(Event::ExchangeStarted(_))), "{topology:?}");
        for told in &told {
            assert_eq!(told.request_id, "r-77", "{topology:?}");
            assert_eq!(told.trace_id, "0af7651916cd43dd8448eb211c80319c");
        }
        assert_eq!((end.state(), end.finish_reason()), (ExchangeState::Succeeded, FinishReason::Stop));
        assert_eq!(end.progress.as_ref().unwrap().character_count, "planted-answer".len() as i64);
        assert_eq!(end.credentials[0].tier(), CredentialTier::Personal);
        assert!(!end.conversation_id.is_empty() && end.usage.is_some());
        let timings = end.timings.as_ref().unwrap();
        let parts = [
            timings.queue_duration,
            timings.lease_duration,
            timings.retry_duration,
            timings.first_event_duration,
            timings.stream_duration,
        ];
        let sum: Duration = parts.into_iter().map(|part| Duration::try_from(part.unwrap()).unwrap()).sum();
        assert_eq!(sum, Duration::try_from(timings.total_duration.unwrap()).unwrap());
        assert!(!text(&told).contains("planted-answer"), "capture is off");
        drop(watch);
        house.close().await;
    }
}

#[tokio::test]
async fn contents_are_seen_only_with_capture() {
    for capture in [false, true] {
        let house =
            House::builder().settings(|settings| settings.capture = Some(capture.to_string())).start().await;
        let wish = WatchExchangesRequest { stream_events: true, ..Default::default() };
        let mut watch = watch(&house, wish).await;

        house.stream(&ask("say exactly: planted-answer")).await;

        let told = until(&mut watch, is_end).await;
        let name = finished(&told).name.clone();
        let mut client = WarpChatClient::new(house.channel(&house.warp_chat).await);
        let kept =
            client.get_exchange(GetExchangeRequest { name }).await.unwrap().into_inner().exchange.unwrap();
        assert!(!kept.stream_events.is_empty() && !kept.stream_events_dropped);
        assert_eq!(kept.stream_events.last().unwrap().event_type, "FINISHED");
        assert_eq!(kept.upstream_request.is_some(), capture);
        assert_eq!(text(&told).contains("planted-answer"), capture);
        assert_eq!(String::from_utf8_lossy(&kept.encode_to_vec()).contains("planted-answer"), capture);
        drop(watch);
        house.close().await;
    }
}

#[tokio::test]
async fn failures_fail_overs_and_callers_who_leave_are_told_apart() {
    let config = SimulatorConfig::without_credentials().accepting("wk-planted-1").accepting("wk-planted-2");
    let house = hasty(config)
        .settings(|settings| {
            settings.warp_api_key = Some("wk-planted-1".to_owned());
            settings.warp_shared_tokens = Some("wk-planted-2".to_owned());
        })
        .start()
        .await;
    let mut watch = watch(&house, WatchExchangesRequest::default()).await;

    house.simulator.enqueue(Scenario::refuse(Refusal::new(429, "slow down")));
    let (status, _) = house.chat(&ask("say exactly: x")).await;
    assert_eq!(status, 200);
    let told = until(&mut watch, is_end).await;
    assert!(told.iter().any(|told| matches!(told.event, Some(Event::AttemptFailed(_)))));
    let end = finished(&told);
    assert_eq!(end.credentials.len(), 2);
    assert_eq!(end.credentials[0].error_reason(), ErrorReason::UpstreamRateLimited);

    house.simulator.enqueue(Scenario::refuse(Refusal::new(400, "planted-body")));
    let (status, _) = house.chat(&ask("say exactly: x")).await;
    assert_eq!(status, 400);
    let told = until(&mut watch, is_end).await;
    let end = finished(&told);
    assert_eq!((end.state(), end.error_reason()), (ExchangeState::Failed, ErrorReason::UpstreamRejected));
    assert!(!end.error_message.is_empty());
    let mut body = ask("say slowly: one two three four five six seven eight");
    body["stream"] = json!(true);
    let mut response = house.post(&body).await;
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let told = until(&mut watch, is_end).await;
    assert_eq!(finished(&told).state(), ExchangeState::Cancelled);
    assert!(!text(&told).contains("planted"));

    let mut client = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let filter = ExchangeFilter { state: ExchangeState::Cancelled.into(), ..Default::default() };
    let request = ListExchangesRequest { filter: Some(filter), ..Default::default() };
    let listed = client.list_exchanges(request).await.unwrap().into_inner().exchanges;
    assert_eq!(listed.len(), 1);
    drop(watch);
    house.close().await;
}

/// A watch never ends by itself, and must not keep the house from stopping.
#[tokio::test]
async fn the_house_stops_while_it_is_watched() {
    let mut house = House::start().await;
    let mut watch = watch(&house, WatchExchangesRequest::default()).await;

    for running in house.take_running() {
        assert!(running.drain(std::future::pending()).await, "nothing had to be cut off");
    }

    let end = watch.message().await.unwrap_err();
    assert_eq!(warp2api_rpc::Failure::from(&end).reason, ErrorReason::ShuttingDown);
}
