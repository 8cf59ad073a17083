//! Whether this process can serve: a chat wants a lease, a lease wants a pool that answers and a credential that can
//! serve. Each process asks the next one's health; the one with the pool asks the pool.

use std::sync::{Arc, OnceLock};

use axum::Router;
use tokio_util::sync::CancellationToken;
use warp2api_gateway::Gateway;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::endpoint::{self, Place};
use warp2api_rpc::health::{Learn, of_service, telling};
use warp2api_rpc::readiness::Probe;
use warp2api_rpc::server::Health;
use warp2api_rpc::{Failure, Link, Readiness};
use warp2api_token_pool::Pool;
use warp2api_token_pool::view::PoolStatus;

use crate::config::{Config, Role};

/// The name under which a pool tells health checkers whether a credential can be leased.
pub(crate) const LEASES: &str = "leases";

const TOKEN_POOL: &str = "warp2api.token_pool.v1.TokenPool";
const WARP_CHAT: &str = "warp2api.warp_chat.v1.WarpChat";

/// What a process looks at to know whether it can serve.
pub(crate) struct Watched {
    pub(crate) readiness: Readiness,
    probe: Probe,
    /// Whether the answer is at hand without asking another process.
    is_local: bool,
    /// The edge, which is told where chats run by a chat service that is asked how it is.
    edge: Arc<OnceLock<Gateway>>,
}

impl Watched {
    /// `pool` is the pool of this process, if it has one.
    pub(crate) fn new(config: &Config, link: &Link, pool: Option<&Pool>) -> anyhow::Result<Self> {
        let places = &config.places;
        let edge: Arc<OnceLock<Gateway>> = Arc::default();
        let told = Arc::clone(&edge);
        let learn: Learn = Arc::new(move |upstream| {
            if let Some(edge) = told.get() {
                edge.learn_upstream(upstream);
            }
        });
        let has_edge = matches!(config.role, Role::All | Role::Gateway);
        let (probe, is_local): (Probe, bool) = if has_edge && places.warp_chat != Place::Local {
            let words = "the chat service says that no chat can be served now";
            let otherwise = Failure::new(ErrorReason::NoCredentialAvailable, words);
            (of_service(endpoint::linked(&places.warp_chat, link)?, WARP_CHAT, otherwise, Some(learn)), false)
        } else if let Some(pool) = pool.cloned() {
            let ask = move || {
                let pool = pool.clone();
                Box::pin(async move { can_lease(&pool.status().await.map_err(Failure::from)?) }) as _
            };
            (Arc::new(ask), true)
        } else if matches!(config.role, Role::All | Role::WarpChat) {
            let words = "the pool says that no credential can be leased now";
            let otherwise = Failure::new(ErrorReason::NoCredentialAvailable, words);
            (of_service(endpoint::linked(&places.token_pool, link)?, LEASES, otherwise, None), false)
        } else {
            (Arc::new(|| Box::pin(std::future::ready(Ok(()))) as _), true)
        };
        Ok(Self { readiness: Readiness::default(), probe, is_local, edge })
    }

    /// The same edge, which hears from now on where chats run.
    pub(crate) fn tells(&self, edge: Gateway) -> Gateway {
        self.edge.get_or_init(|| edge).clone()
    }

    /// `router` with `/livez` and `/readyz`.
    pub(crate) fn with_probes(&self, router: Router) -> Router {
        router.merge(self.readiness.routes())
    }

    /// The port of the services with `/livez` and `/readyz`, whose health over gRPC says why it cannot serve, and where chats
    /// run if they run in this process.
    pub(crate) fn at_services(&self, router: Router, config: &Config) -> Router {
        let has_chat = match config.role {
            Role::All => config.places.warp_chat == Place::Local,
            Role::WarpChat => true,
            Role::Gateway | Role::Codec | Role::TokenPool | Role::Upstream => false,
        };
        let upstream = has_chat.then_some(config.chat.upstream_label.as_str());
        telling(self.with_probes(router), self.readiness.clone(), upstream)
    }

    /// Asks for the first time, where that takes no other process: who looks at once gets a true answer.
    pub(crate) async fn begin(&self, health: &Health) {
        if self.is_local {
            let answer = (self.probe)().await;
            tell(health, &answer).await;
            self.readiness.set(answer);
        } else {
            tell(health, &self.readiness.get()).await;
        }
    }

