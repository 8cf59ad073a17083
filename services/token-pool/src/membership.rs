//! Which credentials are in the pool: those of the operator's variables, and those that were added while it ran.

use crate::audit::Change;
use crate::credential::{CredentialId, NewCredential, Source, Tier, without_duplicates};
use crate::entry::Entry;
use crate::error::Error;
use crate::open::Open;
use crate::pool::{Inner, Pool};
use crate::view::CredentialView;

/// What is to be different about a credential; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// The operator's label.
    pub display_name: Option<String>,
    /// The tier.
    pub tier: Option<Tier>,
}

impl Pool {
    /// Adds a credential, for good before this returns. `actor` is who does it, for the trail.
    ///
    /// # Errors
    /// [`Error::CredentialExists`] if its kind and secret, as they were first, are already in the pool.
    pub async fn create(&self, new: NewCredential, actor: String) -> Result<CredentialView, Error> {
        self.transact_durably(move |open| {
            let view = open.insert(new, Source::Admin)?;
            open.audit(Change::to(&view, actor, "create"));
            Ok(view)
        })
        .await?
    }

    /// Changes what an operator decides about a credential, for good before this returns.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn update(
        &self,
        id: &CredentialId,
        amendment: Amendment,
        actor: String,
    ) -> Result<CredentialView, Error> {
        let id = id.clone();
        self.transact_durably(move |open| {
            let view = open.amend(&id, amendment)?;
            open.audit(Change::to(&view, actor, "update"));
            Ok(view)
        })
        .await?
    }

    /// Removes a credential and its leases, for good before this returns. The credential as it was.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn delete(&self, id: &CredentialId, actor: String) -> Result<CredentialView, Error> {
        let id = id.clone();
        self.transact_durably(move |open| {
            let view = open.remove(&id)?;
            open.audit(Change::to(&view, actor, "delete"));
            Ok(view)
        })
        .await?
    }
}

impl Open<'_> {
    /// Adds a credential.
    ///
    /// # Errors
    /// [`Error::CredentialExists`] if its kind and secret, as they were first, are already in the pool.
    pub(crate) fn insert(&mut self, new: NewCredential, source: Source) -> Result<CredentialView, Error> {
        let id = self.inner.insert(new, source)?;
        Ok(CredentialView::of(self.find(&id)?, self.wall))
    }

    /// Changes what an operator decides about a credential.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub(crate) fn amend(&mut self, id: &CredentialId, amendment: Amendment) -> Result<CredentialView, Error> {
        let Amendment { display_name, tier } = amendment;
        let entry = self.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
        entry.display_name = display_name.unwrap_or_else(|| entry.display_name.clone());
        entry.tier = tier.unwrap_or(entry.tier);
        self.inner.entries.sort_by_key(Entry::cursor);
        Ok(CredentialView::of(self.find(id)?, self.wall))
    }

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
        let origin = CredentialId::long(new.kind, &new.secret);
        if let Some(known) = self.entries.iter().find(|entry| entry.origin == origin) {
            return Err(Error::CredentialExists(known.id.clone()));
        }
        let short = CredentialId::of(new.kind, &new.secret);
        let is_taken = self.entries.iter().any(|entry| entry.id == short);
        let id = if is_taken { origin } else { short };
        self.last_order += 1;
        let entry = Entry::new(id.clone(), self.last_order, new, source);
        let place = self.entries.partition_point(|other| other.cursor() < entry.cursor());
        self.entries.insert(place, entry);
        Ok(id)
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
