//! The pool's two breakers: what leases and exchanges tell about the endpoints, and which credentials that holds.
//!
//! They are kept in memory, by each process for itself: what they know is over within minutes.

use std::time::{Duration, SystemTime};

use crate::breaker::{Breaker, Excuse, Open as Opened, Reason, Trial, Verdict};
use crate::clock::until;
use crate::config::PoolConfig;
use crate::credential::CredentialId;
use crate::entry::Entry;
use crate::exchange::{ExchangeError, Exchanged};
use crate::open::Open;
use crate::pool::Inner;
use crate::select::{Candidate, Endpoint};
use crate::state::{Event, Excused, Outcome, Readiness};
use crate::trail;

/// What the pool knows of its endpoints.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    chat: Breaker,
    token: Breaker,
}

/// An endpoint as it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Which one.
    pub endpoint: Endpoint,
    /// Whether, why and how long it is left alone. `None` if it is not.
    pub open: Option<Opened>,
    /// Credentials that wait for it.
    pub held: usize,
}

impl Endpoints {
    /// An operator vouches for a credential.
    pub(crate) fn forget(&mut self, credential: &CredentialId) {
        self.chat.forget(credential);
        self.token.forget(credential);
    }

    fn breaker(&mut self, endpoint: Endpoint) -> &mut Breaker {
        match endpoint {
            Endpoint::Chat => &mut self.chat,
            Endpoint::Token => &mut self.token,
        }
    }

    /// The endpoint that holds a credential, and what it is told.
    fn hold(&self, entry: &Entry, now: SystemTime, config: &PoolConfig) -> Option<(Endpoint, Opened)> {
        let token = self.token.open().filter(|_| entry.needs_exchange(now, config));
        let chat = self.chat.open().filter(|_| self.chat.holds(&entry.id));
        let token = token.map(|open| (Endpoint::Token, open));
        let chat = chat.map(|open| (Endpoint::Chat, open));
        token.into_iter().chain(chat).max_by_key(|(_, open)| open.until)
    }
}

impl Inner {
    /// What a candidate is with regard to the endpoints.
    pub(crate) fn held(
        &self,
        entry: &Entry,
        candidate: Candidate,
        now: SystemTime,
        config: &PoolConfig,
    ) -> Candidate {
        if matches!(candidate.readiness, Readiness::Down { .. }) {
            return candidate;
        }
        let Some((endpoint, open)) = self.endpoints.hold(entry, now, config) else { return candidate };
        let held = Some(endpoint);
        if open.until > now {
            return Candidate {
                readiness: Readiness::Down { recovery: Some(open.until) },
                held,
                ..candidate
            };
        }
        let probing = candidate.probing
            || match endpoint {
                Endpoint::Chat => open.probe.is_some_and(|grant| self.is_out(grant)),
                Endpoint::Token => self.exchanges_under_way(),
            };
        Candidate { readiness: Readiness::HalfOpen, held, probing, ..candidate }
    }

    /// When the first endpoint that is left alone may be tried.
    pub(crate) fn next_probe(&self, now: SystemTime) -> Option<SystemTime> {
        let open = [&self.endpoints.chat, &self.endpoints.token].into_iter().filter_map(Breaker::open);
        open.map(|open| open.until).filter(|until| *until > now).min()
    }

    fn is_out(&self, grant: u64) -> bool {
        self.entries.iter().any(|entry| entry.has_out(grant))
    }

    fn exchanges_under_way(&self) -> bool {
        self.entries.iter().any(|entry| entry.flight.is_some())
    }
}

