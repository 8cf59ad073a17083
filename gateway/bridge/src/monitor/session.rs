//! One socket of the monitor: what came before, then what happens, as fast as the client reads, and its commands.
//!
//! Holds one message of the feed at a time. A client that reads slowly makes the feed pass over what it missed; one that
//! does not read at all, or is gone without a word, is let go after a while.

use std::time::{Duration, SystemTime};

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Uri};
use prost_types::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tonic::Streaming;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::WatchCredentialsResponse;
use warp2api_proto::warp_chat::v1::{WatchExchangesRequest, WatchExchangesResponse};
use warp2api_rpc::Failure;

use super::access::{self, PROTOCOL};
use super::command::{Command, Query as Asked, Wanted};
use super::frames::{self, Framer, frame};
use super::history::Past;
use super::packet::Packet;
use super::source::Caller;
use super::{Monitor, command, credential};
use crate::original::failure::Refusal;

/// How many packets of the past a client gets, as in the original.
const HISTORY: usize = 10;
/// The longest a client may leave a frame unread once its buffers are full.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How often a client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long it may be silent, pongs included.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// The largest message a client may send, in bytes.
const MAX_COMMAND_BYTES: usize = 16 * 1024;
/// The largest frame, in bytes; of larger ones the contents are left out.
const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// How many packets of the codec's paths are sent before others get a turn.
const BATCH: usize = 64;

/// `GET /ws`.
pub(crate) async fn open(
    State(monitor): State<Monitor>,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<Asked>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let headers = access::check(&monitor.guard, &monitor.config.origins, &uri, &headers)?;
    let Query(query) = query.map_err(|error| Failure::invalid("query", error.body_text()))?;
    let wanted = query.wanted();
    wanted.filter().map_err(|words| Failure::invalid("state", words))?;
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let seat = monitor.seats.clone().try_acquire_owned().map_err(|_| {
        let words = format!("there are {} sockets already", monitor.config.max_sockets);
        Failure::new(ErrorReason::Overloaded, words)
    })?;
    let caller = Caller::of(&headers);
    let watches = Watches::begin(&monitor, &caller, &wanted).await?;
    let opened = SystemTime::now();
    let upgrade =
        upgrade.protocols([PROTOCOL]).max_message_size(MAX_COMMAND_BYTES).max_frame_size(MAX_COMMAND_BYTES);
    let tasks = monitor.config.shutdown.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        let place = monitor.config.packets.end();
        let session = Session { monitor, caller, wanted, watches, place, paused: false, socket, _seat: seat };
        tasks.track_future(session.run(opened))
    }))
}

/// What a socket watches.
struct Watches {
    exchanges: Streaming<WatchExchangesResponse>,
    credentials: Option<Streaming<WatchCredentialsResponse>>,
}

/// Something that one of the watches told.
enum Told {
    Exchange(Box<WatchExchangesResponse>),
    Credential(Box<WatchCredentialsResponse>),
}

impl Watches {
    async fn begin(monitor: &Monitor, caller: &Caller, wanted: &Wanted) -> Result<Self, Failure> {
        let exchanges = monitor.source.watch(caller, request(wanted)?).await?;
        let credentials = match wanted.credentials {
            true => Some(monitor.source.watch_credentials(caller).await?),
            false => None,
        };
        Ok(Self { exchanges, credentials })
    }

    /// The next thing that is told. May be dropped at any time: nothing is lost.
    async fn next(&mut self) -> Result<Told, End> {
        let credential = async {
            match &mut self.credentials {
                Some(credentials) => credentials.message().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = self.exchanges.message() => read(told, |told| Told::Exchange(Box::new(told))),
            told = credential => read(told, |told| Told::Credential(Box::new(told))),
        }
    }
}

/// A watch goes on until it fails or the service stops.
fn read<T>(told: Result<Option<T>, tonic::Status>, tell: impl FnOnce(T) -> Told) -> Result<Told, End> {
    let told = told.map_err(|status| End::from(Failure::from(&status)))?;
    told.map(tell).ok_or(End::Stopping)
}

fn request(wanted: &Wanted) -> Result<WatchExchangesRequest, Failure> {
    Ok(WatchExchangesRequest {
        filter: Some(wanted.filter().map_err(|words| Failure::invalid("state", words))?),
        stream_events: wanted.stream_events,
        without_content: wanted.without_content,
        ..Default::default()
    })
}

/// Why a socket ends.
#[derive(Debug)]
enum End {
    /// The client left, or its connection broke.
    Gone,
    /// The client does not read, or has been silent for too long.
    Stalled,
    /// The service stops.
    Stopping,
    /// The feed ended with a failure.
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure.reason {
            ErrorReason::ShuttingDown => Self::Stopping,
            _ => Self::Failed(failure),
        }
    }
}

struct Session {
    monitor: Monitor,
    caller: Caller,
    wanted: Wanted,
    watches: Watches,
    /// Where in the log of the codec's paths to go on.
    place: u64,
    paused: bool,
    socket: WebSocket,
    _seat: OwnedSemaphorePermit,
}

impl Session {
    async fn run(mut self, opened: SystemTime) {
        let Err(end) = self.serve(opened).await;
        let (code, words) = match end {
            End::Gone => return,
            End::Stalled => (close_code::POLICY, "the client does not read".to_owned()),
            End::Stopping => (close_code::AWAY, "the service is on its way down".to_owned()),
            End::Failed(failure) => (close_code::ERROR, failure.message),
        };
        tracing::debug!(code, words, "a socket of the monitor is closed");
        // A close frame has 123 bytes for it.
        let reason = words[..words.floor_char_boundary(120)].to_owned();
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        // It may not read this either.
        drop(timeout(Duration::from_secs(1), self.socket.send(close)).await);
    }

