//! A pool with a clock that follows tokio's, and a token endpoint that does as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;
use warp2api_rpc::http_endpoint;
use warp2api_token_pool::clock::Clock;
use warp2api_token_pool::view::CredentialView;
use warp2api_token_pool::{
    Acquire, Error, Kind, Lease, NewCredential, Outcome, Pool, PoolConfig, Report, Secret, Tier,
    TokenExchange,
};

/// The wall clock of a machine whose time is tokio's.
#[derive(Debug)]
pub(crate) struct TokioClock {
    base: SystemTime,
    start: Instant,
}

impl TokioClock {
    pub(crate) fn start() -> Arc<Self> {
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        Arc::new(Self { base, start: Instant::now() })
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.base + self.start.elapsed()
    }
}

/// What the token endpoint answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// An access token for an hour, named after the number of the request.
    Token,
    /// The same, and another refresh token.
    Rotate(&'static str),
    /// A status with an error code in Google's form.
    Error(u16, &'static str),
    /// An access token for an hour after so many seconds.
    Late(u64),
    /// The head of an answer, and then nothing.
    Stall,
    /// An access token that says itself when it expires, by a clock that is so many seconds ahead of the pool's.
    Ahead(i64),
    /// Nothing at all.
    Hang,
}

/// A token endpoint that answers by script: the next answer of the queue for the refresh token, else the usual one.
#[derive(Clone)]
pub(crate) struct Endpoint {
    script: Arc<Mutex<Script>>,
    clock: Arc<TokioClock>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { script: Arc::default(), clock: TokioClock::start() }
    }
}

#[derive(Default)]
struct Script {
    requests: Vec<String>,
    queue: VecDeque<(String, Answer)>,
    usual: Vec<(String, Answer)>,
}

impl Endpoint {
    /// Queues an answer to a refresh token.
    pub(crate) fn next(&self, refresh_token: &str, answer: Answer) {
        self.script.lock().unwrap().queue.push_back((refresh_token.to_owned(), answer));
    }

    /// Sets the usual answer to a refresh token.
    pub(crate) fn usually(&self, refresh_token: &str, answer: Answer) {
        self.script.lock().unwrap().usual.insert(0, (refresh_token.to_owned(), answer));
    }

    /// The refresh tokens of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }

    fn answer(&self, refresh_token: &str) -> (usize, Answer) {
        let mut script = self.script.lock().unwrap();
        script.requests.push(refresh_token.to_owned());
        let count = script.requests.len();
        let queued = script.queue.iter().position(|(token, _)| token == refresh_token);
        let answer = match queued.and_then(|index| script.queue.remove(index)) {
            Some((_, answer)) => answer,
            None => {
                let usual = script.usual.iter().find(|(token, _)| token == refresh_token);
                usual.map_or(Answer::Token, |(_, answer)| answer.clone())
            }
        };
        (count, answer)
    }

    pub(crate) fn exchange(&self) -> TokenExchange {
        let endpoint = self.clone();
        let handler = move |body: String| {
            let endpoint = endpoint.clone();
            async move {
                let token = body.strip_prefix("grant_type=refresh_token&refresh_token=").unwrap().to_owned();
                let (count, answer) = endpoint.answer(&token);
                // An exchange takes a moment, so that callers meet in it.
                tokio::time::sleep(Duration::from_millis(200)).await;
                match answer {
                    Answer::Token => format!(
                        r#"{{"id_token":"access-{count}","refresh_token":"{token}","expires_in":"3600"}}"#
                    )
                    .into_response(),
                    Answer::Rotate(next) => format!(
                        r#"{{"id_token":"access-{count}","refresh_token":"{next}","expires_in":"3600"}}"#
                    )
                    .into_response(),
                    Answer::Error(status, code) => {
                        let body = format!(r#"{{"error":{{"code":{status},"message":"{code}"}}}}"#);
                        (StatusCode::from_u16(status).unwrap(), body).into_response()
                    }
                    Answer::Late(seconds) => {
                        advance(seconds).await;
                        format!(r#"{{"id_token":"access-{count}","expires_in":"3600"}}"#).into_response()
                    }
                    Answer::Stall => {
                        Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())
                            .into_response()
                    }
                    Answer::Ahead(seconds) => ahead(endpoint.clock.now(), seconds),
                    Answer::Hang => std::future::pending().await,
                }
            }
        };
        let router = Router::new().route("/v1/token", post(handler));
        TokenExchange {
            endpoint: http_endpoint::local(router),
            url: "https://token.test/v1/token?key=planted-key".to_owned(),
            fallback_url: None,
            headers: Vec::new(),
        }
    }
}

/// An access token for an hour, with the times of a clock that is ahead.
fn ahead(now: SystemTime, seconds: i64) -> Response {
    let now =
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().checked_add_signed(seconds).unwrap();
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, now + 3600));
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
    ([("date", date)], format!(r#"{{"id_token":"eyJhbGciOiJub25lIn0.{claims}.c2ln"}}"#)).into_response()
}

/// A configuration without chance.
pub(crate) fn config() -> PoolConfig {
    PoolConfig { jitter: 0.0, ..PoolConfig::default() }
}

pub(crate) fn key(tier: Tier, name: &str) -> NewCredential {
    credential(tier, Kind::ApiKey, name)
}

pub(crate) fn refreshable(tier: Tier, name: &str) -> NewCredential {
    credential(tier, Kind::RefreshToken, name)
}

/// A credential whose label and secret are the same word.
fn credential(tier: Tier, kind: Kind, name: &str) -> NewCredential {
    NewCredential { tier, kind, display_name: Some(name.to_owned()), secret: Secret::new(name) }
}

pub(crate) fn pool(config: PoolConfig, credentials: Vec<NewCredential>) -> Pool {
    pool_with(config, credentials, &Endpoint::default())
}

pub(crate) fn pool_with(config: PoolConfig, credentials: Vec<NewCredential>, endpoint: &Endpoint) -> Pool {
    Pool::with_clock(config, credentials, endpoint.exchange(), TokioClock::start())
}

/// Acquires without waiting for a slot.
pub(crate) async fn acquire(pool: &Pool) -> Result<Lease, Error> {
    pool.acquire(Acquire::default()).await
}

pub(crate) fn waiting(seconds: u64) -> Acquire {
    Acquire { max_wait: Duration::from_secs(seconds), ..Acquire::default() }
}

pub(crate) async fn report(pool: &Pool, lease: &Lease, outcome: Outcome) -> CredentialView {
    let report =
        Report { lease: lease.id.clone(), continues: false, outcome, retry_after: None, detail: None };
    pool.report(report).await.unwrap()
}

/// One turn: acquires, reports, and tells who served.
pub(crate) async fn turn(pool: &Pool, outcome: Outcome) -> String {
    let lease = acquire(pool).await.unwrap();
    report(pool, &lease, outcome).await;
    lease.display_name
}

/// The credential with this label.
pub(crate) async fn view(pool: &Pool, name: &str) -> CredentialView {
    pool.list(None, 1000).await.unwrap().0.into_iter().find(|view| view.display_name == name).unwrap()
}

pub(crate) async fn advance(seconds: u64) {
    // A sleep, not `advance`: timers on the way fire in their order.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
