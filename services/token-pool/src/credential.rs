//! What a credential is: its kind, its tier, its id, and the secret that no log line shows.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A credential an operator configured.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Which tier it belongs to.
    pub tier: Tier,
    /// What it is.
    pub kind: Kind,
    /// The operator's label. `None` shows the id instead.
    pub display_name: Option<String>,
    /// The API key, refresh token or access token.
    pub secret: Secret,
}

/// The order in which credentials are used; the smaller one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The operator's own.
    Personal,
    /// Shared with others.
    Shared,
    /// Belongs to no account.
    Anonymous,
}

impl Tier {
    /// Every tier, best first.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Shared, Self::Anonymous];
}

/// Who put a credential into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operator's variables.
    Settings,
    /// Somebody, while the pool ran.
    Admin,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 2] = [Self::Settings, Self::Admin];
}

/// What a credential is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Warp API key, sent as it is.
    ApiKey,
    /// A refresh token that buys access tokens.
    RefreshToken,
    /// An access token with no way to renew it.
    StaticJwt,
    /// The embedded upstream's own.
    Embedded,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::RefreshToken, Self::StaticJwt, Self::Embedded];

    /// Whether an access token that was rejected can be renewed.
    pub fn is_refreshable(self) -> bool {
        self == Self::RefreshToken
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::RefreshToken => "refresh_token",
            Self::StaticJwt => "static_jwt",
            Self::Embedded => "embedded",
        }
    }
}

/// Names a credential: hexadecimal digits of a digest over its kind and the secret it was configured with, so it
/// is the same after a restart and after the secret was rotated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(String);

impl CredentialId {
    const SHORT: usize = 8;
    const MAX: usize = 63;

    /// The id of a credential: 8 digits.
    pub fn of(kind: Kind, secret: &Secret) -> Self {
        Self(digest(kind, secret)[..Self::SHORT].to_owned())
    }

    /// The id of a credential whose short id is taken by another: 32 digits.
    pub(crate) fn long(kind: Kind, secret: &Secret) -> Self {
        Self(digest(kind, secret)[..4 * Self::SHORT].to_owned())
    }

    /// Reads an id, one that was chosen or one that was made: 1 to 63 of `a-z`, `0-9` and `-`, no `-` at either end.
    /// `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-');
        let ends = text.starts_with('-') || text.ends_with('-');
        (allowed && !ends && (1..=Self::MAX).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The id of the guest, if nobody has chosen it for another one.
    pub(crate) fn guest() -> Self {
        Self("guest".to_owned())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Drops all but the best-tiered of credentials with the same kind and secret. The order stays.
pub(crate) fn without_duplicates(credentials: Vec<NewCredential>) -> Vec<NewCredential> {
    let mut kept: Vec<NewCredential> = Vec::with_capacity(credentials.len());
    for credential in credentials {
        match kept.iter_mut().find(|k| k.kind == credential.kind && k.secret == credential.secret) {
            None => kept.push(credential),
            Some(earlier) => {
                let label = earlier.display_name.take().or_else(|| credential.display_name.clone());
                earlier.tier = earlier.tier.min(credential.tier);
                earlier.display_name = label;
            }
        }
    }
    kept
}

fn digest(kind: Kind, secret: &Secret) -> String {
    use fmt::Write as _;
    let mut hash = Sha256::new();
    hash.update(kind.name());
    hash.update([0]);
    hash.update(secret.expose());
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// A secret. `Debug` shows nothing of it, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    /// Compares in the open: both sides are the operator's own.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_depend_on_kind_and_secret() {
        let secret = Secret::new("abc");

        let id = CredentialId::of(Kind::ApiKey, &secret);

        // printf 'api_key\0abc' | sha256sum
        assert_eq!(id.as_str(), "58ab2a26");
        assert_ne!(id, CredentialId::of(Kind::StaticJwt, &secret));
        assert_ne!(id, CredentialId::of(Kind::ApiKey, &Secret::new("abd")));
        assert!(CredentialId::long(Kind::ApiKey, &secret).as_str().starts_with(id.as_str()));
    }

    #[test]
    fn only_ids_are_read_as_ids() {
        for (text, expected) in [
            ("0123abcd", true),
            ("a-name", true),
            ("0123ABCD", false),
            ("-a", false),
            ("a-", false),
            ("", false),
            ("ü", false),
        ] {
            assert_eq!(CredentialId::parse(text).is_some(), expected, "{text}");
        }
        assert!(
            CredentialId::parse(&"a".repeat(63)).is_some() && CredentialId::parse(&"a".repeat(64)).is_none()
        );
    }

    #[test]
    fn debug_of_a_credential_shows_no_secret() {
        let credential = NewCredential {
            tier: Tier::Personal,
            kind: Kind::ApiKey,
            display_name: None,
            secret: Secret::new("planted"),
        };

        assert!(!format!("{credential:?}").contains("planted"));
    }
}
