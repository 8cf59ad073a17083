//! What an operator decides about a credential, and its removal.

use crate::admin::Operator;
use crate::credential::{CredentialId, Kind, Secret, Source, Tier};
use crate::entry::Entry;
use crate::error::Error;
use crate::import;
use crate::open::Open;
use crate::view::CredentialView;

/// What is to be different about a credential; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The operator's label. Empty means the id.
    pub display_name: Option<String>,
    /// The tier.
    pub tier: Option<Tier>,
    /// Leases that may be out at once; `Some(None)` means the pool's default.
    pub max_in_flight: Option<Option<u32>>,
    /// The secret, of the same kind.
    pub secret: Option<Secret>,
    /// The etag the credential must have.
    pub etag: Option<String>,
}

impl Edit {
    /// What it changes, by the names of the contract.
    fn fields(&self) -> Vec<&'static str> {
        [
            ("display_name", self.display_name.is_some()),
            ("tier", self.tier.is_some()),
            ("max_in_flight", self.max_in_flight.is_some()),
            ("secret", self.secret.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, changes)| changes.then_some(name))
        .collect()
    }
}

impl Operator {
    /// Changes a credential, for good before this returns.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`]; [`Error::CredentialChanged`] if the etag is not the current one;
    /// [`Error::CredentialExists`] if another one has the new secret; [`Error::Unsuitable`] if the operator's settings
    /// decide, or the new secret is of another kind.
    pub async fn edit(&self, id: &CredentialId, edit: Edit) -> Result<CredentialView, Error> {
        let (id, actor) = (id.clone(), self.actor.clone());
        self.pool.decide_durably(move |open| open.edit(&id, edit, actor)).await
    }

    /// Removes a credential and its leases, for good before this returns. The credential as it was.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`]; [`Error::CredentialChanged`] if the etag is not the current one;
    /// [`Error::Unsuitable`] if it would come back, or is the guest identity.
    pub async fn remove(&self, id: &CredentialId, etag: Option<String>) -> Result<CredentialView, Error> {
        let (id, actor) = (id.clone(), self.actor.clone());
        self.pool
            .decide_durably(move |open| {
                let entry = open.find(&id)?;
                check_etag(entry, etag.as_deref())?;
                if entry.facts.guest {
                    return Err(Error::Unsuitable {
                        credential: id,
                        words: "an installation has one guest identity, which stays: disable it instead",
                    });
                }
                if entry.source == Source::Settings {
                    return Err(Error::Unsuitable {
                        credential: id,
                        words: "it comes from the settings and would be back at the next start: remove it there, or \
                                disable it",
                    });
                }
                let view = open.remove(&id)?;
                let name = view.display_name.clone();
                open.note(actor, "delete", &view, name);
                Ok(view)
            })
            .await
    }
}

impl Open<'_> {
    fn edit(&mut self, id: &CredentialId, edit: Edit, actor: String) -> Result<CredentialView, Error> {
        let entry = self.find(id)?;
        check_etag(entry, edit.etag.as_deref())?;
        let fields = edit.fields();
        if fields.is_empty() {
            return self.view(id);
        }
        if entry.source == Source::Settings && fields != ["max_in_flight"] {
            return Err(Error::Unsuitable {
                credential: id.clone(),
                words: "it comes from the settings: change it there; only max_in_flight can be changed here",
            });
        }
        if let Some(secret) = &edit.secret {
            let read = import::secret(secret.expose(), Some(entry.kind));
            if !matches!(read, Ok(Some((kind, _))) if kind == entry.kind) {
                return Err(Error::Unsuitable {
                    credential: id.clone(),
                    words: "the secret is of another kind than the credential; add it as a credential of its own",
                });
            }
            let has_it = |other: &&Entry| other.id != *id && other.is_known_by(entry.kind, secret);
            if let Some(other) = self.inner.entries.iter().find(has_it) {
                return Err(Error::CredentialExists(other.id.clone()));
            }
        }
        let context = self.context();
        let Some(entry) = self.entry(id) else { return Err(Error::CredentialNotFound(id.clone())) };
        if let Some(name) = edit.display_name {
            entry.display_name = if name.is_empty() { id.to_string() } else { name };
        }
        entry.tier = edit.tier.unwrap_or(entry.tier);
        entry.facts.max_in_flight = edit.max_in_flight.unwrap_or(entry.facts.max_in_flight);
        // One that is sent again is no other.
        if let Some(secret) =
            edit.secret.filter(|secret| !entry.holds(secret) && entry.kind != Kind::Embedded)
        {
            entry.replace_secret(secret, &context);
        }
        entry.facts.touch(context.now);
        self.inner.entries.sort_by_key(Entry::cursor);
        let view = self.view(id)?;
        self.note(actor, "update", &view, fields.join(", "));
        Ok(view)
    }
}

fn check_etag(entry: &Entry, etag: Option<&str>) -> Result<(), Error> {
    match etag {
        Some(etag) if etag != entry.facts.etag(&entry.id) => Err(Error::CredentialChanged(entry.id.clone())),
        _ => Ok(()),
    }
}