    /// Asks again and again until `stop`.
    pub(crate) async fn keep(self, health: Option<Health>, stop: CancellationToken) {
        let hear = move |answer| {
            let health = health.clone();
            Box::pin(async move {
                if let Some(health) = health {
                    tell(&health, &answer).await;
                }
            }) as _
        };
        self.readiness.keep(self.probe, stop, Arc::new(hear)).await;
    }
}

/// Services that can be asked serve, whatever else is missing: what they say then is clearer than silence. Only chats and
/// leases are more than that.
async fn tell(health: &Health, answer: &Result<(), Failure>) {
    let has_store = !answer.as_ref().is_err_and(|failure| failure.reason == ErrorReason::StoreUnavailable);
    for (name, serving) in [(LEASES, answer.is_ok()), (WARP_CHAT, answer.is_ok()), (TOKEN_POOL, has_store)] {
        health.set(name, serving).await;
    }
}

/// Whether a credential can be leased, now or as soon as a slot of it is free.
fn can_lease(status: &PoolStatus) -> Result<(), Failure> {
    let wait = status.soonest_recovery.and_then(|time| time.duration_since(status.time).ok());
    if status.tiers.iter().any(|tier| tier.active > 0) {
        // It is known only where none can be leased now: those that are active wait for an endpoint.
        let Some(wait) = wait else { return Ok(()) };
        let words = "the upstream fails with every credential and is left alone for a moment";
        return Err(Failure::new(ErrorReason::UpstreamUnavailable, words).with_retry_after(wait));
    }
    let count = |of: fn(&warp2api_token_pool::view::TierStatus) -> usize| -> usize {
        status.tiers.iter().map(of).sum()
    };
    let states = [
        (count(|tier| tier.cooling_down), "cool down"),
        (count(|tier| tier.exhausted), "have no quota left"),
        (count(|tier| tier.disabled), "are disabled"),
        (count(|tier| tier.blocked), "are blocked"),
    ];
    let known: Vec<_> = states
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let words = if known.is_empty() {
        "no credential is configured".to_owned()
    } else {
        format!("no credential can be leased: {}", known.join(", "))
    };
    Err(Failure::new(ErrorReason::NoCredentialAvailable, words).with_retry_after(wait))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use warp2api_token_pool::Tier;
    use warp2api_token_pool::view::TierStatus;

    use super::*;

    /// A pool of a tier with these counts, of which the first comes back in so many seconds.
    async fn pool(active: usize, exhausted: usize, back: Option<u64>) -> PoolStatus {
        let exchange = warp2api_token_pool::TokenExchange {
            endpoint: warp2api_rpc::http_endpoint::local(Router::new()),
            url: String::new(),
            fallback_url: None,
            headers: Default::default(),
        };
        let empty = Pool::new(Default::default(), Vec::new(), exchange).status().await.unwrap();
        let (time, total) = (SystemTime::UNIX_EPOCH, active + exhausted);
        let tier = TierStatus {
            tier: Tier::Personal,
            total,
            active,
            cooling_down: 0,
            exhausted,
            disabled: 0,
            blocked: 0,
            in_flight: 0,
            failed: 0,
            known_quotas: 0,
            unlimited: 0,
            remaining: 0,
        };
        let soonest_recovery = back.map(|seconds| time + Duration::from_secs(seconds));
        PoolStatus { tiers: vec![tier], soonest_recovery, time, ..empty }
    }

    #[tokio::test]
    async fn a_lease_can_be_had_of_a_credential_that_is_active_and_waits_for_nothing() {
        for (active, exhausted, back, reason, wait) in [
            (1, 1, None, None, None),
            (0, 2, Some(60), Some(ErrorReason::NoCredentialAvailable), Some(60)),
            (0, 0, None, Some(ErrorReason::NoCredentialAvailable), None),
            (2, 0, Some(5), Some(ErrorReason::UpstreamUnavailable), Some(5)),
        ] {
            let answer = can_lease(&pool(active, exhausted, back).await);

            let failure = answer.err();
            assert_eq!(failure.as_ref().map(|failure| failure.reason), reason, "{active} {exhausted}");
            let told = failure.and_then(|failure| failure.retry_after);
            assert_eq!(told, wait.map(Duration::from_secs), "{active} {exhausted}");
        }
    }
}
