//! The pool as the gRPC service `warp2api.token_pool.v1.TokenPool`: reads the message, asks the pool, writes the
//! answer. Knows no rules.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, AcquireCredentialResponse, GetCredentialRequest, GetCredentialResponse,
    GetPoolStatusRequest, GetPoolStatusResponse, ListCredentialsRequest, ListCredentialsResponse,
    ReportCredentialOutcomeRequest, ReportCredentialOutcomeResponse,
};
use warp2api_rpc::{CallContext, Failure};

use crate::convert;
use crate::error::Error;
use crate::lease::LeaseId;
use crate::pool::{Acquire, Pool, Report};

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;
const MAX_EXCLUDED: usize = 1000;
const MAX_REQUIREMENTS: usize = 16;
const MAX_AFFINITY_KEY_BYTES: usize = 512;
const MAX_DETAIL_CHARS: usize = 200;

/// The pool as a gRPC service.
#[derive(Debug, Clone)]
pub struct TokenPoolService {
    pool: Pool,
}

impl TokenPoolService {
    /// Serves a pool.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[tonic::async_trait]
impl TokenPool for TokenPoolService {
    async fn acquire_credential(
        &self,
        request: Request<AcquireCredentialRequest>,
    ) -> Result<Response<AcquireCredentialResponse>, Status> {
        let now = Instant::now();
        let time_left = CallContext::from_metadata(request.metadata(), now).remaining(now);
        let acquire = read_acquire(request.get_ref(), time_left)?;
        let lease = self.pool.acquire(acquire).await.map_err(status)?;
        let waited = Some(lease.waited).filter(|waited| !waited.is_zero());
        let wait_duration = waited.and_then(|waited| prost_types::Duration::try_from(waited).ok());
        Ok(Response::new(AcquireCredentialResponse { lease: Some(convert::lease(lease)), wait_duration }))
    }

    async fn report_credential_outcome(
        &self,
        request: Request<ReportCredentialOutcomeRequest>,
    ) -> Result<Response<ReportCredentialOutcomeResponse>, Status> {
        let report = read_report(request.into_inner())?;
        let view = self.pool.report(report).await.map_err(status)?;
        Ok(Response::new(ReportCredentialOutcomeResponse { credential: Some(convert::credential(view)) }))
    }

    async fn list_credentials(
        &self,
        request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        let ListCredentialsRequest { page_size, page_token } = request.into_inner();
        let page = self.pool.list(convert::cursor(&page_token)?, read_page_size(page_size)?);
        let (views, next) = page.await.map_err(status)?;
        let credentials = views.into_iter().map(convert::credential).collect();
        let next_page_token = convert::page_token(next);
        Ok(Response::new(ListCredentialsResponse { credentials, next_page_token }))
    }

    async fn get_credential(
        &self,
        request: Request<GetCredentialRequest>,
    ) -> Result<Response<GetCredentialResponse>, Status> {
        let id = convert::credential_id(&request.get_ref().name, "name")?;
        let view = self.pool.get(&id).await.map_err(status)?;
        Ok(Response::new(GetCredentialResponse { credential: Some(convert::credential(view)) }))
    }

    async fn get_pool_status(
        &self,
        _request: Request<GetPoolStatusRequest>,
    ) -> Result<Response<GetPoolStatusResponse>, Status> {
        Ok(Response::new(convert::status(&self.pool.status().await.map_err(status)?)))
    }
}

fn read_acquire(request: &AcquireCredentialRequest, time_left: Option<Duration>) -> Result<Acquire, Failure> {
    if request.excluded_credentials.len() > MAX_EXCLUDED {
        return Err(Failure::invalid("excluded_credentials", "must not have more than 1000 names"));
    }
    for (field, length) in [("tiers", request.tiers.len()), ("kinds", request.kinds.len())] {
        if length > MAX_REQUIREMENTS {
            return Err(Failure::invalid(field, "must not have more than 16 values"));
        }
    }
    if request.affinity_key.len() > MAX_AFFINITY_KEY_BYTES {
        return Err(Failure::invalid("affinity_key", "must not be longer than 512 bytes"));
    }
    let names = request.excluded_credentials.iter().enumerate();
    let ids = names.map(|(i, name)| convert::credential_id(name, format!("excluded_credentials[{i}]")));
    let preferred = Some(&request.preferred_credential).filter(|name| !name.is_empty());
    let max_wait = convert::duration(request.max_wait.as_ref(), "max_wait")?.unwrap_or_default();
    Ok(Acquire {
        excluded: ids.collect::<Result<_, _>>()?,
        preferred: preferred.map(|name| convert::credential_id(name, "preferred_credential")).transpose()?,
        tiers: convert::tiers(&request.tiers)?,
        kinds: convert::kinds(&request.kinds)?,
        affinity_key: Some(request.affinity_key.clone()).filter(|key| !key.is_empty()),
        on_quota: convert::on_quota(request.quota_policy)?,
        lease_duration: convert::duration(request.lease_duration.as_ref(), "lease_duration")?,
        max_wait: time_left.map_or(max_wait, |left| max_wait.min(left)),
    })
}

fn read_report(request: ReportCredentialOutcomeRequest) -> Result<Report, Failure> {
    if request.lease_id.is_empty() {
        return Err(Failure::invalid("lease_id", "is required"));
    }
    let detail: String = request.detail.chars().take(MAX_DETAIL_CHARS).collect();
    Ok(Report {
        continues: request.lease_continues,
        outcome: convert::outcome(request.outcome)?,
        retry_after: convert::duration(request.retry_after.as_ref(), "retry_after")?,
        lease: LeaseId::new(request.lease_id),
        detail: Some(detail).filter(|detail| !detail.is_empty()),
    })
}

fn read_page_size(size: i32) -> Result<usize, Failure> {
    match usize::try_from(size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(Failure::invalid("page_size", "must not be negative")),
    }
}

fn status(error: Error) -> Status {
    Status::from(Failure::from(error))
}
