//! One credential in the pool: its state, its access token and its slots. Pure bookkeeping, told the time.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::clock::until;
use crate::config::PoolConfig;
use crate::credential::{CredentialId, Kind, NewCredential, Secret, Source, Tier};
use crate::entry::keeping::Mark;
use crate::exchange::{ExchangeError, Exchanged};
use crate::facts::Facts;
use crate::jwt;
use crate::lease::LeaseRecord;
use crate::pool::Wish;
use crate::refresh::Flight;
use crate::select::Candidate;
use crate::state::{Context, Event, FailureSource, Outcome, Phase, State};
use crate::store::kept::Claim;

/// Leases of the embedded upstream's credential that may be out at once: it has no account to protect.
const MAX_IN_FLIGHT_EMBEDDED: u32 = 65_536;
const MAX_ERROR_CHARS: usize = 200;

pub(crate) struct Entry {
    pub(crate) id: CredentialId,
    /// The long id, which tells the secret it came with from any other.
    pub(crate) origin: CredentialId,
    pub(crate) source: Source,
    /// The place in the list of its tier: the number under which it was added.
    pub(crate) order: u64,
    pub(crate) tier: Tier,
    pub(crate) kind: Kind,
    pub(crate) display_name: String,
    /// The secret at hand: for a refresh token, the one it was rotated to last.
    secret: Secret,
    pub(crate) state: State,
    token: Option<AccessToken>,
    /// How many access tokens it has had.
    pub(crate) serial: u64,
    /// An access token was rejected, and none has served since.
    suspect: bool,
    /// The exchange that is under way.
    pub(crate) flight: Option<Flight>,
    /// How many exchanges have ended, well or not.
    pub(crate) exchanges: u64,
    /// Which process exchanges the refresh token, if there are several.
    pub(crate) claim: Option<Claim>,
    /// The grants that are out.
    out: BTreeSet<u64>,
    last_grant: u64,
    pub(crate) granted_count: u64,
    pub(crate) last_granted_time: Option<SystemTime>,
    pub(crate) last_error: Option<String>,
    /// How often the secret was replaced.
    rotations: u64,
    /// As it was stored last; `None` if it never was.
    mark: Option<Mark>,
    /// What else is known of it.
    pub(crate) facts: Facts,
}

#[derive(Clone)]
struct AccessToken {
    bearer: Secret,
    serial: u64,
    expires: Option<SystemTime>,
    /// When it is to be renewed, if it can be.
    refresh_at: Option<SystemTime>,
}

/// An access token that can be handed out.
pub(crate) struct Bearer {
    pub(crate) secret: Secret,
    pub(crate) serial: u64,
    /// It serves, but its renewal is due.
    pub(crate) renewal_due: bool,
}

impl Entry {
    pub(crate) fn new(id: CredentialId, order: u64, new: NewCredential, source: Source) -> Self {
        let token = (!new.kind.is_refreshable()).then(|| AccessToken {
            bearer: new.secret.clone(),
            serial: 0,
            expires: if new.kind == Kind::StaticJwt { jwt::expiry(new.secret.expose()) } else { None },
            refresh_at: None,
        });
        Self {
            origin: CredentialId::long(new.kind, &new.secret),
            source,
            order,
            tier: new.tier,
            kind: new.kind,
            display_name: new.display_name.unwrap_or_else(|| id.to_string()),
            secret: new.secret,
            state: State::default(),
            token,
            serial: 0,
            suspect: false,
            flight: None,
            exchanges: 0,
            claim: None,
            out: BTreeSet::new(),
            last_grant: 0,
            granted_count: 0,
            last_granted_time: None,
            last_error: None,
            rotations: 0,
            mark: None,
            facts: Facts::default(),
            id,
        }
    }

    pub(crate) fn candidate(&self, wish: &Wish, now: SystemTime, config: &PoolConfig) -> Candidate {
        Candidate {
            tier: self.tier,
            readiness: self.state.readiness(now),
            phase: self.state.phase,
            in_flight: self.in_flight(),
            max_in_flight: self.facts.max_in_flight.unwrap_or(match (self.kind, self.tier) {
                (Kind::Embedded, _) => MAX_IN_FLIGHT_EMBEDDED,
                (_, Tier::Anonymous) => config.max_in_flight_anonymous,
                (_, Tier::Personal | Tier::Shared) => config.max_in_flight,
            }),
            probing: self.out.range(self.state.settled.saturating_add(1)..).next().is_some(),
            last_grant: self.last_grant,
            fits: config.uses(self.kind)
                && (wish.tiers.is_empty() || wish.tiers.contains(&self.tier))
                && (wish.kinds.is_empty() || wish.kinds.contains(&self.kind)),
            excluded: wish.excluded.contains(&self.id),
            preferred: wish.preferred.as_ref() == Some(&self.id),
            affinity: wish.affinity.map_or(0, |affinity| affinity.score(&self.id)),
            gives_way: self.state.gives_way(now),
            held: None,
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.out.len()).unwrap_or(u32::MAX)
    }

