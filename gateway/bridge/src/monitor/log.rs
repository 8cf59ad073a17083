//! What the codec's paths were asked lately, within a number of bytes: the oldest goes first. Readers keep their place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::packet::Packet;

/// The packets of the codec's paths.
#[derive(Debug, Clone)]
pub struct PacketLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most_bytes: usize,
    capture: bool,
    state: Mutex<State>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Each with its size.
    packets: VecDeque<(usize, Arc<Packet>)>,
    bytes: usize,
    /// The place of the next one.
    next: u64,
}

/// What is counted for a packet beside its content.
const PACKET_BYTES: usize = 512;

impl PacketLog {
    /// A log of at most so many bytes. Contents are kept only with `capture`.
    pub fn new(most_bytes: usize, capture: bool) -> Self {
        Self(Arc::new(Shared { most_bytes, capture, state: Mutex::default(), news: Arc::default() }))
    }

    /// Whether contents are kept.
    pub(crate) fn captures(&self) -> bool {
        self.0.capture
    }

    /// Adds packets. Content is dropped where it may not be kept, or would drive out too much.
    pub(crate) fn add(&self, packets: impl IntoIterator<Item = Packet>) {
        let mut state = self.state();
        for mut packet in packets {
            let weight = packet.content.as_ref().map_or(0, |content| content.to_string().len());
            if !self.0.capture || weight > self.0.most_bytes / 4 {
                packet.content = None;
            }
            let size = PACKET_BYTES + packet.content.as_ref().map_or(0, |_| weight);
            state.bytes += size;
            state.next += 1;
            state.packets.push_back((size, Arc::new(packet)));
            while state.bytes > self.0.most_bytes
                && let Some((size, _)) = state.packets.pop_front()
            {
                state.bytes -= size;
            }
        }
        drop(state);
        self.0.news.notify_waiters();
    }

    /// The place of the next packet.
    pub(crate) fn end(&self) -> u64 {
        self.state().next
    }

    /// All that are kept, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Packet>> {
        self.state().packets.iter().map(|(_, packet)| packet.clone()).collect()
    }

    /// At most `most` packets from `place` on, which moves behind them, and how many are gone that were to come first.
    pub(crate) fn read(&self, place: &mut u64, most: usize) -> (u64, Vec<Arc<Packet>>) {
        let state = self.state();
        let oldest = state.next - state.packets.len() as u64;
        let missed = oldest.saturating_sub(*place);
        let from = usize::try_from(place.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let packets: Vec<_> =
            state.packets.iter().skip(from).take(most).map(|(_, packet)| packet.clone()).collect();
        *place = (*place).max(oldest) + packets.len() as u64;
        (missed, packets)
    }

    /// Goes off at the next packet. To be had before one reads.
    pub(crate) fn news(&self) -> OwnedNotified {
        self.0.news.clone().notified_owned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::monitor::packet::Direction;

    fn packet(number: u64, content: &str) -> Packet {
        Packet {
            time: prost_types::Timestamp::default(),
            kind: "encode".to_owned(),
            direction: Direction::Request,
            size: number,
            summary: json!({}),
            content: Some(json!(content)),
            request_id: String::new(),
            trace_id: String::new(),
            conversation_id: String::new(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn bytes_are_bounded_and_a_reader_learns_what_it_missed() {
        let log = PacketLog::new(10 * PACKET_BYTES, true);
        let mut place = log.end();
        log.add((0..100).map(|number| packet(number, "x")));

        let (missed, packets) = log.read(&mut place, 4);

        let sizes: Vec<_> = packets.iter().map(|packet| packet.size).collect();
        assert_eq!((missed, sizes), (91, vec![91, 92, 93, 94]));
        assert_eq!(log.read(&mut place, 100).1.len(), 5);
        assert_eq!(log.read(&mut place, 100).1.len(), 0);
        assert!(log.state().bytes <= 10 * PACKET_BYTES);
    }

    #[test]
    fn content_is_kept_only_with_capture_and_within_reason() {
        let content = |log: &PacketLog| log.all()[0].content.is_some();
        let (off, on, huge) =
            (PacketLog::new(9999, false), PacketLog::new(9999, true), PacketLog::new(9999, true));
        off.add([packet(0, "planted")]);
        on.add([packet(0, "planted")]);
        huge.add([packet(0, &"x".repeat(5000))]);

        assert_eq!([content(&off), content(&on), content(&huge)], [false, true, false]);
    }
}
