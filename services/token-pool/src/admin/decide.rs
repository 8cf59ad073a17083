//! Switching a credential off and on again, and forgetting what is held against it.

use crate::admin::Operator;
use crate::credential::CredentialId;
use crate::error::Error;
use crate::open::Open;
use crate::state::{Event, Phase};
use crate::trail;
use crate::view::CredentialView;

const MAX_REASON_CHARS: usize = 200;

impl Operator {
    /// Switches a credential off until [`enable`](Self::enable) or [`recover`](Self::recover), for good before this
    /// returns. Leases that are out go on.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn disable(&self, id: &CredentialId, reason: &str) -> Result<CredentialView, Error> {
        let reason: String = reason.trim().chars().take(MAX_REASON_CHARS).collect();
        self.decide(id, "disable", move |open, id| {
            let (context, by) = (open.context(), reason);
            let entry = open.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
            let by = (!by.is_empty() && !entry.holds_secret(&by)).then_some(by);
            entry.decide(Event::SwitchedOff, &context);
            if let Some(reason) = &by {
                entry.last_error = Some(format!("switched off by an operator: {reason}"));
            }
            Ok(Some(by.unwrap_or_default()))
        })
        .await
    }

    /// Takes [`disable`](Self::disable) back. One that was not switched off stays as it is.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn enable(&self, id: &CredentialId) -> Result<CredentialView, Error> {
        self.decide(id, "enable", |open, id| {
            let context = open.context();
            let entry = open.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
            if entry.state.phase != Phase::SwitchedOff {
                return Ok(None);
            }
            entry.decide(Event::Recovered, &context);
            Ok(Some(String::new()))
        })
        .await
    }

    /// Makes a credential active again, whatever it was, for good before this returns: what is held against it is
    /// forgotten.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`].
    pub async fn recover(&self, id: &CredentialId) -> Result<CredentialView, Error> {
        self.decide(id, "recover", |open, id| {
            let context = open.context();
            let entry = open.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
            entry.decide(Event::Recovered, &context);
            Ok(Some(String::new()))
        })
        .await
    }

    /// Does something to a credential, and writes it down with the detail that `change` returns, if it did anything.
    async fn decide(
        &self,
        id: &CredentialId,
        action: &'static str,
        change: impl FnOnce(&mut Open<'_>, &CredentialId) -> Result<Option<String>, Error> + Send + 'static,
    ) -> Result<CredentialView, Error> {
        let (id, actor) = (id.clone(), self.actor.clone());
        self.pool
            .decide_durably(move |open| {
                let now = open.wall;
                let before = open.entry(&id).map(|entry| entry.state.phase_at(now));
                let Some(detail) = change(open, &id)? else { return open.view(&id) };
                open.inner.endpoints.forget(&id);
                if let Some((entry, before)) = open.entry(&id).zip(before) {
                    entry.facts.touch(now);
                    trail::stands(entry, before, now);
                }
                let view = open.view(&id)?;
                let name = view.display_name.as_str();
                tracing::info!(
                    credential.id = id.as_str(),
                    credential.name = name,
                    action,
                    actor,
                    "credential changed"
                );
                open.note(actor, action, &view, detail);
                Ok(view)
            })
            .await
    }
}
