//! What a check found, in the contract's words and in words for people, with what to do about it.

use std::time::SystemTime;

use prost_types::Timestamp;
use warp2api_proto::token_pool::v1::CredentialFinding;

use crate::credential::Kind;
use crate::listing::Standing;
use crate::quota::Finding;
use crate::view::CredentialView;

/// What was found about a credential that is now as `view` shows.
pub(super) fn explain(finding: &Finding, view: &CredentialView) -> (CredentialFinding, String) {
    match finding {
        Finding::Taken(quota) if !quota.is_available() => {
            let back =
                quota.refresh.map_or_else(String::new, |time| format!("; it comes back at {}", at(time)));
            let words = format!("the upstream takes it, but all {} credits are used up{back}", quota.limit);
            (CredentialFinding::Exhausted, words)
        }
        Finding::Taken(quota) => {
            let left = if quota.unlimited {
                "its quota has no limit".to_owned()
            } else {
                format!("{} credits are left", quota.remaining())
            };
            (CredentialFinding::Good, format!("the upstream takes it, and {left}{}", held_back(view)))
        }
        Finding::NoToken { refused: true, words } => {
            (CredentialFinding::Dead, format!("{words}: {}", replace(view)))
        }
        Finding::NoToken { refused: false, words } => (
            CredentialFinding::Unknown,
            format!("{words}; this says nothing about the credential, check again later"),
        ),
        Finding::Rejected => {
            (CredentialFinding::Rejected, format!("the upstream does not take it: {}", replace(view)))
        }
        Finding::Unknown(error) => (
            CredentialFinding::Unknown,
            format!("{error}; this says nothing about the credential, check again later"),
        ),
    }
}

fn replace(view: &CredentialView) -> &'static str {
    match view.kind {
        Kind::ApiKey => "it was revoked or mistyped; make a new key and update the credential's secret",
        Kind::RefreshToken => "sign in again and update the credential's secret",
        Kind::StaticJwt => "it cannot be renewed; update the credential's secret, or use a refresh token",
        Kind::Embedded => "restart the embedded upstream",
    }
}

/// What the pool holds against a credential that the upstream takes.
fn held_back(view: &CredentialView) -> &'static str {
    match Standing::from(view.phase) {
        Standing::Active => "",
        Standing::CoolingDown => "; the pool waits a moment with it",
        Standing::Exhausted => "; a turn was told that its quota is used up, recover it if that is over",
        Standing::Disabled => "; it is disabled, recover it to use it",
        Standing::Blocked => "; a turn was told that the account is blocked, recover it if that is over",
    }
}

fn at(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}
