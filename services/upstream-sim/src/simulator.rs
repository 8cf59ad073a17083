//! The simulator: its settings, its handle and its routes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::post;

use crate::chat::chat;
use crate::clock::Clock;
use crate::credentials::{BearerError, Credentials, EmbeddedCredential, Issued, Rotation};
use crate::exchange::{self, ExchangeScenario, exchange, sign_in};
use crate::fingerprint::Fingerprint;
use crate::graphql::{Quota, graphql};
use crate::http_io::{UPSTREAM_HEADER, UPSTREAM_NAME};
use crate::ids::Ids;
use crate::record::Record;
use crate::scenario::{Refusal, Scenario};

/// The settings of a simulator. The default knows [`EmbeddedCredential`] and nothing else.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    bearers: Vec<Fingerprint>,
    refresh_tokens: Vec<Fingerprint>,
    seed: Option<u64>,
    pub(crate) body_limit: usize,
    record_entries: usize,
    record_bytes: usize,
    token_lifetime: Duration,
    rotation: Rotation,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self::without_credentials()
            .accepting(EmbeddedCredential::API_KEY)
            .exchanging(EmbeddedCredential::REFRESH_TOKEN)
    }
}

impl SimulatorConfig {
    /// Settings that know no credential.
    pub const fn without_credentials() -> Self {
        Self {
            bearers: Vec::new(),
            refresh_tokens: Vec::new(),
            seed: None,
            body_limit: 64 << 20,
            record_entries: 256,
            record_bytes: 16 << 20,
            token_lifetime: Duration::from_secs(3600),
            rotation: Rotation::Rotate,
        }
    }

    /// Accepts this bearer as well.
    #[must_use]
    pub fn accepting(mut self, bearer: &str) -> Self {
        self.bearers.push(Fingerprint::of(bearer));
        self
    }

    /// Exchanges this refresh token as well.
    #[must_use]
    pub fn exchanging(mut self, refresh_token: &str) -> Self {
        self.refresh_tokens.push(Fingerprint::of(refresh_token));
        self
    }

    /// Makes the same ids each time. Without a seed every simulator makes its own.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Refuses larger bodies, in bytes. Default 64 MiB.
    #[must_use]
    pub const fn limiting_bodies_to(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Keeps at most so many requests, with at most so many bytes of bodies. Default 256 and 16 MiB.
    #[must_use]
    pub const fn recording(mut self, entries: usize, bytes: usize) -> Self {
        self.record_entries = entries;
        self.record_bytes = bytes;
        self
    }

    /// Gives bearers of this lifetime. Default one hour.
    #[must_use]
    pub const fn issuing_for(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Treats refresh tokens in this way.
    #[must_use]
    pub const fn rotating(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }
}

/// The embedded upstream. A cloneable handle; tests keep one to script answers and to look at what was received.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: SimulatorConfig,
    seed: u64,
    clock: Clock,
    record: Record,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    credentials: Credentials,
    /// For ids outside of answers.
    ids: Ids,
    scenarios: VecDeque<Scenario>,
    bearer_scenarios: HashMap<Fingerprint, Scenario>,
    exchanges: VecDeque<ExchangeScenario>,
    token_exchanges: HashMap<Fingerprint, ExchangeScenario>,
    graphql: VecDeque<Refusal>,
    quota: Quota,
    bearer_quotas: HashMap<Fingerprint, Quota>,
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new(SimulatorConfig::default())
    }
}

impl Simulator {
    /// A simulator with these settings.
    pub fn new(config: SimulatorConfig) -> Self {
        let seed = config.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        let state = State {
            credentials: Credentials::new(&config.bearers, &config.refresh_tokens),
            ids: Ids::new(seed, 0),
            scenarios: VecDeque::new(),
            bearer_scenarios: HashMap::new(),
            exchanges: VecDeque::new(),
            token_exchanges: HashMap::new(),
            graphql: VecDeque::new(),
            quota: Quota::default(),
            bearer_quotas: HashMap::new(),
        };
        Self(Arc::new(Shared {
            seed,
            clock: Clock::starting_at(SystemTime::now()),
            record: Record::new(config.record_entries, config.record_bytes),
            state: Mutex::new(state),
            config,
        }))
    }

