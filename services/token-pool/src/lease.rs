//! Leases: what a caller gets, and the table of those that are out.
//!
//! The table is told the time; it starts no timer. A lease nobody reported is taken back when somebody next looks.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::credential::{CredentialId, Secret, Tier};

/// A credential lent out.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Names the lease in the report.
    pub id: LeaseId,
    /// Which credential it is.
    pub credential: CredentialId,
    /// The credential's label.
    pub display_name: String,
    /// The credential's tier.
    pub tier: Tier,
    /// What is sent as `Authorization: Bearer`. Empty for a credential that is sent without one.
    pub bearer: Secret,
    /// When the pool takes the slot back if no report came.
    pub expire_time: SystemTime,
    /// Whether a bearer that was rejected can be renewed.
    pub refreshable: bool,
    /// Whether others wait to hear how this one fares: its holder should report as soon as it knows, with
    /// [`Report::continues`](crate::Report::continues).
    pub probe: bool,
    /// How long its caller waited for a slot.
    pub waited: Duration,
}

/// Names a lease. Cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(String);

impl LeaseId {
    /// The id with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the pool remembers of a lease that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    pub(crate) credential: CredentialId,
    /// The number of the grant.
    pub(crate) grant: u64,
    /// Which of the credential's access tokens the caller got.
    pub(crate) token_serial: u64,
    pub(crate) expires: Instant,
    /// Whether the caller has it. Until then the slot is only kept for it.
    pub(crate) lent: bool,
}

/// The leases that are out.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    records: HashMap<LeaseId, LeaseRecord>,
    by_expiry: BTreeSet<(Instant, LeaseId)>,
    /// What a store has not heard of yet; `None` if there is no store.
    unstored: Option<Unstored>,
}

/// What of the table has changed since it was stored last.
#[derive(Debug, Default)]
struct Unstored {
    /// Whether slots that are only kept for somebody are stored too.
    reservations: bool,
    touched: HashSet<LeaseId>,
    /// Those that the store has.
    stored: HashSet<LeaseId>,
}

impl LeaseTable {
    /// A table that remembers what has to be stored.
    pub(crate) fn of_store(reservations: bool) -> Self {
        let unstored = Unstored { reservations, ..Unstored::default() };
        Self { unstored: Some(unstored), ..Self::default() }
    }

    pub(crate) fn insert(&mut self, id: LeaseId, record: LeaseRecord) {
        if let Some(unstored) = &mut self.unstored
            && (record.lent || unstored.reservations)
        {
            unstored.touched.insert(id.clone());
        }
        self.put(id, record);
    }

    pub(crate) fn remove(&mut self, id: &LeaseId) -> Option<LeaseRecord> {
        let record = self.take(id)?;
        if let Some(unstored) = &mut self.unstored {
            if unstored.stored.contains(id) {
                unstored.touched.insert(id.clone());
            } else {
                unstored.touched.remove(id);
            }
        }
        Some(record)
    }

    fn put(&mut self, id: LeaseId, record: LeaseRecord) {
        self.by_expiry.insert((record.expires, id.clone()));
        self.records.insert(id, record);
    }

    pub(crate) fn get(&self, id: &LeaseId) -> Option<&LeaseRecord> {
        self.records.get(id)
    }

    fn take(&mut self, id: &LeaseId) -> Option<LeaseRecord> {
        let record = self.records.remove(id)?;
        self.by_expiry.remove(&(record.expires, id.clone()));
        Some(record)
    }

    /// Lets a lease last until `expires`, if it is out and ends sooner. Whether it is out.
    pub(crate) fn renew(&mut self, id: &LeaseId, expires: Instant) -> bool {
        let Some(record) = self.records.get(id).filter(|record| record.lent) else { return false };
        if record.expires < expires
            && let Some(record) = self.take(id)
        {
            self.insert(id.clone(), LeaseRecord { expires, ..record });
        }
        true
    }

    /// Removes all leases of a credential.
    pub(crate) fn remove_all(&mut self, credential: &CredentialId) {
        for id in self.ids_of(credential) {
            self.remove(&id);
        }
    }

