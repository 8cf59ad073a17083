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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{BoxError, Service};

use crate::activity::{Activity, Noted};
use crate::listener::{Accepted, Listener, Stream};
use crate::meter;
use crate::tls::ServerTls;

/// How long after the word to stop what was sent before it may still arrive.
const SETTLING: Duration = Duration::from_millis(25);
/// How often it is told that nobody can come in.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// What the listener is called where connections are counted.
    pub name: &'static str,
    /// How long a client may take to send the head of an HTTP/1.1 request, how long a connection may idle between two,
    /// and how long one of any kind may be there without a first request.
    pub header_read_timeout: Duration,
    /// How long a connection may be without a request and without an answer under way. One of HTTP/1.1 ends after
    /// `header_read_timeout`, if that is less.
    pub idle_timeout: Duration,
    /// The largest head of a request in bytes: its URL and its headers.
    pub max_head_bytes: usize,
    /// Connections at once. Further ones wait in the system's queue.
    pub max_connections: usize,
    /// Streams at once on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Headers in one HTTP/1.1 request.
    pub max_headers: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// TLS, if the listener speaks it.
    pub tls: Option<ServerTls>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            name: "other",
            header_read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            max_head_bytes: 64 * 1024,
            max_connections: 8192,
            max_streams_per_connection: 1024,
            max_headers: 100,
            handshake_timeout: Duration::from_secs(10),
            tls: None,
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
    let settings = Arc::new((connection_builder(&config), config.clone()));
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let closing = async {
        shutdown.drain.cancelled().await;
        // Who is in the system's queue already believes to be connected.
        tokio::time::sleep(SETTLING).await;
    };
    let mut closing = std::pin::pin!(closing);
    let mut told: Option<Instant> = None;
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
                let (settings, service, stop) = (settings.clone(), service.clone(), shutdown.clone());
                shutdown.tasks.spawn(async move {
                    let (builder, config) = &*settings;
                    let _open = meter::get().connection(config.name);
                    let Accepted { stream, peer } = accepted;
                    match &config.tls {
                        None => connection(stream, peer, service, builder, config, &stop).await,
                        Some(tls) => {
                            if let Some(stream) = shake_hands(stream, peer, tls, config, &stop).await {
                                connection(stream, peer, service, builder, config, &stop).await;
                            }
                        }
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                // A connection that died in the queue, or no file descriptor left: neither is a reason to stop.
                if told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
                    tracing::warn!(%error, "cannot accept a connection");
                    told = Some(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// TLS on a connection. `None` if it does not come about in time; the other side knows why.
async fn shake_hands(
    stream: Stream,
    peer: Option<SocketAddr>,
    tls: &ServerTls,
    config: &ServeConfig,
    shutdown: &Shutdown,
) -> Option<TlsStream<Stream>> {
    let handshake = TlsAcceptor::from(tls.get()).accept(stream);
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(config.handshake_timeout, handshake) => shaken,
        () = shutdown.abort.cancelled() => return None,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, ?peer, "no TLS with a client");
            None
        }
        Err(_) => {
            tracing::debug!(?peer, "a client did not finish its TLS handshake in time");
            None
        }
    }
}

async fn connection<IO, S, B>(
    stream: IO,
    peer: Option<SocketAddr>,
    service: S,
    builder: &auto::Builder<TokioExecutor>,
    config: &ServeConfig,
    shutdown: &Shutdown,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let activity = Activity::new();
    let noted = Noted { inner: service, activity: activity.clone() };
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(noted));
    let mut connection = std::pin::pin!(connection);
    let silence = async {
        tokio::time::sleep(config.header_read_timeout).await;
        if activity.was_asked() {
            activity.idle(config.idle_timeout).await;
        }
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = silence => {
            if !activity.was_asked() {
                tracing::debug!(?peer, "a connection without a request was closed");
                return;
            }
            tracing::debug!(?peer, "an idle connection is closed");
            // What is on its way is still answered.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = shutdown.abort.cancelled() => return,
            }
        }
        () = shutdown.drain.cancelled() => {
            // A request that is on its way is still answered.
            tokio::select! {
                served = connection.as_mut() => return told(served, peer),
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
    told(served, peer);
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
        .max_headers(config.max_headers)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(config.max_streams_per_connection)
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        // A peer that opens and resets streams in a row gets a GOAWAY instead of our CPU.
        .max_pending_accept_reset_streams(64)
        // And so does one whose streams have to be reset by us, time and again.
        .max_local_error_reset_streams(256);
    builder
}
