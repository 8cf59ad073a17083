//! Hears that other processes have changed the pool. What is heard is only that; what it is, the next transaction
//! loads. Where nothing can be heard, whoever waits looks once in a while.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};

use crate::pool::Core;
use crate::store::postgres::{CHANNEL, PATIENCE};
use crate::store::shared::Shared;

/// How long silence may last before it is looked whether the connection lives.
const SILENCE: Duration = Duration::from_secs(60);
/// The wait after a connection that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Listens until the pool is gone or closed.
pub(crate) async fn run(core: Weak<Core>, shared: Arc<Shared>) {
    while core.strong_count() > 0 {
        tokio::select! {
            () = shared.closing.cancelled() => return,
            () = shared.listen_again.notified() => {}
            error = listen(&core, &shared) => {
                let Some(error) = error else { return };
                tracing::debug!(error = %error, "changes of other processes cannot be heard");
                sleep(RETRY).await;
            }
        }
    }
}

/// Listens until that fails, or the pool is gone.
async fn listen(core: &Weak<Core>, shared: &Shared) -> Option<sqlx::Error> {
    let connecting = async {
        let mut listener = PgListener::connect_with(&shared.database.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = match timeout(PATIENCE, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
        Ok(listener) => listener,
        Err(error) => return Some(error),
    };
    // What was said before is not repeated.
    shared.heard.send_modify(|count| *count += 1);
    while core.strong_count() > 0 {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(said))) if said.payload() == shared.name => {}
            Ok(Ok(Some(_))) => shared.heard.send_modify(|count| *count += 1),
            Ok(Ok(None)) => return Some(sqlx::Error::PoolClosed),
            Ok(Err(error)) => return Some(error),
            Err(_) => match timeout(PATIENCE, listener.listen(CHANNEL)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error),
                Err(_) => return Some(sqlx::Error::PoolTimedOut),
            },
        }
    }
    None
}
