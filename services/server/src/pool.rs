//! The pool of this process and its way to the upstream, made of the settings.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warp2api_rpc::{HttpEndpoint, http_endpoint, meter};
use warp2api_token_pool::account::Client;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::{
    AccountApi, Accounts, Endpoint, Kind, NewCredential, Pool, PoolConfig, Secret, Store, Tier, TokenExchange,
};
use warp2api_upstream_sim::EmbeddedCredential;

use crate::config::{Config, UpstreamChoice};

/// How long one question about an account may take.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(15);

/// The upstream that was chosen.
///
/// # Errors
/// When a proxy setting cannot be used.
pub(crate) fn upstream(config: &Config) -> anyhow::Result<HttpEndpoint> {
    match &config.upstream {
        UpstreamChoice::Embedded(simulator) => Ok(http_endpoint::local(simulator.router())),
        UpstreamChoice::Remote(_) => remote(config),
    }
}

/// The way to a real upstream, whichever was chosen.
///
/// # Errors
/// When a proxy setting cannot be used.
pub(crate) fn remote(config: &Config) -> anyhow::Result<HttpEndpoint> {
    Ok(http_endpoint::remote(&config.remote_http)?)
}

/// The pool in `store` with the operator's credentials, and on the embedded upstream with that one's own; and the way to
/// ask about its accounts.
///
/// # Errors
/// When what is stored cannot be read, or a header cannot have the value that was configured.
pub(crate) async fn accounts(
    config: &Config,
    endpoint: HttpEndpoint,
    store: Store,
) -> anyhow::Result<Accounts> {
    let mut credentials = config.credentials.clone();
    if matches!(config.upstream, UpstreamChoice::Embedded(_)) {
        credentials.push(NewCredential {
            tier: Tier::Personal,
            kind: Kind::Embedded,
            display_name: Some("embedded".to_owned()),
            secret: Secret::new(EmbeddedCredential::API_KEY),
        });
    }
    let Parts { rules, exchange, api } = parts(config, endpoint, &store)?;
    let pool = Pool::with_store(rules, credentials, exchange, Arc::new(SystemClock), store).await?;
    Ok(Accounts::new(pool, api))
}

/// The pool in `store` as it stands there, for somebody who looks after it while no service runs; and the way to ask
/// about its accounts.
///
/// # Errors
/// As those of [`accounts`].
pub(crate) async fn accounts_as_stored(
    config: &Config,
    endpoint: HttpEndpoint,
    store: Store,
) -> anyhow::Result<Accounts> {
    let Parts { rules, exchange, api } = parts(config, endpoint, &store)?;
    let pool = Pool::as_stored(rules, exchange, Arc::new(SystemClock), store).await?;
    Ok(Accounts::new(pool, api))
}

/// Whether what was seen of a store can be read, its secrets included.
///
/// # Errors
/// When it cannot.
pub(crate) async fn opens(config: &Config, store: Store) -> anyhow::Result<()> {
    let nowhere = http_endpoint::local(axum::Router::new());
    accounts_as_stored(config, nowhere, store).await.map(drop)
}

/// What a pool is made of besides its credentials.
struct Parts {
    rules: PoolConfig,
    exchange: TokenExchange,
    api: AccountApi,
}

fn parts(config: &Config, endpoint: HttpEndpoint, store: &Store) -> anyhow::Result<Parts> {
    let headers = config.chat.client.headers()?;
    let exchange = TokenExchange {
        endpoint: endpoint.clone(),
        url: config.token_url.0.clone(),
        fallback_url: None,
        headers: headers.clone(),
    };
    let mut rules = config.pool.clone();
    if matches!(config.upstream, UpstreamChoice::Embedded(_)) && store.is_kept() {
        // The embedded upstream refuses what is Warp's, and what is kept would be the worse for it.
        rules.only = Some(Kind::Embedded);
    }
    rules.max_lease_duration = rules.max_lease_duration.max(config.chat.lease_duration());
    if let Some(most) = config.max_in_flight {
        rules.max_in_flight = most;
    }
    let client = &config.chat.client;
    let api = AccountApi {
        endpoint,
        graphql_url: format!("{}/graphql/v2", config.chat.upstream_url),
        sign_in_url: config.identity_url.0.clone(),
        headers,
        client: Client {
            version: client.version.clone(),
            os_category: client.os_category.clone(),
            os_name: client.os_name.clone(),
            os_version: client.os_version.clone(),
        },
        timeout: ACCOUNT_TIMEOUT,
    };
    Ok(Parts { rules, exchange, api })
}

/// How often credentials are counted for the metrics.
const COUNT_PERIOD: Duration = Duration::from_secs(5);

/// Counts the credentials of `pool` for the metrics until `end`.
pub(crate) async fn count(pool: Pool, end: CancellationToken) {
    loop {
        if let Ok(status) = pool.status().await {
            for tier in &status.tiers {
                let name = match tier.tier {
                    Tier::Personal => "personal",
                    Tier::Shared => "shared",
                    Tier::Anonymous => "anonymous",
                };
                for (state, credentials) in [
                    ("active", tier.active),
                    ("cooling_down", tier.cooling_down),
                    ("exhausted", tier.exhausted),
                    ("disabled", tier.disabled),
                    ("blocked", tier.blocked),
                ] {
                    meter::get().pool(name, state, credentials as u64);
                }
            }
            for endpoint in &status.endpoints {
                let name = match endpoint.endpoint {
                    Endpoint::Chat => "chat",
                    Endpoint::Token => "token",
                };
                meter::get().endpoint(name, endpoint.open.is_some(), endpoint.held as u64);
            }
            meter::get().leases(status.tiers.iter().map(|tier| u64::from(tier.in_flight)).sum());
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(COUNT_PERIOD) => {}
        }
    }
}
