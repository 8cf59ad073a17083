//! How the house stops: what runs may finish, nothing new comes in, and whoever is in a hurry is not kept waiting.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use warp2api_integration_tests::sse::Frames;
use warp2api_integration_tests::{House, HouseBuilder, Topology, json_of, wait};
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::{Message, Part, Role, StreamChatRequest, part};
use warp2api_rpc::listener::Address;
use warp2api_upstream_sim::{ExchangeScenario, Scenario, Simulator};

const STREAMS: usize = 50;
/// Words over two seconds, so that the stop falls into the middle.
const WORDS: u32 = 40;

fn paced() -> Scenario {
    Scenario::chunks(WORDS, "word ", Duration::from_millis(50))
}

fn hello(stream: bool) -> serde_json::Value {
    json!({"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

/// A house with streams that have begun.
async fn with_streams(builder: HouseBuilder, count: usize, scenario: Scenario) -> (House, JoinSet<String>) {
    let house = builder.start().await;
    house.simulator.enqueue_times(count, &scenario);
    let body = hello(true);
    let begun = join_all((0..count).map(|_| house.post(&body))).await;
    let mut streams = JoinSet::new();
    for response in begun {
        assert_eq!(response.status(), 200);
        streams.spawn(read(response));
    }
    (house, streams)
}

/// Everything that comes, also if the connection breaks.
async fn read(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn port(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

async fn refuses_connections(address: &str) -> bool {
    let connecting = TcpStream::connect(address);
    !matches!(tokio::time::timeout(wait::PATIENCE, connecting).await, Ok(Ok(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_loses_no_stream_and_takes_no_new_connection() {
    let (mut house, streams) = with_streams(House::builder(), STREAMS, paced()).await;
    let (edge, record) = (port(&house.edge), house.record().clone());
    let Address::Tcp(grpc) = house.warp_chat.clone() else { panic!("it listens on TCP") };
    let running = house.take_running().pop().expect("it runs");

    let draining = TaskTracker::new().spawn(running.drain(std::future::pending()));
    let closed = async {
        while !(refuses_connections(&edge).await && refuses_connections(&grpc).await) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(wait::PATIENCE, closed).await.expect("the doors close");
    assert!(record.running() > 0, "and still they go on");

    for text in streams.join_all().await {
        let frames = Frames::parse(&text);
        assert!(frames.done, "{text}");
        assert_eq!(frames.text().split_whitespace().count(), WORDS as usize);
        assert_eq!(frames.finish_reason(), Some("stop"));
    }
    let finished =
        tokio::time::timeout(wait::PATIENCE, draining).await.expect("it ends").expect("it is well");
    assert!(finished, "everything finished on its own");
    assert_eq!((record.finished(), record.abandoned()), (STREAMS as u64, 0));
}

/// What the end of the drain timeout does, and a second Ctrl-C before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_a_hurry_ends_what_runs() {
    for second_stop in [false, true] {
        let drain_timeout = if second_stop { wait::PATIENCE } else { Duration::from_millis(100) };
        let builder = House::builder().tune(move |config| config.drain_timeout = drain_timeout);
        let (mut house, streams) = with_streams(builder, 3, paced().stall_after(8)).await;
        let record = house.record().clone();
        let running = house.take_running().pop().expect("it runs");
        let hurry = async move {
            if !second_stop {
                std::future::pending().await
            }
        };

        let finished = tokio::time::timeout(wait::PATIENCE / 2, running.drain(hurry)).await;

        assert_eq!(finished, Ok(false), "something had to be ended");
        for text in streams.join_all().await {
            assert!(!text.contains("[DONE]"), "an answer that was cut off does not look whole: {text}");
            let frames = Frames::parse(&text);
            let error = frames.error().expect("it ends with a word");
            assert_eq!(error["code"], "shutting_down", "{text}");
        }
        wait::until("the upstream sees it", || record.abandoned() == 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_grpc_streams_too() {
    let mut house = House::start().await;
    house.simulator.enqueue(paced());
    let mut chat = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let part = Part { content: Some(part::Content::Text("hello".to_owned())) };
    let message = Message { role: Role::User.into(), parts: vec![part] };
    let request = StreamChatRequest { messages: vec![message], ..StreamChatRequest::default() };
    let mut stream = chat.stream_chat(request.clone()).await.expect("an answer").into_inner();
    let running = house.take_running().pop().expect("it runs");

    let draining = TaskTracker::new().spawn(running.drain(std::future::pending()));
    let mut last = None;
    while let Some(event) = stream.message().await.expect("it goes well") {
        last = event.event;
    }

    assert!(matches!(last, Some(Event::Finished(_))), "{last:?}");
    let finished =
        tokio::time::timeout(wait::PATIENCE, draining).await.expect("it ends").expect("it is well");
    assert!(finished);
    assert!(chat.stream_chat(request).await.is_err(), "nobody is there");
}

/// The pool asks for tokens in the background; that is no reason to wait either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_exchange_that_stalls_does_not_hold_a_stop_up() {
    let builder = House::builder().remote_upstream();
    let builder = builder.settings(|s| s.warp_refresh_token = Some("a-refresh-token".to_owned()));
    let simulator = Simulator::default();
    simulator.on_refresh_token("a-refresh-token", ExchangeScenario::stall());
    let mut house = builder.simulator(simulator).start().await;
    let (http, url) = (house.http.clone(), format!("{}/v1/chat/completions", house.edge));
    let waiting =
        TaskTracker::new().spawn(async move { http.post(url).body(hello(false).to_string()).send().await });
    wait::until("the token endpoint is asked", || !house.record().exchanges().is_empty()).await;

    for running in house.take_running().into_iter().rev() {
        let stopping = running.drain(tokio::time::sleep(Duration::from_millis(50)));
        assert!(tokio::time::timeout(wait::PATIENCE / 4, stopping).await.is_ok(), "it does not end");
    }

    let answered = tokio::time::timeout(wait::PATIENCE, waiting).await.expect("it ends").expect("it is well");
    assert!(!answered.is_ok_and(|answer| answer.status().is_success()), "there was no credential");
}

/// Connections that idle are no reason to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_hold_a_stop_up() {
    let mut house = House::start().await;
    assert_eq!(house.chat(&hello(false)).await.0, 200);
    let idle_http = TcpStream::connect(port(&house.edge)).await.expect("it listens");
    let _idle_grpc = house.channel(&house.warp_chat).await;
    let running = house.take_running().pop().expect("it runs");

    let drained = tokio::time::timeout(wait::PATIENCE, running.drain(std::future::pending())).await;

    assert_eq!(drained, Ok(true));
    drop(idle_http);
}

/// The edge says what has happened, to those in the middle of an answer and to those who come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_whose_chat_service_is_gone_says_so() {
    for streaming in [0, 5] {
        let (mut house, streams) =
            with_streams(House::builder().topology(Topology::Tcp), streaming, paced()).await;
        assert_eq!(house.chat(&hello(false)).await.0, 200);
        let mut parts = house.take_running();
        // The order in which the house opens them: upstream, pool, codec, chat, edge.
        let chat = parts.remove(3);

        // Without a stream it ends by itself, with streams it is ended.
        let hurry = async move {
            if streaming == 0 {
                std::future::pending().await
            }
        };
        assert_eq!(chat.drain(hurry).await, streaming == 0);

        for _ in 0..20 {
            let (status, body) = house.chat(&hello(false)).await;
            assert_eq!((status, &body["error"]["code"]), (503, &json!("service_unreachable")), "{body}");
        }
        for text in streams.join_all().await {
            let frames = Frames::parse(&text);
            let error = frames.error().expect("the answer broke off");
            assert_eq!((&error["code"], frames.done), (&json!("shutting_down"), false), "{text}");
        }
        for running in parts.into_iter().rev() {
            let stopping = running.drain(std::future::ready(()));
            assert!(tokio::time::timeout(wait::PATIENCE, stopping).await.is_ok(), "a part does not end");
        }
    }
}

/// Five processes stopped in any order end, each within its bound, whoever still needs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_stop_in_any_order() {
    for reversed in [false, true] {
        let (mut house, streams) = with_streams(House::builder().topology(Topology::Tcp), 5, paced()).await;
        let mut parts = house.take_running();
        if reversed {
            parts.reverse();
        }

        for running in parts {
            let stopping = running.drain(tokio::time::sleep(Duration::from_millis(300)));
            assert!(tokio::time::timeout(wait::PATIENCE, stopping).await.is_ok(), "a part does not end");
        }

        let texts =
            tokio::time::timeout(wait::PATIENCE, streams.join_all()).await.expect("every stream ends");
        for text in texts {
            // Whole, or ended by an error; never cut as if it were whole.
            assert!(!text.contains("[DONE]") || Frames::parse(&text).done, "{text}");
        }
    }
}

/// Each dialect has a last word of its own, in one process and in five; whole answers are errors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_out_of_time_ends_in_the_words_of_its_dialect() {
    for topology in [Topology::InProcess, Topology::Tcp] {
        let mut house = House::builder().topology(topology).start().await;
        house.simulator.enqueue_times(5, &paced().stall_after(8));
        let messages = json!([{"role": "user", "content": "hello"}]);
        let mut answers = Vec::new();
        for (path, body, last_word) in [
            ("/v1/chat/completions", json!({"messages": messages}), r#""code":"shutting_down""#),
            ("/v1/responses", json!({"input": "hello"}), "event: response.failed"),
            ("/v1/messages", json!({"messages": messages, "max_tokens": 99}), "event: error"),
            ("/v1/completions", json!({"prompt": "hello"}), r#""code":"shutting_down""#),
        ] {
            let mut body = body;
            (body["model"], body["stream"]) = (json!("auto"), json!(true));
            let request = house.request("POST", path).header("content-type", "application/json");
            let response = request.body(body.to_string()).send().await.expect("it answers");
            assert_eq!(response.status(), 200, "{path}");
            answers.push((path, last_word, response));
        }
        let whole = house.http.post(format!("{}/v1/chat/completions", house.edge));
        let whole = whole.header("content-type", "application/json").body(hello(false).to_string());
        let whole = TaskTracker::new().spawn(whole.send());
        let record = house.record().clone();
        wait::until("all of them run", || record.running() == 5).await;
        let mut parts = house.take_running();

        let edge = parts.pop().expect("the edge is opened last");
        let stopping = edge.drain(tokio::time::sleep(Duration::from_millis(100)));
        let (finished, whole) = tokio::join!(stopping, whole);

        assert!(!finished);
        let whole = whole.expect("it is well").expect("it is answered");
        assert_eq!((whole.status().as_u16(), whole.headers().contains_key("retry-after")), (503, true));
        for (path, last_word, response) in answers {
            let text = read(response).await;
            let (_, end) = text
                .rsplit_once("\n\n")
                .map_or(("", text.as_str()), |_| text.trim_end().rsplit_once("\n\n").unwrap_or(("", &text)));
            assert!(end.contains(last_word) && end.contains("shutting down"), "{topology:?} {path}: {text}");
        }
        for running in parts.into_iter().rev() {
            assert!(
                tokio::time::timeout(wait::PATIENCE, running.drain(std::future::ready(()))).await.is_ok()
            );
        }
    }
}

/// Load balancers need a moment to notice; who they send meanwhile is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_the_drain_window_is_served() {
    let builder = House::builder().tune(|config| config.drain_window = wait::PATIENCE);
    let mut house = builder.start().await;
    assert_eq!(house.request("GET", "/readyz").send().await.unwrap().status(), 200);
    let running = house.take_running().pop().expect("it runs");
    let readiness = running.readiness().clone();
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let draining = TaskTracker::new().spawn(running.drain(async {
        drop(closed.await);
    }));
    wait::until("it is told", || readiness.get().is_err()).await;

    let refused = house.request("GET", "/readyz").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(json_of(refused).await["reason"], "shutting_down");
    assert_eq!(house.request("GET", "/livez").send().await.unwrap().status(), 200);
    assert_eq!(house.chat(&hello(false)).await.0, 200);

    drop(close);
    tokio::time::timeout(wait::PATIENCE, draining).await.expect("it ends").expect("it is well");
}
