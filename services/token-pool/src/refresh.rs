//! Renewal of access tokens: one exchange at a time per credential, and the background task that starts exchanges
//! ahead of time.
//!
//! An exchange belongs to whoever waits for it: nothing is spawned, and a caller that leaves takes nothing along.
//! The background task joins every exchange that callers began, so that none is left half-way: its answer may hold
//! the only copy of a rotated refresh token.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::clock::until;
use crate::entry::Entry;
use crate::exchanging::{self, Before};
use crate::pool::Pool;
use crate::trail;

/// Exchanges the background task starts at once.
const MAX_STARTED: usize = 8;
/// The longest sleep: a machine that slept, or whose clock was set, is noticed within it.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// An exchange that any number of callers can wait for. Its output is whether there is an access token now.
pub(crate) type FlightFuture = Shared<BoxFuture<'static, bool>>;

/// The exchange that is under way for a credential.
pub(crate) struct Flight {
    future: FlightFuture,
    /// Whether the background task waits for it too.
    joined: bool,
}

/// Renews access tokens ahead of their expiry and probes credentials whose exchanges were refused, until
/// `shutdown`; then sees through what is under way, which takes no longer than an exchange may.
pub async fn run(pool: Pool, shutdown: CancellationToken) {
    let mut flights = FuturesUnordered::new();
    loop {
        let (started, rest) = pool.join_exchanges(flights.len()).await;
        flights.extend(started);
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = flights.next() => {}
            () = pool.core.refresher.notified() => {}
            () = sleep(rest) => {}
        }
    }
    while flights.next().await.is_some() {}
}

impl Pool {
    /// The exchange of a credential's refresh token: the one under way, or a new one.
    pub(crate) fn exchange(&self, entry: &mut Entry) -> FlightFuture {
        if let Some(flight) = &entry.flight {
            return flight.future.clone();
        }
        let future = self.begin(entry);
        entry.flight = Some(Flight { future: future.clone(), joined: false });
        self.core.refresher.notify_one();
        future
    }

    fn begin(&self, entry: &Entry) -> FlightFuture {
        // Weak, as the pool holds the future.
        let core = Arc::downgrade(&self.core);
        let exchange = exchanging::run(core, entry.id.clone(), Before::of(entry));
        exchange.instrument(trail::exchange(&entry.id)).boxed().shared()
    }

    /// The exchanges that the background task is to wait for besides the `waited_for` it has: those that are under
    /// way, and those that are due. How long it can sleep.
    async fn join_exchanges(&self, waited_for: usize) -> (Vec<FlightFuture>, Duration) {
        let joined = self.transact(move |open| {
            let (wall, pool) = (open.wall, open.pool);
            let (mut allowed, wait) = (open.allowed_exchanges(), open.exchange_wait());
            let (mut started, mut rest) = (Vec::new(), MAX_SLEEP);
            for entry in &mut open.inner.entries {
                if let Some(flight) = entry.flight.as_mut().filter(|flight| !flight.joined) {
                    flight.joined = true;
                    started.push(flight.future.clone());
                }
                let Some(due) = entry.exchange_due(&pool.core.config) else { continue };
                if due > wall {
                    rest = rest.min(until(due, wall));
                } else if allowed == 0 {
                    rest = rest.min(wait);
                } else if waited_for + started.len() < MAX_STARTED {
                    allowed -= 1;
                    let future = pool.begin(entry);
                    entry.flight = Some(Flight { future: future.clone(), joined: true });
                    started.push(future);
                }
            }
            (started, rest)
        });
        joined.await.unwrap_or_else(|_| (Vec::new(), MAX_SLEEP))
    }
}