    fn ids_of(&self, credential: &CredentialId) -> Vec<LeaseId> {
        let of_it = self.records.iter().filter(|(_, record)| record.credential == *credential);
        of_it.map(|(id, _)| id.clone()).collect()
    }

    /// Removes a lease that has expired, if there is one.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<(LeaseId, LeaseRecord)> {
        let (expires, id) = self.by_expiry.first()?;
        if *expires > now {
            return None;
        }
        let id = id.clone();
        let record = self.remove(&id)?;
        Some((id, record))
    }

    /// Takes over a lease as the store has it; the one it replaces, if any.
    pub(crate) fn load(&mut self, id: LeaseId, record: LeaseRecord) -> Option<LeaseRecord> {
        let replaced = self.take(&id);
        if let Some(unstored) = &mut self.unstored {
            unstored.stored.insert(id.clone());
        }
        self.put(id, record);
        replaced
    }

    /// Forgets a lease that the store no longer has.
    pub(crate) fn unload(&mut self, id: &LeaseId) -> Option<LeaseRecord> {
        if let Some(unstored) = &mut self.unstored {
            unstored.stored.remove(id);
            unstored.touched.remove(id);
        }
        self.take(id)
    }

    /// Every lease that is out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&LeaseId, &LeaseRecord)> {
        self.records.iter()
    }

    /// What the store has not heard of yet: leases as they are now, and those that have ended. From here on it
    /// counts as stored. Only leases of credentials that `is_stored` says are stored.
    pub(crate) fn take_unstored(
        &mut self,
        is_stored: impl Fn(&CredentialId) -> bool,
    ) -> (Vec<(LeaseId, LeaseRecord)>, Vec<LeaseId>) {
        let (mut changed, mut ended) = (Vec::new(), Vec::new());
        let Some(unstored) = &mut self.unstored else { return (changed, ended) };
        for id in unstored.touched.drain() {
            match self.records.get(&id) {
                Some(record) if !is_stored(&record.credential) => {}
                Some(record) => {
                    unstored.stored.insert(id.clone());
                    changed.push((id, record.clone()));
                }
                None => {
                    unstored.stored.remove(&id);
                    ended.push(id);
                }
            }
        }
        (changed, ended)
    }

    /// Takes back that these were stored: nobody knows.
    pub(crate) fn mark_unstored<'a>(&mut self, ids: impl Iterator<Item = &'a LeaseId>) {
        if let Some(unstored) = &mut self.unstored {
            for id in ids {
                unstored.stored.insert(id.clone());
                unstored.touched.insert(id.clone());
            }
        }
    }

    /// When the next lease expires.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(expires, _)| *expires)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::Kind;

    #[test]
    fn leases_expire_in_order_and_only_once() {
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let credential = CredentialId::of(Kind::ApiKey, &Secret::new("a"));
        let mut table = LeaseTable::default();
        for (id, expires) in [("late", 9), ("early", 1), ("reported", 2), ("middle", 5)] {
            let record = LeaseRecord {
                credential: credential.clone(),
                grant: expires,
                token_serial: 0,
                expires: second(expires),
                lent: true,
            };
            table.insert(LeaseId::new(id), record);
        }

        assert_eq!(table.remove(&LeaseId::new("reported")).map(|r| r.grant), Some(2));
        assert_eq!(table.remove(&LeaseId::new("reported")), None);
        let mut expired = Vec::new();
        while let Some((_, record)) = table.take_expired(second(5)) {
            expired.push(record.grant);
        }

        assert_eq!(expired, [1, 5]);
        assert_eq!((table.records.len(), table.next_expiry()), (1, Some(second(9))));
    }

    #[test]
    fn debug_of_a_lease_shows_no_bearer() {
        let bearer = Secret::new("planted");
        let lease = Lease {
            id: LeaseId::random(),
            credential: CredentialId::of(Kind::ApiKey, &bearer),
            display_name: "me".into(),
            tier: Tier::Personal,
            bearer,
            expire_time: SystemTime::UNIX_EPOCH,
            refreshable: false,
            probe: false,
            waited: Duration::ZERO,
        };

        assert!(!format!("{lease:?}").contains("planted"));
    }
}
