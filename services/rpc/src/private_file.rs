//! Files of a data folder that nobody but their owner reads, and who that is.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// How to open a file for writing that others cannot read, should it be made.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Gives a file at `path` to the owner of its folder, if root has made it in somebody else's: a command of an
/// administrator's must not leave behind what the service cannot read.
///
/// # Errors
/// When the system does not tell or does not allow it.
pub fn hand_over(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = std::fs::metadata(folder.unwrap_or_else(|| Path::new(".")))?;
        if file.metadata()?.uid() == 0 && folder.uid() != 0 {
            return fchown(file, Some(folder.uid()), Some(folder.gid()));
        }
    }
    let _: (&File, &Path) = (file, path);
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown};

    use super::*;

    /// As root it is given away, as anybody else it stays theirs.
    #[test]
    fn what_is_made_in_a_folder_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
        if is_root {
            chown(folder.path(), Some(65532), Some(65532)).unwrap();
        }
        let path = folder.path().join("keys.json");

        let file = options().create(true).truncate(true).open(&path).unwrap();
        hand_over(&file, &path).unwrap();

        let (file, folder) = (file.metadata().unwrap(), std::fs::metadata(folder.path()).unwrap());
        assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()));
        assert_eq!(file.mode() & 0o777, 0o600);
    }
}
