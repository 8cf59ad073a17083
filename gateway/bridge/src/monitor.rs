//! The monitor: what happens to chats and packets, live over a WebSocket at `/ws` and as a list at
//! `/api/packets/history`, with the original's frames and more. A client of WarpChat's feed, which bounds what is kept
//! and never waits for a reader; of its own the monitor keeps only what the codec's paths were asked.
//!
//! - `access`: who may look, decided before anything is upgraded. Pure.
//! - `session`: one socket: its watch, its commands, its time limits. `command`: what clients may say. Pure.
//! - `source`: the services behind it. `frames`, `exchange`, `credential`, `packet`, `preview`: what readers get. All but the
//!   decoding of contents is pure.
//! - `history`: the packets of the past. `log`, `logging`: those of the codec's paths.

mod access;
mod command;
mod credential;
mod exchange;
mod frames;
mod history;
mod log;
mod logging;
mod packet;
mod preview;
mod session;
mod source;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::sync::Semaphore;
use warp2api_rpc::Guard;
use warp2api_rpc::serve::Shutdown;

use crate::Services;

pub use access::Origins;
pub use log::PacketLog;

/// How the monitor behaves.
#[derive(Debug, Clone)]
pub struct MonitorConfig {
    /// Pages of other origins that may connect.
    pub origins: Origins,
    /// The most sockets at a time.
    pub max_sockets: usize,
    /// What is kept of what the codec's paths were asked.
    pub packets: PacketLog,
    /// Tells open sockets to end, and waits for them.
    pub shutdown: Shutdown,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            max_sockets: 100,
            packets: PacketLog::new(1024 * 1024, false),
            shutdown: Shutdown::default(),
        }
    }
}

/// What the routes share.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    source: source::Source,
    guard: Guard,
    config: MonitorConfig,
    seats: Arc<Semaphore>,
}

/// The routes of the monitor, if WarpChat is there.
pub fn router(services: &Services, config: MonitorConfig) -> Router {
    let Some(source) = source::Source::new(services) else { return Router::new() };
    let seats = Arc::new(Semaphore::new(config.max_sockets));
    let monitor = Monitor { source, guard: services.guard.clone(), config, seats };
    Router::new()
        .route("/ws", get(session::open))
        .route("/api/packets/history", get(history::list))
        .with_state(monitor)
}

/// The paths in `paths`, closed to web pages of other origins, and seen by the monitor where they are the codec's.
pub fn around(paths: Router, config: &MonitorConfig) -> Router {
    let origins = config.origins.clone();
    paths
        .layer(middleware::from_fn_with_state(config.packets.clone(), logging::log))
        .layer(middleware::from_fn_with_state(origins, access::own_origin_only))
}
