//! An exchange of a refresh token because somebody asks for it, and the access token of a credential in any state, for
//! questions about its account.

use crate::admin::Operator;
use crate::audit::Change;
use crate::credential::{CredentialId, Secret};
use crate::error::Error;
use crate::open::Open;
use crate::pool::Pool;
use crate::refresh::FlightFuture;
use crate::view::CredentialView;

/// How [`ExchangeError::Refused`](crate::exchange::ExchangeError::Refused) begins.
const REFUSED: &str = "the token endpoint refused";

/// What a credential is sent as.
pub(crate) enum Token {
    /// This.
    Bearer(Secret),
    /// There is none.
    None {
        /// Whether the credential is at fault.
        refused: bool,
        /// Why.
        words: String,
    },
}

enum Way {
    Bearer(Secret),
    Exchange(FlightFuture),
    Expired,
}

impl Operator {
    /// Exchanges the refresh token now, whatever the credential's state, and joins an exchange that is under way.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`]; [`Error::Unsuitable`] if it has no refresh token; [`Error::NotRenewed`].
    pub async fn renew(&self, id: &CredentialId) -> Result<CredentialView, Error> {
        let wanted = id.clone();
        let exchange = self.pool.transact(move |open| open.renew(&wanted)).await??;
        let renewed = exchange.await;
        let (id, actor) = (id.clone(), self.actor.clone());
        self.pool
            .decide_durably(move |open| {
                let view = open.view(&id)?;
                let error = view.last_error.clone().unwrap_or_default();
                open.note(actor, "refresh", &view, if renewed { "" } else { error.as_str() });
                if renewed { Ok(view) } else { Err(Error::NotRenewed(error)) }
            })
            .await
    }

    /// Writes down that a credential was checked, and what was found.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub(crate) async fn checked(&self, view: &CredentialView, found: &str) -> Result<(), Error> {
        let change = Change { detail: found.to_owned(), ..Change::to(view, self.actor.clone(), "check") };
        self.pool.append_audit(change).await
    }
}

impl Pool {
    /// What a credential is sent as, whatever its state; exchanged first if there is nothing that can be sent.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`], or when the pool cannot be asked.
    pub(crate) async fn token(&self, id: &CredentialId) -> Result<Token, Error> {
        let wanted = id.clone();
        match self.transact(move |open| open.way(&wanted)).await?? {
            Way::Bearer(bearer) => Ok(Token::Bearer(bearer)),
            Way::Expired => {
                let words = "the access token has expired and cannot be renewed".to_owned();
                Ok(Token::None { refused: true, words })
            }
            Way::Exchange(exchange) => self.exchanged_token(id, exchange).await,
        }
    }

    /// What a credential is sent as after an exchange. `None` if it has no refresh token.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`], or when the pool cannot be asked.
    pub(crate) async fn another_token(&self, id: &CredentialId) -> Result<Option<Token>, Error> {
        let wanted = id.clone();
        match self.transact(move |open| open.renew(&wanted)).await? {
            Ok(exchange) => Ok(Some(self.exchanged_token(id, exchange).await?)),
            Err(Error::Unsuitable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn exchanged_token(&self, id: &CredentialId, exchange: FlightFuture) -> Result<Token, Error> {
        let renewed = exchange.await;
        let id = id.clone();
        self.transact(move |open| {
            if renewed && let Some(bearer) = open.bearer_at_hand(&id)? {
                return Ok(Token::Bearer(bearer));
            }
            let words = open.find(&id)?.last_error.clone();
            let words = words.unwrap_or_else(|| "no access token could be had".to_owned());
            Ok(Token::None { refused: words.starts_with(REFUSED), words })
        })
        .await?
    }
}

impl Open<'_> {
    fn renew(&mut self, id: &CredentialId) -> Result<FlightFuture, Error> {
        let pool = self.pool;
        self.check_use(id)?;
        let entry = self.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
        if !entry.kind.is_refreshable() {
            return Err(Error::Unsuitable {
                credential: id.clone(),
                words: "it has no refresh token, so nothing can be refreshed; check says how it is",
            });
        }
        Ok(pool.exchange(entry))
    }

    /// Fails if this process has no use for the credential.
    fn check_use(&self, id: &CredentialId) -> Result<(), Error> {
        if self.config().uses(self.find(id)?.kind) { Ok(()) } else { Err(unused(id.clone())) }
    }

    fn way(&mut self, id: &CredentialId) -> Result<Way, Error> {
        self.check_use(id)?;
        if let Some(bearer) = self.bearer_at_hand(id)? {
            return Ok(Way::Bearer(bearer));
        }
        let pool = self.pool;
        let entry = self.entry(id).ok_or_else(|| Error::CredentialNotFound(id.clone()))?;
        Ok(if entry.kind.is_refreshable() { Way::Exchange(pool.exchange(entry)) } else { Way::Expired })
    }

    /// The access token that can be sent now, if there is one.
    pub(crate) fn bearer_at_hand(&self, id: &CredentialId) -> Result<Option<Secret>, Error> {
        let bearer = self.find(id)?.bearer(self.wall, self.config());
        Ok(bearer.map(|bearer| bearer.secret))
    }
}

/// Why nothing is done with a credential that only another process can use.
pub(crate) fn unused(credential: CredentialId) -> Error {
    let words = "this process runs on the embedded upstream, which has nothing to do with Warp's accounts; what is \
                 stored serves from the next start on that runs on Warp";
    Error::Unsuitable { credential, words }
}

#[cfg(test)]
mod tests {
    use super::REFUSED;
    use crate::exchange::ExchangeError;

    #[test]
    fn a_refusal_is_known_by_its_words() {
        for (error, refused) in [
            (ExchangeError::Refused("TOKEN_EXPIRED"), true),
            (ExchangeError::Status(500), false),
            (ExchangeError::TimedOut, false),
            (ExchangeError::Unreachable, false),
        ] {
            assert_eq!(error.to_string().starts_with(REFUSED), refused, "{error}");
        }
    }
}
