//! How long turns and what they leave may last, made of what the operator wrote.

use std::time::Duration;

use warp2api_warp_chat::ChatConfig;
use warp2api_warp_chat::config::{Clocks, ResumeLimits};

use crate::read::Reader;

/// Below this a busy machine would let leases expire under turns.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

pub(super) fn clocks(read: &mut Reader) -> Clocks {
    let defaults = Clocks::default();
    Clocks {
        first_event: read.seconds(
            |s| &mut s.first_event_timeout,
            "first_event_timeout",
            defaults.first_event,
        ),
        gap: read.seconds(|s| &mut s.event_gap_timeout, "event_gap_timeout", defaults.gap),
        lifetime: read.seconds(|s| &mut s.turn_timeout, "turn_timeout", defaults.lifetime),
    }
}

pub(super) fn lease_life(read: &mut Reader) -> Duration {
    let life = read.seconds(|s| &mut s.lease_life, "lease_life", ChatConfig::default().lease_life);
    if life < SHORTEST_LEASE {
        read.problem("lease_life", "must be 3 seconds at least: leases have to be renewed in time");
    }
    life
}

pub(super) fn resume(read: &mut Reader) -> ResumeLimits {
    let defaults = ResumeLimits::default();
    ResumeLimits {
        conversations: read.number(
            |s| &mut s.resume_conversations,
            "resume_conversations",
            defaults.conversations,
        ),
        bytes: read.number(|s| &mut s.resume_bytes, "resume_bytes", defaults.bytes),
        idle: read.seconds(|s| &mut s.resume_idle, "resume_idle", defaults.idle),
    }
}
