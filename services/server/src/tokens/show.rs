//! What people see of credentials, checks, the trail and the pool's counts. Pure; the time is given.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use warp2api_proto::token_pool::v1::*;

use super::names::id;
use super::table::{Table, pairs};

/// What fits into a table of the last failure; `show` has all of it.
const MAX_FAILURE: usize = 60;

/// The credentials, one on each line.
pub(super) fn credentials<'a>(all: impl IntoIterator<Item = &'a Credential>, now: SystemTime) -> String {
    let mut table = Table::new(&[
        "ID",
        "NAME",
        "TIER",
        "KIND",
        "STATE",
        "BACK",
        "IN FLIGHT",
        "GRANTS",
        "QUOTA LEFT",
        "LAST FAILURE",
    ]);
    for one in all {
        table.push([
            id(one).to_owned(),
            label(one),
            tier(one.tier()).to_owned(),
            kind(one.kind()).to_owned(),
            state(one.state()).to_owned(),
            back(one, now),
            in_flight(one),
            one.granted_count.to_string(),
            quota(one.quota.as_ref()),
            cut(&one.last_error),
        ]);
    }
    table.to_string()
}

/// A credential, everything about it.
pub(super) fn credential(one: &Credential, now: SystemTime) -> String {
    let time = |time: &Option<Timestamp>| time.as_ref().map(ToString::to_string).unwrap_or_default();
    let quota_read = one.quota.as_ref().and_then(|quota| quota.read_time.as_ref());
    let quota_back = one.quota.as_ref().and_then(|quota| quota.refresh_time.as_ref());
    let at =
        |word: &str, time: Option<&Timestamp>| time.map_or(String::new(), |time| format!("{word}{time}"));
    pairs(&[
        ("id", id(one).to_owned()),
        ("name", one.display_name.clone()),
        ("tier", tier(one.tier()).to_owned()),
        ("kind", kind(one.kind()).to_owned()),
        ("from", source(one.source()).to_owned()),
        ("state", state(one.state()).to_owned()),
        ("back", back(one, now)),
        ("failures in a row", one.consecutive_failure_count.to_string()),
        ("last failure", one.last_error.clone()),
        ("in flight", in_flight(one)),
        ("grants", one.granted_count.to_string()),
        ("last granted", time(&one.last_granted_time)),
        ("access token until", time(&one.access_token_expire_time)),
        (
            "quota left",
            format!("{}{}{}", quota(one.quota.as_ref()), at(", read ", quota_read), at(", new ", quota_back)),
        ),
        ("added", time(&one.create_time)),
        ("changed", time(&one.update_time)),
        ("etag", one.etag.clone()),
    ])
}

/// What checks found.
pub(super) fn findings(found: &[CheckCredentialResponse]) -> String {
    let mut table = Table::new(&["ID", "NAME", "FINDING", "IN WORDS"]);
    for CheckCredentialResponse { credential, finding: number, detail } in found {
        let one = credential.clone().unwrap_or_default();
        let found = CredentialFinding::try_from(*number).unwrap_or_default();
        table.push([id(&one).to_owned(), label(&one), finding(found).to_owned(), detail.clone()]);
    }
    table.to_string()
}

/// The trail.
pub(super) fn trail(events: &[AuditEvent]) -> String {
    let mut table = Table::new(&["TIME", "WHO", "WHAT", "CREDENTIAL", "DETAIL"]);
    for event in events {
        let whole = |time: &Timestamp| Timestamp { nanos: 0, ..*time }.to_string();
        let credential = event.credential.strip_prefix("credentials/").unwrap_or(&event.credential);
        table.push([
            event.event_time.as_ref().map(whole).unwrap_or_default(),
            event.actor.clone(),
            event.action.clone(),
            credential.to_owned(),
            event.detail.clone(),
        ]);
    }
    table.to_string()
}

