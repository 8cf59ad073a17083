//! The tokens of programs that are not of the house and may chat at the port of the services, over gRPC and REST: less
//! than the token of the house, which also opens what hands out credentials. Kept as digests; `Debug` shows their names.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::admin_keys::{AdminKeys, named_keys};
use crate::service_token::InvalidToken;

/// The name of a token that was given none.
const UNNAMED: &str = "chat";
/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// The tokens for chats. None at all is a house that has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatTokens {
    known: AdminKeys,
    /// The first, as an edge shows it that is nothing but such a program.
    sent: Option<HeaderValue>,
}

impl std::str::FromStr for ChatTokens {
    type Err = InvalidToken;

    /// Reads tokens separated by commas, each perhaps `name=token`.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let usable =
            |token: &str| token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        let tokens = named_keys(text, UNNAMED);
        if !tokens.iter().all(|(_, token)| usable(token)) {
            return Err(InvalidToken);
        }
        let bearer = |(_, token): &(_, _)| HeaderValue::try_from(format!("Bearer {token}"));
        let mut sent = tokens.first().map(bearer).transpose().map_err(|_| InvalidToken)?;
        sent.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self { known: AdminKeys::parse_named(text, UNNAMED), sent })
    }
}

impl ChatTokens {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The name of the token that a request with these headers has, as `Authorization: Bearer` or `x-api-key`.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        self.known.name(headers)
    }

    /// Puts the first token on a call of ours.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.sent {
            headers.insert(AUTHORIZATION, token.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_names_and_short_ones_are_none() {
        let tokens: ChatTokens = "app=planted-0123456789, planted-9876543210".parse().unwrap();
        for (sent, name) in [
            ("Bearer planted-0123456789", Some("app")),
            ("Bearer planted-9876543210", Some("chat")),
            ("Bearer planted-0123456780", None),
            ("Bearer app=planted-0123456789", None),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, sent.parse().unwrap())]);
            assert_eq!(tokens.name(&headers), name, "{sent}");
        }
        let mut signed = HeaderMap::new();
        tokens.sign(&mut signed);
        assert_eq!(tokens.name(&signed), Some("app"), "the first is sent");
        assert!(!format!("{tokens:?} {signed:?}").contains("planted"));
        assert!("".parse::<ChatTokens>().unwrap().is_empty());
        for wrong in
            ["short", "a-name-that-is-long=short", "app=planted-0123456789,short", "with spaces in it all"]
        {
            assert_eq!(wrong.parse::<ChatTokens>(), Err(InvalidToken), "{wrong}");
        }
    }
}
