//! The keys that are kept in a file: what is in it, and how `warp2api keys` changes it. Digests only; a key is shown
//! once, when it is made. Pure but for [`load`](KeyFile::load) and [`save`](KeyFile::save).

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use warp2api_rpc::admin_keys::is_key_name;
use warp2api_rpc::private_file;

use super::keys::{ApiKey, ApiKeys, KeyLimits, Scope, digest, hex};

/// What keys begin with, so that people and scanners know them.
const PREFIX: &str = "w2a-";
/// The most keys that are kept, those taken back included.
const MAX_KEYS: usize = 10_000;
/// The largest file that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The keys, oldest first.
    pub keys: Vec<KeyRecord>,
}

/// A key as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Unique among keys; it stays when the key is rotated.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal digits.
    pub sha256: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// How much it may do.
    #[serde(default)]
    pub limits: KeyLimits,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When it was taken back, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What goes wrong with the file or a change of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the keys in {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the keys to {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be. Its content is not quoted.
    #[error("{path} holds no keys: mistake in line {line}, column {column}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is larger than any file of keys.
    #[error("{0} is too large to be a file of keys")]
    TooLarge(PathBuf),
    /// Its keys are no digests, or share a name.
    #[error("{path} holds no keys: `{name}` is there twice, or its sha256 is none")]
    Record {
        /// Which file.
        path: PathBuf,
        /// The key.
        name: String,
    },
    /// The name is no name.
    #[error("`{0}` is no name for a key: write letters, digits and `. _ -`, at most 32")]
    Name(String),
    /// Another key has the name.
    #[error("there is a key `{0}` already; `warp2api keys rotate` gives it a new secret")]
    Taken(String),
    /// No key has the name.
    #[error("there is no key `{0}`; `warp2api keys list` shows them")]
    Unknown(String),
    /// The key was taken back for good.
    #[error("the key `{0}` was revoked; add another one")]
    Revoked(String),
    /// There are as many as are kept.
    #[error("there are {MAX_KEYS} keys, which is the most")]
    Full,
}

/// A key of 256 random bits, as it is shown once.
pub fn new_key(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

impl KeyFile {
    /// Reads the file; one that is not there holds none.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let read = |source| KeyFileError::Read { path: path.to_owned(), source };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(read(error)),
            Ok(known) if known.len() > MAX_BYTES => return Err(KeyFileError::TooLarge(path.to_owned())),
            Ok(_) => {}
        }
        let text = std::fs::read(path).map_err(read)?;
        let file: Self = serde_json::from_slice(&text).map_err(|error| KeyFileError::Content {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        let mut names = HashSet::new();
        for record in &file.keys {
            if !names.insert(&record.name) || record.bytes().is_none() {
                return Err(KeyFileError::Record { path: path.to_owned(), name: record.name.clone() });
            }
        }
        Ok(file)
    }

    /// Writes the file, readable by its owner only, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let write = |source| KeyFileError::Write { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(write)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let text = serde_json::to_vec_pretty(self).map_err(|error| write(error.into()))?;
        let mut file = private_file::options().create(true).truncate(true).open(&fresh).map_err(write)?;
        private_file::hand_over(&file, &fresh).map_err(write)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(write)?;
        drop(file);
        std::fs::rename(&fresh, path).map_err(write)
    }

    /// The keys, to be looked for.
    pub fn keys(&self) -> ApiKeys {
        self.keys.iter().filter_map(KeyRecord::key).collect()
    }

    /// Adds `record`, which opens by `key`.
    ///
    /// # Errors
    /// When the name is none or taken.
    pub fn add(&mut self, key: &str, record: KeyRecord) -> Result<(), KeyFileError> {
        if !is_key_name(&record.name) {
            return Err(KeyFileError::Name(record.name));
        }
        if self.keys.iter().any(|known| known.name == record.name) {
            return Err(KeyFileError::Taken(record.name));
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(KeyFileError::Full);
        }
        self.keys.push(KeyRecord { sha256: hex(&digest(key)), ..record });
        Ok(())
    }

    /// Takes a key back, at `now` in seconds since 1970. Its record stays, so that it is known to have been one.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn revoke(&mut self, name: &str, now: u64) -> Result<(), KeyFileError> {
        let record = self.record(name)?;
        record.revoked = record.revoked.or(Some(now));
        Ok(())
    }

    /// Has a key open by `key` from now on, and by the one before no longer.
    ///
    /// # Errors
    /// When there is none of that name, or it was taken back.
    pub fn rotate(&mut self, name: &str, key: &str) -> Result<(), KeyFileError> {
        let record = self.record(name)?;
        if record.revoked.is_some() {
            return Err(KeyFileError::Revoked(name.to_owned()));
        }
        record.sha256 = hex(&digest(key));
        Ok(())
    }

    fn record(&mut self, name: &str) -> Result<&mut KeyRecord, KeyFileError> {
        let found = self.keys.iter_mut().find(|record| record.name == name);
        found.ok_or_else(|| KeyFileError::Unknown(name.to_owned()))
    }
}

