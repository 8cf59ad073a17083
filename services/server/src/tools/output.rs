//! What a command writes: a file, or standard output, in large pieces.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

use super::failure::Failure;

/// Opens the file, or standard output without one.
pub(super) fn open(path: Option<&PathBuf>) -> Result<Box<dyn Write>, Failure> {
    Ok(match path {
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
        Some(path) => {
            let name = || path.display().to_string();
            let file = File::create(path).map_err(|source| Failure::Open { name: name(), source })?;
            Box::new(BufWriter::new(file))
        }
    })
}

/// Whether a person sees what is written.
pub(super) fn is_terminal(path: Option<&PathBuf>) -> bool {
    path.is_none() && std::io::stdout().is_terminal()
}
