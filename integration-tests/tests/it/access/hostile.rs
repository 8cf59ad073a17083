//! Clients that mean no good: slow, endless, huge, and too many at once. They are refused within bounds, and those who
//! come after them are served.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use warp2api_integration_tests::wait::PATIENCE;
use warp2api_integration_tests::{House, ask, json_of};
use warp2api_server::settings::Settings;

async fn serves(house: &House) {
    let (status, answer) = house.chat(&ask("say exactly: fine")).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("fine")));
}

fn edge(house: &House) -> String {
    house.edge.trim_start_matches("http://").to_owned()
}

/// Both ports.
fn ports(house: &House) -> [String; 2] {
    [edge(house), house.warp_chat.to_string()]
}

async fn connect(port: &str) -> TcpStream {
    TcpStream::connect(port).await.unwrap()
}

/// What comes until the other side closes, which it has to.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut found = Vec::new();
    let read =
        timeout(PATIENCE, stream.read_to_end(&mut found)).await.expect("the connection was not closed");
    // To be cut off is to be closed.
    drop(read);
    found
}

#[tokio::test]
async fn who_sends_nothing_or_too_slowly_is_hung_up_on() {
    let house =
        House::builder().settings(|settings| settings.header_timeout = Some("0.3".to_owned())).start().await;
    for port in ports(&house) {
        for beginning in [
            // Nothing, the beginning of either protocol, half a head, a preface with nothing after it.
            &b""[..],
            b"P",
            b"PRI * HTTP/2.0\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx: ",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ] {
            let mut stream = connect(&port).await;
            stream.write_all(beginning).await.unwrap();
            rest(&mut stream).await;
        }
        let mut idle = connect(&port).await;
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = rest(&mut idle).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "one that idles after its answer is closed as well");

        // A byte now and then does not help.
        let mut slow = connect(&port).await;
        let dripping = async {
            for byte in b"GET / HTTP/1.1\r\nhost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle() {
                if slow.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, dripping).await.expect("it was let drip");
    }
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn who_asks_nothing_any_more_is_closed_and_a_stream_is_never_idle() {
    let quick = |settings: &mut Settings| {
        settings.header_timeout = Some("0.2".to_owned());
        settings.idle_timeout = Some("0.5".to_owned());
    };
    let house = House::builder().settings(quick).start().await;
    let chat = json!({
        "model": "auto",
        "stream": true,
        "messages": [{ "role": "user", "content": "stream 20 chunks of 8 bytes every 100 ms" }],
    });
    for port in ports(&house) {
        let (executor, io) = (TokioExecutor::new(), TokioIo::new(connect(&port).await));
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        let mut open = JoinSet::new();
        open.spawn(connection);
        let asked = [("GET", "/healthz", String::new()), ("POST", "/v1/chat/completions", chat.to_string())];
        for (method, path, body) in asked.into_iter().take(if port == edge(&house) { 2 } else { 1 }) {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://{port}{path}"))
                .header("content-type", "application/json");
            let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200);
            let answer = answer.into_body().collect().await.expect("it was cut off").to_bytes();
            assert!(method == "GET" || answer.ends_with(b"data: [DONE]\n\n"), "{answer:?}");
        }

        let ended = timeout(PATIENCE, open.join_next()).await.expect("the idle connection was kept");
        let ended = ended.unwrap().unwrap();

        assert!(ended.is_ok(), "it was said beforehand: {ended:?}");
        assert!(sender.is_closed());
    }
    house.close().await;
}

#[tokio::test]
async fn heads_may_be_as_large_as_the_settings_say() {
    let small = |settings: &mut Settings| {
        settings.max_head_bytes = Some("8192".to_owned());
        settings.max_headers = Some("16".to_owned());
    };
    let (house, usual) = (House::builder().settings(small).start().await, House::start().await);
    let many: String = (0..20).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(20_000));
    for headers in [many, long] {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
        for (port, expected) in ports(&house)
            .iter()
            .map(|port| (port, "431"))
            .chain(ports(&usual).iter().map(|port| (port, "200")))
        {
            let mut stream = connect(port).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            let answer = rest(&mut stream).await;
            assert!(answer.starts_with(format!("HTTP/1.1 {expected}").as_bytes()), "{port}");
        }
    }
    house.close().await;
    usual.close().await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let house = House::start().await;
    let many: String = (0..500).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(1024 * 1024));
    let url = "a".repeat(200_000);
    for port in ports(&house) {
        for (head, expected) in [
            (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), &["431"][..]),
            (format!("GET / HTTP/1.1\r\nhost: a\r\n{long}\r\n"), &["431"]),
            (format!("GET /{url} HTTP/1.1\r\nhost: a\r\n\r\n"), &["414", "431"]),
        ] {
            let mut stream = connect(&port).await;
            // It may be cut off while it still sends.
            drop(stream.write_all(head.as_bytes()).await);
            let answer = rest(&mut stream).await;
            let status = answer.get(9..12).map(|status| String::from_utf8_lossy(status).into_owned());
            // Whoever still sends when it is cut off may not get to read why; what is sent at once does.
            let is_small = head.len() < 16 * 1024;
            assert!(
                status.as_deref().map_or(!is_small, |status| expected.contains(&status)),
                "{status:?} for {} bytes",
                head.len()
            );
        }
    }
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let huge = http2.get(format!("{}/v1/models", house.edge)).header("x", "a".repeat(200_000)).send().await;
    assert!(huge.map_or(true, |response| response.status() == 431));
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn a_gigabyte_is_not_read() {
    let house = House::start().await;
    const CHUNK: usize = 1024 * 1024;
    for announced in [true, false] {
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let chunks = stream::iter((0..1024).map(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, io::Error>(Frame::data(Bytes::from_static(&[b' '; CHUNK])))
        }));
        let request =
            house.request("POST", "/v1/chat/completions").body(reqwest::Body::wrap(StreamBody::new(chunks)));
        let request = if announced { request.header("content-length", 1024 * CHUNK) } else { request };

        let answer = timeout(PATIENCE, request.send()).await.expect("it is cut off");

        // Whoever does not read while it sends may see only the hang-up.
        if let Ok(answer) = answer {
            assert_eq!(answer.status(), 413);
            assert_eq!(json_of(answer).await["error"]["code"], "request_too_large");
        }
        let sent = sent.load(std::sync::atomic::Ordering::Relaxed);
        assert!(sent < 300, "{sent} MB were taken");
    }
    serves(&house).await;
    house.close().await;
}