/// The pool, counted.
pub(super) fn status(status: &GetPoolStatusResponse, now: SystemTime) -> String {
    let mut table = Table::new(&[
        "TIER",
        "ALL",
        "ACTIVE",
        "COOLING DOWN",
        "EXHAUSTED",
        "DISABLED",
        "BLOCKED",
        "QUOTA LEFT",
    ]);
    for one in &status.tiers {
        let counts = [
            one.total_count,
            one.active_count,
            one.cooling_down_count,
            one.exhausted_count,
            one.disabled_count,
            one.blocked_count,
        ];
        let left = match (one.known_quota_count, one.unlimited_count) {
            (0, _) => String::new(),
            (_, 1..) => "unlimited".to_owned(),
            _ => one.remaining_quota.to_string(),
        };
        let counts = counts.iter().map(ToString::to_string);
        table.push(std::iter::once(tier(one.tier()).to_owned()).chain(counts).chain([left]));
    }
    let mut out = table.to_string();
    out.push_str(&format!("{} in flight\n", status.in_flight_count));
    if status.unused_count > 0 {
        let unused = status.unused_count;
        out.push_str(&format!("{unused} wait for a start on Warp; this one is on the embedded upstream\n"));
    }
    for endpoint in status.endpoints.iter().filter(|endpoint| endpoint.state() != EndpointState::Closed) {
        let which = match endpoint.endpoint() {
            PoolEndpoint::Token => "token",
            PoolEndpoint::Chat | PoolEndpoint::Unspecified => "chat",
        };
        let next = endpoint.probe_time.as_ref().map(|time| format!(", tried again {}", when(time, now)));
        let next = next.unwrap_or_default();
        out.push_str(&format!(
            "the upstream's {which} endpoint fails with every credential and is left alone{next}\n"
        ));
    }
    match &status.soonest_recovery_time {
        _ if status.total_count == 0 => {
            out.push_str("the pool is empty; `warp2api tokens add` adds a credential\n")
        }
        Some(time) => out.push_str(&format!("none can serve now; the first is back {}\n", when(time, now))),
        None if status.active_count == 0 => {
            out.push_str("none can serve, and none comes back on its own; `warp2api tokens list` says why\n");
        }
        None => {}
    }
    out
}

pub(super) fn tier(tier: CredentialTier) -> &'static str {
    match tier {
        CredentialTier::Unspecified => "",
        CredentialTier::Personal => "personal",
        CredentialTier::Shared => "shared",
        CredentialTier::Anonymous => "anonymous",
    }
}

pub(super) fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Unspecified => "",
        CredentialKind::ApiKey => "api-key",
        CredentialKind::RefreshToken => "refresh-token",
        CredentialKind::StaticJwt => "static-jwt",
        CredentialKind::Embedded => "embedded",
    }
}

pub(super) fn state(state: CredentialState) -> &'static str {
    match state {
        CredentialState::Unspecified => "",
        CredentialState::Active => "active",
        CredentialState::CoolingDown => "cooling-down",
        CredentialState::Exhausted => "exhausted",
        CredentialState::Disabled => "disabled",
        CredentialState::Blocked => "blocked",
    }
}

fn source(source: CredentialSource) -> &'static str {
    match source {
        CredentialSource::Unspecified => "",
        CredentialSource::Settings => "the settings",
        CredentialSource::Admin => "an operator",
        CredentialSource::Guest => "the guest sign-in",
    }
}

fn finding(finding: CredentialFinding) -> &'static str {
    match finding {
        CredentialFinding::Unspecified => "",
        CredentialFinding::Good => "good",
        CredentialFinding::Dead => "dead",
        CredentialFinding::Rejected => "rejected",
        CredentialFinding::Exhausted => "exhausted",
        CredentialFinding::Unknown => "unknown",
    }
}

/// The label, where it says more than the id.
fn label(one: &Credential) -> String {
    if one.display_name == id(one) { String::new() } else { one.display_name.clone() }
}

/// When one that is not active is back.
fn back(one: &Credential, now: SystemTime) -> String {
    match (one.state(), &one.recovery_time) {
        (_, Some(time)) => when(time, now),
        (CredentialState::Active, None) => String::new(),
        (_, None) => "by hand".to_owned(),
    }
}

fn in_flight(one: &Credential) -> String {
    match one.max_in_flight {
        0 => one.in_flight_count.to_string(),
        most => format!("{} of {most}", one.in_flight_count),
    }
}

fn quota(quota: Option<&CredentialQuota>) -> String {
    match quota {
        None => String::new(),
        Some(quota) if quota.unlimited => "unlimited".to_owned(),
        Some(quota) => format!("{} of {}", quota.remaining, quota.limit.saturating_add(quota.bonus)),
    }
}

fn when(time: &Timestamp, now: SystemTime) -> String {
    let time = SystemTime::try_from(*time).unwrap_or(now);
    match time.duration_since(now) {
        Ok(wait) if wait >= Duration::from_secs(1) => format!("in {}", span(wait)),
        _ => "now".to_owned(),
    }
}

/// A span of time in its two largest units.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

fn cut(text: &str) -> String {
    let mut out: String = text.chars().take(MAX_FAILURE).collect();
    if out.len() < text.len() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests;
