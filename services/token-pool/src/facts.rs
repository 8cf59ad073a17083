//! What is known of a credential besides what it is and where it stands: what an operator decided about it, and what its
//! account may still use. Kept with its state.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::credential::CredentialId;

/// The most secrets a credential is known by.
const MAX_ORIGINS: usize = 32;

/// What is known of a credential.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// When it came into the pool.
    pub(crate) created: Option<SystemTime>,
    /// When an operator changed it last.
    pub(crate) updated: Option<SystemTime>,
    /// How often an operator changed it.
    pub(crate) version: u64,
    /// Leases that may be out at once, if an operator says.
    pub(crate) max_in_flight: Option<u32>,
    /// What its account may still use.
    pub(crate) quota: Option<Quota>,
    /// Whether it is the installation's guest identity.
    pub(crate) guest: bool,
    /// What the caller that made it called the call.
    pub(crate) request_id: Option<String>,
    /// Digests of the secrets an operator gave it later.
    origins: Vec<String>,
}

/// What an account may still use, as the upstream said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Credits for each period.
    pub limit: u64,
    /// Credits used in this period.
    pub used: u64,
    /// Credits granted besides that are left.
    pub bonus: u64,
    /// Whether the limit does not count.
    pub unlimited: bool,
    /// When the period ends.
    pub refresh: Option<SystemTime>,
    /// When this was read.
    pub read: SystemTime,
}

impl Quota {
    /// What is left: of the period's credits, and of those granted besides.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_add(self.bonus)
    }

    /// Whether there is anything left to use.
    pub fn is_available(&self) -> bool {
        self.unlimited || self.remaining() > 0
    }
}

impl Facts {
    /// An operator changed the credential.
    pub(crate) fn touch(&mut self, now: SystemTime) {
        self.version += 1;
        self.updated = Some(now);
    }

    /// What changes whenever an operator changes the credential.
    pub(crate) fn etag(&self, id: &CredentialId) -> String {
        let created = self.created.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        // One that was removed and added again is another.
        format!("{id}-{:x}-{:x}", created.unwrap_or_default().as_micros(), self.version)
    }

    /// Whether it was given the secret with this digest.
    pub(crate) fn is_known_by(&self, origin: &CredentialId) -> bool {
        self.origins.iter().any(|known| known == origin.as_str())
    }

    /// It was given the secret with this digest.
    pub(crate) fn remember(&mut self, origin: &CredentialId) {
        if self.origins.len() >= MAX_ORIGINS {
            self.origins.remove(0);
        }
        self.origins.push(origin.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::{Kind, Secret};

    fn quota(limit: u64, used: u64, bonus: u64, unlimited: bool) -> Quota {
        Quota { limit, used, bonus, unlimited, refresh: None, read: SystemTime::UNIX_EPOCH }
    }

    #[test]
    fn what_is_left_counts_what_was_granted_besides() {
        for (quota, remaining, available) in [
            (quota(150, 20, 0, false), 130, true),
            (quota(150, 150, 0, false), 0, false),
            (quota(150, 151, 0, false), 0, false),
            (quota(150, 150, 5, false), 5, true),
            (quota(0, 0, 0, true), 0, true),
        ] {
            assert_eq!((quota.remaining(), quota.is_available()), (remaining, available), "{quota:?}");
        }
    }

    #[test]
    fn an_etag_changes_with_every_change_and_with_every_new_life() {
        let id = CredentialId::of(Kind::ApiKey, &Secret::new("a"));
        let mut facts = Facts { created: Some(SystemTime::UNIX_EPOCH), ..Facts::default() };
        let mut tags = vec![facts.etag(&id)];
        facts.touch(SystemTime::UNIX_EPOCH);
        tags.push(facts.etag(&id));
        let later = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        tags.push(Facts { created: later, ..Facts::default() }.etag(&id));

        assert_eq!(tags.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{tags:?}");
    }

    #[test]
    fn the_secrets_it_was_given_are_remembered_up_to_a_bound() {
        let mut facts = Facts::default();
        let origin = |number: usize| CredentialId::long(Kind::ApiKey, &Secret::new(number.to_string()));
        for number in 0..=MAX_ORIGINS {
            facts.remember(&origin(number));
        }

        assert!(!facts.is_known_by(&origin(0)) && facts.is_known_by(&origin(1)));
        assert!(facts.is_known_by(&origin(MAX_ORIGINS)));
    }
}
