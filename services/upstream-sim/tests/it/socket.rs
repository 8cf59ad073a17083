//! The simulator behind a socket: what the HTTP server makes of its bodies.

use std::net::SocketAddr;

use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use warp2api_upstream_sim::{Cut, EmbeddedCredential, Refusal, Scenario, Simulator};

use crate::client::{SOON, request, simulator};

/// Serves the simulator while `client` talks to it.
async fn serve<T>(simulator: &Simulator, client: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = axum::serve(listener, simulator.router());
    tokio::select! {
        served = server.into_future() => panic!("the server ended: {served:?}"),
        answer = client(address) => answer,
    }
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let body = request(text).encode_to_vec();
    let head = format!(
        "POST /ai/multi-agent HTTP/1.1\r\nhost: upstream\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        EmbeddedCredential::API_KEY,
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    stream
}

async fn receive(address: SocketAddr, text: &str) -> String {
    let mut received = Vec::new();
    send(address, text).await.read_to_end(&mut received).await.unwrap();
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn a_whole_answer_counts_as_finished() {
    let simulator = simulator();
    let answer = serve(&simulator, async |address| receive(address, "hi").await).await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("0\r\n\r\n"));
    assert_eq!((simulator.record().finished(), simulator.record().abandoned()), (1, 0));
}

#[tokio::test]
async fn a_refusal_has_a_length_and_counts_as_finished() {
    let simulator = simulator();
    simulator.enqueue(Scenario::refuse(Refusal::overloaded()));
    let answer = serve(&simulator, async |address| receive(address, "hi").await).await;

    assert!(
        answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n") && answer.contains("content-length: 14\r\n")
    );
    assert_eq!((simulator.record().finished(), simulator.record().abandoned()), (1, 0));
}

#[tokio::test]
async fn a_broken_connection_lacks_the_last_chunk() {
    let simulator = simulator();
    simulator.enqueue(Scenario::usual().cut_after(2, Cut::Error));
    let answer = serve(&simulator, async |address| receive(address, "hi").await).await;

    assert!(answer.contains("event:data") && !answer.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_peer_that_leaves_is_noticed() {
    let simulator = simulator();
    let left = serve(&simulator, async |address| {
        let mut stream = send(address, "stream 1000 chunks of 5 bytes every 20 ms").await;
        let mut first = [0; 16];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(simulator.record().running(), 1);
        drop(stream);
        simulator.record().wait_until(|record| record.abandoned() == 1, SOON).await
    });

    assert_eq!(left.await, Ok(()));
    assert_eq!(simulator.record().running(), 0);
}
