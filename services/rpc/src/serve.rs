//! The accept loop of every listener: HTTP/1.1 and HTTP/2 (prior knowledge) on one port, with limits set on purpose
//! and a stop in two stages.
//!
//! One loop for the edge and for gRPC, so that both have the same limits and stop the same way. It does not know what
//! it serves.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{BoxError, Service};

use crate::listener::{Accepted, Listener};

/// How long after the word to stop what was sent before it may still arrive.
const SETTLING: Duration = Duration::from_millis(25);

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// How long a client may take to send the head of an HTTP/1.1 request, and how long a connection may idle
    /// between two.
    pub header_read_timeout: Duration,
    /// The largest head of a request in bytes.
    pub max_head_bytes: usize,
    /// Connections at once. Further ones wait in the system's queue.
    pub max_connections: usize,
    /// Streams at once on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(30),
            max_head_bytes: 64 * 1024,
            max_connections: 8192,
            max_streams_per_connection: 1024,
        }
    }
}

/// How a listener is told to stop, and how others wait until it has.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// First stage: accept nothing new, finish what runs.
    pub drain: CancellationToken,
    /// What has not finished in time ends with a last word; see [`last_call`](crate::last_call).
    pub last_call: CancellationToken,
    /// Second stage: cut what still runs.
    pub abort: CancellationToken,
    /// Every connection and every task outside of requests; empty when all is over.
    pub tasks: TaskTracker,
}

/// Accepts connections until `shutdown.drain`, then lets the open ones finish until `shutdown.abort`.
///
/// Returns when it accepts no more; `shutdown.tasks` tells when the connections are gone.
pub async fn serve<S, B>(listener: Listener, service: S, config: ServeConfig, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let builder = Arc::new(connection_builder(&config));
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let closing = async {
        shutdown.drain.cancelled().await;
        // Who is in the system's queue already believes to be connected.
        tokio::time::sleep(SETTLING).await;
    };
    let mut closing = std::pin::pin!(closing);
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = closing.as_mut() => return,
            next = next => next,
        };
        match accepted {
            Ok(accepted) => {
                let (builder, service, stop) = (builder.clone(), service.clone(), shutdown.clone());
                shutdown.tasks.spawn(async move {
                    connection(accepted, service, &builder, &stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // A connection that died in the queue, or no file descriptor left: neither is a reason to stop.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<S, B>(
    accepted: Accepted,
    service: S,
    builder: &auto::Builder<TokioExecutor>,
    shutdown: &Shutdown,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let io = TokioIo::new(accepted.stream);
    let connection = builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.drain.cancelled() => {
            // A request that is on its way is still answered.
            tokio::select! {
                served = connection.as_mut() => return told(served, accepted.peer),
                () = tokio::time::sleep(SETTLING) => {}
                () = shutdown.abort.cancelled() => return,
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = shutdown.abort.cancelled() => return,
            }
        }
    };
    told(served, accepted.peer);
}

fn told(served: Result<(), BoxError>, peer: Option<SocketAddr>) {
    if let Err(error) = served {
        // Clients that leave are not our fault and not our news.
        tracing::debug!(%error, ?peer, "connection ended");
    }
}

fn connection_builder(config: &ServeConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_read_timeout)
        .max_buf_size(config.max_head_bytes.max(8192))
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(config.max_streams_per_connection)
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        // A peer that opens and resets streams in a row gets a GOAWAY instead of our CPU.
        .max_pending_accept_reset_streams(64);
    builder
}
