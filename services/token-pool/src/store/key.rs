//! Where the keys that seal come from: given by the operator, in a file of the operator's, or in a file that the first
//! start makes.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use warp2api_rpc::private_file;

use crate::store::changes::KeyRecord;
use crate::store::error::OpenError;
use crate::store::seal::{InvalidKey, Keyring, StoreKey};

/// Where the keys come from. The store remembers which of them seals; the others open what was sealed before.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// These. A new store is sealed with the first.
    Given(Vec<StoreKey>),
    /// A file of the operator's, a key on each line.
    File(PathBuf),
    /// A file of the pool's own: made with the store, readable by its owner alone.
    Own(PathBuf),
}

impl KeySource {
    /// Reads keys written one after the other, separated by commas or line feeds.
    ///
    /// # Errors
    /// When one is no key, or there is none.
    pub fn parse(text: &str) -> Result<Vec<StoreKey>, InvalidKey> {
        let written = text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty());
        let keys: Vec<_> = written.map(StoreKey::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(InvalidKey) } else { Ok(keys) }
    }

    /// The keys for a store that remembers `record`, and what it has to remember if it is new.
    pub(crate) fn keyring(
        &self,
        record: Option<&KeyRecord>,
    ) -> Result<(Keyring, Option<KeyRecord>), OpenError> {
        let keys = match self {
            Self::Given(keys) => keys.clone(),
            Self::File(path) => read(path)?,
            Self::Own(path) if path.exists() || record.is_some() => read(path)?,
            Self::Own(path) => {
                let keys = vec![StoreKey::generate()];
                write(path, &keys)?;
                keys
            }
        };
        let first = keys.first().ok_or(OpenError::Key { path: self.path(), source: InvalidKey })?;
        let wanted = record.cloned().unwrap_or_else(|| first.record());
        let known = Keyring::new(&keys, &wanted.id).filter(|keys| keys.current().fits(&wanted));
        let keyring = known.ok_or_else(|| OpenError::WrongKey {
            wanted: wanted.id.clone(),
            found: keys.iter().map(StoreKey::id).collect::<Vec<_>>().join(", "),
        })?;
        Ok((keyring, record.is_none().then_some(wanted)))
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Given(_) => None,
            Self::File(path) | Self::Own(path) => Some(path.clone()),
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<StoreKey>, OpenError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| OpenError::KeyFile { path: path.to_owned(), source })?;
    KeySource::parse(&text).map_err(|source| OpenError::Key { path: Some(path.to_owned()), source })
}

/// Writes keys to a file that only its owner can read, whole or not at all.
pub(crate) fn write(path: &Path, keys: &[StoreKey]) -> Result<(), OpenError> {
    let text = keys.iter().fold(String::new(), |mut text, key| {
        // Writing to a String cannot fail.
        writeln!(text, "{}", key.text().expose()).ok();
        text
    });
    let text = secrecy::SecretString::from(text);
    replace(path, secrecy::ExposeSecret::expose_secret(&text))
        .map_err(|source| OpenError::KeyFile { path: path.to_owned(), source })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;
    let next = path.with_extension("new");
    if next.exists() {
        std::fs::remove_file(&next)?;
    }
    let mut file = private_file::options().create_new(true).open(&next)?;
    private_file::hand_over(&file, &next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<StoreKey> {
        (0..count).map(|_| StoreKey::generate()).collect()
    }

    #[test]
    fn the_store_decides_which_of_the_keys_seals() {
        let keys = keys(2);
        let source = KeySource::Given(keys.clone());

        let (ring, record) = source.keyring(None).unwrap();
        assert_eq!(ring.current().id(), keys[0].id());
        assert_eq!(record.unwrap().id, keys[0].id());

        let (ring, record) = source.keyring(Some(&keys[1].record())).unwrap();
        assert_eq!((ring.current().id(), record.is_none()), (keys[1].id(), true));
    }

    #[test]
    fn a_store_of_another_key_is_refused_by_the_ids_of_both() {
        let (mine, other) = (StoreKey::generate(), StoreKey::generate());

        let refused = KeySource::Given(vec![mine.clone()]).keyring(Some(&other.record())).unwrap_err();

        let said = refused.to_string();
        assert!(said.contains(&mine.id()) && said.contains(&other.id()), "{said}");
        let forged = KeyRecord { id: mine.id(), check: other.record().check };
        assert!(KeySource::Given(vec![mine]).keyring(Some(&forged)).is_err(), "an id alone does not do");
    }

    #[test]
    fn a_key_of_its_own_is_made_for_a_new_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let source = KeySource::Own(path.clone());

        assert!(source.keyring(Some(&StoreKey::generate().record())).is_err(), "its key is lost");
        assert!(!path.exists());
        let (made, record) = source.keyring(None).unwrap();
        let (read, _) = source.keyring(record.as_ref()).unwrap();

        assert_eq!(made.current().id(), read.current().id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!format!("{made:?} {source:?}").contains(made.current().text().expose()));
    }
}
