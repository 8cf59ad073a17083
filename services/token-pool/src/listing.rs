//! Lists of credentials and of the audit trail, filtered and in pages that stay right while the pool changes: a page goes
//! on after the last thing that was shown, whatever came or went.

use crate::audit::AuditEvent;
use crate::credential::{CredentialId, Tier};
use crate::error::Error;
use crate::pool::Pool;
use crate::state::Phase;
use crate::view::{CredentialView, Cursor};

/// How many events of the trail are read at once where only some are wanted.
const AUDIT_STEP: usize = 1000;

/// Where a credential stands, as callers tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can be leased.
    Active,
    /// It comes back in a moment.
    CoolingDown,
    /// It has used up its quota.
    Exhausted,
    /// It failed too often, was switched off, or has expired.
    Disabled,
    /// The upstream blocked it.
    Blocked,
}

impl From<Phase> for Standing {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Active => Self::Active,
            Phase::CoolingDown { .. } => Self::CoolingDown,
            Phase::Exhausted { .. } => Self::Exhausted,
            Phase::Tripped { .. } | Phase::SwitchedOff | Phase::Expired => Self::Disabled,
            Phase::Blocked => Self::Blocked,
        }
    }
}

/// Which credentials are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Those of this tier.
    pub tier: Option<Tier>,
    /// Those that stand there.
    pub standing: Option<Standing>,
}

impl Filter {
    fn wants(&self, view: &CredentialView) -> bool {
        self.tier.is_none_or(|tier| view.tier == tier)
            && self.standing.is_none_or(|standing| Standing::from(view.phase) == standing)
    }
}

impl Pool {
    /// Shows the credentials a filter wants, best tier first, from after `cursor` on; and where to go on if there are
    /// more.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub async fn list_wanted(
        &self,
        filter: Filter,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<CredentialView>, Option<Cursor>), Error> {
        self.transact(move |open| {
            let rest = open.inner.entries.iter().filter(|entry| cursor.is_none_or(|c| entry.cursor() > c));
            let views = rest.map(|entry| (entry.cursor(), CredentialView::of(entry, open.wall)));
            let mut wanted = views.filter(|(_, view)| filter.wants(view));
            let page: Vec<_> = wanted.by_ref().take(limit.max(1)).collect();
            let next = wanted.next().and_then(|_| page.last().map(|(cursor, _)| *cursor));
            (page.into_iter().map(|(_, view)| view).collect(), next)
        })
        .await
    }

    /// Shows the trail, newest first, from before the event with the id `before` on, perhaps of one credential alone;
    /// and the id to go on before if there are more.
    ///
    /// # Errors
    /// When the pool cannot be asked.
    pub async fn trail(
        &self,
        credential: Option<&CredentialId>,
        mut before: Option<String>,
        limit: usize,
    ) -> Result<(Vec<AuditEvent>, Option<String>), Error> {
        let limit = limit.max(1);
        let step = if credential.is_some() { AUDIT_STEP } else { limit + 1 };
        let mut found = Vec::new();
        loop {
            let read = self.list_audit(before, step).await?;
            let (is_last, last) = (read.len() < step, read.last().map(|event| event.id.clone()));
            let wanted =
                |event: &AuditEvent| credential.is_none_or(|id| event.change.credential.as_ref() == Some(id));
            found.extend(read.into_iter().filter(wanted).take(limit + 1 - found.len()));
            if found.len() > limit {
                found.truncate(limit);
                let next = found.last().map(|event| event.id.clone());
                return Ok((found, next));
            }
            if is_last {
                return Ok((found, None));
            }
            before = last;
        }
    }
}
