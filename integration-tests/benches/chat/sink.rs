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

/// Waits until something came from each subject that sends traces, and looks whether that is all of them.
///
/// # Errors
/// When nothing comes, or not all: then it was not measured what sending costs.
pub(crate) async fn check(subjects: &[Subject]) -> anyhow::Result<()> {
    for (collector, metrics) in subjects.iter().filter_map(|subject| subject.collector) {
        let end = Instant::now() + PATIENCE;
        while ask(collector, "/count").await?.parse::<u64>().context("not a number")? == 0 {
            if Instant::now() > end {
                bail!("no trace came");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let missing = missing(&ask(metrics, "/metrics").await?);
        if missing > 0.0 {
            bail!("{missing} spans were dropped or not taken");
        }
    }
    Ok(())
}

/// How many spans ended and did not come, by what `/metrics` says.
fn missing(metrics: &str) -> f64 {
    let of_spans = |line: &&str| {
        ["otel_sdk_processor_span_processed_total{", "otel_sdk_exporter_span_exported_total{"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let failed = metrics.lines().filter(of_spans).filter(|line| line.contains("error_type="));
    failed.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = http::Request::get(path).header(http::header::HOST, "bench");
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new())?).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}
