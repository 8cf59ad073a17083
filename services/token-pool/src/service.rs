//! The pool as the gRPC service `warp2api.token_pool.v1.TokenPool`: reads the message, asks the pool, writes the
//! answer. Knows no rules. Who may call what is the guard's to say.

mod finding;
mod requests;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool;
use warp2api_proto::token_pool::v1::*;
use warp2api_rpc::{CallContext, Caller, Failure, meter};

use crate::admin::Operator;
use crate::convert;
use crate::credential::CredentialId;
use crate::error::Error;
use crate::lease::LeaseId;
use crate::listing::Filter;
use crate::pool::{Acquire, Pool, Report};
use crate::quota::Accounts;
use crate::store::rotation::Rotation;
use crate::view::CredentialView;

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;
const MAX_EXCLUDED: usize = 1000;
const MAX_RENEWED: usize = 10_000;
const MAX_REQUIREMENTS: usize = 16;
const MAX_AFFINITY_KEY_BYTES: usize = 512;
const MAX_DETAIL_CHARS: usize = 200;

/// The pool as a gRPC service.
#[derive(Debug, Clone)]
pub struct TokenPoolService {
    pool: Pool,
    accounts: Option<Accounts>,
    stop: CancellationToken,
}

impl TokenPoolService {
    /// Serves a pool. What asks the upstream about accounts is not served.
    pub fn new(pool: Pool) -> Self {
        Self { pool, accounts: None, stop: CancellationToken::new() }
    }

    /// Serves a pool whose accounts can be asked about.
    pub fn with_accounts(accounts: Accounts) -> Self {
        Self { accounts: Some(accounts.clone()), ..Self::new(accounts.pool().clone()) }
    }

    /// Ends the streams of those who watch when `stop` says so.
    #[must_use]
    pub fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    fn operator<T>(&self, request: &Request<T>) -> Operator {
        self.pool.operator(Caller::of(request.extensions()).name())
    }

    fn accounts(&self) -> Result<&Accounts, Status> {
        self.accounts.as_ref().ok_or_else(|| {
            Failure::new(ErrorReason::MethodNotFound, "this service knows no upstream to ask about accounts")
                .into()
        })
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
        let request = request.into_inner();
        let (outcome, is_over) = (request.outcome().as_str_name(), !request.lease_continues);
        let view = self.pool.report(read_report(request)?).await.map_err(status)?;
        if is_over {
            meter::get().reported(outcome.strip_prefix("CREDENTIAL_OUTCOME_").unwrap_or(outcome));
        }
        Ok(Response::new(ReportCredentialOutcomeResponse { credential: Some(convert::credential(view)) }))
    }

    async fn renew_leases(
        &self,
        request: Request<RenewLeasesRequest>,
    ) -> Result<Response<RenewLeasesResponse>, Status> {
        let RenewLeasesRequest { lease_ids, lease_duration } = request.into_inner();
        if lease_ids.len() > MAX_RENEWED {
            return Err(Failure::invalid("lease_ids", "must not have more than 10000 ids").into());
        }
        if lease_ids.is_empty() {
            return Err(Failure::invalid("lease_ids", "is required").into());
        }
        let duration = convert::duration(lease_duration.as_ref(), "lease_duration")?;
        let leases = lease_ids.into_iter().map(LeaseId::new).collect();
        let lost = self.pool.renew(leases, duration).await.map_err(status)?;
        let lost_lease_ids = lost.iter().map(ToString::to_string).collect();
        Ok(Response::new(RenewLeasesResponse { lost_lease_ids }))
    }

    async fn list_credentials(
        &self,
        request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        let ListCredentialsRequest { page_size, page_token, tier, state } = request.into_inner();
        let filter = Filter {
            tier: convert::read_tier(tier, "tier")?,
            standing: convert::read_state(state, "state")?,
        };
        let cursor = convert::cursor(filter, &page_token)?;
        let (views, next) =
            self.pool.list_wanted(filter, cursor, read_page_size(page_size)?).await.map_err(status)?;
        let credentials = views.into_iter().map(convert::credential).collect();
        let next_page_token = convert::page_token(filter, next);
        Ok(Response::new(ListCredentialsResponse { credentials, next_page_token }))
    }

    async fn get_credential(
        &self,
        request: Request<GetCredentialRequest>,
    ) -> Result<Response<GetCredentialResponse>, Status> {
        let id = named(&request.get_ref().name)?;
        let view = self.pool.get(&id).await.map_err(status)?;
        Ok(Response::new(GetCredentialResponse { credential: Some(convert::credential(view)) }))
    }

    async fn create_credential(
        &self,
        request: Request<CreateCredentialRequest>,
    ) -> Result<Response<CreateCredentialResponse>, Status> {
        let operator = self.operator(&request);
        let view = operator.add(requests::addition(request.into_inner())?).await.map_err(status)?;
        Ok(Response::new(CreateCredentialResponse { credential: shown(view) }))
    }

    async fn update_credential(
        &self,
        request: Request<UpdateCredentialRequest>,
    ) -> Result<Response<UpdateCredentialResponse>, Status> {
        let operator = self.operator(&request);
        let (id, edit) = requests::edit(request.into_inner())?;
        let view = operator.edit(&id, edit).await.map_err(status)?;
        Ok(Response::new(UpdateCredentialResponse { credential: shown(view) }))
    }

