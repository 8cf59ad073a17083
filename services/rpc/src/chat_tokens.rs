//! The tokens of programs that are not of the house and may chat at the port of the services, over gRPC and REST: less
//! than the token of the house, which also opens what hands out credentials. Kept as digests; `Debug` shows their names.

use http::HeaderMap;

use crate::admin_keys::{AdminKeys, named_keys};
use crate::service_token::InvalidToken;

/// The name of a token that was given none.
const UNNAMED: &str = "chat";
/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// The tokens for chats. None at all is a house that has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatTokens(AdminKeys);

impl std::str::FromStr for ChatTokens {
    type Err = InvalidToken;

    /// Reads tokens separated by commas, each perhaps `name=token`.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let usable =
            |token: &str| token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        if named_keys(text, UNNAMED).iter().all(|(_, token)| usable(token)) {
            Ok(Self(AdminKeys::parse_named(text, UNNAMED)))
        } else {
            Err(InvalidToken)
        }
    }
}

impl ChatTokens {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the token that a request with these headers has, as `Authorization: Bearer` or `x-api-key`.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        self.0.name(headers)
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

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
        assert!(!format!("{tokens:?}").contains("planted"));
        assert!("".parse::<ChatTokens>().unwrap().is_empty());
        for wrong in
            ["short", "a-name-that-is-long=short", "app=planted-0123456789,short", "with spaces in it all"]
        {
            assert_eq!(wrong.parse::<ChatTokens>(), Err(InvalidToken), "{wrong}");
        }
    }
}
