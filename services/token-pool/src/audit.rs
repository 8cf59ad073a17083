//! The trail of who changed what: small, bounded, newest first.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::credential::CredentialId;
use crate::error::Error;
use crate::open::Open;
use crate::pool::Pool;
use crate::view::CredentialView;

/// How many events are kept. The oldest make room.
pub const MAX_EVENTS: usize = 10_000;

/// A change that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Names the event. Later events have greater ids.
    pub id: String,
    /// When it was made.
    pub time: SystemTime,
    /// What was done, and by whom.
    pub change: Change,
}

/// What somebody did. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who did it.
    pub actor: String,
    /// What, in one word.
    pub action: String,
    /// To which credential, if to one.
    pub credential: Option<CredentialId>,
    /// Anything else worth knowing.
    pub detail: String,
}

impl Change {
    /// What `actor` did to a credential.
    pub(crate) fn to(credential: &CredentialView, actor: String, action: &str) -> Self {
        let (id, detail) = (credential.id.clone(), credential.display_name.clone());
        Self { actor, action: action.to_owned(), credential: Some(id), detail }
    }
}

/// The trail of a pool that keeps it in memory.
#[derive(Debug, Default)]
pub(crate) struct AuditTrail {
    events: VecDeque<AuditEvent>,
}

impl AuditTrail {
    fn push(&mut self, event: AuditEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// What was pushed, oldest first, for a store that keeps it from here on.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = AuditEvent> {
        self.events.drain(..)
    }

    /// Takes back what the store did not take.
    pub(crate) fn put_back(&mut self, events: impl DoubleEndedIterator<Item = AuditEvent>) {
        events.rev().for_each(|event| self.events.push_front(event));
    }

    pub(crate) fn page(&self, before: Option<&str>, limit: usize) -> Vec<AuditEvent> {
        let older = self.events.iter().rev().filter(|event| before.is_none_or(|id| event.id.as_str() < id));
        older.take(limit).cloned().collect()
    }
}

impl Pool {
    /// Adds to the trail, for good before this returns. What changes the pool is written down with the change
    /// itself, in the same operation.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn append_audit(&self, change: Change) -> Result<(), Error> {
        self.transact_durably(|open| open.audit(change)).await
    }
}

impl Open<'_> {
    /// Writes down what somebody did.
    pub(crate) fn audit(&mut self, change: Change) {
        let event = AuditEvent { id: uuid::Uuid::now_v7().to_string(), time: self.wall, change };
        self.inner.audit.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> AuditEvent {
        let change = Change {
            actor: "a person".into(),
            action: "disable".into(),
            credential: None,
            detail: String::new(),
        };
        AuditEvent { id: format!("{number:08}"), time: SystemTime::UNIX_EPOCH, change }
    }

    #[test]
    fn the_trail_is_read_backwards_in_pages_and_forgets_its_beginning() {
        let mut trail = AuditTrail::default();
        for number in 0..MAX_EVENTS + 3 {
            trail.push(event(number));
        }

        let ids = |page: Vec<AuditEvent>| page.into_iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(ids(trail.page(None, 2)), ["00010002", "00010001"]);
        assert_eq!(ids(trail.page(Some("00010001"), 1)), ["00010000"]);
        assert_eq!(ids(trail.page(Some("00000005"), 9)), ["00000004", "00000003"]);
    }
}
