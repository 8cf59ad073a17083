//! Sealing: secrets leave the process only encrypted (XChaCha20-Poly1305, a random nonce for each), and can be opened
//! only in the row and column they were sealed for. Which key sealed a row is written beside it by its id.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};

use crate::credential::Secret;
use crate::store::changes::KeyRecord;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const ID_DIGITS: usize = 16;
/// What the key that seals has sealed, and where.
const CHECK: &str = "pool/key_check";

/// A key that seals secrets. `Debug` shows its id.
#[derive(Clone)]
pub struct StoreKey(Arc<SecretBox<[u8; KEY_BYTES]>>);

/// A text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a store key is 32 random bytes, written as 64 hexadecimal digits or in base64")]
pub struct InvalidKey;

/// A sealed secret cannot be opened: it is of another key or another place, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened")]
pub struct Unopened;

impl StoreKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(Arc::new(SecretBox::init_with(<[u8; KEY_BYTES]>::generate)))
    }

    /// Reads one: 64 hexadecimal digits, or 32 bytes in base64.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let bytes = unhex(text).or_else(|| {
            let text = text.trim_end_matches('=');
            URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
        });
        let bytes: [u8; KEY_BYTES] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidKey)?;
        Ok(Self(Arc::new(SecretBox::new(Box::new(bytes)))))
    }

    /// What tells it from other keys, and nothing of it.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"warp2api store key\0");
        hash.update(self.0.expose_secret());
        hex(&hash.finalize())[..ID_DIGITS].to_owned()
    }

    /// The key as [`parse`](Self::parse) reads it.
    pub fn text(&self) -> Secret {
        Secret::new(hex(self.0.expose_secret()))
    }

    /// What a store remembers of the key that seals, to know it again.
    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord { id: self.id(), check: self.seal(CHECK, &Secret::new(CHECK)) }
    }

    /// Whether it is the key of a record.
    pub(crate) fn fits(&self, record: &KeyRecord) -> bool {
        self.id() == record.id && self.open(CHECK, &record.check).is_ok()
    }

    /// Seals a secret for the place `place`.
    pub(crate) fn seal(&self, place: &str, secret: &Secret) -> Vec<u8> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: secret.expose().as_bytes(), aad: place.as_bytes() };
        match self.cipher().encrypt(&nonce, payload) {
            Ok(sealed) => [nonce.as_slice(), &sealed].concat(),
            Err(_) => unreachable!("no secret has 256 GiB"),
        }
    }

    /// Opens what was sealed for the place `place`.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, Unopened> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unopened)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| Unopened)?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let opened = self.cipher().decrypt(&nonce, payload).map_err(|_| Unopened)?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| Unopened)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose_secret().into())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({})", self.id())
    }
}

/// The keys at hand, and the one of them that seals.
#[derive(Debug, Clone)]
pub(crate) struct Keyring {
    keys: Vec<StoreKey>,
    current: StoreKey,
}

impl Keyring {
    /// `None` if the key `current` is not among `keys`.
    pub(crate) fn new(keys: &[StoreKey], current: &str) -> Option<Self> {
        let current = keys.iter().find(|key| key.id() == current)?.clone();
        Some(Self { keys: keys.to_vec(), current })
    }

    /// The key that seals.
    pub(crate) fn current(&self) -> &StoreKey {
        &self.current
    }

    /// The keys that open.
    pub(crate) fn keys(&self) -> &[StoreKey] {
        &self.keys
    }

    /// Opens what the key `id` sealed for the place `place`.
    pub(crate) fn open(&self, id: &str, place: &str, sealed: &[u8]) -> Result<Secret, Unopened> {
        let key = self.keys.iter().find(|key| key.id() == id);
        key.ok_or(Unopened)?.open(place, sealed)
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| {
        (0..KEY_BYTES).filter_map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StoreKey {
        StoreKey::parse(&hex(&[byte; KEY_BYTES])).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_place_with_its_key_and_nowhere_else() {
        let secret = Secret::new("planted");
        let sealed = key(1).seal("a/secret", &secret);

        assert_eq!(key(1).open("a/secret", &sealed), Ok(secret.clone()));
        assert_eq!(key(1).open("b/secret", &sealed), Err(Unopened), "another row");
        assert_eq!(key(2).open("a/secret", &sealed), Err(Unopened), "another key");
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(key(1).open("a/secret", &damaged), Err(Unopened), "byte {index}");
            assert_eq!(key(1).open("a/secret", &sealed[..index]), Err(Unopened), "cut at {index}");
        }
        assert_ne!(key(1).seal("a/secret", &secret), sealed, "no nonce comes twice");
        assert!(!sealed.windows(7).any(|window| window == b"planted"));
    }

    #[test]
    fn keys_are_read_in_every_usual_form_and_nothing_else_is() {
        let hexadecimal = "00".repeat(31) + "fF";
        let id = StoreKey::parse(&hexadecimal).unwrap().id();
        for same in
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8"]
        {
            assert_eq!(StoreKey::parse(same).unwrap().id(), id, "{same}");
        }
        for wrong in ["", "password", &"0".repeat(63), &"0".repeat(66), &"é".repeat(32), "AAAA"] {
            assert!(StoreKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_the_id_and_the_id_shows_nothing() {
        let (other, key) = (key(8), key(7));

        let shown = format!("{key:?}");

        assert!(shown.contains(&key.id()) && !shown.contains("0707"), "{shown}");
        assert_eq!(StoreKey::parse(key.text().expose()).unwrap().id(), key.id());
        assert!(key.fits(&key.record()));
        assert!(!key.fits(&KeyRecord { id: key.id(), check: other.record().check }));
    }
}
