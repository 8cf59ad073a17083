//! What a turn tells its trace: one span, and in it an event for each step, so that whoever looks at a slow or failed
//! turn sees which credentials it had, how each fared, and what it waited for.
//!
//! Nothing of it is secret: credentials are named by their ids, errors by their reasons.

use std::time::Duration;

use opentelemetry::{Array, Value};
use tokio::time::Instant;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::{CredentialOutcome, CredentialTier, Lease};
use warp2api_proto::warp_chat::v1::FinishReason;
use warp2api_rpc::reason::reason_name;
use warp2api_rpc::{meter, semconv, trace};

use crate::content::Asked;
use crate::error::TurnError;
use crate::tally::{Pace, Tally};
use crate::told::{MOST_MODEL_BYTES, Told};

/// The span of a turn, from the call to the end of its stream. Has [`REQUEST_ID`].
pub const TURN: &str = "turn";

pub use warp2api_rpc::trace::names::{
    ATTEMPT, BEGUN_ANEW, CANCELLED, CREDENTIAL_ID, CREDENTIAL_TIER, ERROR_REASON, FAILED, FAILED_OVER,
    FINISHED, FIRST_EVENT, GIVEN_BACK, LEASED, NOT_LEASED, OUTCOME, PROBE, REFRESHED, RETRIED,
    RETRY_AFTER_MS, TURN_REQUEST_ID as REQUEST_ID, TURN_TRACE_ID as TRACE_ID, WAIT_MS,
};

/// Who answers.
const PROVIDER: &str = "warp";

/// The trail of one turn. Dropped before the turn has ended, it says that the caller left.
#[derive(Debug)]
pub(crate) struct Trail {
    span: Span,
    began: Instant,
    attempt: u32,
    ended: bool,
    tally: Tally,
    /// The last one: its id and its tier.
    credential: Option<(String, &'static str)>,
}

/// What a turn is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) request_id: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
    /// The model, aliases resolved.
    pub(crate) model: &'a str,
    /// Whether it is one that is known here.
    pub(crate) known: bool,
}

impl Trail {
    pub(crate) fn begin(subject: Subject<'_>) -> Self {
        let Subject { request_id, trace_id, model, known } = subject;
        let model = &model[..model.floor_char_boundary(MOST_MODEL_BYTES)];
        let span = tracing::span!(
            Level::INFO,
            TURN,
            otel.name = format_args!("chat {model}"),
            otel.kind = "client",
            { REQUEST_ID } = request_id,
            { TRACE_ID } = trace_id
        );
        if !span.is_disabled() {
            span.set_attribute(semconv::GEN_AI_OPERATION_NAME, "chat");
            span.set_attribute(semconv::GEN_AI_PROVIDER_NAME, PROVIDER);
            span.set_attribute(semconv::GEN_AI_REQUEST_MODEL, model.to_owned());
        }
        let tally = Tally::begin(if known { model } else { "other" });
        Self { span, began: Instant::now(), attempt: 1, ended: false, tally, credential: None }
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Takes note of how the answer came in.
    pub(crate) fn paced(&mut self, pace: Pace) {
        self.tally.pace = pace;
    }

    /// An attempt failed after so long.
    pub(crate) fn lost(&mut self, time: Duration) {
        self.tally.failed_attempts += time;
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn leased(&mut self, lease: &Lease, waited: Duration) {
        self.tally.leasing += waited;
        self.credential = Some((id_of(lease).to_owned(), tier(lease.tier())));
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { CREDENTIAL_ID } = id_of(lease),
            { CREDENTIAL_TIER } = tier(lease.tier()),
            { WAIT_MS } = millis(waited),
            { PROBE } = lease.probe,
            message = LEASED
        );
    }

    pub(crate) fn not_leased(&mut self, reason: ErrorReason, waited: Duration) {
        self.tally.leasing += waited;
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(reason),
            { WAIT_MS } = millis(waited),
            message = NOT_LEASED
        );
    }

