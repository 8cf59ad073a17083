//! One process at a time: a lock beside the database, and a note of who has it.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use warp2api_rpc::private_file;

use crate::store::error::OpenError;
use crate::store::kept::micros;

/// The database is this process's, until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: File,
}

impl Held {
    /// Takes the database at `path` for this process.
    ///
    /// # Errors
    /// [`OpenError::Held`] if another process has it.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| OpenError::File { path, source }
        };
        let (lock_path, note_path) = (beside(path, "lock"), beside(path, "pid"));
        let lock = private_file::options().create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(failed(&lock_path))?;
        private_file::hand_over(&lock, &lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path)),
            Err(TryLockError::Error(source)) => return Err(failed(&lock_path)(source)),
        }
        // A file of its own: on some systems nobody else can read one that is locked.
        let note = format!("{}\n{}\n", std::process::id(), micros(SystemTime::now()) / 1_000_000);
        let write = |note_path: &Path| {
            let mut file = File::create(note_path)?;
            private_file::hand_over(&file, note_path)?;
            file.write_all(note.as_bytes())
        };
        write(&note_path).map_err(failed(&note_path))?;
        Ok(Self { _lock: lock })
    }

    /// Looks whether a process has the database at `path`; makes nothing and keeps nothing.
    ///
    /// # Errors
    /// [`OpenError::Held`] if one has it.
    pub(crate) fn look(path: &Path) -> Result<(), OpenError> {
        let Ok(lock) = File::open(beside(path, "lock")) else { return Ok(()) };
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(held(path)),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }
}

fn held(path: &Path) -> OpenError {
    let holder = std::fs::read_to_string(beside(path, "pid")).ok();
    let holder = holder.as_deref().and_then(holder_of).unwrap_or_else(|| "another process".into());
    OpenError::Held { path: path.to_owned(), holder }
}

/// A file whose name is the database's and a word more.
pub fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    PathBuf::from(name)
}

/// Who a note is of.
fn holder_of(note: &str) -> Option<String> {
    let mut lines = note.lines();
    let process: u32 = lines.next()?.parse().ok()?;
    let since: u64 = lines.next()?.parse().ok()?;
    let since = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since);
    let minutes = SystemTime::now().duration_since(since).unwrap_or_default().as_secs() / 60;
    Some(format!("process {process}, since {minutes} minutes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_hears_who_was_first_and_has_it_when_that_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.db");
        let first = Held::take(&path).unwrap();

        let refused = Held::take(&path).unwrap_err().to_string();

        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains("W2A_DATA_DIR") && refused.contains("postgres://"), "{refused}");
        drop(first);
        assert!(Held::take(&path).is_ok());
    }
}
