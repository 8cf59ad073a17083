//! What a process manager is told that asks for it: systemd, with `Type=notify`, by the socket that `NOTIFY_SOCKET` names.
//! Without that variable, and where there is no unix, nothing is told.

/// Tells that the ports are open and requests are served, from now on or again.
pub fn ready() {
    #[cfg(unix)]
    tell(&[sd_notify::NotifyState::Ready]);
}

/// Tells that settings are being read again; [`ready`] ends it.
pub fn reloading() {
    #[cfg(unix)]
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the process manager cannot be told the time"),
    }
}

/// Tells that the process stops.
pub fn stopping() {
    #[cfg(unix)]
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Tells again and again that the runtime turns, if a watchdog waits for that (`WatchdogSec=`). Does not end.
pub async fn watchdog() {
    #[cfg(unix)]
    if let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) {
        let mut ticks = tokio::time::interval(patience / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tell(&[sd_notify::NotifyState::Watchdog]);
        }
    }
    std::future::pending().await
}

#[cfg(unix)]
fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the process manager cannot be told (NOTIFY_SOCKET)");
    }
}
