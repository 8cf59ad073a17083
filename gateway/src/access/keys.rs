//! The keys of the edge: named, each with what it may do and how much, known by digests only. Knows no file and no clock.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use warp2api_rpc::admin_keys::named_keys;

/// The name of a key of the settings that was given none.
const UNNAMED: &str = "key";

/// What a key may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Chats in every dialect, what belongs to them, and models.
    Chat,
    /// Models, and nothing that costs anything.
    Models,
}

impl Scope {
    /// Every scope, with its name.
    pub const ALL: [(&'static str, Self); 2] = [("chat", Self::Chat), ("models", Self::Models)];

    fn covers(self, wanted: Self) -> bool {
        self == Self::Chat || self == wanted
    }
}

/// How much a key may do; what is `None` is not bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLimits {
    /// Turns in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens read and written in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// Turns at once, those that wait included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
}

impl KeyLimits {
    /// These, and `usual` where these say nothing.
    #[must_use]
    pub(crate) fn or(self, usual: Self) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.or(usual.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.or(usual.tokens_per_minute),
            max_in_flight: self.max_in_flight.or(usual.max_in_flight),
        }
    }
}

/// A key, without what opens.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of what is sent.
    pub digest: [u8; 32],
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// How much it may do.
    pub limits: KeyLimits,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether it was taken back.
    pub revoked: bool,
    /// What is kept for it is kept under this name: it stays when the key is rotated.
    pub owner: String,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Why a key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// None came.
    Missing,
    /// Nobody knows it.
    Unknown,
    /// It was taken back.
    Revoked,
    /// Its time is over.
    Expired,
    /// It is for something else.
    OtherScope,
}

/// Some keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiKeys {
    keys: Vec<Arc<ApiKey>>,
    /// Where each is among them.
    by_digest: HashMap<[u8; 32], usize>,
}

impl ApiKeys {
    /// Keys as they were configured: separated by commas, each perhaps `name=key`. They may chat.
    pub fn parse(text: &str) -> Self {
        let keys = named_keys(text, UNNAMED).into_iter().map(|(name, key)| ApiKey {
            name,
            digest: digest(key),
            scopes: vec![Scope::Chat],
            limits: KeyLimits::default(),
            expires: None,
            revoked: false,
            owner: hex(&Sha256::new_with_prefix("warp2api owner\0").chain_update(digest(key)).finalize()),
        });
        keys.collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.iter().map(Arc::as_ref)
    }

    /// The key that a request with these headers has.
    ///
    /// A key is looked up by its digest, so that what a request costs does not grow with the number of keys. The time of
    /// that tells nothing: whoever guesses chooses keys and not digests, and finds no key whose digest begins in a
    /// certain way without trying as many as it takes to find the key; and where a digest is looked for depends on a
    /// secret of this process besides.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<&Arc<ApiKey>> {
        let looked_up = presented(headers).map(digest).filter_map(|given| {
            let key = self.keys.get(*self.by_digest.get(&given)?)?;
            bool::from(key.digest.ct_eq(&given)).then_some(key)
        });
        looked_up.last()
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

impl FromIterator<ApiKey> for ApiKeys {
    fn from_iter<I: IntoIterator<Item = ApiKey>>(keys: I) -> Self {
        let keys: Vec<_> = keys.into_iter().map(Arc::new).collect();
        let by_digest = keys.iter().enumerate().map(|(place, key)| (key.digest, place)).collect();
        Self { keys, by_digest }
    }
}

impl ApiKey {
    /// Whether it opens what wants `scope`, at `now` in seconds since 1970.
    pub(crate) fn allows(&self, scope: Scope, now: u64) -> Result<(), Denied> {
        if self.revoked {
            return Err(Denied::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(Denied::Expired);
        }
        let covered = self.scopes.iter().any(|own| own.covers(scope));
        if covered { Ok(()) } else { Err(Denied::OtherScope) }
    }
}

impl Denied {
    /// The same for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Missing => {
                "an API key is needed; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
            }
            Self::Unknown => {
                "the API key is wrong; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
            }
            Self::Revoked => "the API key was revoked; ask for a new one",
            Self::Expired => "the API key has expired; ask for a new one",
            Self::OtherScope => "the API key is not for this; ask for one whose scope covers it",
        }
    }
}

/// Whether a request brings anything that could be a key.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    presented(headers).next().is_some()
}

/// What a key is known by.
pub(super) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let header = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    bearer.into_iter().chain(header).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<'k>(keys: &'k ApiKeys, header: &'static str, value: &str) -> Option<&'k str> {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(header), value.parse().unwrap())]);
        keys.find(&headers).map(|key| key.name.as_str())
    }

    #[test]
    fn any_of_the_keys_opens_by_either_header() {
        let keys = ApiKeys::parse("one, app=two,,");
        for (header, value, known) in [
            ("authorization", "Bearer one", Some("key")),
            ("authorization", "bearer  two ", Some("app")),
            ("x-api-key", "two", Some("app")),
            ("authorization", "Bearer three", None),
            ("authorization", "Basic one", None),
            ("authorization", "Bearer app=two", None),
            ("x-api-key", "", None),
            ("x-admin-key", "one", None),
        ] {
            assert_eq!(name(&keys, header, value), known, "{header}: {value}");
        }
        assert_eq!(keys.find(&HeaderMap::new()), None);
        // A right one beside a wrong one, in either order.
        for (bearer, plain) in [("Bearer one", "three"), ("Bearer three", "one")] {
            let both = HeaderMap::from_iter(
                [(AUTHORIZATION, bearer), ("x-api-key".parse().unwrap(), plain)]
                    .map(|(name, value)| (name, http::HeaderValue::from_static(value))),
            );
            assert_eq!(keys.find(&both).map(|key| key.name.as_str()), Some("key"), "{bearer}, {plain}");
        }
        assert!(ApiKeys::parse(" ,,").is_empty());
    }

    #[test]
    fn a_key_opens_what_it_is_for_until_it_ends() {
        let chat = ApiKeys::parse("k").iter().next().unwrap().clone();
        let models = ApiKey { scopes: vec![Scope::Models], ..chat.clone() };
        let ends = ApiKey { expires: Some(100), ..chat.clone() };
        let revoked = ApiKey { revoked: true, expires: Some(1), ..chat.clone() };
        for (key, scope, now, expected) in [
            (&chat, Scope::Chat, 5, Ok(())),
            (&chat, Scope::Models, 5, Ok(())),
            (&models, Scope::Models, 5, Ok(())),
            (&models, Scope::Chat, 5, Err(Denied::OtherScope)),
            (&ends, Scope::Chat, 99, Ok(())),
            (&ends, Scope::Chat, 100, Err(Denied::Expired)),
            (&revoked, Scope::Chat, 5, Err(Denied::Revoked)),
        ] {
            assert_eq!(key.allows(scope, now), expected, "{key:?} {scope:?} {now}");
        }
    }

    #[test]
    fn what_is_kept_belongs_to_one_key_and_its_name_tells_nothing() {
        let keys = ApiKeys::parse("planted-1,planted-2");
        let owners: Vec<_> = keys.iter().map(|key| key.owner.clone()).collect();

        assert_ne!(owners[0], owners[1]);
        assert_eq!(owners[0], ApiKeys::parse("app=planted-1").iter().next().unwrap().owner);
        assert!(!format!("{keys:?}{owners:?}").contains("planted"));
        assert!(!owners.contains(&hex(&digest("planted-1"))), "the digest itself stays here");
    }
}
