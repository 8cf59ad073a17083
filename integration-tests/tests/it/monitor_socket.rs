//! The monitor's socket, as a WebSocket client sees it, and the packets of the past.

mod crowd;
mod strangers;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use warp2api_integration_tests::{House, ask, json_of, wait};
use warp2api_rpc::listener::Address;
use warp2api_upstream_sim::{Refusal, Scenario, SimulatorConfig};

use crate::failover::hasty;

/// A client of the socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

fn address(house: &House) -> &str {
    match &house.warp_chat {
        Address::Tcp(address) => address,
        Address::Unix(_) => panic!("the bridge has a port"),
    }
}

impl Socket {
    /// Connects, and reads until what came before has been told.
    pub(crate) async fn open(house: &House, query: &str) -> Self {
        let connected = connect(house, query, &[]).await.expect("it is let in");
        let mut socket = Self(connected);
        let hello = socket.frame().await;
        assert_eq!(hello["event"], "connected");
        assert!(hello["timestamp"].is_string() && hello["message"].is_string());
        socket
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(wait::PATIENCE, self.0.next()).await.expect("a frame in time");
            match next.expect("the socket goes on").expect("it is well") {
                Message::Text(text) => return serde_json::from_str(&text).expect("frames are JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Frames up to one of this name.
    pub(crate) async fn until(&mut self, event: &str) -> Vec<Value> {
        let mut frames = vec![self.frame().await];
        while frames[frames.len() - 1]["event"] != event {
            frames.push(self.frame().await);
        }
        frames
    }

    pub(crate) async fn say(&mut self, text: impl ToString) {
        self.0.send(Message::text(text.to_string())).await.expect("it is taken");
    }
}

async fn connect(
    house: &House,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = format!("ws://{}/ws{query}", address(house)).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let connected = tokio::time::timeout(wait::PATIENCE, connect_async(request)).await;
    connected.expect("an answer in time").map(|(socket, _)| socket)
}

fn names(frames: &[Value]) -> Vec<&str> {
    let name = |frame: &'_ Value| match frame["event"].as_str() {
        Some("packet_captured" | "packet_history") => frame["packet"]["type"].as_str().map(str::len),
        _ => None,
    };
    frames
        .iter()
        .map(|frame| match name(frame) {
            Some(_) => frame["packet"]["type"].as_str().unwrap(),
            None => frame["event"].as_str().unwrap(),
        })
        .filter(|name| *name != "exchange_progress" && *name != "heartbeat")
        .collect()
}

#[tokio::test]
async fn the_originals_frames_come_in_order_with_the_steps_of_the_exchange() {
    let house = House::start().await;
    let mut socket = Socket::open(&house, "").await;

    let request = house.request("POST", "/v1/chat/completions").header("x-request-id", "r-5");
    let request = request.header("content-type", "application/json");
    request.body(ask("say exactly: planted").to_string()).send().await.unwrap();

    let frames = socket.until("exchange_finished").await;
    let expected = [
        "exchange_started",
        "exchange_leased",
        "warp_request",
        "exchange_first_event",
        "warp_response",
        "stream_completed",
        "exchange_finished",
    ];
    assert_eq!(names(&frames), expected);
    let packet = &frames[2]["packet"];
    for key in ["timestamp", "type", "size", "data_preview", "full_data"] {
        assert!(packet.get(key).is_some(), "{key}");
    }
    assert_eq!((&packet["request_id"], &packet["direction"]), (&json!("r-5"), &json!("request")));
    let preview: Value = serde_json::from_str(packet["data_preview"].as_str().unwrap()).unwrap();
    assert_eq!(preview, json!({"model": "auto", "messages": 1, "tools": 0, "images": 0}));
    let sent = house.record().last_chat().unwrap();
    assert_eq!(packet["size"], sent.body.len());
    assert!(packet["elapsed_ms"].is_f64() && packet["full_data"].is_null());
    let answer = &frames[4]["packet"];
    assert!(answer["conversation_id"].is_string() && answer["direction"] == "response");
    let result = &frames[5]["result"];
    assert!(result["chunk_count"].as_u64().unwrap() > 3 && result["session_id"].is_string());
    assert_eq!(frames[6]["exchange"]["state"], "succeeded");
    assert!(!json!(frames).to_string().contains("planted"), "capture is off");

    // Whoever comes later is told the packets first, at most ten and the oldest first.
    for _ in 0..6 {
        house.chat(&ask("say exactly: more")).await;
    }
    socket.until("exchange_finished").await;
    let mut later = Socket::open(&house, "").await;
    let mut history = Vec::new();
    for _ in 0..10 {
        let frame = later.frame().await;
        assert_eq!(frame["event"], "packet_history");
        history.push(frame["packet"].clone());
    }
    later.say(json!({"command": "ping"})).await;
    assert_eq!(later.frame().await["event"], "pong", "ten and no more");
    assert!(history.is_sorted_by_key(|packet| packet["timestamp"].as_str().unwrap().to_owned()));
    assert_eq!(history[0]["type"], "warp_request");
    assert_eq!(history[9]["type"], "warp_response");
    drop((socket, later));
    house.close().await;
}

#[tokio::test]
async fn other_origins_and_clients_without_a_key_get_a_status_and_nothing_else() {
    let key = "?key=right";
    let own = |house: &House| format!("http://{}", address(house));
    let elsewhere = "https://evil.example";
    for (admin_key, query, origin, status) in [
        (None, "", None, 101),
        (None, "", Some("own"), 101),
        (None, "", Some(elsewhere), 403),
        (None, "", Some("null"), 403),
        (None, "", Some("http://localhost:1"), 403),
        (None, "?key=any", Some(elsewhere), 403),
        (Some("right"), "", None, 401),
        (Some("right"), "?key=wrong", None, 401),
        (Some("right"), "?key=", None, 401),
        (Some("right"), key, None, 101),
        (Some("right"), key, Some("own"), 101),
        (Some("right"), key, Some(elsewhere), 403),
        (Some("right"), key, Some("https://ops.example"), 101),
        (Some("right"), "?key=right&state=happy", None, 400),
        (Some("right"), "?key=right&stream_events=perhaps", None, 400),
        (Some("right"), "?key=right&modell=x", None, 400),
        (Some("right"), "?stream_events=perhaps", None, 401),
    ] {
        let house = House::builder()
            .settings(|settings| {
                settings.admin_key = admin_key.map(str::to_owned);
                settings.monitor_origins = Some("https://ops.example".to_owned());
            })
            .start()
            .await;
        let own = own(&house);
        let origin = origin.map(|origin| if origin == "own" { own.as_str() } else { origin });
        let headers: Vec<_> = origin.into_iter().map(|origin| ("origin", origin)).collect();

        let connected = connect(&house, query, &headers).await;

        let given = match &connected {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(given, status, "{admin_key:?} {query} {origin:?}");
        if let Err(Error::Http(response)) = connected {
            let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
            assert!(!body.contains("right") && body.contains("error"), "{body}");
        }
        let url = format!("http://{}/api/packets/history", address(&house));
        let listed =
            headers.iter().fold(house.http.get(url + query), |r, (name, value)| r.header(*name, *value));
        let listed = listed.send().await.unwrap().status().as_u16();
        if status == 401 || status == 403 {
            assert_eq!(listed, status, "the list has the same door");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn browsers_send_the_key_as_a_protocol_and_other_origins_cannot_use_the_originals_paths() {
    let house =
        House::builder().settings(|settings| settings.admin_key = Some("r?ght".to_owned())).start().await;
    let connected =
        connect(&house, "", &[("sec-websocket-protocol", "warp2api.v1, warp2api.key.cj9naHQ")]).await;
    assert!(connected.is_ok());

    for (path, origin, status) in [
        ("/api/encode", None, 200),
        ("/api/encode", Some("https://evil.example"), 403),
        ("/api/warp/send", Some("https://evil.example"), 403),
    ] {
        let request = house.http.post(format!("http://{}{path}", address(&house)));
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        let body = json!({"json_data": {"input": {}}}).to_string();
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.status(), status, "{path} {origin:?}");
    }
    assert!(house.record().chats().is_empty(), "nothing was sent for a page of others");
    drop(connected);
    house.close().await;
}

#[tokio::test]
async fn commands_are_obeyed_and_bad_ones_answered() {
    let house = House::start().await;
    let mut socket = Socket::open(&house, "?model=no-such-model").await;

    house.chat(&ask("say exactly: one")).await;
    for (said, answer) in [
        (json!({"command": "ping"}).to_string(), "pong"),
        ("hello".to_owned(), "error"),
        (json!({"command": "dance"}).to_string(), "error"),
        (json!({"command": "filter", "modell": "x"}).to_string(), "error"),
        (json!({"command": "pause"}).to_string(), "paused"),
    ] {
        socket.say(&said).await;
        assert_eq!(socket.frame().await["event"], answer, "{said}");
    }
    socket.say(json!({"command": "filter", "stream_events": true})).await;
    assert_eq!(socket.frame().await["filter"]["stream_events"], true);
    house.chat(&ask("say exactly: two")).await;
    socket.say(json!({"command": "ping"})).await;
    assert_eq!(socket.frame().await["event"], "pong", "paused: nothing else comes");

    socket.say(json!({"command": "resume"})).await;
    let frames = socket.until("exchange_finished").await;
    assert_eq!(frames[0]["event"], "resumed");
    let chunks: Vec<_> = frames.iter().filter(|frame| frame["event"] == "stream_chunk_parsed").collect();
    assert_eq!(chunks[0]["chunk"]["event_type"], "INITIALIZATION");
    assert_eq!(chunks[chunks.len() - 1]["chunk"]["event_type"], "FINISHED");
    assert!(chunks.iter().enumerate().all(|(index, chunk)| chunk["chunk"]["chunk_index"] == index));
    assert!(chunks[0]["chunk"]["json_data"].is_null(), "capture is off");

    socket.say(json!({"command": "replay", "limit": 3})).await;
    let frames = socket.until("replayed").await;
    assert_eq!(names(&frames), ["warp_response", "warp_request", "warp_response", "replayed"]);
    drop(socket);
    house.close().await;
}

#[tokio::test]
async fn credentials_are_told_when_asked_for_as_they_are_and_as_they_change() {
    let secret = "wk-planted-secret";
    let house = hasty(SimulatorConfig::without_credentials().accepting(secret))
        .settings(|settings| {
            settings.warp_api_key = Some(secret.to_owned());
            settings.admin_key = Some("planted-secret-admin".to_owned());
        })
        .start()
        .await;
    let refused = connect(&house, "?credentials=true", &[]).await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 401));
    let mut socket = Socket::open(&house, "?key=planted-secret-admin&credentials=true").await;

    let mut frames = socket.until("credentials_shown").await;
    assert_eq!(names(&frames), ["credential_changed", "credentials_shown"]);
    let shown = frames[0]["credential"].clone();
    assert_eq!((&shown["state"], &shown["tier"]), (&json!("active"), &json!("personal")));
    for (action, state) in [("disable", "disabled"), ("recover", "active")] {
        let url = format!("http://{}/v1/{}:{action}", address(&house), shown["name"].as_str().unwrap());
        let request = house.http.post(url).header("x-admin-key", "planted-secret-admin");
        let done = request.header("content-type", "application/json").body("{}").send().await.unwrap();
        assert_eq!(done.status(), 200);
        loop {
            frames.extend(socket.until("credential_changed").await);
            if frames[frames.len() - 1]["credential"]["state"] == state {
                break;
            }
        }
    }
    assert!(!json!(frames).to_string().contains("planted-secret"));

    socket.say(json!({"command": "filter"})).await;
    let filtered = socket.until("filtered").await;
    assert_eq!(filtered[filtered.len() - 1]["filter"]["credentials"], false);
    drop(socket);
    house.close().await;
}

#[tokio::test]
async fn contents_are_in_frames_only_with_capture_and_secrets_never() {
    for capture in [false, true] {
        let config = SimulatorConfig::without_credentials().accepting("wk-planted-secret");
        let house = hasty(config)
            .settings(|settings| {
                settings.capture = Some(capture.to_string());
                settings.warp_api_key = Some("wk-planted-secret".to_owned());
                settings.admin_key = Some("planted-secret-admin".to_owned());
                settings.api_token = Some("planted-secret-client".to_owned());
            })
            .start()
            .await;
        let mut socket = Socket::open(&house, "?key=planted-secret-admin&stream_events=true").await;
        let chat = |body: Value| {
            let request = house.request("POST", "/v1/chat/completions");
            let request = request.header("authorization", "Bearer planted-secret-client");
            request.header("content-type", "application/json").body(body.to_string()).send()
        };

        chat(ask("say exactly: planted-answer")).await.unwrap();
        let mut frames = socket.until("exchange_finished").await;
        house.simulator.enqueue(Scenario::refuse(Refusal::new(400, "planted-secret-body")));
        chat(ask("planted-question")).await.unwrap();
        frames.extend(socket.until("exchange_finished").await);
        let encode = house.http.post(format!("http://{}/api/encode", address(&house)));
        let body = json!({"json_data": {"metadata": {"conversation_id": "planted-packet"}}});
        encode.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        frames.push(socket.frame().await);

        let text = json!(frames).to_string();
        for planted in ["planted-answer", "planted-question", "planted-packet"] {
            assert_eq!(text.contains(planted), capture, "{planted} with capture {capture}");
        }
        assert!(!text.contains("planted-secret"));
        let kinds = names(&frames);
        assert_eq!(kinds[kinds.len() - 1], "encode");
        assert!(kinds.contains(&"warp_error"));
        let response =
            &frames.iter().find(|frame| frame["packet"]["type"] == "warp_response").unwrap()["packet"];
        assert_eq!(response["full_data"]["response"] == "planted-answer", capture);

        let url = format!("http://{}/api/packets/history?limit=3", address(&house));
        let listed = house.http.get(url).header("x-admin-key", "planted-secret-admin").send().await.unwrap();
        let listed = json_of(listed).await;
        let kinds: Vec<_> =
            listed["packets"].as_array().unwrap().iter().map(|p| p["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["warp_request", "warp_error", "encode"]);
        assert_eq!((&listed["returned_count"], &listed["total_count"]), (&json!(3), &json!(5)));
        let text = listed.to_string();
        assert_eq!(text.contains("planted-question") && text.contains("planted-packet"), capture);
        assert!(!text.contains("planted-secret"));

        let mut free = Socket::open(&house, "?key=planted-secret-admin&without_content=true").await;
        free.say(json!({"command": "replay"})).await;
        let replayed = json!(free.until("replayed").await).to_string();
        assert!(!replayed.contains("planted"), "{replayed}");
        drop((socket, free));
        house.close().await;
    }
}

/// A socket never ends by itself, and must not keep the house from stopping, whether it is read or not.
#[tokio::test]
async fn the_house_stops_with_sockets_open() {
    let mut house = House::start().await;
    let mut read = Socket::open(&house, "").await;
    let _unread = Socket::open(&house, "").await;

    for running in house.take_running() {
        assert!(running.drain(std::future::pending()).await, "nothing had to be cut off");
    }

    let end = tokio::time::timeout(wait::PATIENCE, read.0.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = end else { panic!("{end:?}") };
    assert_eq!(u16::from(close.code), 1001);
}

#[tokio::test]
async fn bad_limits_of_the_list_are_refused() {
    let house = House::start().await;
    for (query, status) in
        [("", 200), ("?limit=0", 200), ("?limit=-1", 400), ("?limit=x", 400), ("?limit=1001", 400)]
    {
        let response =
            house.http.get(format!("http://{}/api/packets/history{query}", address(&house))).send().await;
        let answer = response.unwrap();
        assert_eq!(answer.status(), status, "{query}");
        if status == 400 {
            assert!(json_of(answer).await["detail"].as_str().unwrap().contains("limit"));
        }
    }
    tokio::time::timeout(Duration::from_secs(60), house.close()).await.unwrap();
}
