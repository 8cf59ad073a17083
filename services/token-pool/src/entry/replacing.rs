//! A credential that an operator gave another secret.

use crate::credential::{CredentialId, Kind, Secret};
use crate::entry::{AccessToken, Entry};
use crate::jwt;
use crate::state::{Context, Event, Phase};

impl Entry {
    /// Whether this is the secret at hand.
    pub(crate) fn holds(&self, secret: &Secret) -> bool {
        self.secret == *secret
    }

    /// Whether it has this secret, or was ever given it.
    pub(crate) fn is_known_by(&self, kind: Kind, secret: &Secret) -> bool {
        self.kind == kind && (self.had(secret) || self.holds(secret) && kind != Kind::Embedded)
    }

    /// Whether it came with this secret, or an operator gave it to it.
    pub(crate) fn had(&self, secret: &Secret) -> bool {
        let origin = CredentialId::long(self.kind, secret);
        self.origin == origin || self.facts.is_known_by(&origin)
    }

    /// Replaces the secret by another one. What was held against the old one is forgotten; one that an operator
    /// switched off stays off.
    pub(crate) fn replace_secret(&mut self, secret: Secret, context: &Context<'_>) {
        self.facts.remember(&CredentialId::long(self.kind, &secret));
        // Whatever is under way with the old one says nothing about the new one.
        (self.serial, self.exchanges, self.claim) = (self.serial + 1, self.exchanges + 1, None);
        self.token = (!self.kind.is_refreshable()).then(|| AccessToken {
            bearer: secret.clone(),
            serial: self.serial,
            expires: if self.kind == Kind::StaticJwt { jwt::expiry(secret.expose()) } else { None },
            refresh_at: None,
        });
        self.rotate(secret);
        self.flight = None;
        self.suspect = false;
        self.facts.quota = None;
        if self.state.phase != Phase::SwitchedOff {
            self.state = self.state.after(Event::Recovered, context);
            self.last_error = None;
        }
    }
}
