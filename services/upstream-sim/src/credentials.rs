//! The credentials the simulator knows: bearers it accepts, refresh tokens it exchanges, custom tokens it signs in.
//!
//! Pure but for the maps it keeps; time and ids are arguments. Secrets are kept as fingerprints. Each map is bounded,
//! the oldest entry goes first.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use serde_json::json;

use crate::fingerprint::Fingerprint;
use crate::ids::Ids;
use crate::wire::base64;

/// The credential that an embedded upstream accepts by default. It opens nothing else.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedCredential;

impl EmbeddedCredential {
    /// An API key, to be sent as bearer as it is.
    pub const API_KEY: &'static str = "wk-embedded-upstream";
    /// A refresh token, to be exchanged for a bearer.
    pub const REFRESH_TOKEN: &'static str = "embedded-upstream-refresh-token";
    /// A web API key for the `key` of the exchange. Any other does as well.
    pub const WEB_API_KEY: &'static str = "embedded-upstream-web-key";
}

/// What becomes of a refresh token when it is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// A new one is given out, the old one stays valid.
    #[default]
    Rotate,
    /// A new one is given out, the old one is void.
    RotateAndRevoke,
    /// The same one is given out again.
    Keep,
}

/// Why a bearer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BearerError {
    #[error("User not in context: Not found")]
    Missing,
    #[error("invalid token")]
    Unknown,
    #[error("token has expired")]
    Expired,
}

/// The credentials known.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Bearers with the time they expire, if they do.
    bearers: Bounded<Fingerprint, Option<Duration>>,
    refresh_tokens: Bounded<Fingerprint, ()>,
    custom_tokens: Bounded<Fingerprint, ()>,
}

/// A bearer and a refresh token, fresh from an exchange.
pub(crate) struct Issued {
    pub(crate) id_token: String,
    pub(crate) refresh_token: String,
    pub(crate) user_id: String,
    pub(crate) lifetime: Duration,
}

/// More than any test or demonstration uses at a time.
const MOST: usize = 4096;

impl Credentials {
    pub(crate) fn new(bearers: &[Fingerprint], refresh_tokens: &[Fingerprint]) -> Self {
        let mut new =
            Self { bearers: Bounded::new(), refresh_tokens: Bounded::new(), custom_tokens: Bounded::new() };
        for bearer in bearers {
            new.accept(*bearer);
        }
        for token in refresh_tokens {
            new.allow_exchange(*token);
        }
        new
    }

    /// Accepts a bearer for good.
    pub(crate) fn accept(&mut self, bearer: Fingerprint) {
        self.bearers.insert(bearer, None);
    }

    /// Lets a bearer be known and expired.
    pub(crate) fn expire(&mut self, bearer: Fingerprint) {
        self.bearers.insert(bearer, Some(Duration::ZERO));
    }

    /// Forgets a bearer.
    pub(crate) fn revoke(&mut self, bearer: &Fingerprint) {
        self.bearers.remove(bearer);
    }

    /// Exchanges a refresh token from now on.
    pub(crate) fn allow_exchange(&mut self, token: Fingerprint) {
        self.refresh_tokens.insert(token, ());
    }

    /// Exchanges a refresh token no more.
    pub(crate) fn forbid_exchange(&mut self, token: &Fingerprint) {
        self.refresh_tokens.remove(token);
    }

    /// Whether a bearer is good at `now`.
    pub(crate) fn check(
        &self,
        bearer: Option<Fingerprint>,
        now: Duration,
    ) -> Result<Fingerprint, BearerError> {
        let bearer = bearer.ok_or(BearerError::Missing)?;
        match self.bearers.get(&bearer) {
            None => Err(BearerError::Unknown),
            Some(Some(expiry)) if *expiry <= now => Err(BearerError::Expired),
            Some(_) => Ok(bearer),
        }
    }

    /// Whether a refresh token can be exchanged.
    pub(crate) fn can_exchange(&self, token: &Fingerprint) -> bool {
        self.refresh_tokens.get(token).is_some()
    }

    /// Gives a bearer and the next refresh token for `token`.
    pub(crate) fn exchange(
        &mut self,
        token: &str,
        rotation: Rotation,
        lifetime: Duration,
        ids: &mut Ids,
        now: Duration,
    ) -> Issued {
        let refresh_token = match rotation {
            Rotation::Keep => token.to_owned(),
            Rotation::Rotate | Rotation::RotateAndRevoke => format!("refresh-{}", ids.uuid()),
        };
        if rotation == Rotation::RotateAndRevoke {
            self.forbid_exchange(&Fingerprint::of(token));
        }
        self.issue(refresh_token, lifetime, ids, now)
    }

    /// A custom token for a new user.
    pub(crate) fn create_user(&mut self, ids: &mut Ids) -> String {
        let token = format!("custom-{}", ids.uuid());
        self.custom_tokens.insert(Fingerprint::of(&token), ());
        token
    }