    async fn serve(&mut self, opened: SystemTime) -> Result<std::convert::Infallible, End> {
        let message = "connected to the monitor of Warp2Api";
        self.send(frame("connected", json!({ "message": message, "timestamp": now() }))).await?;
        let opened = Timestamp::from(opened);
        let order = (opened.seconds, opened.nanos);
        self.replay(HISTORY, |packet| packet.order() <= order).await?;

        let drain = self.monitor.config.shutdown.drain.clone();
        let mut seen = Instant::now();
        let mut ping = interval_at(seen + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Had before the log is looked at, so that nothing is missed.
            let news = self.monitor.config.packets.news();
            if !self.paused {
                self.send_packets().await?;
            }
            tokio::select! {
                () = drain.cancelled() => return Err(End::Stopping),
                said = self.socket.recv() => {
                    seen = Instant::now();
                    self.hear(said).await?;
                }
                told = self.watches.next(), if !self.paused => self.tell(told?).await?,
                () = news, if !self.paused => {}
                _ = ping.tick() => {
                    if seen.elapsed() > IDLE_TIME {
                        return Err(End::Stalled);
                    }
                    self.write(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn tell(&mut self, told: Told) -> Result<(), End> {
        let frames = match told {
            Told::Exchange(told) => {
                let framer = Framer { past: self.past(), wanted: &self.wanted };
                framer.frames(*told).await
            }
            Told::Credential(told) => credential::told(*told, &now()).into_iter().collect(),
        };
        for frame in frames {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, said: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let text = match said {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => {
                let words = "commands are text, not binary";
                return self.send(frame("error", json!({ "message": words }))).await;
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
        };
        match Command::parse(&text) {
            Ok(command) => self.obey(command).await,
            Err(words) => self.send(frame("error", json!({ "message": words }))).await,
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Ping {} => self.send(frame("pong", json!({ "timestamp": now() }))).await,
            Command::Pause {} => {
                self.paused = true;
                self.send(frame("paused", json!({}))).await
            }
            Command::Resume {} => {
                self.paused = false;
                self.send(frame("resumed", json!({}))).await
            }
            Command::Replay { limit } => {
                self.replay(limit, |_| true).await?;
                self.send(frame("replayed", json!({}))).await
            }
            Command::Filter(wanted) => {
                match Watches::begin(&self.monitor, &self.caller, &wanted).await {
                    Ok(watches) => self.watches = watches,
                    Err(failure) => {
                        return self.send(frame("error", json!({ "message": failure.message }))).await;
                    }
                }
                self.wanted = wanted;
                self.send(frame("filtered", json!({ "filter": self.wanted.json() }))).await
            }
        }
    }

    /// Sends packets of the past.
    async fn replay(&mut self, limit: usize, fit: impl Fn(&Packet) -> bool) -> Result<(), End> {
        let limit = limit.min(command::MOST_REPLAYED);
        let (packets, _) = self.past().packets(&self.wanted, limit, fit).await?;
        for packet in packets {
            self.send(frames::past(&packet)).await?;
        }
        Ok(())
    }

    /// Sends what the codec's paths were asked meanwhile.
    async fn send_packets(&mut self) -> Result<(), End> {
        loop {
            let (missed, packets) = self.monitor.config.packets.read(&mut self.place, BATCH);
            if missed > 0 {
                self.send(frames::lagged(missed)).await?;
            }
            if packets.is_empty() {
                return Ok(());
            }
            for mut packet in packets {
                if !self.wanted.wants_codec(&packet.request_id, &packet.trace_id) {
                    continue;
                }
                if self.wanted.without_content && packet.content.is_some() {
                    std::sync::Arc::make_mut(&mut packet).content = None;
                }
                self.send(frames::captured(&packet)).await?;
            }
        }
    }

    fn past(&self) -> Past<'_> {
        Past { source: &self.monitor.source, caller: &self.caller, log: &self.monitor.config.packets }
    }

    async fn send(&mut self, frame: Value) -> Result<(), End> {
        self.write(Message::Text(bounded(frame).into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let stop = &self.monitor.config.shutdown.drain;
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(End::Stopping),
            sent = timeout(WRITE_TIME, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(End::Stalled),
            },
        }
    }
}

fn now() -> String {
    Timestamp::from(SystemTime::now()).to_string()
}

/// The text of a frame. One that is too large comes without the contents in it, and says so.
fn bounded(mut frame: Value) -> String {
    let text = frame.to_string();
    if text.len() <= MAX_FRAME_BYTES {
        return text;
    }
    for (part, key, without) in [
        ("packet", "full_data", Value::Null),
        ("chunk", "json_data", Value::Null),
        ("result", "chunks", json!([])),
        ("result", "complete_message", Value::Null),
    ] {
        if let Some(value) = frame.get_mut(part).and_then(|part| part.get_mut(key)) {
            *value = without;
        }
    }
    frame["truncated"] = json!(true);
    frame.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_too_large_comes_without_its_contents() {
        let small = json!({"event": "packet_captured", "packet": {"full_data": "x", "size": 1}});
        assert_eq!(bounded(small.clone()), small.to_string());

        let huge = "x".repeat(MAX_FRAME_BYTES);
        for frame in [
            json!({"event": "packet_captured", "packet": {"full_data": huge, "size": 1}}),
            json!({"event": "stream_chunk_parsed", "chunk": {"json_data": {"a": huge}}}),
            json!({"event": "stream_completed", "result": {"chunks": [huge], "complete_message": huge}}),
        ] {
            let text = bounded(frame.clone());
            assert!(text.len() < 200, "{text}");
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&read["event"], &read["truncated"]), (&frame["event"], &json!(true)));
        }
    }
}
