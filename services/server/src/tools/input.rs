//! What a command reads: a file, or standard input.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::failure::Failure;

/// Standard input, where a file is asked for.
const STDIN: &str = "-";

/// Something to read, with the name it has in messages.
pub(super) struct Input {
    pub(super) name: String,
    reader: Box<dyn Read>,
    is_stdin: bool,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new(STDIN) {
            let reader = Box::new(std::io::stdin().lock());
            return Ok(Self { name: "standard input".to_owned(), reader, is_stdin: true });
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Self { name, reader: Box::new(file), is_stdin: false }),
            Err(source) => Err(Failure::Open { name, source }),
        }
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.is_stdin
    }

    /// What is there by now, at most as much as fits; nothing at the end.
    pub(super) fn some<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], Failure> {
        loop {
            match self.reader.read(buffer) {
                Ok(length) => return Ok(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(Failure::Read { name: self.name.clone(), source }),
            }
        }
    }

    /// Everything up to the end, behind what was read `before`, if it is not more than `max` bytes.
    pub(super) fn rest(&mut self, mut before: Vec<u8>, max: usize) -> Result<Vec<u8>, Failure> {
        let left = (max - max.min(before.len())) as u64 + 1;
        let read = self.reader.by_ref().take(left).read_to_end(&mut before);
        read.map_err(|source| Failure::Read { name: self.name.clone(), source })?;
        if before.len() > max {
            return Err(Failure::TooLarge { name: self.name.clone(), max });
        }
        Ok(before)
    }
}
