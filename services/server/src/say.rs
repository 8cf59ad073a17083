//! What the program says on standard output and standard error. Nobody may hear it: the end of a pipe that has gone, a full
//! disk. A service goes on all the same and stops as it should; a command that could not give its answer fails.

use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, Write as _};

/// Says something to people on standard error, as `eprintln!` does, and goes on if nobody can hear it.
#[macro_export]
macro_rules! aside {
    ($($words:tt)*) => {
        $crate::say::aside(::std::format_args!($($words)*))
    };
}

/// What [`aside!`](crate::aside!) stands for.
pub fn aside(words: Arguments<'_>) {
    drop(writeln!(std::io::stderr(), "{words}"));
}

/// Says on standard output what people are told when a service starts.
pub fn greeting(words: impl Display) {
    let mut out = std::io::stdout();
    drop(writeln!(out, "{words}").and_then(|()| out.flush()));
}

/// Gives the answer of a command, with nothing added. Returns whether it came through; a reader that has seen enough, such
/// as `head`, got what it wanted.
pub fn answer(words: impl Display) -> bool {
    let mut out = std::io::stdout();
    match write!(out, "{words}").and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => true,
        Err(error) => {
            aside!("warp2api: cannot write: {error}");
            false
        }
    }
}
