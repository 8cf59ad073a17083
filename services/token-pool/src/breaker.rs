//! Whose fault it is when many credentials fail alike: `(breaker, trial, now) -> breaker`. Pure, and ignorant of what a
//! credential is.
//!
//! A breaker stands between the pool and one endpoint. It is closed until every credential that could serve has
//! failed in the same way, one after the other, with nothing that worked in between: then the endpoint is at fault
//! and not they. It opens, what was counted against them for that reason is taken back, and they are held. After a
//! delay it is half-open: one lease tries, and its end closes the breaker, or opens it again for longer.
//!
//! Only those that failed are held. One that comes along meanwhile, new, recovered or with quota again, is tried at
//! once, for it may be that the others are at fault after all.
//!
//! Failures of leases that were out at the same time are one failure: a restart of the upstream breaks every stream
//! at once and means little.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::config::Backoff;
use crate::credential::CredentialId;

/// In what way credentials failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The endpoint was not there: no connection, no answer in time, a 5xx.
    Faults,
    /// It refused the credential.
    Refusals,
}

/// How an endpoint took one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It worked, or it said something that it says only to a credential it knows.
    Works,
    /// It is there, but said nothing about the credential.
    Answers,
    /// It failed.
    Failed {
        /// In what way.
        reason: Reason,
        /// Whether that was counted against the credential.
        counted: bool,
    },
    /// Nothing can be told.
    Silent,
}

/// One attempt with a credential, and how it went.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The credential.
    pub credential: &'a CredentialId,
    /// The number of the grant, or of the exchange.
    pub grant: u64,
    /// How it went.
    pub verdict: Verdict,
    /// The number of the last grant so far.
    pub last_grant: u64,
    /// When it went so.
    pub now: SystemTime,
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Failures in a row that open it, at the least.
    pub failures: u32,
    /// Distinct credentials that have to fail, at the least: a single one tells nothing.
    pub credentials: usize,
    /// Distinct credentials that are enough even if others were not tried. `None` asks for all.
    pub enough_credentials: Option<usize>,
    /// How long a failure counts.
    pub window: Duration,
    /// How long it stays open: longer each time it opens again without having closed.
    pub delay: Backoff,
}

/// A breaker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Those that failed and had no success since.
    failed: BTreeMap<CredentialId, Failed>,
    /// Grants up to this one were out at the last failure that counted, or when it opened.
    settled: u64,
    open: Option<Open>,
}

/// How a credential failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failed {
    reason: Reason,
    /// Failures in a row of all credentials in which this one had its part.
    rounds: u32,
    /// Of its failures, those that were counted against it.
    counted: u32,
    /// The newest grant that failed.
    grant: u64,
    at: SystemTime,
}

/// What a breaker that is not closed knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Why it opened.
    pub reason: Reason,
    /// From when on one may try.
    pub until: SystemTime,
    /// How often it opened since it was closed.
    pub openings: u32,
    /// The grant that tries, if it is still out.
    pub probe: Option<u64>,
}

/// What is to be taken back from a credential: it failed, but was not at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excuse {
    /// The credential.
    pub credential: CredentialId,
    /// In what way it had failed.
    pub reason: Reason,
    /// How many of its failures had been counted.
    pub counted: u32,
}

impl Breaker {
    /// Why and until when it is not closed. Half-open if `until` is over.
    pub fn open(&self) -> Option<Open> {
        self.open
    }

    /// Whether it holds a credential while it is not closed.
    pub fn holds(&self, credential: &CredentialId) -> bool {
        self.open.is_some() && self.failed.contains_key(credential)
    }

    /// Takes note that `grant` tries the endpoint.
    pub fn probe(&mut self, grant: u64) {
        if let Some(open) = &mut self.open {
            open.probe = Some(grant);
        }
    }

