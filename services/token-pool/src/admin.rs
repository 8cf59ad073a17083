//! What an operator does to the pool, each change with its line in the audit trail. Who it is comes from the guard of the
//! listener.
//!
//! - `add`: new credentials. `edit`: what an operator decides about one, and its removal.
//! - `decide`: switching off and on, recovery. `renew`: an exchange now, and what a check finds.

mod add;
mod decide;
mod edit;
mod renew;
mod rotate;

pub use add::Addition;
pub use edit::Edit;
pub(crate) use renew::{Token, unused};

use crate::audit::Change;
use crate::credential::CredentialId;
use crate::open::Open;
use crate::pool::Pool;
use crate::view::CredentialView;

/// The pool in the hands of somebody who runs it.
#[derive(Debug, Clone)]
pub struct Operator {
    pool: Pool,
    actor: String,
}

impl Pool {
    /// The pool in the hands of `actor`, as the audit trail is to call them.
    pub fn operator(&self, actor: impl Into<String>) -> Operator {
        Operator { pool: self.clone(), actor: actor.into() }
    }
}

impl Open<'_> {
    /// Writes down what `actor` did to a credential.
    fn note(&mut self, actor: String, action: &str, view: &CredentialView, detail: impl Into<String>) {
        self.audit(Change { detail: detail.into(), ..Change::to(view, actor, action) });
    }

    fn view(&self, id: &CredentialId) -> Result<CredentialView, crate::Error> {
        Ok(CredentialView::of(self.find(id)?, self.wall))
    }
}
