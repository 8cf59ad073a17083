//! Who may come in: keys, compared in constant time and kept as hashes only.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The keys that open the edge. Without any, every key does, and none.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// Keys as they were configured; blank ones are skipped.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().map(str::trim).filter(|key| !key.is_empty());
        Self(keys.map(hash).collect())
    }

    /// Whether everybody may come in.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request with these headers may come in: by `Authorization: Bearer` or by `x-api-key`.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        self.is_open() || candidates(headers).any(|key| self.contains(key))
    }

    /// Whose conversations a request with these headers may go on with: a digest of the key that lets it in, or one
    /// for all where no key is needed.
    pub fn scope(&self, headers: &HeaderMap) -> String {
        if self.is_open() {
            return "open".to_owned();
        }
        let key = candidates(headers).find(|key| self.contains(key)).unwrap_or_default();
        let mut digest = Sha256::new_with_prefix("warp2api conversation scope\0");
        digest.update(key);
        digest.finalize().iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Looks at every key whatever it finds, so that time tells nothing.
    fn contains(&self, key: &str) -> bool {
        let given = hash(key);
        let found = self.0.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&given));
        found.into()
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({} keys)", self.0.len())
    }
}

fn candidates(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let header = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    bearer.into_iter().chain(header)
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(keys: &ApiKeys, header: &'static str, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        keys.admit(&headers)
    }

    #[test]
    fn any_of_the_keys_opens_by_either_header() {
        let keys = ApiKeys::new("one, two,,".split(','));
        assert!(admits(&keys, "authorization", "Bearer one"));
        assert!(admits(&keys, "authorization", "bearer two"));
        assert!(admits(&keys, "x-api-key", "two"));
        assert!(!admits(&keys, "authorization", "Bearer three"));
        assert!(!admits(&keys, "authorization", "Basic one"));
        assert!(!admits(&keys, "x-api-key", ""));
        assert!(!keys.admit(&HeaderMap::new()));
    }

    #[test]
    fn without_keys_everybody_may_come_in() {
        assert!(ApiKeys::new(["", " "]).admit(&HeaderMap::new()));
    }

    #[test]
    fn each_key_has_a_scope_of_its_own_by_either_header() {
        let keys = ApiKeys::new(["one", "two"]);
        let scope = |header: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header, value.parse().unwrap());
            keys.scope(&headers)
        };

        assert_eq!(scope("authorization", "Bearer one"), scope("x-api-key", "one"));
        assert_ne!(scope("x-api-key", "one"), scope("x-api-key", "two"));
        assert!(!scope("x-api-key", "one").contains("one"));
        assert_eq!(ApiKeys::default().scope(&HeaderMap::new()), "open");
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", ApiKeys::new(["planted"])), "ApiKeys(1 keys)");
    }
}
