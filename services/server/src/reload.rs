//! Settings that change while the program runs: told by SIGHUP or seen in the files. New ones are taken over whole or not
//! at all; what is settled at the start is said to want a restart.

use std::time::Duration;

use crate::app::Running;
use crate::config::{Config, Role};
use crate::settings::{RELOADED, Settings, TABLE};
use crate::sources::Sources;
use crate::{signals, supervisor, telemetry};

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a file that has changed has to stay as it is: one that is being written is not taken over in part.
const SETTLED: Duration = Duration::from_millis(250);

/// Looks after the settings of a running house.
#[derive(Debug)]
pub struct Reloader {
    sources: Sources,
    role: Role,
    /// What the house runs on.
    current: Settings,
    files: Vec<Option<Vec<u8>>>,
}

/// What differs between two sets of settings, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Taken over by a running process.
    pub applied: Vec<&'static str>,
    /// Not before the next start.
    pub at_restart: Vec<&'static str>,
}

impl Changes {
    /// From `old` to `new`.
    pub fn between(old: &Settings, new: &Settings) -> Self {
        let (old, new) = (old.written(), new.written());
        let changed = TABLE.iter().map(|described| described.key).filter(|key| old.get(key) != new.get(key));
        let (applied, at_restart) = changed.partition(|key| RELOADED.contains(key));
        Self { applied, at_restart }
    }
}

impl Reloader {
    /// Looks after a house that was started with `current`, which `sources` gave.
    pub fn new(sources: Sources, role: Role, current: Settings) -> Self {
        let files = sources.files();
        Self { sources, role, current, files }
    }

    /// Takes new settings over into `running` whenever there are some. Does not end.
    pub async fn run(mut self, running: &Running, mut hangups: signals::Hangups) {
        loop {
            let told = tokio::select! {
                () = hangups.next() => true,
                () = tokio::time::sleep(PERIOD) => false,
            };
            let files = self.sources.files();
            if told || files != self.files {
                self.files = if told { files } else { self.settled(files).await };
                supervisor::reloading();
                match self.reload(running) {
                    Ok(changes) if changes == Changes::default() => {
                        tracing::info!("the settings are as they were")
                    }
                    Ok(changes) => {
                        if !changes.applied.is_empty() {
                            tracing::info!(settings = changes.applied.join(", "), "new settings are in use");
                        }
                        if !changes.at_restart.is_empty() {
                            let settings = changes.at_restart.join(", ");
                            tracing::warn!(settings, "these settings have changed and want a restart");
                        }
                    }
                    Err(problem) => {
                        tracing::error!("the new settings are wrong, the old ones stay in use: {problem}");
                    }
                }
                supervisor::ready();
            }
        }
    }

    /// What the files hold once nobody writes to them, or after some seconds.
    async fn settled(&self, mut files: Vec<Option<Vec<u8>>>) -> Vec<Option<Vec<u8>>> {
        for _ in 0..20 {
            tokio::time::sleep(SETTLED).await;
            let next = self.sources.files();
            if next == files {
                break;
            }
            files = next;
        }
        files
    }

    fn reload(&mut self, running: &Running) -> Result<Changes, String> {
        let gathered = self.sources.gather().map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
        let new = gathered.settings;
        // All of it has to be right, also what is not taken over now.
        Config::resolve_from(self.role, new.clone(), gathered.origins).map_err(|error| error.to_string())?;
        let changes = Changes::between(&self.current, &new);
        let next = self.current.clone().with(RELOADED, &new);
        let config = Config::resolve(self.role, next.clone()).map_err(|error| error.to_string())?;
        telemetry::reload(&next)?;
        running.reconfigure(&config).map_err(|error| error.to_string())?;
        self.current = next;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_apart_by_whether_they_want_a_restart() {
        let settings = |pairs: &[(&str, &str)]| {
            Settings::from_keys(|key| {
                pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
            })
        };
        let old = settings(&[("port", "1"), ("keepalive", "5"), ("history", "flattened")]);
        let new = settings(&[("port", "2"), ("keepalive", "5"), ("drain_timeout", "9")]);

        let changes = Changes::between(&old, &new);

        assert_eq!(changes.applied, ["history", "drain_timeout"]);
        assert_eq!(changes.at_restart, ["port"]);
        let next = old.with(RELOADED, &new);
        assert_eq!(next, settings(&[("port", "1"), ("keepalive", "5"), ("drain_timeout", "9")]));
    }
}
