//! One turn: lease, send, read until the caller can be shown something; before that, try again where it may help.
//!
//! Walking the pool and repeating are two things. A credential that is refused, limited or exhausted is left for the
//! next one at once, until the pool has no more. A fault of the upstream is met with the same credential again, after
//! a pause, a few times. Once the first item is out there is no second attempt: the error is the end.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tonic::Status;
use tracing::Instrument as _;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::CredentialOutcome;
use warp2api_rpc::meter::Reader;
use warp2api_rpc::{CallContext, Failure};

use crate::attempt::Attempt;
use crate::config::{ChatConfig, after};
use crate::content::Asked;
use crate::error::{Retry, TurnError};
use crate::exchange::{Exchange, Observer};
use crate::lease::{LeaseGuard, Lender, Terms, Wanted};
use crate::projection::Projection;
use crate::trail::{self, Sent, Subject, Trail};
use crate::upstream::{Answer, Upstream};

/// How long a turn waits for a credential when all that could serve are in use.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The longest pause before the same credential is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What every turn needs.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) config: Arc<ChatConfig>,
    pub(crate) upstream: Upstream,
    pub(crate) lender: Lender,
}

/// A credential that an attempt is to run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnCredential<'a> {
    /// Its resource name.
    pub(crate) name: &'a str,
    /// Whether the upstream is to be taken as knowing nothing of the conversation.
    pub(crate) afresh: bool,
}

/// The model of a turn, and what it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Model<'a> {
    /// What it is called.
    pub(crate) name: &'a str,
    /// Whether it is one that is known here.
    pub(crate) known: bool,
    /// The conversation, where the operator wants it in traces.
    pub(crate) asked: Option<Asked>,
    /// Tells whether whoever asked reads.
    pub(crate) reader: &'a Reader,
}

/// What an attempt sends, and how its answer is seen.
#[derive(Debug)]
pub(crate) struct Sending<P> {
    pub(crate) message: Bytes,
    pub(crate) projection: P,
    /// Whether it relies on what the upstream knows of the conversation.
    pub(crate) resumed: bool,
}

