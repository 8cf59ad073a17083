//! What a running process leaves in the data folder: a note with its process id and where it listens, and a lock that
//! ends with the process however it ends. A note without a lock is of one that is gone: nobody is ever taken for ours by a
//! number alone.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use warp2api_rpc::tls::TlsFiles;

use crate::app::Addresses;
use crate::config::{Role, Security};

/// A running process, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its process id.
    pub pid: u32,
    /// What it runs.
    pub role: String,
    /// Its version.
    pub version: String,
    /// When it was started.
    pub since: String,
    /// Where its edge listens.
    pub edge: Option<String>,
    /// Where its services listen.
    pub grpc: Option<String>,
    /// The file with the certificate that its edge shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_certificate: Option<PathBuf>,
    /// The file with the certificate that its services show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_certificate: Option<PathBuf>,
}

impl Note {
    /// The note of this process.
    pub fn of_this_process(role: Role, addresses: &Addresses) -> Self {
        Self {
            pid: std::process::id(),
            role: role.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: prost_types::Timestamp::from(std::time::SystemTime::now()).to_string(),
            edge: addresses.edge.as_ref().map(crate::banner::reachable),
            grpc: addresses.grpc.as_ref().map(crate::banner::reachable),
            edge_certificate: None,
            grpc_certificate: None,
        }
    }

    /// With what the ports of the process show.
    #[must_use]
    pub fn with_certificates(mut self, security: &Security) -> Self {
        // Whoever reads it may be in another folder.
        let shown = |files: &Option<TlsFiles>| std::path::absolute(files.as_ref()?.cert.as_ref()?).ok();
        self.edge_certificate = self.edge.as_ref().and_then(|_| shown(&security.edge));
        self.grpc_certificate = self.grpc.as_ref().and_then(|_| shown(&security.grpc));
        self
    }
}

/// The note of this process, for as long as this is kept. The file goes with it.
#[derive(Debug)]
pub struct NoteFile {
    path: PathBuf,
    _lock: File,
}

impl NoteFile {
    /// Leaves `note` in `folder`. `None` if another process of the same role has left its own there: both run, one of them
    /// without a note.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn leave(folder: &Path, note: &Note) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let lock = File::options().create(true).append(true).open(lock_path(folder, &note.role))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let path = note_path(folder, &note.role);
        std::fs::write(&path, serde_json::to_string_pretty(note)?)?;
        Ok(Some(Self { path, _lock: lock }))
    }
}

impl Drop for NoteFile {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(std::fs::remove_file(&self.path));
    }
}

/// The processes that run on `folder`, those in front first.
pub(super) fn running(folder: &Path) -> Vec<Note> {
    use Role as R;
    let roles = [R::Gateway, R::All, R::WarpChat, R::Codec, R::TokenPool, R::Upstream];
    roles.into_iter().filter_map(|role| read(folder, role.name())).collect()
}

/// Whether the process of this note still runs.
pub(super) fn still_runs(folder: &Path, note: &Note) -> bool {
    read(folder, &note.role).is_some_and(|now| now.pid == note.pid)
}

fn read(folder: &Path, role: &str) -> Option<Note> {
    let lock = File::open(lock_path(folder, role)).ok()?;
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    serde_json::from_str(&std::fs::read_to_string(note_path(folder, role)).ok()?).ok()
}

fn note_path(folder: &Path, role: &str) -> PathBuf {
    folder.join(format!("{role}.pid"))
}

fn lock_path(folder: &Path, role: &str) -> PathBuf {
    folder.join(format!("{role}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_as_long_as_its_process_runs() {
        let folder = tempfile::tempdir().unwrap();
        let note = Note::of_this_process(Role::WarpChat, &Addresses::default());
        assert_eq!(note.role, "warp-chat");
        let file = NoteFile::leave(folder.path(), &note).unwrap().unwrap();

        assert_eq!(running(folder.path()), std::slice::from_ref(&note));
        assert!(NoteFile::leave(folder.path(), &note).unwrap().is_none(), "one of a kind");
        drop(file);
        assert_eq!(running(folder.path()), []);

        // Left behind by a kill: the number may be anybody's by now.
        std::fs::write(note_path(folder.path(), "warp-chat"), serde_json::to_string(&note).unwrap()).unwrap();
        assert_eq!(running(folder.path()), []);
        assert!(!still_runs(folder.path(), &note));
    }
}
