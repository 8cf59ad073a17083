//! A credential on loan: taken from the pool, given back exactly once, whatever happens to the turn.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;
use tracing::Span;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, CredentialOutcome, Lease, QuotaPolicy, ReportCredentialOutcomeRequest,
};
use warp2api_rpc::trace::Repeated;
use warp2api_rpc::{CallContext, Failure, GrpcEndpoint};

use crate::config::OnQuota;
use crate::error::TurnError;
use crate::exchange::Exchange;
use crate::holding::Holding;
use crate::trail;

/// What a report calls.
const REPORT: &str = "warp2api.token_pool.v1.TokenPool/ReportCredentialOutcome";
/// How long a report may take: the lease's expiry mends what is lost.
const REPORT_TIME: Duration = Duration::from_secs(10);
/// How long after a report that the pool was not there to take it is sent again.
const REPORT_PAUSE: Duration = Duration::from_millis(500);

/// The pool, as a turn sees it.
#[derive(Debug, Clone)]
pub(crate) struct Lender {
    pub(crate) pool: TokenPoolClient<GrpcEndpoint>,
    /// Where reports run that nobody waits for.
    pub(crate) tasks: TaskTracker,
    pub(crate) holding: Arc<Holding>,
}

/// What a turn wants of its credential.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The one it would rather have; empty if any will do.
    pub(crate) preferred: String,
    /// Turns with one key are to have one credential; empty if any will do.
    pub(crate) affinity_key: String,
}

/// What holds for each of a turn's leases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) duration: Duration,
    pub(crate) max_wait: Duration,
    pub(crate) on_quota: OnQuota,
}

impl Lender {
    /// Leases the best credential that was not tried yet.
    ///
    /// Boxed, and borrowing nothing: rustc cannot prove a generated client's future `Send` behind references.
    pub(crate) fn acquire(
        &self,
        context: &CallContext,
        excluded: &[String],
        wanted: &Wanted,
        terms: Terms,
        span: &Span,
    ) -> BoxFuture<'static, Result<LeaseGuard, Failure>> {
        let request = AcquireCredentialRequest {
            excluded_credentials: excluded.to_vec(),
            lease_duration: prost_types::Duration::try_from(self.holding.duration(terms.duration)).ok(),
            max_wait: prost_types::Duration::try_from(terms.max_wait).ok(),
            preferred_credential: wanted.preferred.clone(),
            affinity_key: wanted.affinity_key.clone(),
            quota_policy: match terms.on_quota {
                OnQuota::Next => QuotaPolicy::Next.into(),
                OnQuota::Fail => QuotaPolicy::Fail.into(),
            },
            ..AcquireCredentialRequest::default()
        };
        let (lender, context, span) = (self.clone(), context.clone(), span.clone());
        Box::pin(async move {
            let response = lender.pool.clone().acquire_credential(context.request(request)).await;
            let response = response.map_err(|status| Failure::from(&status))?.into_inner();
            let waited = response.wait_duration.and_then(|waited| Duration::try_from(waited).ok());
            let lease = response.lease.ok_or_else(|| Failure::bug("the pool answered without a lease"))?;
            lender.holding.add(&lease.lease_id);
            Ok(LeaseGuard { lender, context, span, lease: Some(lease), waited: waited.unwrap_or_default() })
        })
    }
}

/// A lease that is reported when it is dropped, as abandoned if nobody said otherwise.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    lender: Lender,
    context: CallContext,
    /// The turn's.
    span: Span,
    lease: Option<Lease>,
    /// How long the pool waited for a free slot.
    waited: Duration,
}

impl LeaseGuard {
    /// The lease itself, until it was given back.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Lets whoever watches see which credential it is.
    pub(crate) fn show(&self, exchange: &Exchange) {
        if let Some(lease) = &self.lease {
            exchange.leased(lease, self.waited);
        }
    }

    pub(crate) fn bearer(&self) -> &str {
        self.lease.as_ref().map_or("", |lease| &lease.bearer)
    }

    pub(crate) fn credential(&self) -> &str {
        self.lease.as_ref().map_or("", |lease| &lease.credential)
    }

    pub(crate) fn refreshable(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.refreshable)
    }

    /// The upstream has begun to answer. Said only where others wait to hear it: the lease goes on.
    pub(crate) fn began(&mut self) {
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.probe) {
            lease.probe = false;
            let request = ReportCredentialOutcomeRequest {
                lease_id: lease.lease_id.clone(),
                outcome: CredentialOutcome::Success.into(),
                lease_continues: true,
                ..ReportCredentialOutcomeRequest::default()
            };
            self.lender.tasks.spawn(self.send(request, false));
        }
    }

    /// Gives the lease back after a failure and waits until the pool knows: the next choice depends on it.
    pub(crate) async fn give_back(mut self, error: &TurnError) {
        if let Some(report) = self.report(error.outcome, error.retry_after, &error.message, false) {
            report.await;
        }
    }

    /// Gives the lease back without waiting.
    pub(crate) fn finish(&mut self, outcome: CredentialOutcome, retry_after: Option<Duration>, detail: &str) {
        if let Some(report) = self.report(outcome, retry_after, detail, true) {
            let tasks = self.lender.tasks.clone();
            tasks.spawn(report);
        }
    }

    fn report(
        &mut self,
        outcome: CredentialOutcome,
        retry_after: Option<Duration>,
        detail: &str,
        persistent: bool,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let lease = self.lease.take()?;
        self.lender.holding.remove(&lease.lease_id);
        trail::given_back(&self.span, &lease, outcome, retry_after);
        let report = ReportCredentialOutcomeRequest {
            lease_id: lease.lease_id,
            outcome: outcome.into(),
            retry_after: retry_after.and_then(|wait| prost_types::Duration::try_from(wait).ok()),
            detail: detail.to_owned(),
            lease_continues: false,
        };
        Some(self.send(report, persistent))
    }

    /// Tells the pool; one that is `persistent` waits for a pool that is away for a moment, such as one that is started anew.
    fn send(
        &self,
        request: ReportCredentialOutcomeRequest,
        persistent: bool,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut pool = self.lender.pool.clone();
        // The deadline of the call may be over; the report has its own.
        let mut context = self.context.clone();
        context.deadline = Some(tokio::time::Instant::now() + REPORT_TIME);
        // Not the turn's own span: that one has ended by then, and would end anew.
        let mut told = Repeated::below(&self.span, REPORT);
        async move {
            loop {
                let mut request = context.request(request.clone());
                told.attempt(&mut request);
                let Err(status) = pool.report_credential_outcome(request).await else {
                    return told.end(None);
                };
                let reason = Failure::from(&status).reason;
                let is_away = reason == ErrorReason::ServiceUnreachable;
                let again = tokio::time::Instant::now() + REPORT_PAUSE;
                if !(persistent && is_away && context.deadline.is_some_and(|deadline| again < deadline)) {
                    let (trace_id, request_id) = (context.trace_id(), context.request_id());
                    tracing::warn!(
                        code = ?status.code(),
                        trace_id,
                        request_id,
                        "the pool did not take a report; the lease will expire"
                    );
                    return told.end(Some(&status));
                }
                told.retried(reason, REPORT_PAUSE);
                tokio::time::sleep_until(again).await;
            }
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.finish(CredentialOutcome::Abandoned, None, "");
    }
}
