//! Between the pool's own types and the contract's messages. Pure; what cannot be read is a [`Failure`] that names
//! the field.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_types::Duration as ProtoDuration;
use warp2api_proto::token_pool::v1 as proto;
use warp2api_rpc::Failure;

use crate::audit::AuditEvent;
use crate::breaker::Reason;
use crate::credential::{CredentialId, Kind, Source, Tier};
use crate::endpoints::EndpointStatus;
use crate::facts::Quota;
use crate::lease::Lease;
use crate::listing::{Filter, Standing};
use crate::select::{Endpoint, OnQuota};
use crate::state::Outcome;
use crate::view::{CredentialView, Cursor, PoolStatus, TierStatus};
use crate::watch::Sighting;

const COLLECTION: &str = "credentials/";
const EVENTS: &str = "auditEvents/";

/// The id in a resource name.
pub(crate) fn credential_id(name: &str, field: impl Into<String>) -> Result<CredentialId, Failure> {
    if name.is_empty() {
        return Err(Failure::invalid(field, "is required"));
    }
    let id = name.strip_prefix(COLLECTION).and_then(CredentialId::parse);
    id.ok_or_else(|| {
        // What was sent is not repeated: it may be a token.
        let form = "must be credentials/{id}, a name that ListCredentials shows";
        Failure::invalid(field, form)
    })
}

pub(crate) fn tiers(values: &[i32]) -> Result<Vec<Tier>, Failure> {
    let read = |(index, value): (usize, &i32)| {
        let known = Tier::ALL.into_iter().find(|tier| tier_number(*tier) == *value);
        known.ok_or_else(|| Failure::invalid(format!("tiers[{index}]"), "must be one of the known tiers"))
    };
    values.iter().enumerate().map(read).collect()
}

pub(crate) fn kinds(values: &[i32]) -> Result<Vec<Kind>, Failure> {
    let read = |(index, value): (usize, &i32)| {
        let known = Kind::ALL.into_iter().find(|known| kind(*known) as i32 == *value);
        known.ok_or_else(|| Failure::invalid(format!("kinds[{index}]"), "must be one of the known kinds"))
    };
    values.iter().enumerate().map(read).collect()
}

pub(crate) fn on_quota(value: i32) -> Result<OnQuota, Failure> {
    match proto::QuotaPolicy::try_from(value) {
        Ok(proto::QuotaPolicy::Unspecified | proto::QuotaPolicy::Next) => Ok(OnQuota::Next),
        Ok(proto::QuotaPolicy::Fail) => Ok(OnQuota::Fail),
        Err(_) => Err(Failure::invalid("quota_policy", "must be one of the known policies")),
    }
}

/// A span of time. `None` if it is unset or zero.
pub(crate) fn duration(value: Option<&ProtoDuration>, field: &str) -> Result<Option<Duration>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let duration = Duration::try_from(*value).map_err(|_| Failure::invalid(field, "must not be negative"))?;
    Ok(Some(duration).filter(|duration| !duration.is_zero()))
}

pub(crate) fn outcome(value: i32) -> Result<Outcome, Failure> {
    use proto::CredentialOutcome as O;
    Ok(match O::try_from(value) {
        Ok(O::Success) => Outcome::Success,
        Ok(O::Rejected) => Outcome::Rejected,
        Ok(O::Blocked) => Outcome::Blocked,
        Ok(O::QuotaExhausted) => Outcome::QuotaExhausted,
        Ok(O::RateLimited) => Outcome::RateLimited,
        Ok(O::UpstreamUnavailable) => Outcome::UpstreamUnavailable,
        Ok(O::UpstreamFault) => Outcome::UpstreamFault,
        Ok(O::RequestFault) => Outcome::RequestFault,
        Ok(O::Abandoned) => Outcome::Abandoned,
        Ok(O::Unspecified) | Err(_) => {
            return Err(Failure::invalid("outcome", "must be one of the known outcomes"));
        }
    })
}

