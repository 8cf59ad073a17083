//! What has happened to the pool since it was stored last, and the pool as a store has it. Pure: rows in, rows out.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::credential::CredentialId;
use crate::entry::Entry;
use crate::entry::keeping::Unstored;
use crate::lease::{LeaseId, LeaseTable};
use crate::pool::Inner;
use crate::store::kept::{AuditRow, Common, CredentialRow, LeaseRow, RowError, StoredCredential, json};
use crate::store::seal::Keyring;

/// What has happened since the pool was stored last.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Credentials whose row is to be written anew.
    pub(crate) credentials: Vec<CredentialRow>,
    /// Credentials whose state alone has changed, with it as JSON.
    pub(crate) states: Vec<(CredentialId, String)>,
    pub(crate) removed: Vec<CredentialId>,
    pub(crate) leases: Vec<LeaseRow>,
    pub(crate) ended: Vec<LeaseId>,
    /// The pool as a whole, as JSON.
    pub(crate) common: Option<String>,
    pub(crate) audit: Vec<AuditRow>,
    /// The key that seals from now on, if that is another one.
    pub(crate) key: Option<KeyRecord>,
}

/// Which key seals, and something it sealed.
#[derive(Debug, Clone)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    pub(crate) check: Vec<u8>,
}

/// The pool, or what of it has changed, as a store has it.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) credentials: Vec<CredentialRow>,
    pub(crate) removed: Vec<String>,
    pub(crate) leases: Vec<LeaseRow>,
    pub(crate) ended: Vec<String>,
    pub(crate) common: String,
}

/// What a pool with a store knows about it.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) keys: Keyring,
    /// Credentials the store may have, but the pool has no longer.
    removed: Vec<CredentialId>,
    common: Option<Common>,
    /// Whether the store has yet to hear that another key seals.
    rekeyed: bool,
}

impl Keeping {
    pub(crate) fn new(keys: Keyring) -> Self {
        Self { keys, removed: Vec::new(), common: None, rekeyed: false }
    }

    pub(crate) fn remove(&mut self, id: CredentialId) {
        self.removed.push(id);
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { credentials, states, removed, leases, ended, common, audit, key } = self;
        credentials.is_empty()
            && states.is_empty()
            && removed.is_empty()
            && leases.is_empty()
            && ended.is_empty()
            && common.is_none()
            && audit.is_empty()
            && key.is_none()
    }
}

impl Inner {
    /// What the store has not heard of yet; from here on it counts as stored. `wall` and `now` are the same moment by
    /// both clocks.
    pub(crate) fn take_changes(&mut self, wall: SystemTime, now: Instant) -> Changes {
        let mut changes = Changes::default();
        let common = self.common();
        let Some(keeping) = &mut self.keeping else { return changes };
        for entry in &mut self.entries {
            match entry.take_unstored() {
                None => {}
                Some(Unstored::State(kept)) => changes.states.push((entry.id.clone(), json(&kept))),
                Some(Unstored::Whole(whole)) => changes.credentials.push(whole.row(&keeping.keys)),
            }
        }
        changes.removed = std::mem::take(&mut keeping.removed);
        changes.key = std::mem::take(&mut keeping.rekeyed).then(|| keeping.keys.current().record());
        if keeping.common.as_ref() != Some(&common) {
            changes.common = Some(json(&common));
            keeping.common = Some(common);
        }
        let local: Vec<_> = self.entries.iter().filter(|entry| !entry.is_stored()).map(|e| &e.id).collect();
        let (leases, ended) = self.leases.take_unstored(|credential| !local.contains(&credential));
        changes.leases = leases.iter().map(|(id, record)| LeaseRow::of(id, record, wall, now)).collect();
        changes.ended = ended;
        changes.audit = self.audit.drain().map(AuditRow::from).collect();
        changes
    }

    /// Takes back that these changes were stored: nobody knows.
    pub(crate) fn give_back_changes(&mut self, changes: Changes) {
        let written = changes.credentials.iter().map(|row| row.id.as_str());
        let touched: Vec<&str> = written.chain(changes.states.iter().map(|(id, _)| id.as_str())).collect();
        for entry in self.entries.iter_mut().filter(|entry| touched.contains(&entry.id.as_str())) {
            entry.mark_unstored();
        }
        let ids: Vec<_> = changes.leases.into_iter().map(|row| LeaseId::new(row.id)).collect();
        self.leases.mark_unstored(ids.iter().chain(&changes.ended));
        self.audit.put_back(changes.audit.into_iter().map(Into::into));
        if let Some(keeping) = &mut self.keeping {
            keeping.removed.extend(changes.removed);
            keeping.common = None;
            keeping.rekeyed |= changes.key.is_some();
        }
    }

