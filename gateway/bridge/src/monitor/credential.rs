//! A credential as readers of the socket get it. Pure.

use prost_types::Timestamp;
use serde_json::{Value, json};
use warp2api_proto::token_pool::v1::watch_credentials_response::Event;
use warp2api_proto::token_pool::v1::{Credential, WatchCredentialsResponse};

use super::exchange::short;
use super::frames::frame;
use super::packet::text;

/// The frame of something that was told of credentials, if it has one.
pub(crate) fn told(told: WatchCredentialsResponse, now: &str) -> Option<Value> {
    match told.event? {
        Event::Changed(credential) => {
            let credential = json(&credential);
            Some(frame("credential_changed", json!({ "timestamp": now, "credential": credential })))
        }
        Event::Removed(name) => {
            Some(frame("credential_removed", json!({ "timestamp": now, "credential": { "name": name } })))
        }
        Event::Synced(_) => Some(frame("credentials_shown", json!({ "timestamp": now }))),
        // The socket has a heartbeat of its own.
        Event::Heartbeat(_) => None,
    }
}

/// A credential: nothing of its secret, not even what the contract lets callers send.
fn json(credential: &Credential) -> Value {
    let time = |time: &Option<Timestamp>| time.as_ref().map(ToString::to_string);
    json!({
        "name": credential.name,
        "display_name": credential.display_name,
        "tier": short(credential.tier().as_str_name(), "CREDENTIAL_TIER_"),
        "kind": short(credential.kind().as_str_name(), "CREDENTIAL_KIND_"),
        "state": short(credential.state().as_str_name(), "CREDENTIAL_STATE_"),
        "recovery_time": time(&credential.recovery_time),
        "consecutive_failures": credential.consecutive_failure_count,
        "last_error": text(&credential.last_error),
        "in_flight": credential.in_flight_count,
        "max_in_flight": credential.max_in_flight,
        "granted": credential.granted_count,
        "last_granted_time": time(&credential.last_granted_time),
        "access_token_expire_time": time(&credential.access_token_expire_time),
    })
}

#[cfg(test)]
mod tests {
    use warp2api_proto::token_pool::v1::{CredentialState, CredentialTier, WatchHeartbeat, WatchSynced};

    use super::*;

    fn of(event: Event) -> Option<Value> {
        told(WatchCredentialsResponse { event: Some(event) }, "now")
    }

    #[test]
    fn a_credential_is_told_by_its_state_and_without_its_secret() {
        let mut credential = Credential {
            name: "credentials/7".to_owned(),
            display_name: "work".to_owned(),
            secret: "planted".to_owned(),
            etag: "planted".to_owned(),
            recovery_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            in_flight_count: 2,
            ..Credential::default()
        };
        credential.set_tier(CredentialTier::Shared);
        credential.set_state(CredentialState::CoolingDown);

        let frame = of(Event::Changed(credential)).unwrap();

        let shown = &frame["credential"];
        assert_eq!(frame["event"], "credential_changed");
        assert_eq!((&shown["tier"], &shown["state"]), (&json!("shared"), &json!("cooling_down")));
        assert_eq!(shown["recovery_time"], "2023-11-14T22:13:20Z");
        assert!(!frame.to_string().contains("planted"));
    }

    #[test]
    fn what_else_is_told_has_a_name_or_no_frame() {
        let removed = of(Event::Removed("credentials/7".to_owned())).unwrap();
        assert_eq!(removed["credential"], json!({ "name": "credentials/7" }));
        assert_eq!(of(Event::Synced(WatchSynced {})).unwrap()["event"], "credentials_shown");
        assert_eq!(of(Event::Heartbeat(WatchHeartbeat {})), None);
        assert_eq!(told(WatchCredentialsResponse::default(), "now"), None);
    }
}
