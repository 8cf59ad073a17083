//! The token by which services of the house know each other over a network. `Debug` shows none.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The header that carries it.
pub static SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-warp2api-service-token");

/// The tokens of the house: the first is sent, all are taken, so that one can be replaced without a gap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServiceTokens {
    sent: Option<HeaderValue>,
    taken: Vec<[u8; 32]>,
}

/// What cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is of visible ASCII characters, at least 16, without spaces; `openssl rand -hex 32` makes one"
)]
pub struct InvalidToken;

impl std::str::FromStr for ServiceTokens {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut tokens = Self::default();
        for token in text.split(',').map(str::trim).filter(|token| !token.is_empty()) {
            if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidToken);
            }
            let mut value = HeaderValue::try_from(token).map_err(|_| InvalidToken)?;
            value.set_sensitive(true);
            tokens.sent.get_or_insert(value);
            tokens.taken.push(digest(token));
        }
        Ok(tokens)
    }
}

impl ServiceTokens {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Puts the token on a call of ours.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.sent {
            headers.insert(&SERVICE_TOKEN, token.clone());
        }
    }

    /// Whether a call has one, by its own header or as `Authorization: Bearer`. Looks at every token whatever it finds,
    /// so that time tells nothing.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
        let bearer = text(&AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let given = [text(&SERVICE_TOKEN), bearer].into_iter().flatten().map(digest);
        let known = given.flat_map(|given| self.taken.iter().map(move |known| known.ct_eq(&given)));
        known.fold(Choice::from(0), |found, known| found | known).into()
    }
}

impl std::fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceTokens({})", self.taken.len())
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "planted-0123456789-one";
    const TWO: &str = "planted-0123456789-two";

    #[test]
    fn what_one_signs_the_other_takes() {
        let (old, both): (ServiceTokens, ServiceTokens) =
            (ONE.parse().unwrap(), format!("{TWO}, {ONE}").parse().unwrap());
        let signed = |tokens: &ServiceTokens| {
            let mut headers = HeaderMap::new();
            tokens.sign(&mut headers);
            headers
        };
        assert!(both.admit(&signed(&old)) && both.admit(&signed(&both)) && !old.admit(&signed(&both)));
        let bearer = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {ONE}").parse().unwrap())]);
        assert!(old.admit(&bearer));
        for tokens in [&old, &ServiceTokens::default()] {
            assert!(!tokens.admit(&HeaderMap::new()));
        }
        assert!(signed(&ServiceTokens::default()).is_empty());
        assert!(!format!("{old:?} {both:?} {:?}", signed(&old)).contains("planted"));
    }

    #[test]
    fn short_or_odd_ones_are_refused_and_not_repeated() {
        for wrong in ["short", "with a space in the middle", "ünïcödé-ünïcödé-ünï"] {
            assert!(!wrong.parse::<ServiceTokens>().unwrap_err().to_string().contains(wrong));
        }
        assert!(" , ".parse::<ServiceTokens>().unwrap().is_empty());
    }
}
