//! A credential as a store keeps it, and what of it the store has not heard of yet.

use crate::credential::{NewCredential, Source, Tier};
use crate::entry::{AccessToken, Entry};
use crate::store::kept::{Kept, KeptToken, StoredCredential};

/// A credential as it was stored last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    display_name: String,
    tier: Tier,
    source: Source,
    rotations: u64,
    kept: Kept,
}

/// What has to be stored of a credential.
#[derive(Debug)]
pub(crate) enum Unstored {
    /// Its state. Its secrets and its columns are as they were.
    State(Box<Kept>),
    /// All of it.
    Whole(Box<StoredCredential>),
}

impl Entry {
    /// The credential that a store has.
    pub(crate) fn load(stored: StoredCredential) -> Self {
        let StoredCredential { id, origin, display_name, tier, kind, source, order, secret, token, kept } =
            stored;
        let new = NewCredential { tier, kind, display_name: Some(display_name), secret };
        let mut entry = Self::new(id, order, new, source);
        entry.origin = origin;
        if kind.is_refreshable() {
            entry.token =
                token.zip(kept.token.clone()).map(|(bearer, KeptToken { serial, expires, refresh_at })| {
                    AccessToken { bearer, serial, expires, refresh_at }
                });
        }
        let kept_for_mark = kept.clone();
        let Kept {
            state,
            serial,
            token: _,
            suspect,
            last_grant,
            granted_count,
            last_granted_time,
            last_error,
            exchanges,
            claim,
            facts,
        } = kept;
        (entry.state, entry.serial, entry.suspect, entry.last_grant) = (state, serial, suspect, last_grant);
        (entry.granted_count, entry.last_granted_time) = (granted_count, last_granted_time);
        (entry.last_error, entry.exchanges, entry.claim) = (last_error, exchanges, claim);
        entry.facts = facts;
        entry.mark = Some(entry.mark_of(kept_for_mark));
        entry
    }

    /// What the store has not heard of yet; from here on it counts as stored.
    pub(crate) fn take_unstored(&mut self) -> Option<Unstored> {
        if !self.is_stored() {
            return None;
        }
        let mark = self.mark_of(self.kept());
        let before = self.mark.replace(mark.clone());
        if before.as_ref() == Some(&mark) {
            return None;
        }
        let only_state = before.is_some_and(|before| {
            let token = |mark: &Mark| mark.kept.token.clone();
            token(&before) == token(&mark) && Mark { kept: mark.kept.clone(), ..before } == mark
        });
        Some(if only_state {
            Unstored::State(Box::new(mark.kept))
        } else {
            Unstored::Whole(Box::new(self.stored(mark.kept)))
        })
    }

    /// Takes back that it was stored: nobody knows.
    pub(crate) fn mark_unstored(&mut self) {
        self.mark = None;
    }

    fn stored(&self, kept: Kept) -> StoredCredential {
        StoredCredential {
            id: self.id.clone(),
            origin: self.origin.clone(),
            display_name: self.display_name.clone(),
            tier: self.tier,
            kind: self.kind,
            source: self.source,
            order: self.order,
            secret: self.secret.clone(),
            token: self.token.as_ref().filter(|_| self.kind.is_refreshable()).map(|t| t.bearer.clone()),
            kept,
        }
    }

    fn mark_of(&self, kept: Kept) -> Mark {
        Mark {
            display_name: self.display_name.clone(),
            tier: self.tier,
            source: self.source,
            rotations: self.rotations,
            kept,
        }
    }

    fn kept(&self) -> Kept {
        let token = self.token.as_ref().filter(|_| self.kind.is_refreshable());
        Kept {
            state: self.state.clone(),
            serial: self.serial,
            token: token.map(|token| KeptToken {
                serial: token.serial,
                expires: token.expires,
                refresh_at: token.refresh_at,
            }),
            suspect: self.suspect,
            last_grant: self.last_grant,
            granted_count: self.granted_count,
            last_granted_time: self.last_granted_time,
            last_error: self.last_error.clone(),
            exchanges: self.exchanges,
            claim: self.claim.clone(),
            facts: self.facts.clone(),
        }
    }
}
