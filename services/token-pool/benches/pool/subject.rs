//! What is measured: a round robin, and a pool in each place by both of its ways in.

use std::path::Path;

use tonic::service::Routes;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPoolServer;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, CredentialOutcome, ReportCredentialOutcomeRequest,
};
use warp2api_rpc::{GrpcEndpoint, endpoint};
use warp2api_token_pool::{Acquire, Outcome, Pool, Report, TokenPoolService};

use crate::floor::RoundRobin;
use crate::places;
use crate::postgres::TestDatabase;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) caller: Caller,
    /// Whether it decides without asking anybody.
    pub(crate) is_of_one_process: bool,
}

/// Whoever leases and reports.
#[derive(Clone)]
pub(crate) enum Caller {
    Floor(RoundRobin),
    Pool(Pool),
    Service(TokenPoolClient<GrpcEndpoint>),
}

/// The floor first.
pub(crate) async fn all(folder: &Path) -> Vec<Subject> {
    let floor = Caller::Floor(RoundRobin::of(places::CREDENTIALS));
    let mut subjects = vec![Subject { name: "round robin", caller: floor, is_of_one_process: false }];
    let mut add = |names: [&'static str; 2], pool: Pool, is_of_one_process| {
        let server = TokenPoolServer::new(TokenPoolService::new(pool.clone()));
        let service = Caller::Service(TokenPoolClient::new(endpoint::local(Routes::new(server))));
        for (name, caller) in names.into_iter().zip([Caller::Pool(pool), service]) {
            subjects.push(Subject { name, caller, is_of_one_process });
        }
    };
    add(["memory", "memory, by gRPC"], places::in_memory().await, true);
    add(["SQLite", "SQLite, by gRPC"], places::in_sqlite(folder).await, true);
    if let Some(database) = TestDatabase::create().await {
        let pool = places::in_postgres(&database, places::CREDENTIALS, 64).await;
        add(["PostgreSQL", "PostgreSQL, by gRPC"], pool, false);
    }
    subjects
}

impl Caller {
    /// Leases and reports. Where there are others, they run while the lease is out.
    pub(crate) async fn turn(&mut self, has_others: bool) {
        match self {
            Self::Floor(floor) => {
                let lease = floor.acquire();
                pause(has_others).await;
                std::hint::black_box(lease);
                floor.report();
            }
            Self::Pool(pool) => {
                let lease = pool.acquire(Acquire::default()).await.unwrap().id;
                pause(has_others).await;
                let outcome = Outcome::Success;
                let report = Report { lease, continues: false, outcome, retry_after: None, detail: None };
                pool.report(report).await.unwrap();
            }
            Self::Service(client) => {
                let leased = client.acquire_credential(AcquireCredentialRequest::default()).await.unwrap();
                let lease = leased.into_inner().lease.unwrap();
                pause(has_others).await;
                let report = ReportCredentialOutcomeRequest {
                    lease_id: lease.lease_id,
                    outcome: CredentialOutcome::Success.into(),
                    ..ReportCredentialOutcomeRequest::default()
                };
                client.report_credential_outcome(report).await.unwrap();
            }
        }
    }
}

async fn pause(has_others: bool) {
    if has_others {
        tokio::task::yield_now().await;
    }
}
