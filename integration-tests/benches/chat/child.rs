//! This executable once more, as a part in a process of its own.
//!
//! A child says `ready ADDRESS`, perhaps with a second one for its metrics, or `failed REASON` on its first line, and ends when its standard input does: when we
//! drop it, and when we die.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long a part may take to listen.
const START_TIME: Duration = Duration::from_secs(20);

/// A part that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// Where it says what it counts, if it does.
    pub(crate) metrics: Option<String>,
}

impl Running {
    /// Starts a part with these arguments and waits until it listens.
    pub(crate) fn start(kind: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("who am I")?;
        let child = Command::new(executable)
            .args(["part", kind])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {kind}"))?;
        // From here on dropping it ends it, whatever it says.
        let mut running = Self { child, address: String::new(), metrics: None };
        let output = running.child.stdout.take().context("its output is ours")?;
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            // Nobody waits any more if this fails.
            drop(sender.send(read.map(|_| line)));
        });
        let line = receiver
            .recv_timeout(START_TIME)
            .with_context(|| format!("{kind} did not say that it is ready"))??;
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("ready"), Some(address)) => address.clone_into(&mut running.address),
            _ => bail!("{kind} did not start: {line}"),
        }
        running.metrics = words.next().map(str::to_owned);
        Ok(running)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
