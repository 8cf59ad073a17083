//! How the program is told to stop and to read its settings again. Signals are watched from [`install`] on, which comes
//! before anything is built: one that arrives early is not lost, and none ends the program as it would by default.
//!
//! What is told twice within a moment is told once: `timeout` of the coreutils signals the process and then its group, and
//! a terminal and a wrapper may both pass one on.

use std::time::Duration;

use tokio::time::Instant;

/// How long after the first word to stop another one is still the same.
const ECHO: Duration = Duration::from_secs(1);

/// Watches signals from now on. Only inside a runtime.
#[must_use]
pub fn install() -> (Stops, Hangups) {
    // The terminal is gone then: nobody is there to read settings for.
    let in_terminal = in_terminal();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{Signal, SignalKind, signal};
        let watch = |kind: SignalKind, name: &str| -> Option<Signal> {
            signal(kind).inspect_err(|error| tracing::warn!(%error, "{name} cannot be watched")).ok()
        };
        let hangup = watch(SignalKind::hangup(), "SIGHUP");
        let (gone, again) = if in_terminal { (hangup, None) } else { (None, hangup) };
        let stops = Stops {
            terminate: watch(SignalKind::terminate(), "SIGTERM"),
            interrupt: watch(SignalKind::interrupt(), "Ctrl-C"),
            gone,
            first: None,
        };
        (stops, Hangups { signals: again })
    }
    #[cfg(not(unix))]
    {
        let _ = in_terminal;
        (Stops { first: None }, Hangups {})
    }
}

/// Whether a person started it in a terminal, whose end is then the program's.
fn in_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// The times the program is told to stop: Ctrl-C everywhere, SIGTERM where there is one, and SIGHUP in a terminal.
#[derive(Debug)]
pub struct Stops {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    /// The terminal is gone. It is never a word to hurry: the shell repeats what the system said.
    #[cfg(unix)]
    gone: Option<tokio::signal::unix::Signal>,
    /// When it was told first.
    first: Option<Instant>,
}

impl Stops {
    /// Waits until the program is told to stop. What is dropped before that loses nothing.
    pub async fn stop(&mut self) {
        #[cfg(unix)]
        {
            let Self { terminate, interrupt, gone, .. } = self;
            tokio::select! {
                () = next(terminate) => {}
                () = next(interrupt) => {}
                () = next(gone) => {}
            }
        }
        #[cfg(not(unix))]
        ctrl_c().await;
        self.first.get_or_insert_with(Instant::now);
    }

    /// Waits until it is told to stop once more, after [`stop`](Self::stop) was ready: whoever says it again means at once.
    pub async fn hurry(&mut self) {
        loop {
            #[cfg(unix)]
            {
                let Self { terminate, interrupt, .. } = self;
                tokio::select! {
                    () = next(terminate) => {}
                    () = next(interrupt) => {}
                }
            }
            #[cfg(not(unix))]
            ctrl_c().await;
            let now = Instant::now();
            if is_another(*self.first.get_or_insert(now), now) {
                return;
            }
        }
    }
}

/// Whether a word to stop at `now` is another one than that at `first`.
fn is_another(first: Instant, now: Instant) -> bool {
    now.saturating_duration_since(first) >= ECHO
}

#[cfg(unix)]
async fn next(signals: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signals) = signals
        && signals.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(not(unix))]
async fn ctrl_c() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C cannot be watched; only a kill stops this process");
        std::future::pending::<()>().await;
    }
}

/// The times the program is told to read its settings again: SIGHUP, where there is one and no terminal.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        next(&mut self.signals).await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_a_moment_of_the_first_word_is_the_same_word() {
        let first = Instant::now();
        for (after, another) in [(0, false), (5, false), (999, false), (1000, true), (60_000, true)] {
            assert_eq!(is_another(first, first + Duration::from_millis(after)), another, "{after} ms");
        }
        // Clocks of two threads may disagree by a little.
        assert!(!is_another(first + Duration::from_millis(1), first));
    }
}