impl Turns {
    /// Runs attempts until one can be shown to the caller. `plan` says what to send on a credential. `exchange` sees
    /// it all and ends with it.
    pub(crate) async fn open<P: Projection>(
        self: Arc<Self>,
        context: CallContext,
        model: Model<'_>,
        wanted: Wanted,
        exchange: Exchange,
        plan: impl Fn(OnCredential<'_>) -> Sending<P>,
    ) -> Result<TurnStream<P>, Failure> {
        let mut trail = Trail::begin(Subject {
            request_id: context.request_id(),
            trace_id: context.trace_id(),
            model: model.name,
            known: model.known,
        });
        if let Some(asked) = model.asked {
            trail.asked(asked);
        }
        let span = trail.span().clone();
        let run = self.attempts(&context, wanted, &exchange, plan, model.reader, &mut trail);
        let opened = run.instrument(span).await;
        match opened {
            Ok((attempt, sent, lease)) => {
                Ok(TurnStream { attempt: Some(attempt), sent, lease, trail, exchange })
            }
            Err(failure) => {
                exchange.failed(&failure);
                trail.failed(failure.reason);
                Err(failure)
            }
        }
    }

    async fn attempts<P: Projection>(
        &self,
        context: &CallContext,
        wanted: Wanted,
        exchange: &Exchange,
        plan: impl Fn(OnCredential<'_>) -> Sending<P>,
        reader: &Reader,
        trail: &mut Trail,
    ) -> Result<(Attempt<P>, Sent, LeaseGuard), Failure> {
        let mut excluded = Vec::new();
        let mut renewed = HashSet::new();
        let mut retries = 0;
        let mut afresh = false;
        let mut last_error: Option<TurnError> = None;
        loop {
            let acquired = self.lease(context, &excluded, &wanted, trail).await;
            let mut lease = acquired.map_err(|failure| pool_ended(failure, last_error.take()))?;
            lease.show(exchange);
            let error = loop {
                let Sending { message, projection, resumed } =
                    plan(OnCredential { name: lease.credential(), afresh });
                exchange.sent(&message);
                let head = self.upstream.send(message, lease.bearer());
                let mut sent = Sent::new(self.upstream.span(trail.span(), trail.attempt()));
                let began = Instant::now();
                let answered = attempt(head, projection, exchange.observer(), &self.config, reader.clone())
                    .instrument(sent.span().clone())
                    .await;
                match &answered {
                    Ok(attempt) => exchange.answering(attempt.told()),
                    Err(error) => {
                        exchange.attempt_failed(error);
                        sent.end(Some(error.reason));
                        trail.lost(began.elapsed());
                    }
                }
                match answered {
                    Ok(attempt) => {
                        trail.first_event();
                        lease.began();
                        return Ok((attempt, sent, lease));
                    }
                    // The upstream's memory of the conversation may be shorter than ours.
                    Err(error)
                        if resumed
                            && error.retry == Retry::Never
                            && error.reason != ErrorReason::ProviderKeyRejected =>
                    {
                        trail.goes_on(trail::BEGUN_ANEW, &error);
                        afresh = true;
                    }
                    Err(error)
                        if error.retry == Retry::SameCredential && retries < self.config.max_retries =>
                    {
                        let pause = self.pause(retries);
                        trail.retried(&error, pause);
                        tokio::time::sleep(pause).await;
                        retries += 1;
                    }
                    Err(error) => break error,
                }
            };
            let credential = lease.credential().to_owned();
            let renewable = lease.refreshable() && error.outcome == CredentialOutcome::Rejected;
            lease.give_back(&error).await;
            exchange.leasing_again();
            if error.retry != Retry::NextCredential {
                return Err(error.into());
            }
            // A bearer that ran out before its time is renewed once; after that the credential itself is bad.
            if renewable && renewed.insert(credential.clone()) {
                trail.goes_on(trail::REFRESHED, &error);
            } else {
                trail.goes_on(trail::FAILED_OVER, &error);
                excluded.push(credential);
            }
            last_error = Some(error);
        }
    }

    async fn lease(
        &self,
        context: &CallContext,
        excluded: &[String],
        wanted: &Wanted,
        trail: &mut Trail,
    ) -> Result<LeaseGuard, Failure> {
        let terms = Terms {
            duration: self.config.lease_duration(),
            max_wait: MAX_WAIT,
            on_quota: self.config.on_quota,
        };
        let asked = Instant::now();
        let acquired = self.lender.acquire(context, excluded, wanted, terms, trail.span()).await;
        match &acquired {
            Ok(guard) => guard.lease().into_iter().for_each(|lease| trail.leased(lease, asked.elapsed())),
            Err(failure) => trail.not_leased(failure.reason, asked.elapsed()),
        }
        acquired
    }

    /// Doubles each time, with up to half of it on top so that many turns do not come back at once.
    fn pause(&self, retries: u32) -> Duration {
        let pause = self.config.retry_pause.saturating_mul(2u32.saturating_pow(retries)).min(MAX_PAUSE);
        let jitter = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
        pause + pause.mul_f64(jitter / 2.0)
    }
}

/// Sends a request and reads its answer until the caller can be shown something.
async fn attempt<P: Projection>(
    head: BoxFuture<'static, Result<Answer, TurnError>>,
    mut projection: P,
    observer: Observer,
    config: &ChatConfig,
    reader: Reader,
) -> Result<Attempt<P>, TurnError> {
    let sent = Instant::now();
    let clocks = config.clocks;
    let answer = tokio::time::timeout_at(after(sent, clocks.first_event), head).await.map_err(|_| {
        TurnError::upstream_unavailable(ErrorReason::UpstreamTimeout, "the upstream did not answer in time")
    })??;
    if let Some(name) = answer.name {
        projection.name_upstream(name);
    }
    let most = config.max_event_bytes;
    let mut attempt = Attempt::new(answer.body, projection, observer, sent, clocks, most, reader);
    attempt.until_useful().await?;
    Ok(attempt)
}

/// The pool has no more. What the last credential failed with says more than that, and the pool says when to come
/// back.
fn pool_ended(failure: Failure, last_error: Option<TurnError>) -> Failure {
    match last_error {
        Some(error) if failure.reason != ErrorReason::ServiceUnreachable => {
            let wait = error.retry_after.or(failure.retry_after);
            Failure::from(error).with_retry_after(wait)
        }
        _ => failure,
    }
}

/// A turn that has begun to answer. Dropping it ends the upstream's request and gives the lease back.
pub struct TurnStream<P: Projection> {
    // In the order in which a turn that is left ends.
    attempt: Option<Attempt<P>>,
    sent: Sent,
    lease: LeaseGuard,
    trail: Trail,
    exchange: Exchange,
}

impl<P: Projection> std::fmt::Debug for TurnStream<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnStream").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl<P: Projection> TurnStream<P> {
    /// The id of the credential that it runs on.
    pub(crate) fn credential(&self) -> &str {
        let name = self.lease.credential();
        name.strip_prefix("credentials/").unwrap_or(name)
    }
}

impl<P: Projection> Drop for TurnStream<P> {
    fn drop(&mut self) {
        if let Some(attempt) = &self.attempt {
            self.trail.paced(attempt.pace(Instant::now()));
            self.trail.said(attempt.told(), "error");
        }
    }
}

impl<P: Projection> Stream for TurnStream<P> {
    type Item = Result<P::Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(attempt) = &mut this.attempt else { return Poll::Ready(None) };
        let ended = match ready!(attempt.poll_item(cx)) {
            Some(Ok(item)) => {
                this.exchange.told(attempt.told());
                return Poll::Ready(Some(Ok(item)));
            }
            Some(Err(error)) => Some(error),
            None => {
                this.exchange.succeeded(attempt.told());
                None
            }
        };
        this.trail.paced(attempt.pace(Instant::now()));
        this.sent.end(ended.as_ref().map(|error| error.reason));
        match &ended {
            // First, so that it is on the trail before its end.
            None => {
                this.lease.finish(CredentialOutcome::Success, None, "");
                this.trail.finished(attempt.told());
            }
            Some(_) => this.trail.said(attempt.told(), "error"),
        }
        this.attempt = None;
        Poll::Ready(match ended {
            None => None,
            Some(error) => {
                this.lease.finish(error.outcome, error.retry_after, &error.message);
                this.trail.failed(error.reason);
                let failure = Failure::from(error);
                this.exchange.failed(&failure);
                Some(Err(failure.into()))
            }
        })
    }
}
