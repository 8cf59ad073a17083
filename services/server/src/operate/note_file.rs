//! The notes of running processes in the data folder, each with a lock that ends with its process however that ends. A note
//! without a lock is of one that is gone: nobody is ever taken for ours by a number alone.
//!
//! They are called by role and process id, `serve-4711.pid` and `serve-4711.lock`, so that any number of processes shares
//! a folder; containers, where most are number 1, get another number behind it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::note::{Note, time};
use crate::config::Role;

/// Processes of one role and one number on one folder; more than anybody has containers on one machine.
const MOST_ALIKE: u32 = 1000;

/// The note of this process, for as long as this is kept. The files go with it.
#[derive(Debug)]
pub struct NoteFile {
    note: Note,
    name: PathBuf,
    /// The folder, if it was made for the note.
    made: Option<PathBuf>,
    _lock: File,
}

impl NoteFile {
    /// Leaves `note` in `folder`, and clears away what killed processes have left there.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn leave(folder: &Path, note: Note) -> io::Result<Self> {
        let made = (!folder.exists()).then(|| folder.to_owned());
        std::fs::create_dir_all(folder)?;
        clear(folder);
        for number in 1..=MOST_ALIKE {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let name = folder.join(format!("{}-{}{more}", note.role, note.pid));
            let lock = File::options().create(true).append(true).open(lock_of(&name))?;
            match lock.try_lock() {
                // Somebody who clears may have taken it for one that was left behind.
                Ok(()) if is_still_at(&lock, &lock_of(&name)) => {}
                Ok(()) | Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let file = Self { note, name, made, _lock: lock };
            file.write()?;
            return Ok(file);
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many notes of this role and number are there"))
    }

    /// Adds that the process stops, from `now` on: whoever says it again by a command need not.
    ///
    /// # Errors
    /// When it cannot be written. The note says then what it said.
    pub fn stops(&mut self, now: SystemTime) -> io::Result<()> {
        self.note.stopping_since = Some(time(now));
        self.write()
    }

    /// In one step: half a note would be none, and its process one that has ended.
    fn write(&self) -> io::Result<()> {
        let new = self.name.with_added_extension("new");
        std::fs::write(&new, serde_json::to_string_pretty(&self.note)?)
            .and_then(|()| std::fs::rename(&new, note_of(&self.name)))
            .inspect_err(|_| drop(std::fs::remove_file(&new)))
    }
}

impl Drop for NoteFile {
    fn drop(&mut self) {
        // Gone already is as good; a folder with something in it stays.
        drop(std::fs::remove_file(note_of(&self.name)));
        drop(std::fs::remove_file(lock_of(&self.name)));
        if let Some(folder) = &self.made {
            drop(std::fs::remove_dir(folder));
        }
    }
}

/// Notes could not be looked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot look for what runs on {}: {source}; ask as the user it runs as", .path.display())]
pub(super) struct Unseen {
    path: PathBuf,
    source: io::Error,
}

/// The processes that run on `folder`, those in front first. None if there is no such folder.
///
/// # Errors
/// When it may not be looked at: nobody knows then whether something runs.
pub(super) fn running(folder: &Path) -> Result<Vec<Note>, Unseen> {
    let unseen = |path: &Path| {
        let path = path.to_owned();
        move |source| Unseen { path, source }
    };
    let names = match names(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unseen(folder)(error)),
    };
    let mut notes = Vec::new();
    for name in names {
        notes.extend(read(&name).map_err(unseen(folder))?);
    }
    use Role as R;
    let order = [R::Gateway, R::All, R::WarpChat, R::Codec, R::TokenPool, R::Upstream];
    let place = |note: &Note| order.iter().position(|role| role.name() == note.role);
    notes.sort_by(|a, b| (place(a), &a.since).cmp(&(place(b), &b.since)));
    Ok(notes)
}

/// What the process of `note` says by now. `None` if it has ended.
///
/// # Errors
/// As [`running`].
pub(super) fn again(folder: &Path, note: &Note) -> Result<Option<Note>, Unseen> {
    Ok(running(folder)?.into_iter().find(|now| now.is_of(note)))
}

fn read(name: &Path) -> io::Result<Option<Note>> {
    let found = |read: io::Error| match read.kind() {
        ErrorKind::NotFound => Ok(None),
        _ => Err(read),
    };
    let lock = match File::open(lock_of(name)) {
        Ok(lock) => lock,
        Err(error) => return found(error),
    };
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return Ok(None);
    }
    match std::fs::read_to_string(note_of(name)) {
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        Err(error) => found(error),
    }
}