    async fn delete_credential(
        &self,
        request: Request<DeleteCredentialRequest>,
    ) -> Result<Response<DeleteCredentialResponse>, Status> {
        let operator = self.operator(&request);
        let DeleteCredentialRequest { name, etag } = request.into_inner();
        let etag = Some(etag).filter(|etag| !etag.is_empty());
        operator.remove(&named(&name)?, etag).await.map_err(status)?;
        Ok(Response::new(DeleteCredentialResponse {}))
    }

    async fn refresh_credential(
        &self,
        request: Request<RefreshCredentialRequest>,
    ) -> Result<Response<RefreshCredentialResponse>, Status> {
        let view = self.operator(&request).renew(&named(&request.get_ref().name)?).await.map_err(status)?;
        Ok(Response::new(RefreshCredentialResponse { credential: shown(view) }))
    }

    async fn recover_credential(
        &self,
        request: Request<RecoverCredentialRequest>,
    ) -> Result<Response<RecoverCredentialResponse>, Status> {
        let view = self.operator(&request).recover(&named(&request.get_ref().name)?).await.map_err(status)?;
        Ok(Response::new(RecoverCredentialResponse { credential: shown(view) }))
    }

    async fn enable_credential(
        &self,
        request: Request<EnableCredentialRequest>,
    ) -> Result<Response<EnableCredentialResponse>, Status> {
        let view = self.operator(&request).enable(&named(&request.get_ref().name)?).await.map_err(status)?;
        Ok(Response::new(EnableCredentialResponse { credential: shown(view) }))
    }

    async fn disable_credential(
        &self,
        request: Request<DisableCredentialRequest>,
    ) -> Result<Response<DisableCredentialResponse>, Status> {
        let view = self
            .operator(&request)
            .disable(&named(&request.get_ref().name)?, &request.get_ref().reason)
            .await
            .map_err(status)?;
        Ok(Response::new(DisableCredentialResponse { credential: shown(view) }))
    }

    async fn check_credential(
        &self,
        request: Request<CheckCredentialRequest>,
    ) -> Result<Response<CheckCredentialResponse>, Status> {
        let id = named(&request.get_ref().name)?;
        let found = self.accounts()?.check(&id).await.map_err(status)?;
        let view = self.pool.get(&id).await.map_err(status)?;
        let (finding, detail) = finding::explain(&found, &view);
        self.operator(&request).checked(&view, &detail).await.map_err(status)?;
        Ok(Response::new(CheckCredentialResponse {
            credential: shown(view),
            finding: finding.into(),
            detail,
        }))
    }

    async fn create_guest_credential(
        &self,
        request: Request<CreateGuestCredentialRequest>,
    ) -> Result<Response<CreateGuestCredentialResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let (view, created) = self.accounts()?.guest(caller.name()).await.map_err(Failure::from)?;
        Ok(Response::new(CreateGuestCredentialResponse { credential: shown(view), created }))
    }

    type WatchCredentialsStream = BoxStream<'static, Result<WatchCredentialsResponse, Status>>;

    async fn watch_credentials(
        &self,
        _request: Request<WatchCredentialsRequest>,
    ) -> Result<Response<Self::WatchCredentialsStream>, Status> {
        let sightings = self.pool.watch(self.stop.clone());
        let sightings = sightings.map(|seen| seen.map(convert::sighting).map_err(status));
        // The pool has no end of its own.
        let end = stream::once(async {
            let words = "the service is on its way down: watch again";
            Err(Status::from(Failure::new(ErrorReason::ShuttingDown, words)))
        });
        Ok(Response::new(sightings.chain(end).boxed()))
    }

    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        let ListAuditEventsRequest { page_size, page_token, credential } = request.into_inner();
        let of = Some(credential).filter(|name| !name.is_empty());
        let of = of.map(|name| convert::credential_id(&name, "credential")).transpose()?;
        let before = convert::read_audit_token(&page_token)?;
        let page = self.pool.trail(of.as_ref(), before, read_page_size(page_size)?);
        let (events, next) = page.await.map_err(status)?;
        Ok(Response::new(ListAuditEventsResponse {
            audit_events: events.into_iter().map(convert::audit_event).collect(),
            next_page_token: convert::audit_token(next),
        }))
    }

    async fn rotate_store_key(
        &self,
        request: Request<RotateStoreKeyRequest>,
    ) -> Result<Response<RotateStoreKeyResponse>, Status> {
        let Rotation { from, to } = self.operator(&request).rotate_key().await.map_err(Failure::from)?;
        Ok(Response::new(RotateStoreKeyResponse { previous_key_id: from, key_id: to }))
    }

    async fn get_pool_status(
        &self,
        _request: Request<GetPoolStatusRequest>,
    ) -> Result<Response<GetPoolStatusResponse>, Status> {
        Ok(Response::new(convert::status(&self.pool.status().await.map_err(status)?)))
    }
}

fn named(name: &str) -> Result<CredentialId, Failure> {
    convert::credential_id(name, "name")
}

fn shown(view: CredentialView) -> Option<Credential> {
    Some(convert::credential(view))
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