    /// Whether a grant of it is out.
    pub(crate) fn has_out(&self, grant: u64) -> bool {
        self.out.contains(&grant)
    }

    /// Takes a slot.
    pub(crate) fn take_slot(&mut self, grant: u64) {
        self.out.insert(grant);
        self.last_grant = grant;
    }

    /// Whether a store keeps it. The embedded upstream's own is part of the program.
    pub(crate) fn is_stored(&self) -> bool {
        self.kind != Kind::Embedded
    }

    /// Counts a slot that was taken elsewhere, or before.
    pub(crate) fn keep_slot(&mut self, grant: u64) {
        self.out.insert(grant);
    }

    /// Takes over the slots of the same credential.
    pub(crate) fn adopt_slots(&mut self, other: &mut Self) {
        self.out = std::mem::take(&mut other.out);
    }

    /// Gives a slot back.
    pub(crate) fn return_slot(&mut self, grant: u64) {
        self.out.remove(&grant);
    }

    /// Counts a lease that was handed out.
    pub(crate) fn granted(&mut self, now: SystemTime) {
        self.granted_count += 1;
        self.last_granted_time = Some(now);
    }

    /// A lease was handed out to somebody who had left.
    pub(crate) fn ungranted(&mut self) {
        self.granted_count = self.granted_count.saturating_sub(1);
    }

    /// The access token, if it can still be handed out.
    pub(crate) fn bearer(&self, now: SystemTime, config: &PoolConfig) -> Option<Bearer> {
        let token = self.usable_token(now, config)?;
        let renewal_due = self.renewal_time().is_some_and(|due| due <= now);
        Some(Bearer { secret: token.bearer.clone(), serial: token.serial, renewal_due })
    }

    fn usable_token(&self, now: SystemTime, config: &PoolConfig) -> Option<&AccessToken> {
        // A token that cannot be renewed serves to its very end.
        let margin = if self.kind.is_refreshable() { config.expiry_margin } else { Duration::ZERO };
        self.token.as_ref().filter(|token| token.expires.is_none_or(|expires| until(expires, now) > margin))
    }

    /// Whether it can serve only after an exchange that is not under way yet.
    pub(crate) fn needs_exchange(&self, now: SystemTime, config: &PoolConfig) -> bool {
        self.kind.is_refreshable() && self.flight.is_none() && self.usable_token(now, config).is_none()
    }

    /// The refresh token to exchange.
    pub(crate) fn refresh_token(&self) -> Secret {
        self.secret.clone()
    }

    /// When the access token at hand expires.
    pub(crate) fn token_expiry(&self) -> Option<SystemTime> {
        self.token.as_ref()?.expires
    }

    /// Whether it has a token that cannot be renewed and has expired, and nobody noticed yet.
    pub(crate) fn has_expired(&self, now: SystemTime, config: &PoolConfig) -> bool {
        !self.kind.is_refreshable()
            && !self.state.waits_for_a_person()
            && self.usable_token(now, config).is_none()
    }

    /// Takes note that it has expired.
    pub(crate) fn expire(&mut self, context: &Context<'_>) {
        self.state = self.state.after(Event::Expired, context);
        self.last_error = Some("the access token has expired and cannot be renewed".to_owned());
    }

    /// When the background task is to exchange the refresh token: ahead of the access token's expiry if the
    /// credential is in use, or as the probe of one whose exchanges were refused.
    pub(crate) fn exchange_due(&self, config: &PoolConfig) -> Option<SystemTime> {
        let is_idle = !self.kind.is_refreshable() || !config.uses(self.kind);
        if is_idle || self.flight.is_some() || self.state.waits_for_a_person() {
            return None;
        }
        if let Phase::Tripped { probe_at } = self.state.phase {
            return (self.state.last_failure == Some(FailureSource::Exchange)).then_some(probe_at);
        }
        let due = self.renewal_time()?;
        let idle = due.duration_since(self.last_granted_time?).unwrap_or_default();
        (idle <= config.refresh_idle_limit).then_some(due)
    }