/// The token of a page, opaque to callers. It knows which list it is of.
pub(crate) fn page_token(filter: Filter, cursor: Option<Cursor>) -> String {
    cursor.map_or_else(String::new, |Cursor { tier, order }| {
        URL_SAFE_NO_PAD.encode(format!("{}.{order}.{}", tier_number(tier), filter_name(filter)))
    })
}

/// Where a page token says to go on.
pub(crate) fn cursor(filter: Filter, page_token: &str) -> Result<Option<Cursor>, Failure> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(page_token).ok()?).ok()?;
        let (tier, rest) = text.split_once('.')?;
        let (order, of) = rest.split_once('.')?;
        let number: i32 = tier.parse().ok()?;
        let tier = Tier::ALL.into_iter().find(|tier| tier_number(*tier) == number)?;
        Some((Cursor { tier, order: order.parse().ok()? }, of == filter_name(filter)))
    };
    match read() {
        Some((cursor, true)) => Ok(Some(cursor)),
        Some((_, false)) => Err(Failure::invalid("page_token", "is of a list with another tier or state")),
        None => Err(Failure::invalid("page_token", "is not the token of a page")),
    }
}

fn filter_name(filter: Filter) -> String {
    format!("{}.{}", filter.tier.map_or(0, tier_number), filter.standing.map_or(0, |s| state(s).into()))
}

/// The token of a page of the audit trail.
pub(crate) fn audit_token(before: Option<String>) -> String {
    before.map(|id| URL_SAFE_NO_PAD.encode(id)).unwrap_or_default()
}

/// The event before which a page of the audit trail goes on.
pub(crate) fn read_audit_token(page_token: &str) -> Result<Option<String>, Failure> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let id = URL_SAFE_NO_PAD.decode(page_token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = id.filter(|id| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()));
    id.map(Some).ok_or_else(|| Failure::invalid("page_token", "is not the token of a page"))
}

pub(crate) fn lease(lease: Lease) -> proto::Lease {
    proto::Lease {
        lease_id: lease.id.to_string(),
        credential: resource_name(&lease.credential),
        credential_display_name: lease.display_name,
        tier: tier_number(lease.tier),
        bearer: lease.bearer.expose().to_owned(),
        expire_time: Some(lease.expire_time.into()),
        refreshable: lease.refreshable,
        probe: lease.probe,
    }
}

pub(crate) fn credential(view: CredentialView) -> proto::Credential {
    proto::Credential {
        name: resource_name(&view.id),
        display_name: view.display_name,
        tier: tier_number(view.tier),
        kind: kind(view.kind).into(),
        state: state(view.phase.into()).into(),
        recovery_time: view.recovery.map(Into::into),
        consecutive_failure_count: count(view.failures),
        in_flight_count: count(view.in_flight),
        granted_count: i64::try_from(view.granted_count).unwrap_or(i64::MAX),
        last_granted_time: view.last_granted_time.map(Into::into),
        access_token_expire_time: view.access_token_expire_time.map(Into::into),
        last_error: view.last_error.unwrap_or_default(),
        secret: String::new(),
        source: source(view.source, view.guest).into(),
        max_in_flight: view.max_in_flight.map_or(0, count),
        quota: view.quota.map(quota),
        create_time: view.create_time.map(Into::into),
        update_time: view.update_time.map(Into::into),
        etag: view.etag,
    }
}

fn quota(quota: Quota) -> proto::CredentialQuota {
    proto::CredentialQuota {
        limit: large(quota.limit),
        used: large(quota.used),
        remaining: large(quota.remaining()),
        unlimited: quota.unlimited,
        bonus: large(quota.bonus),
        refresh_time: quota.refresh.map(Into::into),
        read_time: Some(quota.read.into()),
    }
}

fn source(source: Source, guest: bool) -> proto::CredentialSource {
    match source {
        _ if guest => proto::CredentialSource::Guest,
        Source::Settings => proto::CredentialSource::Settings,
        Source::Admin => proto::CredentialSource::Admin,
    }
}

