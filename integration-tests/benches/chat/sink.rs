//! A collector that forgets: it takes what is sent and counts the bytes, so that the traced house has somebody to send to
//! and a house that sends nothing is noticed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::extract::{Request, State};
use axum::routing::get;
use futures_util::StreamExt as _;
use http::StatusCode;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;

use crate::subject::Subject;

/// How long the first traces may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

type Count = Arc<AtomicU64>;

/// Starts it and tells where it listens.
pub(crate) async fn start() -> anyhow::Result<String> {
    let router = axum::Router::new()
        .route("/count", get(|State(count): State<Count>| async move { told(&count) }))
        .fallback(take)
        .with_state(Count::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = async move { drop(axum::serve(listener, router).await) };
    drop(tokio::runtime::Handle::current().spawn(serving));
    Ok(address.to_string())
}

fn told(count: &Count) -> String {
    count.load(Ordering::Relaxed).to_string()
}

async fn take(State(count): State<Count>, request: Request) -> StatusCode {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(piece)) = body.next().await {
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    StatusCode::OK
}

/// Waits until something came from each subject that sends traces.
///
/// # Errors
/// When nothing comes: then nothing was measured.
pub(crate) async fn check(subjects: &[Subject]) -> anyhow::Result<()> {
    for collector in subjects.iter().filter_map(|subject| subject.collector) {
        let end = Instant::now() + PATIENCE;
        while count(collector).await? == 0 {
            if Instant::now() > end {
                bail!("no trace came");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// How many bytes came.
async fn count(collector: SocketAddr) -> anyhow::Result<u64> {
    let socket = tokio::net::TcpStream::connect(collector).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = http::Request::get("/count").header(http::header::HOST, "sink");
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new())?).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    std::str::from_utf8(&body)?.parse().context("not a number")
}
