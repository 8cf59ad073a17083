//! How far an exchange is, on which credentials it ran, and where its time went. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::{CredentialTier, Lease};
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;
use warp2api_proto::warp_chat::v1::{ExchangeState, FinishReason};
use warp2api_rpc::Failure;

/// The first credentials that are remembered, and the last ones. A pool may be large.
const FIRST_CREDENTIALS: usize = 3;
const LAST_CREDENTIALS: usize = 5;

/// What changes while an exchange goes on.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    since: Instant,
    spent: Spent,
    pub(crate) credentials: Vec<Credential>,
    /// How many credentials it had, forgotten ones included.
    pub(crate) leases: u32,
    pub(crate) attempts: u32,
    /// Bytes of the request of the last attempt.
    pub(crate) sent_bytes: u64,
}

/// Where an exchange stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    /// Checks and the wait for a credential.
    Leasing,
    /// An attempt was sent.
    Awaiting,
    /// An attempt failed; a pause, the report of the lease.
    Retrying,
    /// The caller is being answered.
    Streaming,
    /// It is over.
    Ended(Outcome),
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Succeeded { finish_reason: FinishReason, usage: Option<UsageReported> },
    Failed { reason: ErrorReason, message: String },
    Cancelled,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) queue: Duration,
    pub(crate) lease: Duration,
    pub(crate) retry: Duration,
    pub(crate) first_event: Duration,
    pub(crate) stream: Duration,
}

impl Spent {
    pub(crate) fn total(&self) -> Duration {
        self.queue + self.lease + self.retry + self.first_event + self.stream
    }
}

/// A credential an exchange ran on: what may be shown of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) tier: CredentialTier,
    pub(crate) attempts: u32,
    pub(crate) failed: ErrorReason,
}

impl Record {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Leasing,
            since: now,
            spent: Spent::default(),
            credentials: Vec::new(),
            leases: 0,
            attempts: 0,
            sent_bytes: 0,
        }
    }

    /// A credential was leased; of the time that took, `waited` was for a free slot.
    pub(crate) fn leased(&mut self, lease: &Lease, waited: Duration, now: Instant) {
        self.enter(Phase::Leasing, now);
        let waited = waited.min(self.spent.lease);
        self.spent.lease -= waited;
        self.spent.queue += waited;
        self.leases += 1;
        if self.credentials.len() == FIRST_CREDENTIALS + LAST_CREDENTIALS {
            self.credentials.remove(FIRST_CREDENTIALS);
        }
        self.credentials.push(Credential {
            name: lease.credential.clone(),
            display_name: lease.credential_display_name.clone(),
            tier: lease.tier(),
            attempts: 0,
            failed: ErrorReason::Unspecified,
        });
    }

    /// A request of so many bytes goes out. Tells which attempt it is.
    pub(crate) fn sent(&mut self, bytes: u64, now: Instant) -> u32 {
        self.enter(Phase::Awaiting, now);
        self.attempts += 1;
        self.sent_bytes = bytes;
        if let Some(credential) = self.credentials.last_mut() {
            credential.attempts += 1;
            credential.failed = ErrorReason::Unspecified;
        }
        self.attempts
    }

    /// The attempt failed before the caller was shown anything.
    pub(crate) fn attempt_failed(&mut self, reason: ErrorReason, now: Instant) {
        self.enter(Phase::Retrying, now);
        self.spent.retry += std::mem::take(&mut self.spent.first_event);
        if let Some(credential) = self.credentials.last_mut() {
            credential.failed = reason;
        }
    }

    /// Another credential is being looked for.
    pub(crate) fn leasing_again(&mut self, now: Instant) {
        self.enter(Phase::Leasing, now);
    }

    /// The caller is being answered. Tells how long that took since the attempt was sent.
    pub(crate) fn answering(&mut self, now: Instant) -> Duration {
        self.enter(Phase::Streaming, now);
        self.spent.first_event
    }

    /// It is over. What ended stays as it is.
    pub(crate) fn end(&mut self, outcome: Outcome, now: Instant) -> bool {
        if matches!(self.phase, Phase::Ended(_)) {
            return false;
        }
        if let (Outcome::Failed { reason, .. }, Phase::Streaming, Some(credential)) =
            (&outcome, &self.phase, self.credentials.last_mut())
        {
            credential.failed = *reason;
        }
        self.enter(Phase::Ended(outcome), now);
        true
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.spent = self.spent(now);
        self.since = now;
        self.phase = phase;
    }

    /// Where the time went until `now`.
    pub(crate) fn spent(&self, now: Instant) -> Spent {
        let mut spent = self.spent;
        let passed = now.saturating_duration_since(self.since);
        match self.phase {
            Phase::Leasing => spent.lease += passed,
            Phase::Awaiting => spent.first_event += passed,
            Phase::Retrying => spent.retry += passed,
            Phase::Streaming => spent.stream += passed,
            Phase::Ended(_) => {}
        }
        spent
    }

    pub(crate) fn state(&self) -> ExchangeState {
        match &self.phase {
            Phase::Leasing => ExchangeState::Leasing,
            Phase::Awaiting | Phase::Retrying => ExchangeState::Awaiting,
            Phase::Streaming => ExchangeState::Streaming,
            Phase::Ended(Outcome::Succeeded { .. }) => ExchangeState::Succeeded,
            Phase::Ended(Outcome::Failed { .. }) => ExchangeState::Failed,
            Phase::Ended(Outcome::Cancelled) => ExchangeState::Cancelled,
        }
    }

    /// About how many bytes it holds on to.
    pub(crate) fn size(&self) -> usize {
        let credentials =
            self.credentials.iter().map(|c| size_of::<Credential>() + c.name.len() + c.display_name.len());
        let words = match &self.phase {
            Phase::Ended(Outcome::Failed { message, .. }) => message.len(),
            _ => 0,
        };
        credentials.sum::<usize>() + words
    }
}

