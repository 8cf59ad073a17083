//! A house that answers: new settings while it runs, and how it stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warp2api_gateway::Gateway;
use warp2api_rpc::serve::Shutdown;
use warp2api_rpc::server::Health;
use warp2api_rpc::{Live, Readiness};
use warp2api_token_pool::Pool;
use warp2api_warp_chat::WarpChatService;

use crate::config::Config;

/// How long answers that ran out of time have for their last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a scrape that is under way at the very end may take.
const LAST_SCRAPE: Duration = Duration::from_millis(250);

/// A house that answers.
#[derive(Debug)]
pub struct Running {
    pub(super) shutdown: Shutdown,
    /// Of the port that has metrics and probes only: it goes on until everything else is over.
    pub(super) watchers: Shutdown,
    pub(super) background: CancellationToken,
    pub(super) readiness: Readiness,
    /// Ends the questions whether it is ready.
    pub(super) leaving: CancellationToken,
    pub(super) watching: tokio::task::JoinHandle<()>,
    pub(super) health: Option<Health>,
    pub(super) pool: Option<Pool>,
    pub(super) chat: Option<WarpChatService>,
    pub(super) gateway: Option<Gateway>,
    pub(super) patience: Live<Patience>,
}

/// How long a stop may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    window: Duration,
    timeout: Duration,
}

impl From<&Config> for Patience {
    fn from(config: &Config) -> Self {
        Self { window: config.drain_window, timeout: config.drain_timeout }
    }
}

impl Running {
    /// Stops, and returns whether everything finished on its own:
    ///
    /// 1. Readiness is off; who comes all the same, because it has not been noticed yet, is served, for the drain window.
    /// 2. Nothing new; what runs may finish until the drain timeout.
    /// 3. What still runs ends with a last word in its own dialect; after a second it is cut.
    ///
    /// The first two are over as soon as `hurry` is ready. The port of the metrics answers to the end.
    pub async fn drain(self, hurry: impl Future<Output = ()>) -> bool {
        let mut hurry = std::pin::pin!(hurry);
        let Patience { window, timeout } = *self.patience.get();
        self.leaving.cancel();
        // Nothing it has under way can say that all is well after this.
        drop(self.watching.await);
        self.readiness.drain();
        if let Some(health) = &self.health {
            health.set_not_serving().await;
        }
        let mut in_a_hurry = tokio::select! {
            () = tokio::time::sleep(window) => false,
            () = hurry.as_mut() => true,
        };
        // Watches never end by themselves.
        self.chat.iter().for_each(|chat| chat.feed().close());
        self.shutdown.drain.cancel();
        self.background.cancel();
        self.shutdown.tasks.close();
        if !in_a_hurry {
            in_a_hurry = tokio::select! {
                () = self.shutdown.tasks.wait() => false,
                () = tokio::time::sleep(timeout) => true,
                () = hurry => true,
            };
        }
        if in_a_hurry {
            self.shutdown.last_call.cancel();
            drop(tokio::time::timeout(LAST_WORDS, self.shutdown.tasks.wait()).await);
        }
        self.shutdown.abort.cancel();
        self.shutdown.tasks.wait().await;
        if let Some(pool) = &self.pool {
            // The last reports are in; what they changed is stored.
            pool.close().await;
        }
        self.watchers.tasks.close();
        self.watchers.drain.cancel();
        drop(tokio::time::timeout(LAST_SCRAPE, self.watchers.tasks.wait()).await);
        self.watchers.abort.cancel();
        !in_a_hurry
    }

    /// Goes on with what of `config` is not settled at the start. Requests that have begun keep what they began with.
    ///
    /// # Errors
    /// When it cannot be used; nothing has changed then.
    pub fn reconfigure(&self, config: &Config) -> anyhow::Result<()> {
        if let Some(gateway) = &self.gateway {
            gateway.reconfigure(config.gateway.clone())?;
        }
        if let Some(chat) = &self.chat {
            chat.reconfigure(&config.chat);
        }
        self.patience.set(Patience::from(config));
        Ok(())
    }

    /// Whether it can serve.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Everything that runs outside of requests, connections included.
    pub fn tasks(&self) -> &tokio_util::task::TaskTracker {
        &self.shutdown.tasks
    }
}
