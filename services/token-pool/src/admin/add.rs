//! New credentials: once each, however often they are sent.

use crate::admin::Operator;
use crate::credential::{CredentialId, NewCredential, Source};
use crate::entry::Entry;
use crate::error::Error;
use crate::open::Open;
use crate::view::CredentialView;

/// A credential to be added.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The credential.
    pub new: NewCredential,
    /// The id it is to have; `None` for one made of its secret.
    pub id: Option<CredentialId>,
    /// What the caller calls this call.
    pub request_id: Option<String>,
    /// Leases that may be out at once.
    pub max_in_flight: Option<u32>,
    /// Whether it is the installation's guest identity.
    pub guest: bool,
    /// Whether nothing is to be changed: only what would come of it is wanted.
    pub validate_only: bool,
}

impl From<NewCredential> for Addition {
    /// The credential with nothing else decided about it.
    fn from(new: NewCredential) -> Self {
        Self { new, id: None, request_id: None, max_in_flight: None, guest: false, validate_only: false }
    }
}

impl Operator {
    /// Adds a credential, for good before this returns; or tells what would come of it.
    ///
    /// # Errors
    /// [`Error::CredentialExists`] if the pool has one that has this secret or ever had it, or has a guest identity
    /// and this is one; [`Error::CredentialIdTaken`]; [`Error::RequestIdReused`].
    pub async fn add(&self, addition: Addition) -> Result<CredentialView, Error> {
        let actor = self.actor.clone();
        self.pool.decide_durably(move |open| open.add(addition, actor)).await
    }
}

impl Open<'_> {
    fn add(&mut self, addition: Addition, actor: String) -> Result<CredentialView, Error> {
        let Addition { new, id, request_id, max_in_flight, guest, validate_only } = addition;
        let known_by = |entry: &&Entry| entry.is_known_by(new.kind, &new.secret);
        let entries = &self.inner.entries;
        if let Some(earlier) =
            entries.iter().find(|e| request_id.is_some() && e.facts.request_id == request_id)
        {
            let same = known_by(&earlier);
            return if same {
                Ok(CredentialView::of(earlier, self.wall))
            } else {
                Err(Error::RequestIdReused)
            };
        }
        if let Some(known) = entries.iter().find(|entry| guest && entry.facts.guest || known_by(entry)) {
            return Err(Error::CredentialExists(known.id.clone()));
        }
        if let Some(id) = id.as_ref().filter(|id| entries.iter().any(|entry| entry.id == **id)) {
            return Err(Error::CredentialIdTaken(id.clone()));
        }
        if validate_only {
            let id = id.unwrap_or_else(|| self.inner.made_id(&new));
            let mut entry = Entry::new(id, 0, new, Source::Admin);
            entry.facts.max_in_flight = max_in_flight;
            return Ok(CredentialView::of(&entry, self.wall));
        }
        let id = self.inner.insert_as(id, new, Source::Admin)?;
        let wall = self.wall;
        if let Some(entry) = self.entry(&id) {
            entry.facts.created = Some(wall);
            (entry.facts.request_id, entry.facts.max_in_flight) = (request_id, max_in_flight);
            entry.facts.guest = guest;
        }
        if guest {
            self.inner.guest = None;
        }
        let view = self.view(&id)?;
        if !self.config().uses(view.kind) {
            tracing::warn!(
                credential.id = id.as_str(),
                "credential is kept for a start on Warp; this process runs on the embedded upstream"
            );
        }
        let name = view.display_name.clone();
        self.note(actor, if guest { "guest" } else { "create" }, &view, name);
        Ok(view)
    }
}
