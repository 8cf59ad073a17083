//! The keys of those who run the house, as they were configured. Kept as digests; `Debug` shows their names.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// The name of a key that was given none.
const UNNAMED: &str = "admin";
const MAX_NAME: usize = 32;

/// The admin keys. None at all is a house that has none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AdminKeys(Vec<(String, [u8; 32])>);

impl AdminKeys {
    /// Reads keys separated by commas, each perhaps `name=key`. The name goes to the audit trail: letters, digits and
    /// `. _ -`, at most 32. A key that ends in `=` alone has no name.
    pub fn parse(text: &str) -> Self {
        Self::parse_named(text, UNNAMED)
    }

    /// The same for keys of another kind, where one without a name is called `unnamed`.
    pub(crate) fn parse_named(text: &str, unnamed: &str) -> Self {
        let keys = named_keys(text, unnamed).into_iter();
        Self(keys.map(|(name, key)| (name, digest(key))).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the key that a request with these headers has. Looks at every key whatever it finds, so that time
    /// tells nothing.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        let mut found = 0_u64;
        for given in presented(headers).map(digest) {
            for (number, (_, known)) in (1..).zip(&self.0) {
                found.conditional_assign(&number, known.ct_eq(&given));
            }
        }
        let index = usize::try_from(found.checked_sub(1)?).ok()?;
        self.0.get(index).map(|(name, _)| name.as_str())
    }
}

/// Keys separated by commas, each perhaps `name=key`, with names of their own: one that has none is called `unnamed`, and
/// a name that is taken gets a number. A key that ends in `=` alone has no name.
pub fn named_keys<'t>(text: &'t str, unnamed: &str) -> Vec<(String, &'t str)> {
    let mut keys: Vec<(String, &str)> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, key) = named(entry).unwrap_or((unnamed, entry));
        let taken = |name: &str| keys.iter().any(|(other, _)| other == name);
        let numbered = || (2..).map(|number| format!("{name}-{number}")).find(|name| !taken(name));
        let name = if taken(name) { numbered().unwrap_or_default() } else { name.to_owned() };
        keys.push((name, key));
    }
    keys
}

/// Whether a name fits a key.
pub fn is_key_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits)
}

impl std::fmt::Debug for AdminKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Whether a request brings anything that could be a key.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    presented(headers).next().is_some()
}

/// What a request brings as keys: `Authorization: Bearer`, `x-admin-key`, `x-api-key`.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = ["x-admin-key", "x-api-key"].into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
    bearer.into_iter().chain(plain).filter(|key| !key.is_empty())
}

fn named(entry: &str) -> Option<(&str, &str)> {
    let (name, key) = entry.split_once('=')?;
    let (name, key) = (name.trim(), key.trim());
    (is_key_name(name) && !key.bytes().all(|b| b == b'=')).then_some((name, key))
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn keys_are_known_by_their_names() {
        let keys =
            AdminKeys::parse(" ops=planted-1, planted-2 ,planted-3,c2VjcmV0==,ops=planted-4,, two words=x ");

        for (key, name) in [
            ("planted-1", Some("ops")),
            ("planted-2", Some("admin")),
            ("planted-3", Some("admin-2")),
            ("c2VjcmV0==", Some("admin-3")),
            ("planted-4", Some("ops-2")),
            ("two words=x", Some("admin-4")),
            ("planted", None),
            ("ops=planted-1", None),
            ("", None),
        ] {
            assert_eq!(keys.name(&with("x-admin-key", key)), name, "{key}");
        }
        assert!(!format!("{keys:?}").contains("planted"));
    }

    #[test]
    fn a_key_may_come_in_three_headers() {
        let keys = AdminKeys::parse("k");
        for (name, value, known) in [
            ("authorization", "Bearer k", true),
            ("authorization", "bearer  k ", true),
            ("x-admin-key", "k", true),
            ("x-api-key", "k", true),
            ("authorization", "Basic k", false),
            ("authorization", "k", false),
            ("cookie", "k", false),
        ] {
            assert_eq!(keys.name(&with(name, value)).is_some(), known, "{name}: {value}");
        }
        // One for the edge and one for the house may travel together.
        let mut both = with("authorization", "Bearer of-the-edge");
        both.extend(with("x-admin-key", "k"));
        assert_eq!(keys.name(&both), Some("admin"));
    }

    #[test]
    fn no_key_lets_nobody_in() {
        for written in ["", " ", ",,"] {
            let keys = AdminKeys::parse(written);
            assert!(keys.is_empty());
            assert_eq!(keys.name(&with("x-admin-key", "k")), None);
        }
    }
}