impl Outcome {
    pub(crate) fn of(failure: &Failure) -> Self {
        if failure.reason == ErrorReason::Cancelled {
            return Self::Cancelled;
        }
        Self::Failed { reason: failure.reason, message: super::live::cut(&failure.message, 1024) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(name: &str) -> Lease {
        Lease { credential: name.to_owned(), bearer: "planted".to_owned(), ..Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_parts_of_the_time_add_up_to_all_of_it() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut record = Record::new(begin);

        record.leased(&lease("credentials/a"), Duration::from_millis(30), at(50));
        record.sent(100, at(51));
        record.attempt_failed(ErrorReason::UpstreamRateLimited, at(151));
        record.leasing_again(at(161));
        record.leased(&lease("credentials/b"), Duration::ZERO, at(165));
        record.sent(100, at(165));
        record.answering(at(365));
        assert!(record.end(Outcome::Cancelled, at(1365)));

        let ms = Duration::from_millis;
        let expected =
            Spent { queue: ms(30), lease: ms(25), retry: ms(110), first_event: ms(200), stream: ms(1000) };
        assert_eq!(record.spent(at(9999)), expected);
        assert_eq!(expected.total(), ms(1365));
        assert_eq!(record.credentials[0].failed, ErrorReason::UpstreamRateLimited);
        assert_eq!((record.leases, record.attempts), (2, 2));
        assert!(!record.end(Outcome::Cancelled, at(2000)), "it ends once");
        assert!(!format!("{record:?}").contains("planted"));
    }

    #[tokio::test(start_paused = true)]
    async fn of_very_many_credentials_the_first_and_the_last_are_remembered() {
        let mut record = Record::new(Instant::now());
        for number in 0..100 {
            record.leased(&lease(&format!("credentials/{number}")), Duration::ZERO, Instant::now());
        }

        let names: Vec<_> =
            record.credentials.iter().map(|c| c.name.trim_start_matches("credentials/")).collect();
        assert_eq!(names, ["0", "1", "2", "95", "96", "97", "98", "99"]);
        assert_eq!(record.leases, 100);
    }
}
