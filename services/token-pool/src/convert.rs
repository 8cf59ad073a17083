//! Between the pool's own types and the contract's messages. Pure; what cannot be read is a [`Failure`] that names
//! the field.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_types::Duration as ProtoDuration;
use warp2api_proto::token_pool::v1 as proto;
use warp2api_rpc::Failure;

use crate::breaker::Reason;
use crate::credential::{CredentialId, Kind, Tier};
use crate::endpoints::EndpointStatus;
use crate::lease::Lease;
use crate::select::{Endpoint, OnQuota};
use crate::state::{Outcome, Phase};
use crate::view::{CredentialView, Cursor, PoolStatus, TierStatus};

const COLLECTION: &str = "credentials/";

/// The id in a resource name.
pub(crate) fn credential_id(name: &str, field: impl Into<String>) -> Result<CredentialId, Failure> {
    if name.is_empty() {
        return Err(Failure::invalid(field, "is required"));
    }
    let id = name.strip_prefix(COLLECTION).and_then(CredentialId::parse);
    id.ok_or_else(|| {
        // What was sent is not repeated: it may be a token.
        let form = "must be credentials/{id} with the 8 or 32 hexadecimal digits that ListCredentials shows";
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

/// The token of a page, opaque to callers.
pub(crate) fn page_token(cursor: Option<Cursor>) -> String {
    cursor.map_or_else(String::new, |Cursor { tier, order }| {
        URL_SAFE_NO_PAD.encode(format!("{}.{order}", tier_number(tier)))
    })
}

/// Where a page token says to go on.
pub(crate) fn cursor(page_token: &str) -> Result<Option<Cursor>, Failure> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(page_token).ok()?).ok()?;
        let (tier, order) = text.split_once('.')?;
        let number: i32 = tier.parse().ok()?;
        let tier = Tier::ALL.into_iter().find(|tier| tier_number(*tier) == number)?;
        Some(Cursor { tier, order: order.parse().ok()? })
    };
    let cursor = read().ok_or_else(|| Failure::invalid("page_token", "is not the token of a page"))?;
    Ok(Some(cursor))
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
        state: state(view.phase).into(),
        recovery_time: view.recovery.map(Into::into),
        consecutive_failure_count: count(view.failures),
        in_flight_count: count(view.in_flight),
        granted_count: i64::try_from(view.granted_count).unwrap_or(i64::MAX),
        last_granted_time: view.last_granted_time.map(Into::into),
        access_token_expire_time: view.access_token_expire_time.map(Into::into),
        last_error: view.last_error.unwrap_or_default(),
    }
}

pub(crate) fn status(status: &PoolStatus) -> proto::GetPoolStatusResponse {
    proto::GetPoolStatusResponse {
        total_count: count(status.tiers.iter().map(|tier| tier.total).sum::<usize>()),
        active_count: count(status.tiers.iter().map(|tier| tier.active).sum::<usize>()),
        in_flight_count: count(status.tiers.iter().map(|tier| tier.in_flight).sum::<u32>()),
        tiers: status.tiers.iter().map(tier_status).collect(),
        soonest_recovery_time: status.soonest_recovery.map(Into::into),
        endpoints: status.endpoints.iter().map(|endpoint| endpoint_status(endpoint, status.time)).collect(),
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

fn tier_status(tier: &TierStatus) -> proto::TierStatus {
    proto::TierStatus {
        tier: tier_number(tier.tier),
        total_count: count(tier.total),
        active_count: count(tier.active),
        cooling_down_count: count(tier.cooling_down),
        exhausted_count: count(tier.exhausted),
        disabled_count: count(tier.disabled),
        blocked_count: count(tier.blocked),
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

fn state(phase: Phase) -> proto::CredentialState {
    match phase {
        Phase::Active => proto::CredentialState::Active,
        Phase::CoolingDown { .. } => proto::CredentialState::CoolingDown,
        Phase::Exhausted { .. } => proto::CredentialState::Exhausted,
        Phase::Tripped { .. } | Phase::SwitchedOff | Phase::Expired => proto::CredentialState::Disabled,
        Phase::Blocked => proto::CredentialState::Blocked,
    }
}

fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_lead_back_to_where_the_page_ended() {
        for tier in Tier::ALL {
            let place = Some(Cursor { tier, order: 17 });
            assert_eq!(cursor(&page_token(place)).unwrap(), place);
        }
        assert_eq!(cursor("").unwrap(), None);
        for wrong in ["x", "!!", "MS4", "OS4x", "MS4tMQ", "ü"] {
            assert_eq!(cursor(wrong).unwrap_err().violations[0].field, "page_token", "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_as_the_table_says() {
        let of = |seconds, nanos| ProtoDuration { seconds, nanos };
        for (value, expected) in [
            (None, Ok(None)),
            (Some(of(0, 0)), Ok(None)),
            (Some(of(1, 500_000_000)), Ok(Some(Duration::from_millis(1500)))),
            (Some(of(-1, 0)), Err(())),
            (Some(of(0, -1)), Err(())),
        ] {
            assert_eq!(duration(value.as_ref(), "max_wait").map_err(drop), expected, "{value:?}");
        }
    }
}