/// A body of gzip that becomes `size` zeros.
async fn bomb(size: usize) -> Vec<u8> {
    use async_compression::tokio::write::GzipEncoder;
    let mut encoder = GzipEncoder::new(Vec::new());
    let zeros = vec![b' '; 1024 * 1024];
    for _ in 0..size / zeros.len() {
        encoder.write_all(&zeros).await.unwrap();
    }
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bombs_are_not() {
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
    let house = House::start().await;
    let text = ask("say exactly: small").to_string();
    macro_rules! compressed {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(text.as_bytes()).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    let post = async |coding: &str, body: Vec<u8>| {
        let request = house.request("POST", "/v1/chat/completions").header("content-encoding", coding);
        request.body(body).send().await.unwrap()
    };
    for (coding, body) in [
        ("gzip", compressed!(GzipEncoder)),
        ("br", compressed!(BrotliEncoder)),
        ("zstd", compressed!(ZstdEncoder)),
        ("deflate", compressed!(ZlibEncoder)),
    ] {
        let answer = json_of(post(coding, body).await).await;
        assert_eq!(answer["choices"][0]["message"]["content"], "small", "{coding}");
    }
    let bomb = bomb(128 * 1024 * 1024).await;
    assert!(bomb.len() < 256 * 1024);
    for (coding, body, status) in [
        ("gzip", bomb.clone(), 413),
        ("gzip", b"no gzip".to_vec(), 400),
        ("compress", bomb.clone(), 415),
        ("gzip, gzip", bomb.clone(), 415),
    ] {
        let refused = post(coding, body).await;
        assert_eq!(refused.status().as_u16(), status, "{coding}");
        assert!(json_of(refused).await["error"]["code"].is_string());
    }
    let bridge = format!("http://{}/v1/chatModels/auto:streamChat", house.warp_chat);
    let sent =
        house.http.post(bridge).header("content-type", "application/json").header("content-encoding", "gzip");
    let refused = sent.body(bomb).send().await.unwrap();
    assert!(refused.status().is_client_error(), "{}", refused.status());
    serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_in_a_row_end_the_connection() {
    let house = House::start().await;
    for port in ports(&house) {
        let mut stream = connect(&port).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // `GET /healthz` from the static table and literals, at once taken back.
        let mut block = vec![0x82, 0x86, 0x04, 8];
        block.extend_from_slice(b"/healthz");
        block.extend_from_slice(&[0x41, 1, b'a']);
        let flood = async {
            for number in 0..200_000_u32 {
                let id = (number * 2 + 1).to_be_bytes();
                let mut frames = vec![0, 0, u8::try_from(block.len()).unwrap(), 1, 5];
                frames.extend_from_slice(&id);
                frames.extend_from_slice(&block);
                frames.extend_from_slice(&[0, 0, 4, 3, 0]);
                frames.extend_from_slice(&id);
                frames.extend_from_slice(&8_u32.to_be_bytes());
                if stream.write_all(&frames).await.is_err() {
                    return true;
                }
            }
            false
        };
        assert!(timeout(PATIENCE, flood).await.expect("it goes on"), "it was let go on");
        serves(&house).await;
    }
    house.close().await;
}

/// A GET on a connection that is kept: its status, and the connection.
async fn get(port: &str, path: &str) -> (String, TcpStream) {
    let mut stream = connect(port).await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

#[tokio::test]
async fn connections_are_bounded_and_who_finds_no_room_hears_so_at_once() {
    let house =
        House::builder().settings(|settings| settings.max_connections = Some("4".to_owned())).start().await;
    for port in ports(&house) {
        let mut held = Vec::new();
        for _ in 0..4 {
            let (head, stream) = get(&port, "/healthz").await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            held.push(stream);
        }

        let (head, mut refused) = get(&port, "/v1/models").await;
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1"), "{head}");
        assert!(String::from_utf8(rest(&mut refused).await).unwrap().contains(r#""code":"overloaded""#));
        for probe in ["/livez", "/readyz", "/healthz"] {
            let (head, _) = get(&port, probe).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        }

        drop(held.pop());

        let end = tokio::time::Instant::now() + PATIENCE;
        while get(&port, "/v1/chatModels").await.0.starts_with("HTTP/1.1 503 ") {
            assert!(tokio::time::Instant::now() < end, "the place is not given to others");
        }
    }
    house.close().await;
}
