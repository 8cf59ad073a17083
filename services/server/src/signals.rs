//! How the program is told to stop: Ctrl-C everywhere, SIGTERM where there is one.

/// Waits until the program is told to stop.
pub async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
                return;
            }
            Err(error) => tracing::warn!(%error, "SIGTERM cannot be watched"),
        }
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C cannot be watched; only a kill stops this process");
        std::future::pending::<()>().await;
    }
}

/// The times the program is told to read its settings again: SIGHUP, where there is one. In a terminal that signal says
/// that the terminal is gone, and ends the program as it always does.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Listens from now on.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a signal over, which no default should")]
    pub fn new() -> Self {
        #[cfg(unix)]
        {
            use std::io::IsTerminal as _;
            use tokio::signal::unix::{SignalKind, signal};
            let wanted = !std::io::stdin().is_terminal();
            Self { signals: wanted.then(|| signal(SignalKind::hangup()).ok()).flatten() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
