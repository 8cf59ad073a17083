//! The data folder, to the doctor: whether a process could write there what it has to. Nothing is written to find out.

use std::io;
use std::path::{Path, PathBuf};

use super::report::Line;

/// Below this a database cannot be made, or written to for long.
const LEAST: u64 = 1024 * 1024;
/// Below this it is worth a word.
const LITTLE: u64 = 64 * 1024 * 1024;

const NAME: &str = "data folder";

/// A place a process wants to write to.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) folder: &'a Path,
    /// A file in it that is written to, if it is there.
    pub(super) file: Option<PathBuf>,
    /// Whether a process would not start without it. Without its note it starts, and is found by nobody.
    pub(super) is_needed: bool,
}

/// How the place is.
pub(super) fn line(wanted: &Wanted<'_>) -> Line {
    let path = wanted.folder.display();
    let (trouble, cure) = match look(wanted) {
        Ok(Found { exists, free }) => {
            let place = if exists { "can be written to" } else { "not there yet, the first start makes it" };
            return match free {
                Some(free) if free < LITTLE => {
                    let words = format!("{path}: only {} MiB are free there", free / LEAST);
                    Line::warn(NAME, words, "make room before the disk is full")
                }
                _ => Line::ok(NAME, format!("{path}: {place}")),
            };
        }
        Err(Trouble::NoFolder(at)) => {
            (format!("{} is no folder", at.display()), "remove that file, or set W2A_DATA_DIR to a folder")
        }
        Err(Trouble::Refused(at, error)) => (
            format!("{} cannot be written to: {error}", at.display()),
            "give the folder to the user the service runs as, or set W2A_DATA_DIR to one that is",
        ),
        Err(Trouble::Full) => {
            ("the disk is full".to_owned(), "make room, or set W2A_DATA_DIR to a folder on another disk")
        }
    };
    let words = format!("{path}: {trouble}");
    if wanted.is_needed {
        return Line::fail(NAME, words, cure);
    }
    Line::warn(NAME, format!("{words}; `warp2api stop` and `status` will not find what runs"), cure)
}

/// Whether processes can leave notes in `folder`: where they can and there is none, none of ours runs.
pub(super) fn takes_notes(folder: Option<&Path>) -> bool {
    folder.is_some_and(|folder| look(&Wanted { folder, file: None, is_needed: false }).is_ok())
}

struct Found {
    exists: bool,
    /// Bytes, where the system tells.
    free: Option<u64>,
}

#[derive(Debug)]
enum Trouble {
    NoFolder(PathBuf),
    Refused(PathBuf, io::Error),
    Full,
}

fn look(wanted: &Wanted<'_>) -> Result<Found, Trouble> {
    let absolute = std::path::absolute(wanted.folder).unwrap_or_else(|_| wanted.folder.to_owned());
    // What is not there is made in the nearest folder that is.
    let mut nearest = absolute.as_path();
    loop {
        match std::fs::metadata(nearest) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => return Err(Trouble::NoFolder(nearest.to_owned())),
            Err(error) => match (error.kind(), nearest.parent()) {
                (io::ErrorKind::NotFound | io::ErrorKind::NotADirectory, Some(parent)) => nearest = parent,
                _ => return Err(Trouble::Refused(nearest.to_owned(), error)),
            },
        }
    }
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |error| Trouble::Refused(path, error)
    };
    may_write(nearest, true).map_err(refused(nearest))?;
    if let Some(file) = wanted.file.as_deref().filter(|file| file.exists()) {
        may_write(file, false).map_err(refused(file))?;
    }
    let free = free(nearest);
    if free.is_some_and(|free| free < LEAST) {
        return Err(Trouble::Full);
    }
    Ok(Found { exists: nearest == absolute, free })
}

#[cfg(unix)]
fn may_write(path: &Path, is_folder: bool) -> io::Result<()> {
    use rustix::fs::{Access, access};
    let wanted = if is_folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK };
    access(path, wanted).map_err(io::Error::from)
}

#[cfg(not(unix))]
fn may_write(_: &Path, _: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(folder).ok()?;
    room(told.f_blocks, told.f_bavail.saturating_mul(told.f_frsize), told.f_files, told.f_favail)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// The bytes that may be written, as a file system tells. Those without blocks or files of their own tell nothing by 0.
#[cfg(unix)]
fn room(blocks: u64, free_bytes: u64, files: u64, free_files: u64) -> Option<u64> {
    if files > 0 && free_files == 0 {
        return Some(0);
    }
    (blocks > 0).then_some(free_bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn room_is_what_may_still_be_written() {
        for (blocks, bytes, files, free_files, room_is) in [
            (100, 7, 10, 5, Some(7)),
            (100, 0, 10, 5, Some(0)),
            (100, 7, 10, 0, Some(0)),
            // No fixed number of files, as in btrfs.
            (100, 7, 0, 0, Some(7)),
            (0, 0, 0, 0, None),
        ] {
            assert_eq!(room(blocks, bytes, files, free_files), room_is);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_from_one_that_will_be() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (folder, needed, level, words) in [
            (parent.path().to_owned(), true, Level::Ok, "can be written to"),
            (parent.path().join("a/b"), true, Level::Ok, "not there yet"),
            (file.clone(), true, Level::Fail, "is no folder"),
            (file.join("data"), true, Level::Fail, "is no folder"),
            (file.join("data"), false, Level::Warn, "will not find"),
        ] {
            let line = line(&Wanted { folder: &folder, file: None, is_needed: needed });
            assert_eq!(line.level, level, "{line:?}");
            assert!(line.words.contains(words), "{line:?}");
        }
        assert!(takes_notes(Some(parent.path())) && !takes_notes(Some(&file)) && !takes_notes(None));
    }
}