    /// The endpoints of the upstream. Every router of a simulator shares its state.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/ai/multi-agent", post(chat))
            .route("/proxy/token", post(exchange))
            .route("/proxy/customToken", post(sign_in))
            .route("/graphql/v2", post(graphql))
            .fallback(async || exchange::plain(&Refusal::new(404, "Not Found")))
            .with_state(self.clone())
            .layer(map_response(mark))
    }

    /// What was received.
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// Answers the next request to the AI endpoint that is in order with this scenario. Scenarios queue up.
    pub fn enqueue(&self, scenario: Scenario) {
        self.state().scenarios.push_back(scenario);
    }

    /// Answers the next `times` requests to the AI endpoint that are in order with this scenario.
    pub fn enqueue_times(&self, times: usize, scenario: &Scenario) {
        self.state().scenarios.extend(std::iter::repeat_n(scenario.clone(), times));
    }

    /// Answers every request with this bearer with this scenario, unless one is queued.
    pub fn on_bearer(&self, bearer: &str, scenario: Scenario) {
        self.state().bearer_scenarios.insert(Fingerprint::of(bearer), scenario);
    }

    /// Answers requests with this bearer as usual again.
    pub fn clear_bearer(&self, bearer: &str) {
        self.state().bearer_scenarios.remove(&Fingerprint::of(bearer));
    }

    /// How many scenarios are queued and not used up.
    pub fn queued(&self) -> usize {
        self.state().scenarios.len()
    }

    /// Forgets the scenarios that are queued.
    pub fn clear_queue(&self) {
        self.state().scenarios.clear();
    }

    /// Answers the next exchange of a refresh token with this scenario. Scenarios queue up.
    pub fn enqueue_exchange(&self, scenario: ExchangeScenario) {
        self.state().exchanges.push_back(scenario);
    }

    /// Answers every exchange of this refresh token with this scenario, unless one is queued.
    pub fn on_refresh_token(&self, refresh_token: &str, scenario: ExchangeScenario) {
        self.state().token_exchanges.insert(Fingerprint::of(refresh_token), scenario);
    }

    /// Answers exchanges of this refresh token as usual again.
    pub fn clear_refresh_token(&self, refresh_token: &str) {
        self.state().token_exchanges.remove(&Fingerprint::of(refresh_token));
    }

    /// Answers the next GraphQL request with this. Answers queue up.
    pub fn enqueue_graphql(&self, answer: Refusal) {
        self.state().graphql.push_back(answer);
    }

    /// Accepts a bearer from now on.
    pub fn accept_bearer(&self, bearer: &str) {
        self.state().credentials.accept(Fingerprint::of(bearer));
    }

    /// Refuses a bearer from now on, because it has expired.
    pub fn expire_bearer(&self, bearer: &str) {
        self.state().credentials.expire(Fingerprint::of(bearer));
    }

    /// Refuses a bearer from now on, because it is unknown.
    pub fn revoke_bearer(&self, bearer: &str) {
        self.state().credentials.revoke(&Fingerprint::of(bearer));
    }

    /// Exchanges a refresh token from now on.
    pub fn accept_refresh_token(&self, refresh_token: &str) {
        self.state().credentials.allow_exchange(Fingerprint::of(refresh_token));
    }

    /// Exchanges a refresh token no more.
    pub fn revoke_refresh_token(&self, refresh_token: &str) {
        self.state().credentials.forbid_exchange(&Fingerprint::of(refresh_token));
    }

    /// Reports this quota for every account that has none of its own.
    pub fn set_quota(&self, quota: Quota) {
        self.state().quota = quota;
    }

    /// Reports this quota for the account with this bearer.
    pub fn set_quota_of(&self, bearer: &str, quota: Quota) {
        self.state().bearer_quotas.insert(Fingerprint::of(bearer), quota);
    }

    pub(crate) fn config(&self) -> &SimulatorConfig {
        &self.0.config
    }

    /// The time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.now()
    }

    pub(crate) fn ids(&self, request: u64) -> Ids {
        Ids::new(self.0.seed, request)
    }

    pub(crate) async fn pause(&self, delay: Duration) {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    pub(crate) fn check_bearer(&self, bearer: Option<Fingerprint>) -> Result<Fingerprint, BearerError> {
        self.state().credentials.check(bearer, self.now())
    }

    pub(crate) fn next_scenario(&self, bearer: &Fingerprint) -> Scenario {
        let mut state = self.state();
        let queued = state.scenarios.pop_front();
        queued.or_else(|| state.bearer_scenarios.get(bearer).cloned()).unwrap_or_default()
    }

    pub(crate) fn next_exchange(&self, refresh_token: &Fingerprint) -> ExchangeScenario {
        let mut state = self.state();
        let queued = state.exchanges.pop_front();
        queued.or_else(|| state.token_exchanges.get(refresh_token).cloned()).unwrap_or_default()
    }

    pub(crate) fn next_graphql(&self) -> Option<Refusal> {
        self.state().graphql.pop_front()
    }

    pub(crate) fn exchange(
        &self,
        refresh_token: &str,
        lifetime: Option<Duration>,
        rotation: Option<Rotation>,
    ) -> Result<Issued, Refusal> {
        let config = &self.0.config;
        let (lifetime, rotation) =
            (lifetime.unwrap_or(config.token_lifetime), rotation.unwrap_or(config.rotation));
        let now = self.now();
        let State { credentials, ids, .. } = &mut *self.state();
        if !credentials.can_exchange(&Fingerprint::of(refresh_token)) {
            return Err(exchange::error(http::StatusCode::BAD_REQUEST, "INVALID_REFRESH_TOKEN"));
        }
        Ok(credentials.exchange(refresh_token, rotation, lifetime, ids, now))
    }

    pub(crate) fn create_user(&self) -> String {
        let State { credentials, ids, .. } = &mut *self.state();
        credentials.create_user(ids)
    }

    pub(crate) fn sign_in(&self, custom_token: &str) -> Option<Issued> {
        let (lifetime, now) = (self.0.config.token_lifetime, self.now());
        let State { credentials, ids, .. } = &mut *self.state();
        credentials.sign_in(custom_token, lifetime, ids, now)
    }

    pub(crate) fn quota(&self, bearer: &Fingerprint) -> Quota {
        let state = self.state();
        state.bearer_quotas.get(bearer).copied().unwrap_or(state.quota)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single statement, so a panic elsewhere does not spoil the state.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says on every answer where it comes from.
async fn mark(mut response: Response) -> Response {
    response.headers_mut().insert(UPSTREAM_HEADER, UPSTREAM_NAME);
    response
}