pub(crate) fn audit_event(event: AuditEvent) -> proto::AuditEvent {
    let AuditEvent { id, time, change } = event;
    proto::AuditEvent {
        name: format!("{EVENTS}{id}"),
        event_time: Some(time.into()),
        actor: change.actor,
        action: change.action,
        credential: change.credential.as_ref().map(resource_name).unwrap_or_default(),
        detail: change.detail,
    }
}

pub(crate) fn sighting(sighting: Sighting) -> proto::WatchCredentialsResponse {
    use proto::watch_credentials_response::Event;
    let event = match sighting {
        Sighting::Changed(view) => Event::Changed(credential(*view)),
        Sighting::Removed(id) => Event::Removed(resource_name(&id)),
        Sighting::Synced => Event::Synced(proto::WatchSynced {}),
        Sighting::Heartbeat => Event::Heartbeat(proto::WatchHeartbeat {}),
    };
    proto::WatchCredentialsResponse { event: Some(event) }
}

/// The tier of a request. `None` if it is unset.
pub(crate) fn read_tier(value: i32, field: &str) -> Result<Option<Tier>, Failure> {
    match proto::CredentialTier::try_from(value) {
        Ok(proto::CredentialTier::Unspecified) => Ok(None),
        Ok(proto::CredentialTier::Personal) => Ok(Some(Tier::Personal)),
        Ok(proto::CredentialTier::Shared) => Ok(Some(Tier::Shared)),
        Ok(proto::CredentialTier::Anonymous) => Ok(Some(Tier::Anonymous)),
        Err(_) => Err(Failure::invalid(field, "must be PERSONAL, SHARED or ANONYMOUS")),
    }
}

/// The kind of a request. `None` if it is unset.
pub(crate) fn read_kind(value: i32, field: &str) -> Result<Option<Kind>, Failure> {
    match proto::CredentialKind::try_from(value) {
        Ok(proto::CredentialKind::Unspecified) => Ok(None),
        Ok(proto::CredentialKind::ApiKey) => Ok(Some(Kind::ApiKey)),
        Ok(proto::CredentialKind::RefreshToken) => Ok(Some(Kind::RefreshToken)),
        Ok(proto::CredentialKind::StaticJwt) => Ok(Some(Kind::StaticJwt)),
        Ok(proto::CredentialKind::Embedded) => Ok(Some(Kind::Embedded)),
        Err(_) => Err(Failure::invalid(field, "must be API_KEY, REFRESH_TOKEN or STATIC_JWT")),
    }
}

/// The state of a request. `None` if it is unset.
pub(crate) fn read_state(value: i32, field: &str) -> Result<Option<Standing>, Failure> {
    match proto::CredentialState::try_from(value) {
        Ok(proto::CredentialState::Unspecified) => Ok(None),
        Ok(proto::CredentialState::Active) => Ok(Some(Standing::Active)),
        Ok(proto::CredentialState::CoolingDown) => Ok(Some(Standing::CoolingDown)),
        Ok(proto::CredentialState::Exhausted) => Ok(Some(Standing::Exhausted)),
        Ok(proto::CredentialState::Disabled) => Ok(Some(Standing::Disabled)),
        Ok(proto::CredentialState::Blocked) => Ok(Some(Standing::Blocked)),
        Err(_) => Err(Failure::invalid(field, "must be one of the known states")),
    }
}

