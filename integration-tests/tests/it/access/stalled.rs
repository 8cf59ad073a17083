//! Callers who stand still: they read nothing, or stop in the middle of what they send. What they hold is given to others
//! within bounds, also where a protocol would let them hold it for ever.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use warp2api_integration_tests::wait::{self, PATIENCE};
use warp2api_integration_tests::{House, ask};

/// More than all that sockets hold.
const LONG: &str = "stream 4000 chunks of 16000 bytes every 0 ms";

fn long() -> String {
    json!({ "model": "auto", "stream": true, "messages": [{ "role": "user", "content": LONG }] }).to_string()
}

async fn impatient() -> House {
    let builder = House::builder().settings(|settings| {
        settings.reader_timeout = Some("0.4".to_owned());
        settings.max_requests = Some("2".to_owned());
        settings.max_waiting = Some("0".to_owned());
    });
    builder.start().await
}

async fn all_is_free_again(house: &House) {
    wait::until("the upstream sees it", || house.record().abandoned() == 2).await;
    house.settle().await;
    assert_eq!(house.leases().await, 0);
    let (status, answer) = house.chat(&ask("say exactly: fine")).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("fine")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_an_answer_does_not_keep_its_place() {
    let house = impatient().await;
    let port = house.edge.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&port).await.unwrap();
        let head =
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{}", long().len(), long());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }

    all_is_free_again(&house).await;

    for mut stream in held {
        // What was on its way is there, and then it is over: cut off, and not looking whole.
        let mut rest = Vec::new();
        drop(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection was kept"));
        assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));
    }
    house.close().await;
}

/// HTTP/2 goes on answering pings, and holds back only the stream that is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_never_read_ends_and_the_connection_serves_on() {
    let house = impatient().await;
    let port = house.edge.trim_start_matches("http://").to_owned();
    let stream = TokioIo::new(TcpStream::connect(&port).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut open = JoinSet::new();
    open.spawn(connection);
    let request = |path: &str, body: String| {
        let request = Request::builder().method("POST").uri(format!("http://{port}{path}"));
        request.header("content-type", "application/json").body(Full::new(Bytes::from(body))).unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let answer = sender.send_request(request("/v1/chat/completions", long())).await.unwrap();
        assert_eq!(answer.status(), 200);
        held.push(answer);
    }

    all_is_free_again(&house).await;

    let asked = request("/v1/chat/completions", ask("say exactly: here").to_string());
    let answer = sender.send_request(asked).await.expect("the connection lives");
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&answer).contains("here"));
    for answer in held {
        let read = timeout(PATIENCE, answer.into_body().collect()).await.expect("it ends");
        assert!(read.is_err(), "it does not look whole");
    }
    house.close().await;
}

/// A message of gRPC that never becomes whole.
#[tokio::test]
async fn a_call_whose_message_stops_in_the_middle_ends() {
    let builder = House::builder().tune(|config| {
        config.security.serve.body_silence = Duration::from_millis(300);
    });
    let house = builder.start().await;
    let port = house.codec.to_string();
    let stream = TokioIo::new(TcpStream::connect(&port).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut open = JoinSet::new();
    open.spawn(connection);
    let beginning = Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0, 0, 0, 3])));
    let body = StreamBody::new(stream::iter([beginning]).chain(stream::pending()));
    let request = Request::builder()
        .method("POST")
        .uri(format!("http://{port}/warp2api.codec.v1.Codec/EncodeMessage"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");

    let answer = timeout(PATIENCE, sender.send_request(request.body(body).unwrap())).await;

    let answer = answer.expect("it is waited for").unwrap();
    assert_eq!(answer.headers()["grpc-status"], "3", "{answer:?}");
    house.close().await;
}

#[tokio::test]
async fn bodies_that_are_sent_at_once_have_bounds_together() {
    let builder = House::builder().settings(|settings| settings.body_memory = Some("200000".to_owned()));
    let house = builder.start().await;
    let port = house.warp_chat.to_string();
    let path = "/v1/messageTypes/warp.multi_agent.v1.Request:encode";
    let half = |length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut first = TcpStream::connect(&port).await.unwrap();
    first.write_all(half(150_001).as_bytes()).await.unwrap();
    first.write_all(&[b' '; 150_000]).await.unwrap();
    let large = || {
        let request = house.http.post(format!("http://{port}{path}"));
        request.header("content-type", "application/json").body(vec![b' '; 150_000]).send()
    };

    // The bytes of the first are under way.
    let mut refused = large().await.unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    while refused.status() != 503 {
        assert!(tokio::time::Instant::now() < end, "both were let in");
        refused = large().await.unwrap();
    }
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains("OVERLOADED"));
    let chat = house.chat(&ask("say exactly: small")).await;
    assert_eq!(chat.0, 200, "what is small has room");

    drop(first);

    let end = tokio::time::Instant::now() + PATIENCE;
    while large().await.unwrap().status() == 503 {
        assert!(tokio::time::Instant::now() < end, "what was held is not given back");
    }
    house.close().await;
}