    fn renewal_time(&self) -> Option<SystemTime> {
        let due = self.token.as_ref()?.refresh_at?;
        Some(self.state.no_exchange_before.map_or(due, |not_before| due.max(not_before)))
    }

    /// Takes note of how the credential fared in a lease.
    pub(crate) fn report(
        &mut self,
        outcome: Outcome,
        retry_after: Option<Duration>,
        detail: Option<&str>,
        lease: &LeaseRecord,
        context: &Context<'_>,
    ) {
        let detail = detail.map(str::trim).filter(|d| !d.is_empty() && !self.holds_secret(d));
        let current = self.token.as_ref().is_some_and(|token| token.serial == lease.token_serial);
        let before = self.state.clone();
        match outcome {
            Outcome::Rejected if self.kind.is_refreshable() && !current => return,
            Outcome::Rejected if self.kind.is_refreshable() && !self.suspect => {
                // It may have been withdrawn early. The next one tells whether the credential is at fault.
                self.token = None;
                self.suspect = true;
                self.note(outcome, detail);
                return;
            }
            Outcome::Rejected if self.kind.is_refreshable() => self.token = None,
            Outcome::Success if current => self.suspect = false,
            _ => {}
        }
        let event = Event::Reported { outcome, retry_after, grant: lease.grant };
        self.state = before.after(event, context);
        if outcome == Outcome::Success && lease.grant > before.settled && !before.waits_for_a_person() {
            self.last_error = None;
        } else {
            self.note(outcome, detail);
        }
    }

    /// Replaces the refresh token by the one that came in its stead.
    pub(crate) fn rotate(&mut self, rotated: Secret) {
        self.secret = rotated;
        self.rotations += 1;
    }

    /// Takes note of how an exchange went. A rotated refresh token was kept before.
    pub(crate) fn exchanged(&mut self, result: &Result<Exchanged, ExchangeError>, context: &Context<'_>) {
        (self.exchanges, self.claim) = (self.exchanges + 1, None);
        match result {
            Ok(exchanged) => {
                self.serial += 1;
                let life = exchanged.expires.map(|expires| until(expires, context.now));
                self.token = Some(AccessToken {
                    bearer: exchanged.access_token.clone(),
                    serial: self.serial,
                    expires: exchanged.expires,
                    refresh_at: exchanged.expires.zip(life).and_then(|(expires, life)| {
                        expires.checked_sub(context.config.margin(life, context.random))
                    }),
                });
                if self.state.last_failure == Some(FailureSource::Exchange) || self.state.failed_exchanges > 0
                {
                    self.last_error = None;
                }
                self.state = self.state.after(Event::Exchanged, context);
            }
            Err(error) => {
                let usable = self.usable_token(context.now, context.config).is_some();
                let event = if error.is_refusal() {
                    Event::ExchangeRefused
                } else {
                    Event::ExchangeFailed { usable }
                };
                self.state = self.state.after(event, context);
                self.last_error = Some(error.to_string());
            }
        }
    }

    /// An operator's decision.
    pub(crate) fn decide(&mut self, event: Event, context: &Context<'_>) {
        self.state = self.state.after(event, context);
        self.last_error = (event == Event::SwitchedOff).then(|| "switched off by an operator".to_owned());
        self.suspect = false;
    }

    fn note(&mut self, outcome: Outcome, detail: Option<&str>) {
        let usual = match outcome {
            Outcome::Rejected => "the upstream refused the credential",
            Outcome::Blocked => "the upstream blocked the account",
            Outcome::QuotaExhausted => "the quota is used up",
            Outcome::RateLimited => "the upstream asked to slow down",
            Outcome::UpstreamUnavailable => "the upstream was not there",
            Outcome::Success | Outcome::UpstreamFault | Outcome::RequestFault | Outcome::Abandoned => return,
        };
        self.last_error = Some(detail.unwrap_or(usual).chars().take(MAX_ERROR_CHARS).collect());
    }

    /// Callers promise not to; this is the belt to their braces.
    pub(crate) fn holds_secret(&self, text: &str) -> bool {
        let bearer = self.token.as_ref().map(|token| &token.bearer);
        let mut secrets = bearer.into_iter().chain([&self.secret]).map(Secret::expose);
        // Of those it had before only digests are known.
        let is_between = |c: char| c.is_whitespace() || "\"'`,;:()<>[]{}".contains(c);
        let had = |word: &str| self.had(&Secret::new(word));
        secrets.any(|secret| !secret.is_empty() && text.contains(secret))
            || text.split(is_between).filter(|word| !word.is_empty()).any(had)
    }
}

pub(crate) mod keeping;
mod replacing;
#[cfg(test)]
mod tests;
