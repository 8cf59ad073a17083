//! Who is not meant to look gets nothing: no socket, no stream, no list, no data of the page's.

use futures_util::StreamExt as _;
use serde_json::json;
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, ask};

use super::address;

/// Everything that shows what happens in the house: the socket's list, the watches, and what the status page reads.
const PATHS: &[&str] = &[
    "/api/packets/history",
    "/api/auth/status",
    "/v1/exchanges",
    "/v1/exchanges/1",
    "/v1/exchanges:watch",
    "/v1/exchanges:watch?historySize=10&snapshotOnly=true",
    "/v1/credentials",
    "/v1/credentials:watch",
    "/v1/poolStatus",
    "/v1/auditEvents",
];

const ELSEWHERE: &str = "https://evil.example";

/// A house that has had a chat, with something to see.
async fn house(admin_key: Option<&str>) -> House {
    let builder = House::builder().settings(|settings| {
        settings.admin_key = admin_key.map(str::to_owned);
        settings.capture = Some("true".to_owned());
    });
    let house = builder.start().await;
    assert_eq!(house.chat(&ask("say exactly: planted")).await.0, 200);
    house
}

#[tokio::test]
async fn a_page_from_elsewhere_and_a_client_without_a_key_get_nothing() {
    for (admin_key, sent, statuses) in [
        (None, vec![("origin", ELSEWHERE)], &[403][..]),
        (None, vec![("origin", "null")], &[403][..]),
        // A name that somebody else made point to this machine.
        (None, vec![("host", "evil.example"), ("origin", "http://evil.example")], &[403][..]),
        (None, vec![("host", "evil.example")], &[403][..]),
        (Some("right"), vec![], &[401][..]),
        (Some("right"), vec![("x-admin-key", "wrong")], &[401][..]),
        // Whichever is looked at first.
        (Some("right"), vec![("origin", ELSEWHERE)], &[401, 403]),
    ] {
        let house = house(admin_key).await;
        for path in PATHS.iter().chain(&["/ws"]) {
            let request = house.http.get(format!("http://{}{path}", address(&house)));
            let request = sent.iter().fold(request, |request, (name, value)| request.header(*name, *value));

            let response = request.send().await.unwrap();

            let status = response.status().as_u16();
            assert!(statuses.contains(&status), "{path} {sent:?} gave {status}");
            assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
            // Whole, and not the beginning of a stream.
            let body = response.text().await.unwrap();
            assert!(body.contains("error") && body.contains("W2A_"), "{path} {sent:?}: {body}");
            for planted in ["planted", "exchanges/1", "credentials/", "right"] {
                assert!(!body.contains(planted), "{path} {sent:?}: {body}");
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn no_browser_lets_a_page_from_elsewhere_read_or_send_even_with_the_key() {
    let house = house(Some("right")).await;
    for path in PATHS {
        let url = format!("http://{}{path}", address(&house));
        // What a browser asks first, since the key is in a header of its own.
        let asked = house
            .http
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", ELSEWHERE)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "x-admin-key");
        let asked = asked.send().await.unwrap();
        assert!(!asked.headers().contains_key("access-control-allow-origin"), "{path}");
        assert!(!asked.headers().contains_key("access-control-allow-headers"), "{path}");

        // With the key and from nowhere in particular it is there: the paths above are no misspellings.
        let request = house.http.get(&url).header("x-admin-key", "right").send().await.unwrap();
        assert_eq!(request.status(), 200, "{path}");
    }
    // The page itself is for all; there is no data in it.
    let page = house.http.get(format!("http://{}/ui", address(&house))).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(!page.text().await.unwrap().contains("planted"));
    house.close().await;
}

/// The streams over HTTP tell what gRPC tells, message by message, while it happens.
#[tokio::test]
async fn a_watch_over_http_tells_what_the_socket_and_grpc_tell() {
    use warp2api_proto::warp_chat::v1::WatchExchangesRequest;
    use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
    use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;

    let house = House::start().await;
    let watch = house.http.get(format!("http://{}/v1/exchanges:watch?streamEvents=true", address(&house)));
    let watch = watch.send().await.unwrap();
    assert_eq!(
        (watch.status().as_u16(), &watch.headers()["content-type"]),
        (200, &"text/event-stream; charset=utf-8".parse().unwrap())
    );
    let mut watch = Live::new(watch);
    let mut client = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let wish = WatchExchangesRequest { stream_events: true, ..Default::default() };
    let mut grpc = client.watch_exchanges(wish).await.unwrap().into_inner();

    house.stream(&ask("say exactly: one two three")).await;

    let mut by_grpc = Vec::new();
    loop {
        let told = grpc.next().await.unwrap().unwrap();
        let last = matches!(told.event, Some(Event::ExchangeFinished(_)));
        if !matches!(told.event, Some(Event::Progressed(_) | Event::CaughtUp(_) | Event::Recalled(_))) {
            by_grpc.push((told.exchange.clone(), told.event_time.map(|time| time.to_string())));
        }
        if last {
            break;
        }
    }
    let mut by_http = Vec::new();
    loop {
        let frame = watch.frame().await.expect("it goes on");
        let Some(data) = frame.strip_prefix("data: ") else { continue };
        let told: serde_json::Value = serde_json::from_str(data).unwrap();
        if ["progressed", "caughtUp", "recalled"].iter().all(|other| told.get(other).is_none()) {
            by_http.push((
                told["exchange"].as_str().unwrap().to_owned(),
                told["eventTime"].as_str().map(str::to_owned),
            ));
        }
        if told.get("exchangeFinished").is_some() {
            assert_eq!(told["exchangeFinished"]["exchange"]["state"], json!("EXCHANGE_STATE_SUCCEEDED"));
            break;
        }
    }
    assert!(by_grpc.len() > 6, "{by_grpc:?}");
    assert_eq!(by_http, by_grpc);
    drop((watch, grpc));
    house.close().await;
}
