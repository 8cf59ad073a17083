//! Requests as they are written on the wire, targets included: no client tidies them up.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use warp2api_integration_tests::wait::PATIENCE;

use super::doors::Door;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Who asks may not.
    Refused,
    /// There is no such path, or not with that method.
    NothingThere,
    /// Anything else, be it that what was sent is wrong.
    LetIn,
}

/// An answer: its head, and what comes after it where that says why.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    grpc: Option<String>,
    body: String,
}

impl Answer {
    pub(super) fn outcome(&self) -> Outcome {
        // The reasons of paths that are not there, in the words of either port.
        let not_there = |code: &str| self.body.contains(code);
        match (self.status, self.grpc.as_deref()) {
            (401 | 403, _) | (200, Some("16" | "7")) => Outcome::Refused,
            (405 | 415, _) | (200, Some("12")) => Outcome::NothingThere,
            (404, _)
                if not_there("unknown_url") || not_there("there is nothing at") || self.body.is_empty() =>
            {
                Outcome::NothingThere
            }
            // A question about methods, answered without a word.
            (204, _) if self.body.is_empty() => Outcome::NothingThere,
            _ => Outcome::LetIn,
        }
    }

    /// Whether it has anything in it that is not for everybody.
    pub(super) fn tells_something(&self) -> bool {
        ["accessToken", "access_token", "wk-", "eyJ"].iter().any(|word| self.body.contains(word))
    }
}

/// A connection that is used again.
pub(super) struct Wire {
    authority: String,
    sender: http1::SendRequest<Full<Bytes>>,
    /// What moves its bytes.
    moving: JoinSet<hyper::Result<()>>,
}

impl Wire {
    pub(super) async fn connect(authority: &str) -> Self {
        let mut moving = JoinSet::new();
        let sender = dial(authority, &mut moving).await;
        Self { authority: authority.to_owned(), sender, moving }
    }

    /// Asks for what is behind a door. What does not end is left after its head.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        door: &Door,
    ) -> Answer {
        if self.sender.ready().await.is_err() {
            self.sender = dial(&self.authority, &mut self.moving).await;
        }
        let request = http::Request::builder().method(method).uri(target);
        let request = request.header("host", &self.authority).header("content-type", door.content_type);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(Bytes::from(door.body.clone()))).unwrap();
        let answered = tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await;
        read(answered.expect("it hangs").unwrap()).await
    }
}

async fn dial(authority: &str, moving: &mut JoinSet<hyper::Result<()>>) -> http1::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(authority).await.unwrap());
    let (sender, connection) = http1::handshake(io).await.unwrap();
    moving.spawn(connection);
    sender
}

/// The same over HTTP/2, as gRPC's clients and browsers speak it.
pub(super) async fn by_http_2(authority: &str, door: &Door, headers: &[(&str, &str)]) -> Outcome {
    let io = TokioIo::new(TcpStream::connect(authority).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let mut moving = JoinSet::new();
    moving.spawn(connection);
    let request =
        http::Request::builder().method(door.method).uri(format!("http://{authority}{}", door.path));
    let request = request.header("content-type", door.content_type).header("te", "trailers");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Full::new(Bytes::from(door.body.clone()))).unwrap();
    let answered = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    read(answered.expect("it hangs").unwrap()).await.outcome()
}

async fn read(answer: http::Response<Incoming>) -> Answer {
    let status = answer.status().as_u16();
    let grpc = answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    if status < 300 && grpc.is_none() {
        // Let in, and what comes now may never end.
        return Answer { status, grpc, body: String::new() };
    }
    let whole = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await;
    let body = whole.expect("it hangs").unwrap().to_bytes();
    Answer { status, grpc, body: String::from_utf8_lossy(&body).into_owned() }
}
