//! A caller of a token-pool process, and the upstream it exchanges refresh tokens with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, Credential, CredentialOutcome, GetPoolStatusRequest, GetPoolStatusResponse,
    Lease, ListCredentialsRequest, ReportCredentialOutcomeRequest,
};
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::{
    Database, KeySource, Kind, NewCredential, Pool, PoolConfig, Secret, Store, Tier, TokenExchange,
};
use warp2api_upstream_sim::{Simulator, SimulatorConfig};

use crate::program::{PATIENCE, Program};

/// The embedded upstream on a port, in the hands of the test.
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) simulator: Simulator,
    _end: DropGuard,
}

impl Upstream {
    /// One that exchanges these refresh tokens.
    pub(crate) async fn start(refresh_tokens: &[&str]) -> Self {
        let config = SimulatorConfig::default();
        let simulator =
            Simulator::new(refresh_tokens.iter().fold(config, |config, token| config.exchanging(token)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (end, router) = (CancellationToken::new(), simulator.router());
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        TaskTracker::new().spawn(end.clone().run_until_cancelled_owned(serving));
        Self { url, simulator, _end: end.drop_guard() }
    }

    /// Waits until so many exchanges have begun.
    pub(crate) async fn exchanged(&self, count: usize) {
        until("the token endpoint is asked", || self.simulator.record().exchanges().len() >= count).await;
    }

    /// The refresh tokens that came, each as something that tells it from others.
    pub(crate) fn refresh_tokens(&self) -> Vec<String> {
        let exchanges = self.simulator.record().exchanges();
        exchanges.iter().map(|exchange| exchange.field("refresh_token").unwrap().to_owned()).collect()
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// A caller.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: TokenPoolClient<Channel>,
}

impl Client {
    pub(crate) async fn connect(program: &Program) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", program.shown("gRPC"))).unwrap();
        Self { pool: TokenPoolClient::new(endpoint.timeout(PATIENCE).connect().await.unwrap()) }
    }

    /// Leases a credential, but none with one of these labels.
    pub(crate) async fn acquire(&self, excluded: &[&str]) -> Result<Lease, Status> {
        let excluded_credentials = if excluded.is_empty() {
            Vec::new()
        } else {
            let known = self.list().await.into_iter();
            known.filter(|c| excluded.contains(&c.display_name.as_str())).map(|c| c.name).collect()
        };
        self.send(AcquireCredentialRequest { excluded_credentials, ..AcquireCredentialRequest::default() })
            .await
    }

    /// Leases a credential for so long.
    pub(crate) async fn acquire_for(&self, duration: Duration) -> Result<Lease, Status> {
        let lease_duration = duration.try_into().ok();
        self.send(AcquireCredentialRequest { lease_duration, ..AcquireCredentialRequest::default() }).await
    }

    pub(crate) async fn send(&self, request: AcquireCredentialRequest) -> Result<Lease, Status> {
        Ok(self.pool.clone().acquire_credential(request).await?.into_inner().lease.unwrap())
    }

    pub(crate) async fn report(&self, lease: &str, outcome: CredentialOutcome) -> Result<(), Status> {
        let request = ReportCredentialOutcomeRequest {
            lease_id: lease.to_owned(),
            outcome: outcome.into(),
            ..ReportCredentialOutcomeRequest::default()
        };
        self.pool.clone().report_credential_outcome(request).await.map(drop)
    }

    pub(crate) async fn list(&self) -> Vec<Credential> {
        let listed = self.pool.clone().list_credentials(ListCredentialsRequest::default()).await;
        listed.unwrap().into_inner().credentials
    }

    /// Waits until no lease is out.
    pub(crate) async fn settled(&self) {
        let settled = async {
            while self.status().await.in_flight_count > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("nothing is stuck");
    }

    pub(crate) async fn status(&self) -> GetPoolStatusResponse {
        self.pool.clone().get_pool_status(GetPoolStatusRequest {}).await.unwrap().into_inner()
    }
}

/// Adds a credential to the pool of a folder that no process has open.
pub(crate) async fn credentials(folder: &Path) {
    let (database, keys) =
        (Database::Sqlite(folder.join("pool.db")), KeySource::Own(folder.join("store.key")));
    let store = Store::open(&database, keys).await.unwrap();
    let exchange = TokenExchange {
        endpoint: warp2api_rpc::http_endpoint::local(axum::Router::new()),
        url: "http://nowhere.test".to_owned(),
        fallback_url: None,
        headers: Vec::new(),
    };
    let pool = Pool::with_store(PoolConfig::default(), Vec::new(), exchange, Arc::new(SystemClock), store);
    let pool = pool.await.unwrap();
    let secret = Secret::new("wk-1.added");
    let new = NewCredential { tier: Tier::Shared, kind: Kind::ApiKey, display_name: None, secret };
    pool.operator("me").add(new.into()).await.unwrap();
    pool.close().await;
}
