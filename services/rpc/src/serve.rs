//! The accept loop of every listener: HTTP/1.1 and HTTP/2 (prior knowledge) on one port, with limits set on purpose
//! and a stop in two stages.
//!
//! One loop for the edge and for gRPC, so that both have the same limits and stop the same way. It does not know what
//! it serves.
//!
//! - `connection`: one connection to its end; `exchange`: one request on it and its answer.
//! - `sent`: a body that comes in; `answer`, `stalled`: readers that do not read; `activity`: connections that idle.
//! - `spare`: what is answered when there is no room.

mod activity;
mod answer;
mod connection;
mod exchange;
mod sent;
mod spare;
mod stalled;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::listener::{Accepted, Listener};
use crate::meter;
use crate::tls::ServerTls;

pub use sent::BodyMemory;

/// How long after the word to stop what was sent before it may still arrive.
const SETTLING: Duration = Duration::from_millis(25);
/// Connections beyond the bound that are told so; those beyond them are closed without a word.
const SPARE: usize = 64;
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
    /// How long a caller may read nothing of what is sent to it, before its connection ends, or the one answer of
    /// several on it.
    pub reader_timeout: Duration,
    /// How long the body of a request may be silent before its answer begins; after that, `idle_timeout`.
    pub body_silence: Duration,
    /// How much of request bodies is held until they are answered, in all listeners together.
    pub body_memory: Arc<BodyMemory>,
    /// The largest head of a request in bytes: its URL and its headers.
    pub max_head_bytes: usize,
    /// Connections at once. Of further ones some are told that there is no room, and have probes answered.
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
            reader_timeout: Duration::from_secs(60),
            body_silence: Duration::from_secs(60),
            body_memory: Arc::new(BodyMemory::new(1024 * 1024 * 1024)),
            max_head_bytes: 64 * 1024,
            max_connections: 8192,
            max_streams_per_connection: 1024,
            max_headers: 100,
            handshake_timeout: Duration::from_secs(10),
            tls: None,
        }
    }
}

/// An extension of requests that came over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Secured;

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
pub async fn serve<S>(listener: Listener, service: S, config: ServeConfig, shutdown: Shutdown)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let spare = Arc::new(Semaphore::new(SPARE));
    let settings = Arc::new((connection::builder(&config), config));
    let closing = async {
        shutdown.drain.cancelled().await;
        // Who is in the system's queue already believes to be connected.
        tokio::time::sleep(SETTLING).await;
    };
    let mut closing = std::pin::pin!(closing);
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = closing.as_mut() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                let (slot, is_spare) = match slots.clone().try_acquire_owned() {
                    Ok(slot) => (slot, false),
                    Err(_) => match spare.clone().try_acquire_owned() {
                        Ok(slot) => (slot, true),
                        Err(_) => continue,
                    },
                };
                let (settings, service, stop) = (settings.clone(), service.clone(), shutdown.clone());
                shutdown.tasks.spawn(async move {
                    let config = &settings.1;
                    let _open = meter::get().connection(config.name);
                    let Accepted { stream, peer } = accepted;
                    match &config.tls {
                        None => {
                            connection::connection(stream, peer, service, &settings, is_spare, &stop).await;
                        }
                        Some(tls) => {
                            if let Some(stream) =
                                connection::shake_hands(stream, peer, tls, config, &stop).await
                            {
                                connection::connection(stream, peer, service, &settings, is_spare, &stop)
                                    .await;
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