/// The notes in `folder` without their endings, those of earlier versions (`serve.pid`) among them. The pool's database
/// has a lock there, too, which is not touched.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let ours = |name: &str| {
        let rest = Role::ALL.iter().filter_map(|role| name.strip_prefix(role.name()));
        rest.into_iter().any(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| ours(name));
        if name.is_some() && path.extension().is_some_and(|ending| ending == "lock") {
            names.push(path.with_extension(""));
        }
    }
    Ok(names)
}

/// Removes what is of processes that were killed. What cannot be removed is none of anybody's business.
fn clear(folder: &Path) {
    for name in names(folder).unwrap_or_default() {
        let path = lock_of(&name);
        let Ok(lock) = File::options().append(true).open(&path) else { continue };
        if lock.try_lock().is_ok() {
            drop(std::fs::remove_file(name.with_added_extension("new")));
            drop(std::fs::remove_file(note_of(&name)));
            drop(std::fs::remove_file(path));
        }
    }
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |found: io::Result<std::fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
    identity(file.metadata()) == identity(std::fs::metadata(path))
}

#[cfg(not(unix))]
fn is_still_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn note_of(name: &Path) -> PathBuf {
    name.with_added_extension("pid")
}

fn lock_of(name: &Path) -> PathBuf {
    name.with_added_extension("lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Addresses;

    fn note(role: Role) -> Note {
        Note::of_this_process(role, &Addresses::default())
    }

    #[test]
    fn a_note_counts_as_long_as_its_process_runs() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        assert_eq!(running(&folder).unwrap(), []);
        let note = note(Role::WarpChat);
        let mut file = NoteFile::leave(&folder, note.clone()).unwrap();

        assert_eq!(running(&folder).unwrap(), std::slice::from_ref(&note));
        file.stops(SystemTime::UNIX_EPOCH).unwrap();
        let told = again(&folder, &note).unwrap().unwrap();
        assert_eq!(told.stopping_since.as_deref(), Some("1970-01-01T00:00:00Z"));
        drop(file);
        assert_eq!(again(&folder, &note).unwrap(), None);
        assert!(!folder.exists(), "it was made for the note");
    }

    #[test]
    fn any_number_of_processes_has_notes_in_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        // As containers have it: the same role and the same number.
        let [first, second] = [0; 2].map(|_| NoteFile::leave(folder.path(), note(Role::TokenPool)).unwrap());
        let front = NoteFile::leave(folder.path(), note(Role::Gateway)).unwrap();

        let roles: Vec<_> = running(folder.path()).unwrap().into_iter().map(|note| note.role).collect();
        assert_eq!(roles, ["gateway", "token-pool", "token-pool"]);
        drop((first, second, front));
        assert!(folder.path().read_dir().unwrap().next().is_none());
    }

    #[test]
    fn what_a_kill_has_left_behind_is_nobodys_and_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("serve-7");
        std::fs::write(note_of(&left), serde_json::to_string(&note(Role::All)).unwrap()).unwrap();
        std::fs::write(lock_of(&left), "").unwrap();
        // The database's own.
        std::fs::write(folder.path().join("pool.db.lock"), "").unwrap();

        assert_eq!(running(folder.path()).unwrap(), []);
        drop(NoteFile::leave(folder.path(), note(Role::All)).unwrap());
        assert!(!note_of(&left).exists() && !lock_of(&left).exists());
        assert!(folder.path().join("pool.db.lock").exists());
    }

    #[test]
    fn a_process_of_an_earlier_version_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("serve.lock")).unwrap();
        lock.try_lock().unwrap();
        let text = r#"{"pid":7,"role":"serve","version":"0","since":"t","edge":"127.0.0.1:1","grpc":null}"#;
        std::fs::write(folder.path().join("serve.pid"), text).unwrap();

        let notes = running(folder.path()).unwrap();

        assert_eq!((notes.len(), notes[0].pid, &notes[0].stopping_since), (1, 7, &None));
    }

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_not_one_where_nothing_runs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        std::fs::write(&file, "").unwrap();

        let error = running(&file).unwrap_err().to_string();

        assert!(error.contains("cannot look for what runs on"), "{error}");
    }
}
