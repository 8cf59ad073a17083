//! What accounts may still use: read when somebody asks, and in the background where a turn has found a quota used up or
//! what is known of a credential in use has become old.
//!
//! One question at a time for a credential, few at once. Reading sets when a credential that has run out comes back, and
//! brings it back when its quota has; whether it has run out is for the turns to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::account::{AccountApi, AccountError};
use crate::admin::Token;
use crate::clock::until;
use crate::credential::{CredentialId, Kind, Secret};
use crate::entry::Entry;
use crate::error::Error;
use crate::facts::Quota;
use crate::pool::Pool;
use crate::state::{Context, Event, Phase};

/// Questions under way at once.
const MAX_READING: usize = 4;
/// How often the background task looks.
const SCAN: Duration = Duration::from_secs(5);
/// What is known of a credential in use is old after this.
const OLD: Duration = Duration::from_secs(15 * 60);
/// A credential without quota is asked about again after this.
const OLD_EXHAUSTED: Duration = Duration::from_secs(3600);

/// What a check of a credential found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The upstream takes it, and this is its quota.
    Taken(Quota),
    /// There is no access token, and why.
    NoToken {
        /// Whether the credential is at fault.
        refused: bool,
        /// Why.
        words: String,
    },
    /// The upstream does not take its access token or key.
    Rejected,
    /// The upstream could not be asked.
    Unknown(AccountError),
}

type Question = BoxFuture<'static, Result<Finding, Error>>;
type SignIn = Shared<BoxFuture<'static, Result<Secret, AccountError>>>;

/// Reads the quotas of a pool's accounts. Clones share what is under way.
#[derive(Clone)]
pub struct Accounts {
    pool: Pool,
    api: AccountApi,
    shared: Arc<UnderWay>,
}

struct UnderWay {
    /// Belongs to those who wait for the answers: what nobody waits for any longer is gone.
    reading: Mutex<HashMap<CredentialId, WeakShared<Question>>>,
    permits: Semaphore,
    /// Stays until its result is stored, whoever waits: an installation has one guest.
    sign_in: Mutex<Option<SignIn>>,
}

/// When the background task asked about a credential last, and how often it had run out by then.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Instant,
    exhaustions: u32,
}

