//! Another key: everything is sealed anew in one transaction, and the old key stays readable until that is done.

use crate::error::Error;
use crate::pool::Pool;
use crate::store::Backing;
use crate::store::error::OpenError;
use crate::store::key::{self, KeySource};
use crate::store::seal::{Keyring, StoreKey};

/// The keys of a rotation, by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that sealed until now.
    pub from: String,
    /// The key that seals from now on.
    pub to: String,
}

/// The key cannot be changed. It is what it was.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The pool is kept in memory.
    #[error("the pool is kept in memory: nothing is sealed")]
    NothingSealed,
    /// There is one key only.
    #[error(
        "there is no other key to change to; add it to W2A_STORE_KEY, or to the file of W2A_STORE_KEY_FILE, after the \
         old one, restart, and rotate then"
    )]
    NoOtherKey,
    /// The key file cannot be read or written.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The credentials could not be stored.
    #[error(transparent)]
    Pool(#[from] Error),
}

impl Pool {
    /// Seals everything with another key: the next of those the operator gave, or, where the pool has a key file of
    /// its own, a new one. Old and new are at hand until the new one is in use, so that a process that ends half-way
    /// can read what it finds.
    ///
    /// # Errors
    /// When there is no other key, or it cannot be stored.
    pub async fn rotate_key(&self) -> Result<Rotation, RotationError> {
        let source = match &self.core.backing {
            Backing::Memory => return Err(RotationError::NothingSealed),
            Backing::Local(local) => local.keys.clone(),
            Backing::Shared(shared) => shared.keys.clone(),
        };
        let keys =
            self.transact(|open| open.inner.keeping.as_ref().map(|keeping| keeping.keys.clone())).await?;
        let keys = keys.ok_or(RotationError::NothingSealed)?;
        let from = keys.current().clone();
        let next = next_key(&source, &keys)?;
        let ring =
            Keyring::new(&[next.clone(), from.clone()], &next.id()).ok_or(RotationError::NoOtherKey)?;
        self.transact_durably(move |open| open.inner.rekey(ring)).await?;
        if let KeySource::Own(path) = &source {
            key::write(path, std::slice::from_ref(&next))?;
        }
        Ok(Rotation { from: from.id(), to: next.id() })
    }
}

/// The key to change to, in the pool's own file before it is used.
fn next_key(source: &KeySource, keys: &Keyring) -> Result<StoreKey, RotationError> {
    let current = keys.current();
    let others = |keys: Vec<StoreKey>| keys.into_iter().find(|key| key.id() != current.id());
    match source {
        KeySource::Given(_) => others(keys.keys().to_vec()).ok_or(RotationError::NoOtherKey),
        KeySource::File(path) => others(key::read(path)?).ok_or(RotationError::NoOtherKey),
        KeySource::Own(path) => {
            if let Some(begun) = others(key::read(path)?) {
                return Ok(begun);
            }
            let next = StoreKey::generate();
            key::write(path, &[current.clone(), next.clone()])?;
            Ok(next)
        }
    }
}
