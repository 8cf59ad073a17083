//! The leases that this process holds, and the one task that tells the pool that their holder lives. Without it a lease is
//! for as long as a turn may take; with it, for a short while, so that the slots of a process that was killed are soon
//! free. What the pool makes of the leases of one that was cut off is the pool's to say: turns go on in any case.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use warp2api_proto::token_pool::v1::RenewLeasesRequest;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_rpc::{CallContext, GrpcEndpoint};

/// Renewals in the life of a lease: two may be lost.
const BEATS: u32 = 3;
/// Leases in one renewal.
const MAX_RENEWED: usize = 5000;

/// The leases that are out, as far as this process holds them.
#[derive(Debug)]
pub(crate) struct Holding {
    life: Duration,
    /// Whether they are renewed.
    beats: AtomicBool,
    ids: Mutex<HashSet<String>>,
    /// There are none left.
    empty: Notify,
}

impl Holding {
    pub(crate) fn new(life: Duration) -> Arc<Self> {
        Arc::new(Self { life, beats: AtomicBool::new(false), ids: Mutex::default(), empty: Notify::new() })
    }

    /// How long a lease is asked for, where a turn may take `longest`.
    pub(crate) fn duration(&self, longest: Duration) -> Duration {
        if self.beats.load(Ordering::Relaxed) { longest.min(self.life) } else { longest }
    }

    pub(crate) fn add(&self, id: &str) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    pub(crate) fn remove(&self, id: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.remove(id) && ids.is_empty() {
            self.empty.notify_one();
        }
    }

    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    async fn is_empty(&self) {
        while !self.ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.empty.notified().await;
        }
    }

    /// Renews what is held until `drain` and none is held any longer, or `abort`.
    pub(crate) async fn keep(
        self: Arc<Self>,
        pool: TokenPoolClient<GrpcEndpoint>,
        drain: CancellationToken,
        abort: CancellationToken,
    ) {
        let over = async {
            drain.cancelled().await;
            self.is_empty().await;
        };
        self.beats.store(true, Ordering::Relaxed);
        tokio::select! {
            () = self.beat(pool) => {}
            () = over => {}
            () = abort.cancelled() => {}
        }
        self.beats.store(false, Ordering::Relaxed);
    }

    /// Returns when the pool turns out not to know renewals.
    async fn beat(&self, pool: TokenPoolClient<GrpcEndpoint>) {
        let period = (self.life / BEATS).max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = true;
        loop {
            ticks.tick().await;
            for ids in self.ids().chunks(MAX_RENEWED) {
                match renew(pool.clone(), ids.to_vec(), self.life, period).await {
                    Ok(lost) => {
                        heard = true;
                        self.forget(&lost);
                    }
                    Err(status) if status.code() == Code::Unimplemented => {
                        tracing::warn!(
                            "the pool is of an earlier version: leases are for as long as turns may take"
                        );
                        return;
                    }
                    Err(status) => {
                        if std::mem::take(&mut heard) {
                            tracing::warn!(code = ?status.code(), "leases cannot be renewed; trying again");
                        }
                    }
                }
            }
        }
    }

    /// Takes note of leases that the pool does not know. Their turns go on.
    fn forget(&self, lost: &[String]) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that were reported meanwhile are lost to nobody.
        let count = lost.iter().filter(|id| ids.remove(*id)).count();
        if ids.is_empty() {
            self.empty.notify_one();
        }
        drop(ids);
        if count > 0 {
            tracing::warn!(count, "the pool has given slots away whose turns still run");
        }
    }
}

/// Boxed, and borrowing nothing: rustc cannot prove a generated client's future `Send` behind references.
fn renew(
    mut pool: TokenPoolClient<GrpcEndpoint>,
    lease_ids: Vec<String>,
    life: Duration,
    patience: Duration,
) -> BoxFuture<'static, Result<Vec<String>, Status>> {
    let context = CallContext::default().with_deadline(Instant::now().checked_add(patience));
    let lease_duration = prost_types::Duration::try_from(life).ok();
    let request = context.request(RenewLeasesRequest { lease_ids, lease_duration });
    Box::pin(async move { Ok(pool.renew_leases(request).await?.into_inner().lost_lease_ids) })
}