impl Accounts {
    /// Reads by `api` the quotas of the accounts in `pool`.
    pub fn new(pool: Pool, api: AccountApi) -> Self {
        let shared = UnderWay {
            reading: Mutex::new(HashMap::new()),
            permits: Semaphore::new(MAX_READING),
            sign_in: Mutex::new(None),
        };
        Self { pool, api, shared: Arc::new(shared) }
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The sign-in as a guest: the one under way, or a new one.
    pub(crate) fn sign_in(&self) -> SignIn {
        let begin = || {
            let api = self.api.clone();
            async move { api.sign_in_as_guest().await }.boxed().shared()
        };
        self.shared.sign_in.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(begin).clone()
    }

    /// How long one of its requests may take.
    pub(crate) fn patience(&self) -> Duration {
        self.api.timeout
    }

    /// The next sign-in is a new one.
    pub(crate) fn forget_sign_in(&self) {
        *self.shared.sign_in.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Finds out how a credential is, whatever its state, and keeps what its quota is. Joins a question that is under
    /// way.
    ///
    /// # Errors
    /// [`Error::CredentialNotFound`], or when the pool cannot be asked.
    pub async fn check(&self, id: &CredentialId) -> Result<Finding, Error> {
        self.pool.get(id).await?;
        self.reading(id).await
    }

    /// Reads in the background, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut asked = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(SCAN) => {}
            }
            let mut due: FuturesUnordered<_> =
                self.due(&mut asked).into_iter().map(|id| self.reading(&id)).collect();
            while let Some(found) =
                tokio::select! { () = stop.cancelled() => return, found = due.next() => found }
            {
                if let Err(error) = found {
                    tracing::debug!(%error, "a quota was not read");
                }
            }
        }
    }

    /// The credentials to ask about now; they count as asked about. At most as many as may be under way.
    fn due(&self, asked: &mut HashMap<CredentialId, Asked>) -> Vec<CredentialId> {
        let (now, wall) = (Instant::now(), self.pool.core.clock.now());
        let inner = self.pool.lock();
        asked.retain(|id, _| inner.entries.iter().any(|entry| entry.id == *id));
        let is_due = |entry: &&Entry| {
            let config = &self.pool.core.config;
            let at_hand = config.uses(entry.kind) && entry.bearer(wall, config).is_some();
            at_hand && wants_reading(entry, asked.get(&entry.id).copied(), now, wall)
        };
        let due: Vec<_> = inner.entries.iter().filter(is_due).take(MAX_READING).collect();
        let due: Vec<_> = due.into_iter().map(|e| (e.id.clone(), e.state.exhaustions)).collect();
        drop(inner);
        asked.extend(
            due.iter().map(|(id, exhaustions)| (id.clone(), Asked { at: now, exhaustions: *exhaustions })),
        );
        due.into_iter().map(|(id, _)| id).collect()
    }

    fn reading(&self, id: &CredentialId) -> Shared<Question> {
        let mut under_way = self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = under_way.get(id).and_then(WeakShared::upgrade).filter(|r| r.peek().is_none())
        {
            return reading;
        }
        let (accounts, wanted) = (self.clone(), id.clone());
        let reading = async move { accounts.read(&wanted).await }.boxed().shared();
        under_way.retain(|_, other| other.upgrade().is_some());
        under_way.extend(reading.downgrade().map(|weak| (id.clone(), weak)));
        reading
    }

    async fn read(&self, id: &CredentialId) -> Result<Finding, Error> {
        let _permit = self.shared.permits.acquire().await;
        let bearer = match self.pool.token(id).await? {
            Token::Bearer(bearer) => bearer,
            Token::None { refused, words } => return Ok(Finding::NoToken { refused, words }),
        };
        let clock = self.pool.core.clock.clone();
        let mut answer = self.api.quota(&bearer, || clock.now()).await;
        if answer == Err(AccountError::Rejected)
            && let Some(Token::Bearer(bearer)) = self.pool.another_token(id).await?
        {
            // It may have been withdrawn before its time.
            answer = self.api.quota(&bearer, || clock.now()).await;
        }
        match answer {
            Ok(quota) => {
                let wanted = id.clone();
                self.pool
                    .transact(move |open| open.change(&wanted, |e, context| e.keep_quota(quota, context)))
                    .await??;
                Ok(Finding::Taken(quota))
            }
            Err(AccountError::Rejected) => Ok(Finding::Rejected),
            // Its words are shown.
            Err(AccountError::Refused(words)) if words.contains(bearer.expose()) => {
                Ok(Finding::Unknown(AccountError::Malformed))
            }
            Err(error) => Ok(Finding::Unknown(error)),
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("api", &self.api).finish_non_exhaustive()
    }
}

impl Entry {
    /// Takes note of what its account may still use.
    fn keep_quota(&mut self, quota: Quota, context: &Context<'_>) {
        let was_spent = self.facts.quota.is_some_and(|before| !before.is_available());
        let refresh = quota.refresh.map(|refresh| until(refresh, context.now));
        let event = match (quota.is_available(), refresh) {
            (true, _) if was_spent => Some(Event::QuotaBack),
            (false, Some(refresh)) => Some(Event::QuotaSpent { refresh }),
            // One that ran out although there is quota left did so for another reason.
            (true, _) | (false, None) => None,
        };
        self.facts.quota = Some(quota);
        let Some(event) = event else { return };
        let before = self.state.phase_at(context.now);
        self.state = self.state.after(event, context);
        if self.state.phase == Phase::Active && before != Phase::Active {
            self.last_error = None;
        }
    }
}

/// Whether the background task is to ask about a credential. Pure.
fn wants_reading(entry: &Entry, asked: Option<Asked>, now: Instant, wall: SystemTime) -> bool {
    if entry.kind == Kind::Embedded || entry.state.waits_for_a_person() {
        return false;
    }
    let asked_within = |limit| asked.is_some_and(|asked| now.duration_since(asked.at) < limit);
    if matches!(entry.state.phase_at(wall), Phase::Exhausted { .. }) {
        let ran_out_again = asked.is_some_and(|asked| asked.exhaustions != entry.state.exhaustions);
        return ran_out_again || !asked_within(OLD_EXHAUSTED);
    }
    let read = entry.facts.quota.map(|quota| quota.read);
    let is_used = entry.last_granted_time.is_some_and(|granted| read.is_none_or(|read| granted > read));
    is_used && read.is_none_or(|read| until(wall, read) >= OLD) && !asked_within(OLD)
}