    /// Seals everything anew under the key of `keys` that seals.
    pub(crate) fn rekey(&mut self, keys: Keyring) {
        if let Some(keeping) = &mut self.keeping {
            (keeping.keys, keeping.rekeyed) = (keys, true);
            self.entries.iter_mut().for_each(Entry::mark_unstored);
        }
    }

    /// Takes over the whole pool as the store has it. What concerns this process alone stays: who waits, exchanges
    /// that are under way, credentials that are never stored.
    ///
    /// # Errors
    /// When a row cannot be understood; nothing has changed then.
    pub(crate) fn load_all(
        &mut self,
        rows: &Rows,
        wall: SystemTime,
        now: Instant,
        reservations: bool,
    ) -> Result<(), LoadError> {
        let Some(keeping) = &mut self.keeping else { return Ok(()) };
        let stored = read_all(rows, &keeping.keys)?;
        (keeping.removed, keeping.rekeyed) = (Vec::new(), false);
        let mut before = std::mem::take(&mut self.entries);
        let leases = std::mem::replace(&mut self.leases, LeaseTable::of_store(reservations));
        for stored in stored {
            let mut entry = Entry::load(stored);
            if let Some(known) = before.iter_mut().find(|known| known.id == entry.id) {
                entry.flight = known.flight.take();
            }
            self.entries.push(entry);
        }
        let local: Vec<Entry> = before.into_iter().filter(|entry| !entry.is_stored()).collect();
        for (id, record) in leases.iter().filter(|(_, r)| local.iter().any(|e| e.id == r.credential)) {
            self.leases.insert(id.clone(), record.clone());
        }
        self.entries.extend(local);
        self.finish_load(rows, wall, now)
    }

    /// Takes over what has changed in the store.
    ///
    /// # Errors
    /// When a row cannot be understood.
    pub(crate) fn load_changes(
        &mut self,
        rows: &Rows,
        wall: SystemTime,
        now: Instant,
    ) -> Result<(), LoadError> {
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let stored = read_all(rows, &keeping.keys)?;
        self.entries.retain(|entry| !rows.removed.iter().any(|id| id == entry.id.as_str()));
        for stored in stored {
            let mut entry = Entry::load(stored);
            if let Some(known) = self.entries.iter_mut().find(|known| known.id == entry.id) {
                entry.flight = known.flight.take();
                entry.adopt_slots(known);
                *known = entry;
            } else {
                self.entries.push(entry);
            }
        }
        self.finish_load(rows, wall, now)
    }

    fn finish_load(&mut self, rows: &Rows, wall: SystemTime, now: Instant) -> Result<(), LoadError> {
        self.entries.sort_by_key(Entry::cursor);
        for id in &rows.ended {
            let id = LeaseId::new(id.clone());
            if let Some(record) = self.leases.unload(&id) {
                self.slot(&record.credential, |entry| entry.return_slot(record.grant));
                if record.lent && record.expires <= now {
                    // Another process was the first to see that its time is up.
                    self.lapsed.put(id, record, now);
                }
            }
        }
        for row in &rows.leases {
            let (id, record) = row.read(wall, now).map_err(|source| LoadError {
                table: "leases",
                row: row.id.clone(),
                source,
            })?;
            self.slot(&record.credential, |entry| entry.keep_slot(record.grant));
            self.leases.load(id, record);
        }
        let common: Common = serde_json::from_str(&rows.common).map_err(|_| LoadError {
            table: "pool",
            row: "1".to_owned(),
            source: RowError::Column("state"),
        })?;
        self.set_common(&common);
        if let Some(keeping) = &mut self.keeping {
            keeping.common = Some(common);
        }
        Ok(())
    }

    fn slot(&mut self, credential: &CredentialId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == *credential) {
            change(entry);
        }
    }

    fn common(&self) -> Common {
        Common { last_grant: self.last_grant, last_order: self.last_order, guest: self.guest.clone() }
    }

    fn set_common(&mut self, common: &Common) {
        self.last_grant = common.last_grant;
        self.last_order = common.last_order;
        self.guest.clone_from(&common.guest);
    }
}

/// A row of the store cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row {row} of the table {table} cannot be read")]
pub(crate) struct LoadError {
    table: &'static str,
    row: String,
    #[source]
    source: RowError,
}

fn read_all(rows: &Rows, keys: &Keyring) -> Result<Vec<StoredCredential>, LoadError> {
    let read = |row: &CredentialRow| {
        StoredCredential::read(row, keys).map_err(|source| LoadError {
            table: "credentials",
            row: row.id.clone(),
            source,
        })
    };
    rows.credentials.iter().map(read).collect()
}