pub(crate) fn status(status: &PoolStatus) -> proto::GetPoolStatusResponse {
    let sum = |what: fn(&TierStatus) -> usize| count(status.tiers.iter().map(what).sum::<usize>());
    let of = |tier: Tier| status.tiers.iter().find(|counted| counted.tier == tier);
    let total = |tier| of(tier).map_or(0, |counted| count(counted.total));
    let by_priority = Tier::ALL.into_iter().map(|tier| {
        let (total, active) = of(tier).map_or((0, 0), |counted| (counted.total, counted.active));
        let priority = proto::PriorityStatus {
            total: count(total),
            active: count(active),
            inactive: count(total - active),
        };
        (tier_name(tier).to_owned(), priority)
    });
    proto::GetPoolStatusResponse {
        total_count: sum(|tier| tier.total),
        active_count: sum(|tier| tier.active),
        in_flight_count: count(status.tiers.iter().map(|tier| tier.in_flight).sum::<u32>()),
        tiers: status.tiers.iter().map(tier_status).collect(),
        unused_count: count(status.unused),
        soonest_recovery_time: status.soonest_recovery.map(Into::into),
        endpoints: status.endpoints.iter().map(|endpoint| endpoint_status(endpoint, status.time)).collect(),
        total_tokens: sum(|tier| tier.total),
        active_tokens: sum(|tier| tier.active),
        failed_tokens: sum(|tier| tier.failed),
        by_priority: by_priority.collect(),
        personal_tokens: total(Tier::Personal),
        shared_tokens: total(Tier::Shared),
        anonymous_tokens: total(Tier::Anonymous),
    }
}

fn endpoint_status(status: &EndpointStatus, now: SystemTime) -> proto::EndpointStatus {
    let endpoint = match status.endpoint {
        Endpoint::Chat => proto::PoolEndpoint::Chat,
        Endpoint::Token => proto::PoolEndpoint::Token,
    };
    let state = match status.open {
        None => proto::EndpointState::Closed,
        Some(open) if open.until > now => proto::EndpointState::Open,
        Some(_) => proto::EndpointState::HalfOpen,
    };
    let failure = match status.open.map(|open| open.reason) {
        None => proto::EndpointFailure::Unspecified,
        Some(Reason::Faults) => proto::EndpointFailure::Faults,
        Some(Reason::Refusals) => proto::EndpointFailure::Refusals,
    };
    proto::EndpointStatus {
        endpoint: endpoint.into(),
        state: state.into(),
        failure: failure.into(),
        probe_time: status.open.map(|open| open.until.into()),
        opening_count: status.open.map_or(0, |open| count(open.openings)),
        held_credential_count: count(status.held),
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Personal => "PERSONAL",
        Tier::Shared => "SHARED",
        Tier::Anonymous => "ANONYMOUS",
    }
}

fn tier_status(tier: &TierStatus) -> proto::TierStatus {
    proto::TierStatus {
        tier: tier_number(tier.tier),
        total_count: count(tier.total),
        active_count: count(tier.active),
        cooling_down_count: count(tier.cooling_down),
        exhausted_count: count(tier.exhausted),
        disabled_count: count(tier.disabled),
        blocked_count: count(tier.blocked),
        known_quota_count: count(tier.known_quotas),
        unlimited_count: count(tier.unlimited),
        remaining_quota: large(tier.remaining),
    }
}

fn resource_name(id: &CredentialId) -> String {
    format!("{COLLECTION}{id}")
}

fn tier_number(tier: Tier) -> i32 {
    let tier = match tier {
        Tier::Personal => proto::CredentialTier::Personal,
        Tier::Shared => proto::CredentialTier::Shared,
        Tier::Anonymous => proto::CredentialTier::Anonymous,
    };
    tier.into()
}

fn kind(kind: Kind) -> proto::CredentialKind {
    match kind {
        Kind::ApiKey => proto::CredentialKind::ApiKey,
        Kind::RefreshToken => proto::CredentialKind::RefreshToken,
        Kind::StaticJwt => proto::CredentialKind::StaticJwt,
        Kind::Embedded => proto::CredentialKind::Embedded,
    }
}

fn state(standing: Standing) -> proto::CredentialState {
    match standing {
        Standing::Active => proto::CredentialState::Active,
        Standing::CoolingDown => proto::CredentialState::CoolingDown,
        Standing::Exhausted => proto::CredentialState::Exhausted,
        Standing::Disabled => proto::CredentialState::Disabled,
        Standing::Blocked => proto::CredentialState::Blocked,
    }
}

fn large(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
