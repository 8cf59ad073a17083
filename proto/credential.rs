//! `Debug` of a credential, written by hand because a new one holds its secret.

use std::fmt;

use crate::token_pool::v1::Credential;

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("display_name", &self.display_name)
            .field("tier", &self.tier())
            .field("kind", &self.kind())
            .field("state", &self.state())
            .field("source", &self.source())
            .field("in_flight_count", &self.in_flight_count)
            .field("quota", &self.quota)
            .field("etag", &self.etag)
            .field("has_secret", &!self.secret.is_empty())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_pool::v1::CreateCredentialRequest;

    #[test]
    fn debug_of_a_credential_on_its_way_in_shows_no_secret() {
        let credential = Credential {
            name: "credentials/c1".into(),
            secret: "planted-secret".into(),
            ..Credential::default()
        };
        let request = CreateCredentialRequest { credential: Some(credential), ..Default::default() };

        let shown = format!("{request:?}");

        assert!(shown.contains("c1") && !shown.contains("planted"), "{shown}");
    }
}
