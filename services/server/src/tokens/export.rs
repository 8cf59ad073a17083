//! The credentials without their secrets, in the form that `import` reads once the secrets are filled in. Pure.

use serde_json::{Value, json};
use warp2api_proto::token_pool::v1::{Credential, CredentialKind};

use super::show;

/// The list. The embedded upstream's own credential is no one's to carry along.
pub(super) fn list(credentials: &[Credential]) -> Value {
    let exported = credentials.iter().filter(|credential| credential.kind() != CredentialKind::Embedded);
    exported.map(entry).collect()
}

fn entry(credential: &Credential) -> Value {
    let mut entry = json!({
        "name": credential.name,
        "display_name": credential.display_name,
        "tier": show::tier(credential.tier()),
        "kind": show::kind(credential.kind()).replace('-', "_"),
        "state": show::state(credential.state()).replace('-', "_"),
        "secret": "",
    });
    if credential.max_in_flight > 0 {
        entry["max_in_flight"] = credential.max_in_flight.into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use warp2api_proto::token_pool::v1::{CredentialState, CredentialTier};
    use warp2api_token_pool::import;

    use super::*;

    #[test]
    fn what_is_exported_and_completed_can_be_imported() {
        let credential = Credential {
            name: "credentials/work".into(),
            display_name: "my key".into(),
            tier: CredentialTier::Shared.into(),
            kind: CredentialKind::StaticJwt.into(),
            state: CredentialState::CoolingDown.into(),
            max_in_flight: 3,
            ..Credential::default()
        };
        let embedded = Credential { kind: CredentialKind::Embedded.into(), ..Credential::default() };

        let mut exported = list(&[credential, embedded]);

        let expected = json!([{
            "name": "credentials/work", "display_name": "my key", "tier": "shared", "kind": "static_jwt",
            "state": "cooling_down", "secret": "", "max_in_flight": 3
        }]);
        assert_eq!(exported, expected);
        let personal = warp2api_token_pool::Tier::Personal;
        let incomplete = import::from_json(exported.to_string().as_bytes(), personal).unwrap();
        assert!(incomplete[0].found.as_ref().unwrap_err().contains("fill it in as `secret`"));
        exported[0]["secret"] = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln".into();
        let complete = import::from_json(exported.to_string().as_bytes(), personal).unwrap();
        let found = complete[0].found.as_ref().unwrap();
        assert_eq!(found.id.as_ref().unwrap().as_str(), "work");
        assert_eq!((found.new.display_name.as_deref(), found.max_in_flight), (Some("my key"), Some(3)));
        assert_eq!(found.new.tier, warp2api_token_pool::Tier::Shared);
    }
}