    fn returned(&mut self, grant: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| open.probe == Some(grant)) {
            open.probe = None;
        }
    }

    /// Forgets a credential: it is gone, or an operator vouches for it.
    pub fn forget(&mut self, credential: &CredentialId) {
        self.failed.remove(credential);
    }

    /// Takes note of a trial. `able` tells those that could serve now as far as they themselves are concerned; it is
    /// asked only after a failure. `stretch` lengthens a delay at random. Returns what is to be taken back.
    pub fn observe<'a, A: IntoIterator<Item = &'a CredentialId>>(
        &mut self,
        trial: &Trial<'_>,
        rule: &Rule,
        able: impl FnOnce() -> A,
        stretch: impl FnOnce(Duration) -> Duration,
    ) -> Vec<Excuse> {
        // What was granted before it opened says nothing about now.
        let stale = self.open.is_some() && trial.grant <= self.settled;
        self.returned(trial.grant);
        match trial.verdict {
            Verdict::Silent => Vec::new(),
            Verdict::Works | Verdict::Answers if stale => Vec::new(),
            Verdict::Works => {
                self.worked(trial.grant, |_| true);
                Vec::new()
            }
            Verdict::Answers => {
                self.worked(trial.grant, |reason| reason == Reason::Faults);
                Vec::new()
            }
            Verdict::Failed { reason, .. } if self.open.is_some_and(|open| open.reason != reason) => {
                Vec::new()
            }
            Verdict::Failed { reason, counted } => {
                self.failed(trial, reason, counted, rule);
                match self.open {
                    Some(open) if stale || trial.now < open.until => self.excuses(reason),
                    Some(open) => self.opened(open.openings, reason, trial, rule, stretch),
                    None if self.is_alike(reason, rule, able()) => {
                        self.opened(0, reason, trial, rule, stretch)
                    }
                    None => Vec::new(),
                }
            }
        }
    }

    /// Something worked with `grant`: failures for these reasons that are not newer are no sign any more.
    fn worked(&mut self, grant: u64, reasons: impl Fn(Reason) -> bool) {
        match self.open {
            None => self.failed.retain(|_, failed| failed.grant > grant || !reasons(failed.reason)),
            Some(open) if reasons(open.reason) => *self = Self { settled: self.settled, ..Self::default() },
            Some(_) => {}
        }
    }

    fn failed(&mut self, trial: &Trial<'_>, reason: Reason, counted: bool, rule: &Rule) {
        let ends = |at: SystemTime| crate::clock::after(at, rule.window);
        if self.open.is_none() {
            self.failed.retain(|_, failed| ends(failed.at) > trial.now);
        }
        let blank = Failed { reason, rounds: 0, counted: 0, grant: 0, at: trial.now };
        let failed = self.failed.entry(trial.credential.clone()).or_insert(blank);
        if failed.reason != reason {
            *failed = blank;
        }
        (failed.at, failed.grant) = (trial.now, failed.grant.max(trial.grant));
        failed.counted = failed.counted.saturating_add(u32::from(counted));
        if trial.grant > self.settled {
            failed.rounds = failed.rounds.saturating_add(1);
            self.settled = trial.last_grant;
        }
    }

    /// Whether what failed so far is more than the credentials' own fault.
    fn is_alike<'a>(
        &self,
        reason: Reason,
        rule: &Rule,
        able: impl IntoIterator<Item = &'a CredentialId>,
    ) -> bool {
        let alike = |failed: &&Failed| failed.reason == reason;
        let distinct = self.failed.values().filter(alike).count();
        let rounds: u32 = self.failed.values().filter(alike).map(|failed| failed.rounds).sum();
        let enough = rule.enough_credentials.is_some_and(|enough| distinct >= enough);
        let has_failed = |id: &CredentialId| self.failed.get(id).as_ref().is_some_and(alike);
        rounds >= rule.failures
            && distinct >= rule.credentials
            && (enough || able.into_iter().all(has_failed))
    }

    fn opened(
        &mut self,
        openings: u32,
        reason: Reason,
        trial: &Trial<'_>,
        rule: &Rule,
        stretch: impl FnOnce(Duration) -> Duration,
    ) -> Vec<Excuse> {
        let openings = openings.saturating_add(1);
        let until = crate::clock::after(trial.now, stretch(rule.delay.delay(openings)));
        self.open = Some(Open { reason, until, openings, probe: None });
        self.settled = trial.last_grant;
        self.excuses(reason)
    }

    /// Takes back what was counted, once.
    fn excuses(&mut self, reason: Reason) -> Vec<Excuse> {
        let alike = self.failed.iter_mut().filter(|(_, failed)| failed.reason == reason);
        alike
            .map(|(id, failed)| Excuse {
                credential: id.clone(),
                reason,
                counted: std::mem::take(&mut failed.counted),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
