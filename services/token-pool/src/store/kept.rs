//! What is kept of a credential besides its columns, and how rows and the pool's own types become each other. Pure.
//!
//! State is JSON that readers of any version can read: what they do not know they skip, what they miss has its
//! default.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::audit::{AuditEvent, Change};
use crate::clock::{after, instant_after, until};
use crate::credential::{CredentialId, Kind, Secret, Source, Tier};
use crate::facts::Facts;
use crate::lease::{LeaseId, LeaseRecord};
use crate::state::State;
use crate::store::seal::{Keyring, Unopened};

/// What is kept of a credential besides its columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    pub(crate) state: State,
    /// How many access tokens it has had.
    pub(crate) serial: u64,
    /// What is known of the access token at hand. The token itself has a column.
    pub(crate) token: Option<KeptToken>,
    pub(crate) suspect: bool,
    pub(crate) last_grant: u64,
    pub(crate) granted_count: u64,
    pub(crate) last_granted_time: Option<SystemTime>,
    pub(crate) last_error: Option<String>,
    /// How many exchanges have ended, well or not.
    pub(crate) exchanges: u64,
    /// Which process exchanges its refresh token now.
    pub(crate) claim: Option<Claim>,
    /// What else is known of it.
    pub(crate) facts: Facts,
}

/// What is known of an access token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptToken {
    pub(crate) serial: u64,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) refresh_at: Option<SystemTime>,
}

/// The right to exchange a refresh token, or to sign in as a guest, held by one process at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) owner: String,
    /// When others no longer wait for it.
    pub(crate) until: SystemTime,
}

/// What is kept of the pool as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    pub(crate) last_grant: u64,
    pub(crate) last_order: u64,
    /// Which process signs in as a guest now.
    pub(crate) guest: Option<Claim>,
}

/// A row of `credentials`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct CredentialRow {
    pub(crate) id: String,
    pub(crate) origin: String,
    pub(crate) display_name: String,
    pub(crate) tier: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) place: i64,
    pub(crate) key_id: String,
    pub(crate) secret: Vec<u8>,
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) state: String,
}

/// A row of `leases`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct LeaseRow {
    pub(crate) id: String,
    pub(crate) credential_id: String,
    pub(crate) grant_number: i64,
    pub(crate) token_serial: i64,
    pub(crate) lent: i64,
    pub(crate) expires_at: i64,
}

/// A row of `audit_events`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AuditRow {
    pub(crate) id: String,
    pub(crate) happened_at: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) credential_id: Option<String>,
    pub(crate) detail: String,
}

/// A credential as the store has it, opened.
#[derive(Debug, Clone)]
pub(crate) struct StoredCredential {
    pub(crate) id: CredentialId,
    pub(crate) origin: CredentialId,
    pub(crate) display_name: String,
    pub(crate) tier: Tier,
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    pub(crate) order: u64,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
    pub(crate) kept: Kept,
}

/// A row cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Sealed(#[from] Unopened),
    #[error("its column {0} holds something unknown")]
    Column(&'static str),
}

impl StoredCredential {
    pub(crate) fn row(&self, keys: &Keyring) -> CredentialRow {
        let seal = |column, secret| keys.current().seal(&place(self.id.as_str(), column), secret);
        CredentialRow {
            id: self.id.to_string(),
            origin: self.origin.to_string(),
            display_name: self.display_name.clone(),
            tier: tier_name(self.tier).to_owned(),
            kind: self.kind.name().to_owned(),
            source: source_name(self.source).to_owned(),
            place: signed(self.order),
            key_id: keys.current().id(),
            secret: seal("secret", &self.secret),
            token: self.token.as_ref().map(|token| seal("token", token)),
            state: json(&self.kept),
        }
    }

    pub(crate) fn read(row: &CredentialRow, keys: &Keyring) -> Result<Self, RowError> {
        let open = |column, sealed: &[u8]| keys.open(&row.key_id, &place(&row.id, column), sealed);
        Ok(Self {
            id: CredentialId::parse(&row.id).ok_or(RowError::Column("id"))?,
            origin: CredentialId::parse(&row.origin).ok_or(RowError::Column("origin"))?,
            display_name: row.display_name.clone(),
            tier: named(&Tier::ALL, &row.tier, tier_name).ok_or(RowError::Column("tier"))?,
            kind: named(&Kind::ALL, &row.kind, Kind::name).ok_or(RowError::Column("kind"))?,
            source: named(&Source::ALL, &row.source, source_name).ok_or(RowError::Column("source"))?,
            order: unsigned(row.place),
            secret: open("secret", &row.secret)?,
            token: row.token.as_deref().map(|token| open("token", token)).transpose()?,
            kept: serde_json::from_str(&row.state).map_err(|_| RowError::Column("state"))?,
        })
    }
}

impl LeaseRow {
    /// `wall` and `now` are the same moment by both clocks.
    pub(crate) fn of(id: &LeaseId, record: &LeaseRecord, wall: SystemTime, now: Instant) -> Self {
        let expires = after(wall, record.expires.saturating_duration_since(now));
        Self {
            id: id.to_string(),
            credential_id: record.credential.to_string(),
            grant_number: signed(record.grant),
            token_serial: signed(record.token_serial),
            lent: i64::from(record.lent),
            expires_at: micros(expires),
        }
    }

    pub(crate) fn read(&self, wall: SystemTime, now: Instant) -> Result<(LeaseId, LeaseRecord), RowError> {
        let left = until(time(self.expires_at), wall);
        let record = LeaseRecord {
            credential: CredentialId::parse(&self.credential_id).ok_or(RowError::Column("credential_id"))?,
            grant: unsigned(self.grant_number),
            token_serial: unsigned(self.token_serial),
            expires: instant_after(now, left),
            lent: self.lent != 0,
        };
        Ok((LeaseId::new(self.id.clone()), record))
    }
}

impl From<AuditEvent> for AuditRow {
    fn from(event: AuditEvent) -> Self {
        let AuditEvent { id, time, change: Change { actor, action, credential, detail } } = event;
        let credential_id = credential.map(|id| id.to_string());
        Self { id, happened_at: micros(time), actor, action, credential_id, detail }
    }
}

impl From<AuditRow> for AuditEvent {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, happened_at, actor, action, credential_id, detail } = row;
        let credential = credential_id.and_then(|id| CredentialId::parse(&id));
        Self { id, time: time(happened_at), change: Change { actor, action, credential, detail } }
    }
}

/// JSON of something that has a JSON form.
pub(crate) fn json(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => unreachable!("times since 1970, numbers and text have a JSON form: {error}"),
    }
}

/// Where a secret may be opened.
fn place(row: &str, column: &str) -> String {
    format!("credentials/{row}/{column}")
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Personal => "personal",
        Tier::Shared => "shared",
        Tier::Anonymous => "anonymous",
    }
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Settings => "settings",
        Source::Admin => "admin",
    }
}

fn named<T: Copy>(all: &[T], text: &str, name: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|value| name(*value) == text)
}

/// Microseconds since 1970.
pub(crate) fn micros(time: SystemTime) -> i64 {
    i64::try_from(until(time, SystemTime::UNIX_EPOCH).as_micros()).unwrap_or(i64::MAX)
}

/// The time of so many microseconds since 1970.
pub(crate) fn time(micros: i64) -> SystemTime {
    let since = Duration::from_micros(unsigned(micros));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