    /// Signs in with a custom token, which works once.
    pub(crate) fn sign_in(
        &mut self,
        custom_token: &str,
        lifetime: Duration,
        ids: &mut Ids,
        now: Duration,
    ) -> Option<Issued> {
        self.custom_tokens.remove(&Fingerprint::of(custom_token))?;
        let refresh_token = format!("refresh-{}", ids.uuid());
        Some(self.issue(refresh_token, lifetime, ids, now))
    }

    fn issue(&mut self, refresh_token: String, lifetime: Duration, ids: &mut Ids, now: Duration) -> Issued {
        let user_id = ids.uuid();
        let id_token = unsigned_jwt(&user_id, &ids.uuid(), now, lifetime);
        self.bearers.insert(Fingerprint::of(&id_token), Some(now + lifetime));
        self.allow_exchange(Fingerprint::of(&refresh_token));
        Issued { id_token, refresh_token, user_id, lifetime }
    }
}

/// A JWT that says what a real one says, without a signature. Times count from the Unix epoch.
fn unsigned_jwt(user_id: &str, token_id: &str, issued: Duration, lifetime: Duration) -> String {
    let header = json!({"alg": "none", "typ": "JWT"});
    let claims = json!({
        "iss": "embedded-upstream",
        "sub": user_id,
        "user_id": user_id,
        "jti": token_id,
        "iat": issued.as_secs(),
        "exp": (issued + lifetime).as_secs(),
    });
    let mut token = Vec::new();
    for part in [header, claims] {
        base64::encode(part.to_string().as_bytes(), &mut token);
        token.push(b'.');
    }
    String::from_utf8_lossy(&token).into_owned()
}

/// A map that forgets the oldest of its entries.
#[derive(Debug)]
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let removed = self.entries.remove(key);
        if removed.is_some() {
            self.order.retain(|other| other != key);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn known() -> Credentials {
        Credentials::new(&[Fingerprint::of("wk-1")], &[Fingerprint::of("r1")])
    }

    #[test]
    fn bearers_are_told_apart() {
        let mut credentials = known();
        credentials.accept(Fingerprint::of("old"));
        credentials.expire(Fingerprint::of("old"));
        credentials.accept(Fingerprint::of("gone"));
        credentials.revoke(&Fingerprint::of("gone"));

        let check = |bearer: &str| credentials.check(Some(Fingerprint::of(bearer)), NOW).map(|_| ());
        assert_eq!(check("wk-1"), Ok(()));
        assert_eq!(check("old"), Err(BearerError::Expired));
        assert_eq!(check("gone"), Err(BearerError::Unknown));
        assert_eq!(credentials.check(None, NOW), Err(BearerError::Missing));
    }

    #[test]
    fn an_issued_bearer_is_good_until_it_expires() {
        let mut credentials = known();
        let issued = credentials.exchange("r1", Rotation::Rotate, HOUR, &mut Ids::new(1, 1), NOW);

        let bearer = Some(Fingerprint::of(&issued.id_token));
        assert!(credentials.check(bearer, NOW + HOUR - Duration::from_secs(1)).is_ok());
        assert_eq!(credentials.check(bearer, NOW + HOUR), Err(BearerError::Expired));
    }

    #[test]
    fn a_bearer_is_a_jwt_that_says_when_it_expires() {
        let issued = known().exchange("r1", Rotation::Keep, HOUR, &mut Ids::new(1, 1), NOW);

        let parts: Vec<_> = issued.id_token.split('.').collect();
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!((parts.len(), parts[2]), (3, ""));
        assert_eq!(claims["exp"], (NOW + HOUR).as_secs());
    }

    #[test]
    fn refresh_tokens_rotate_as_told() {
        for (rotation, same, old_is_good) in [
            (Rotation::Keep, true, true),
            (Rotation::Rotate, false, true),
            (Rotation::RotateAndRevoke, false, false),
        ] {
            let mut credentials = known();
            let issued = credentials.exchange("r1", rotation, HOUR, &mut Ids::new(1, 1), NOW);

            assert_eq!(issued.refresh_token == "r1", same);
            assert_eq!(credentials.can_exchange(&Fingerprint::of("r1")), old_is_good);
            assert!(credentials.can_exchange(&Fingerprint::of(&issued.refresh_token)));
        }
    }

    #[test]
    fn a_custom_token_signs_in_once() {
        let (mut credentials, mut ids) = (known(), Ids::new(1, 1));
        let token = credentials.create_user(&mut ids);

        let issued = credentials.sign_in(&token, HOUR, &mut ids, NOW).unwrap();
        assert!(credentials.check(Some(Fingerprint::of(&issued.id_token)), NOW).is_ok());
        assert!(credentials.sign_in(&token, HOUR, &mut ids, NOW).is_none());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut credentials = known();
        for number in 0..MOST {
            credentials.accept(Fingerprint::of(&number.to_string()));
        }

        assert_eq!(credentials.check(Some(Fingerprint::of("wk-1")), NOW), Err(BearerError::Unknown));
        assert_eq!((credentials.bearers.entries.len(), credentials.bearers.order.len()), (MOST, MOST));
    }
}
