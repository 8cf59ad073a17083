//! Many readers that do not read, and one that is slow: chats go on as without them, and what is held is bounded.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;
use warp2api_integration_tests::{House, ask, wait};
use warp2api_proto::warp_chat::v1::WatchExchangesRequest;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;

use super::address;

/// The benchmark has 50 readers and thousands of chats; this is about what is waited for and what is held.
const READERS: usize = 8;
const CHATS: usize = 40;
const ROUNDS: usize = 5;
const AT_ONCE: usize = 8;
const MONITOR_BYTES: i64 = 1024 * 1024;

/// How long the chats take.
async fn chats(house: &House, count: usize) -> Duration {
    let began = Instant::now();
    let body = {
        let mut body = ask("say exactly: one two three four five six seven eight");
        body["stream"] = json!(true);
        body
    };
    let answered = futures_util::stream::iter(0..count)
        .map(|_| async {
            let response = house.post(&body).await;
            assert_eq!(response.status(), 200);
            assert!(response.text().await.unwrap().contains("[DONE]"));
        })
        .buffer_unordered(AT_ONCE)
        .count()
        .await;
    assert_eq!(answered, count);
    began.elapsed()
}

/// What the feed holds, and how many watch.
async fn held(house: &House) -> (i64, i32) {
    let mut client = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let second = Duration::from_secs(1).try_into().ok();
    let request = WatchExchangesRequest { heartbeat_interval: second, ..Default::default() };
    let mut watch = client.watch_exchanges(request).await.unwrap().into_inner();
    let beat = async {
        loop {
            if let Some(Event::Heartbeat(beat)) = watch.message().await.unwrap().unwrap().event {
                return (beat.held_bytes, beat.watcher_count);
            }
        }
    };
    tokio::time::timeout(wait::PATIENCE, beat).await.unwrap()
}

async fn small_house() -> House {
    let builder = House::builder().settings(|settings| {
        settings.monitor_bytes = Some(MONITOR_BYTES.to_string());
        settings.max_in_flight = Some("64".to_owned());
    });
    builder.start().await
}

/// A socket with little room for what was not read, so that it is full soon.
async fn narrow(house: &House, query: &str) -> Narrow {
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(2048).unwrap();
    let tcp = tcp.connect(address(house).parse().unwrap()).await.unwrap();
    let url = format!("ws://{}/ws{query}", address(house));
    client_async(url, tcp).await.unwrap().0
}

type Narrow = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

/// Chats enough for every buffer on the way, and for the ring many times over.
async fn fill(house: &House) {
    let mut body = ask(&format!("say exactly: {}", "word ".repeat(4000)));
    body["stream"] = json!(true);
    for _ in 0..4 {
        assert_eq!(house.post(&body).await.text().await.unwrap().matches("[DONE]").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_do_not_read_slow_nobody_and_hold_little() {
    // Side by side, so that whatever else the machine does hits both.
    let (alone, watched) = (small_house().await, small_house().await);
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        stalled.push(narrow(&watched, "?stream_events=true").await);
    }
    fill(&watched).await;
    fill(&alone).await;

    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        without += chats(&alone, CHATS).await;
        with += chats(&watched, CHATS).await;
    }

    let (bytes, watchers) = held(&watched).await;
    println!(
        "chats with {READERS} stalled readers take {:.2} times as long as without; {bytes} bytes are held",
        with.as_secs_f64() / without.as_secs_f64()
    );
    assert!(bytes <= MONITOR_BYTES, "{bytes} bytes for {watchers} watchers");
    // Patience, not a measurement: a reader that is waited for would stop everything for half a minute.
    assert!(with < without * 4 + Duration::from_secs(10), "{with:?} with, {without:?} without");
    drop(stalled);
    alone.close().await;
    watched.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_lags_is_told_so_and_goes_on() {
    let house =
        House::builder().settings(|settings| settings.monitor_bytes = Some("65536".to_owned())).start().await;
    let mut socket = narrow(&house, "?stream_events=true").await;
    let mut next = async || -> Value {
        loop {
            let message =
                tokio::time::timeout(wait::PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
            if let Ok(text) = message.to_text()
                && let Ok(frame) = serde_json::from_str(text)
            {
                return frame;
            }
        }
    };
    assert_eq!(next().await["event"], "connected");

    fill(&house).await;
    fill(&house).await;

    let mut dropped = 0;
    loop {
        let frame = next().await;
        if frame["event"] == "lagged" {
            dropped += frame["dropped"].as_u64().unwrap();
        }
        // The last chat's end is always kept.
        if frame["event"] == "exchange_finished" && dropped > 0 && frame["exchange"]["id"] == "8" {
            break;
        }
    }
    assert!(dropped > 100, "{dropped}");
    house.chat(&ask("say exactly: and on")).await;
    while next().await["exchange"]["id"] != "9" {}
    house.close().await;
}
