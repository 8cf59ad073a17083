//! Which credentials are in the pool: those of the operator's variables, and those that were added while it ran. What an
//! operator asks for is in [`admin`](crate::admin).

use crate::credential::{CredentialId, NewCredential, Source, without_duplicates};
use crate::entry::Entry;
use crate::error::Error;
use crate::open::Open;
use crate::pool::Inner;
use crate::view::CredentialView;

impl Open<'_> {
    /// Removes a credential and the leases of it. The credential as it was.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub(crate) fn remove(&mut self, id: &CredentialId) -> Result<CredentialView, Error> {
        let view = CredentialView::of(self.find(id)?, self.wall);
        self.inner.remove(id);
        Ok(view)
    }
}

impl Inner {
    pub(crate) fn insert(&mut self, new: NewCredential, source: Source) -> Result<CredentialId, Error> {
        self.insert_as(None, new, source)
    }

    /// Adds a credential under an id that nobody has, or under one made of its secret.
    pub(crate) fn insert_as(
        &mut self,
        id: Option<CredentialId>,
        new: NewCredential,
        source: Source,
    ) -> Result<CredentialId, Error> {
        if let Some(known) = self.entries.iter().find(|entry| entry.is_known_by(new.kind, &new.secret)) {
            return Err(Error::CredentialExists(known.id.clone()));
        }
        let id = id.unwrap_or_else(|| self.made_id(&new));
        self.last_order += 1;
        let entry = Entry::new(id.clone(), self.last_order, new, source);
        let place = self.entries.partition_point(|other| other.cursor() < entry.cursor());
        self.entries.insert(place, entry);
        Ok(id)
    }

    /// The id that a new credential gets where nobody chooses one.
    pub(crate) fn made_id(&self, new: &NewCredential) -> CredentialId {
        let short = CredentialId::of(new.kind, &new.secret);
        let is_taken = self.entries.iter().any(|entry| entry.id == short);
        if is_taken { CredentialId::long(new.kind, &new.secret) } else { short }
    }

    /// Brings the pool in line with the operator's variables. A credential that is known by the secret it came with
    /// keeps its state and the secret it was rotated to. One of the variables' that is no longer there is removed if
    /// `remove_missing`.
    pub(crate) fn reconcile(&mut self, configured: Vec<NewCredential>, remove_missing: bool) {
        let configured = without_duplicates(configured);
        let origins: Vec<_> =
            configured.iter().map(|new| CredentialId::long(new.kind, &new.secret)).collect();
        let gone = |entry: &Entry| {
            entry.source == Source::Settings && entry.is_stored() && !origins.contains(&entry.origin)
        };
        if remove_missing {
            let gone: Vec<_> = self.entries.iter().filter(|e| gone(e)).map(|e| e.id.clone()).collect();
            for id in gone {
                tracing::info!(credential.id = id.as_str(), "credential is no longer in the variables");
                self.remove(&id);
            }
        }
        for (new, origin) in configured.into_iter().zip(&origins) {
            match self.entries.iter_mut().find(|entry| entry.origin == *origin) {
                Some(known) => {
                    known.tier = new.tier;
                    known.display_name = new.display_name.unwrap_or_else(|| known.id.to_string());
                }
                // It is not known.
                None => drop(self.insert(new, Source::Settings)),
            }
        }
        self.entries.sort_by_key(Entry::cursor);
    }

    pub(crate) fn remove(&mut self, id: &CredentialId) {
        self.entries.retain(|entry| entry.id != *id);
        if let Some(keeping) = &mut self.keeping {
            keeping.remove(id.clone());
        }
        self.leases.remove_all(id);
        self.endpoints.forget(id);
    }
}
