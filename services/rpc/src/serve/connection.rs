//! One connection: TLS, requests, and the ways it comes to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::{BoxError, Service};

use super::activity::Activity;
use super::exchange::Noted;
use super::sent::Silence;
use super::spare::Spare;
use super::stalled::Stalling;
use super::{SETTLING, ServeConfig, Shutdown};
use crate::listener::Stream;
use crate::tls::ServerTls;

/// How long a connection beyond the bound is there for.
const SPARE_TIME: Duration = Duration::from_secs(5);

/// TLS on a connection. `None` if it does not come about in time; the other side knows why.
pub(super) async fn shake_hands(
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

/// Serves a connection to its end. One that is `spare` gets probes answered and nothing else, and ends soon.
pub(super) async fn connection<IO, S>(
    stream: IO,
    peer: Option<SocketAddr>,
    service: S,
    settings: &(auto::Builder<TokioExecutor>, ServeConfig),
    is_spare: bool,
    shutdown: &Shutdown,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let (builder, config) = settings;
    let activity = Activity::new();
    let noted = Noted {
        inner: Spare { inner: service, is_spare },
        activity: activity.clone(),
        memory: config.body_memory.clone(),
        silence: Silence { before: config.body_silence, after: config.idle_timeout },
        is_secured: config.tls.is_some(),
    };
    let stream = TokioIo::new(Stalling::new(stream, config.reader_timeout));
    let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(noted));
    let mut connection = std::pin::pin!(connection);
    let silence = async {
        if is_spare {
            return tokio::time::sleep(SPARE_TIME).await;
        }
        tokio::time::sleep(config.header_read_timeout).await;
        if activity.was_asked() {
            activity.idle(config.idle_timeout).await;
        }
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = activity.look_after(config.reader_timeout) => return,
        () = silence => {
            if is_spare || !activity.was_asked() {
                tracing::debug!(?peer, is_spare, "a connection without a request was closed");
                return;
            }
            tracing::debug!(?peer, "an idle connection is closed");
            // What is on its way is still answered.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                // Whoever reads nothing does not hear of it.
                () = tokio::time::sleep(config.reader_timeout) => return,
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
                () = activity.look_after(config.reader_timeout) => return,
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

pub(super) fn builder(config: &ServeConfig) -> auto::Builder<TokioExecutor> {
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