    pub(crate) fn retried(&mut self, error: &TurnError, pause: Duration) {
        self.tally.pauses += pause;
        meter::get().retried(reason_name(error.reason));
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(error.reason),
            { WAIT_MS } = millis(pause),
            message = RETRIED
        );
        self.attempt += 1;
    }

    /// Another attempt follows; `event` says of what kind.
    pub(crate) fn goes_on(&mut self, event: &'static str, error: &TurnError) {
        if event == FAILED_OVER {
            meter::get().rotated(reason_name(error.reason));
        }
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { ERROR_REASON } = reason_name(error.reason),
            message = event
        );
        self.attempt += 1;
    }

    pub(crate) fn first_event(&mut self) {
        let after = self.began.elapsed();
        self.tally.first_chunk(after);
        self.span.set_attribute(semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, after.as_secs_f64());
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ATTEMPT } = self.attempt,
            { WAIT_MS } = millis(after),
            message = FIRST_EVENT
        );
    }

    pub(crate) fn finished(&mut self, told: &Told) {
        self.ended = true;
        if !self.span.is_disabled() {
            self.describe(told);
        }
        tracing::event!(parent: &self.span, Level::DEBUG, message = FINISHED);
        self.tally.end(self.began.elapsed(), None, told.usage);
        trace::end(&self.span);
    }

    /// Tells what was asked.
    pub(crate) fn asked(&self, asked: Asked) {
        if let Some(instructions) = asked.instructions {
            self.span.set_attribute(semconv::GEN_AI_SYSTEM_INSTRUCTIONS, instructions);
        }
        self.span.set_attribute(semconv::GEN_AI_INPUT_MESSAGES, asked.messages);
    }

    /// Tells what was answered, where it was kept for that. `reason` says why it ended.
    pub(crate) fn said(&self, told: &Told, reason: &str) {
        if let Some(said) = &told.said {
            self.span.set_attribute(semconv::GEN_AI_OUTPUT_MESSAGES, said.messages(reason));
        }
    }

    fn describe(&self, told: &Told) {
        let span = &self.span;
        let reason = match told.finish_reason {
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
            FinishReason::Stop | FinishReason::Unspecified => "stop",
        };
        // The convention has its own word for the parts of messages.
        self.said(told, if reason == "tool_calls" { "tool_call" } else { reason });
        let reasons = Value::Array(Array::String(vec![reason.into()]));
        span.set_attribute(semconv::GEN_AI_RESPONSE_FINISH_REASONS, reasons);
        if let Some(begun) = &told.started {
            span.set_attribute(semconv::GEN_AI_RESPONSE_ID, begun.upstream_request_id.clone());
            span.set_attribute(semconv::GEN_AI_CONVERSATION_ID, begun.conversation_id.clone());
        }
        if let Some(model) = &told.model {
            span.set_attribute(semconv::GEN_AI_RESPONSE_MODEL, model.clone());
        }
        let Some(usage) = &told.usage else { return };
        for (name, tokens) in [
            (semconv::GEN_AI_USAGE_INPUT_TOKENS, usage.input_tokens),
            (semconv::GEN_AI_USAGE_OUTPUT_TOKENS, usage.output_tokens),
            (semconv::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cached_input_tokens),
        ] {
            if let Some(tokens) = tokens {
                span.set_attribute(name, tokens);
            }
        }
    }

    pub(crate) fn failed(&mut self, reason: ErrorReason) {
        self.ended = true;
        tracing::event!(
            parent: &self.span,
            Level::DEBUG,
            { ERROR_REASON } = reason_name(reason),
            message = FAILED
        );
        trace::failed(&self.span, reason_name(reason));
        self.tally.end(self.began.elapsed(), Some(reason_name(reason)), None);
        trace::end(&self.span);
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some((id, tier)) = self.credential.take() {
            self.span.set_attribute(semconv::CREDENTIAL_ID, id);
            self.span.set_attribute(semconv::CREDENTIAL_TIER, tier);
        }
        if !self.ended {
            tracing::event!(parent: &self.span, Level::DEBUG, message = CANCELLED);
            trace::failed(&self.span, CANCELLED);
            self.tally.end(self.began.elapsed(), Some(CANCELLED), None);
            trace::end(&self.span);
        }
    }
}

/// The span of one request to the upstream, until the end of its answer.
#[derive(Debug)]
pub(crate) struct Sent {
    span: Span,
    ended: bool,
}

impl Sent {
    pub(crate) fn new(span: Span) -> Self {
        Self { span, ended: false }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The answer is over.
    pub(crate) fn end(&mut self, failed: Option<ErrorReason>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(reason) = failed {
            trace::failed(&self.span, reason_name(reason));
        }
        trace::end(&self.span);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.ended {
            tracing::event!(target: trace::TARGET, parent: &self.span, Level::DEBUG, message = CANCELLED);
            trace::failed(&self.span, CANCELLED);
            self.end(None);
        }
    }
}

/// Tells the span of a turn that a lease of it was given back.
pub(crate) fn given_back(
    span: &Span,
    lease: &Lease,
    outcome: CredentialOutcome,
    retry_after: Option<Duration>,
) {
    let name = outcome.as_str_name();
    tracing::event!(
        parent: span,
        Level::DEBUG,
        { CREDENTIAL_ID } = id_of(lease),
        { OUTCOME } = name.strip_prefix("CREDENTIAL_OUTCOME_").unwrap_or(name),
        { RETRY_AFTER_MS } = retry_after.map(millis),
        message = GIVEN_BACK
    );
}

fn id_of(lease: &Lease) -> &str {
    lease.credential.strip_prefix("credentials/").unwrap_or(&lease.credential)
}

fn tier(tier: CredentialTier) -> &'static str {
    match tier {
        CredentialTier::Unspecified => "unknown",
        CredentialTier::Personal => "personal",
        CredentialTier::Shared => "shared",
        CredentialTier::Anonymous => "anonymous",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