impl Open<'_> {
    /// How many exchanges may begin now.
    pub(crate) fn allowed_exchanges(&self) -> usize {
        match self.inner.endpoints.token.open() {
            None => usize::MAX,
            Some(open) => usize::from(open.until <= self.wall && !self.inner.exchanges_under_way()),
        }
    }

    /// How long the token endpoint is left alone. What is under way wakes the background task when it ends.
    pub(crate) fn exchange_wait(&self) -> Duration {
        let open = self.inner.endpoints.token.open().filter(|open| open.until > self.wall);
        open.map_or(Duration::MAX, |open| until(open.until, self.wall))
    }

    /// Takes note of a grant: if its credential is held, it tries the endpoint.
    pub(crate) fn probe_chat(&mut self, credential: &CredentialId, grant: u64) {
        let chat = &mut self.inner.endpoints.chat;
        if chat.holds(credential) {
            chat.probe(grant);
        }
    }

    /// Whether `grant` tries the chat endpoint.
    pub(crate) fn is_probe(&self, grant: u64) -> bool {
        self.inner.endpoints.chat.open().is_some_and(|open| open.probe == Some(grant))
    }

    /// Takes note of what a lease told about the chat endpoint. `counted` says that it cost the credential a failure.
    pub(crate) fn chat_ended(
        &mut self,
        credential: &CredentialId,
        grant: u64,
        outcome: Outcome,
        counted: bool,
    ) {
        let verdict = match outcome {
            Outcome::Success | Outcome::QuotaExhausted => Verdict::Works,
            Outcome::RateLimited | Outcome::RequestFault | Outcome::Blocked => Verdict::Answers,
            Outcome::Rejected if counted => Verdict::Failed { reason: Reason::Refusals, counted },
            // Its access token had run out, perhaps.
            // A stream that broke or was not understood may be the fault of what was asked.
            Outcome::Rejected | Outcome::Abandoned | Outcome::UpstreamFault => Verdict::Silent,
            Outcome::UpstreamUnavailable => Verdict::Failed { reason: Reason::Faults, counted },
        };
        let trial = Trial { credential, grant, verdict, last_grant: self.inner.last_grant, now: self.wall };
        self.observe(Endpoint::Chat, &trial);
    }

    /// Takes note of what an exchange told about the token endpoint.
    pub(crate) fn exchange_ended(
        &mut self,
        credential: &CredentialId,
        result: &Result<Exchanged, ExchangeError>,
    ) {
        let verdict = match result {
            Ok(_) => Verdict::Works,
            Err(error) if error.is_refusal() => Verdict::Answers,
            Err(_) => Verdict::Failed { reason: Reason::Faults, counted: false },
        };
        // Exchanges are not numbered: each counts.
        let grant = self.inner.last_grant.saturating_add(1);
        let trial = Trial { credential, grant, verdict, last_grant: self.inner.last_grant, now: self.wall };
        self.observe(Endpoint::Token, &trial);
    }

    fn observe(&mut self, endpoint: Endpoint, trial: &Trial<'_>) {
        let context = self.context();
        let (now, config) = (self.wall, context.config);
        let token_down = self.inner.endpoints.token.open().is_some();
        let Inner { endpoints, entries, .. } = &mut *self.inner;
        let able = |entry: &&Entry| {
            let up = !matches!(entry.state.readiness(now), Readiness::Down { .. });
            match endpoint {
                Endpoint::Chat => up && !(token_down && entry.needs_exchange(now, config)),
                Endpoint::Token => up && entry.needs_exchange(now, config),
            }
        };
        let rule = match endpoint {
            Endpoint::Chat => config.chat_rule(),
            Endpoint::Token => config.exchange_rule(),
        };
        let breaker = endpoints.breaker(endpoint);
        let before = breaker.open();
        let able = || entries.iter().filter(able).map(|entry| &entry.id);
        let excuses = breaker.observe(trial, &rule, able, |delay| config.stretched(delay, context.random));
        let after = breaker.open();
        log(endpoint, before, after, now);
        for excuse in excuses {
            self.excuse(endpoint, &excuse);
        }
    }

    fn excuse(&mut self, endpoint: Endpoint, excuse: &Excuse) {
        let excused = match (endpoint, excuse.reason) {
            (Endpoint::Token, _) => Excused::Exchanges,
            (Endpoint::Chat, Reason::Faults) => Excused::Faults,
            (Endpoint::Chat, Reason::Refusals) if excuse.counted == 0 => return,
            (Endpoint::Chat, Reason::Refusals) => Excused::Refusals(excuse.counted),
        };
        let event = Event::Excused(excused);
        // One that is gone needs no excuse.
        self.change(&excuse.credential, |entry, context| entry.state = entry.state.after(event, context))
            .ok();
    }

    /// Both endpoints, as they may be shown.
    pub(crate) fn endpoints(&self) -> [EndpointStatus; 2] {
        let config = self.context().config;
        let endpoints = &self.inner.endpoints;
        [(Endpoint::Chat, &endpoints.chat), (Endpoint::Token, &endpoints.token)].map(|(endpoint, breaker)| {
            let holds = |entry: &&Entry| {
                endpoints.hold(entry, self.wall, config).is_some_and(|(holder, _)| holder == endpoint)
            };
            let held = self.inner.entries.iter().filter(holds).count();
            EndpointStatus { endpoint, open: breaker.open(), held }
        })
    }
}

/// Tells the operator, and the trace, when an endpoint is left alone and when it is back.
fn log(endpoint: Endpoint, before: Option<Opened>, after: Option<Opened>, now: SystemTime) {
    let name = match endpoint {
        Endpoint::Chat => "chat",
        Endpoint::Token => "token",
    };
    match (before, after) {
        (None, None) => {}
        (Some(_), None) => {
            tracing::info!(endpoint = name, "endpoint works again");
            trail::breaker_closed(name);
        }
        (before, Some(open)) if before.is_none_or(|before| before.openings != open.openings) => {
            let wait_ms = u64::try_from(until(open.until, now).as_millis()).unwrap_or(u64::MAX);
            let reason = match open.reason {
                Reason::Faults => "faults",
                Reason::Refusals => "refusals",
            };
            tracing::warn!(
                endpoint = name,
                reason,
                wait_ms,
                openings = open.openings,
                "all credentials fail alike, the endpoint is left alone"
            );
            trail::breaker_opened(name, reason, wait_ms);
        }
        (Some(_) | None, Some(_)) => {}
    }
}