impl KeyRecord {
    fn key(&self) -> Option<ApiKey> {
        Some(ApiKey {
            name: self.name.clone(),
            digest: self.bytes()?,
            scopes: self.scopes.clone(),
            limits: self.limits,
            expires: self.expires,
            revoked: self.revoked.is_some(),
            owner: format!("key/{}/{}", self.name, self.created),
        })
    }

    fn bytes(&self) -> Option<[u8; 32]> {
        let digits = self.sha256.as_bytes();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
        let bytes: Vec<u8> = digits.chunks(2).map(pair).collect::<Option<_>>()?;
        bytes.try_into().ok().filter(|_| hexadecimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> KeyRecord {
        KeyRecord {
            name: name.to_owned(),
            sha256: String::new(),
            scopes: vec![Scope::Models],
            limits: KeyLimits { requests_per_minute: Some(5), ..KeyLimits::default() },
            created: 10,
            expires: Some(90),
            revoked: None,
        }
    }

    fn opens(file: &KeyFile, key: &str) -> Option<ApiKey> {
        let headers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("x-api-key"), key.parse().unwrap())]);
        file.keys().find(&headers).map(|key| ApiKey::clone(key))
    }

    #[test]
    fn keys_are_added_rotated_and_taken_back() {
        let (one, two) = (new_key([1; 32]), new_key([2; 32]));
        let mut file = KeyFile::default();

        file.add(&one, record("app")).unwrap();
        let first = opens(&file, &one).unwrap();
        assert_eq!((first.name.as_str(), first.expires, first.revoked), ("app", Some(90), false));
        assert!(matches!(file.add(&two, record("app")), Err(KeyFileError::Taken(_))));
        assert!(matches!(file.add(&two, record("a b")), Err(KeyFileError::Name(_))));

        file.rotate("app", &two).unwrap();
        assert_eq!(opens(&file, &one), None);
        assert_eq!(opens(&file, &two).unwrap().owner, first.owner);

        file.revoke("app", 50).unwrap();
        file.revoke("app", 60).unwrap();
        assert_eq!(file.keys[0].revoked, Some(50));
        assert!(opens(&file, &two).unwrap().revoked);
        assert!(matches!(file.rotate("app", &one), Err(KeyFileError::Revoked(_))));
        assert!(matches!(file.revoke("other", 1), Err(KeyFileError::Unknown(_))));
    }

    #[test]
    fn a_key_is_long_and_says_what_it_is() {
        let key = new_key([255; 32]);
        assert!(key.starts_with("w2a-") && key.len() == 47, "{key}");
        assert!(key.bytes().all(|b| b.is_ascii_graphic() && b != b','), "it fits a header and a list");
    }

    #[test]
    fn the_file_comes_back_as_it_was_and_holds_no_key() {
        let folder = std::env::temp_dir().join(format!("warp2api-keys-{}", uuid::Uuid::new_v4()));
        let path = folder.join("keys.json");
        assert_eq!(KeyFile::load(&path).unwrap(), KeyFile::default());
        let mut file = KeyFile::default();
        file.add("w2a-planted", record("app")).unwrap();

        file.save(&path).unwrap();

        assert_eq!(KeyFile::load(&path).unwrap(), file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("planted"), "{text}");
        assert!(!format!("{file:?}").contains(&file.keys[0].sha256));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for (wrong, at) in [("{", "line 1"), (r#"{"keys":[{"name":"a","planted":1}]}"#, "line 1")] {
            std::fs::write(&path, wrong).unwrap();
            let error = KeyFile::load(&path).unwrap_err().to_string();
            assert!(error.contains(at) && !error.contains("planted"), "{error}");
        }
        std::fs::write(&path, text.replace("sha256\": \"", "sha256\": \"zz")).unwrap();
        assert!(matches!(KeyFile::load(&path), Err(KeyFileError::Record { .. })));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
