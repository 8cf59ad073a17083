//! Whether new work can be taken on: asked at intervals, told to load balancers over HTTP at `/readyz`. What is asked
//! is up to the caller; that a process lives (`/livez`) asks nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warp2api_proto::error::v1::ErrorReason;

use crate::meter;
use crate::reason::{Failure, reason_name};
use crate::request_id;

/// How often the question is asked.
const PERIOD: Duration = Duration::from_secs(1);

/// A question that is asked again and again. The error says why not.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// Hears every answer.
pub type Listener = Arc<dyn Fn(Result<(), Failure>) -> BoxFuture<'static, ()> + Send + Sync>;

/// What was answered last. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<Result<(), Failure>>>);

impl Default for Readiness {
    /// Not ready: nobody was asked yet.
    fn default() -> Self {
        let words = "the process has just started and does not know yet whether it can serve";
        Self(Arc::new(watch::Sender::new(Err(Failure::new(ErrorReason::ServiceUnreachable, words)))))
    }
}

impl Readiness {
    /// Whether new work can be taken on, or why not.
    ///
    /// # Errors
    /// Why not.
    pub fn get(&self) -> Result<(), Failure> {
        self.0.borrow().clone()
    }

    /// Takes an answer. Returns whether it is news.
    pub fn set(&self, answer: Result<(), Failure>) -> bool {
        meter::get().ready(answer.is_ok());
        self.0.send_if_modified(|known| {
            let reason = |answer: &Result<(), Failure>| answer.as_ref().err().map(|failure| failure.reason);
            let news = reason(known) != reason(&answer);
            *known = answer;
            news
        })
    }

    /// Says that the process is on its way down. Nobody may [`set`](Self::set) anything after it.
    pub fn drain(&self) {
        meter::get().draining();
        let words = "the process is shutting down";
        self.set(Err(Failure::new(ErrorReason::ShuttingDown, words)));
    }

    /// Asks `probe` at once and at intervals until `stop`, and tells `hear` each answer.
    pub async fn keep(self, probe: Probe, stop: CancellationToken, hear: Listener) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asking = async {
            loop {
                tick.tick().await;
                let answer = probe().await;
                hear(answer.clone()).await;
                if self.set(answer) {
                    match self.get() {
                        Ok(()) => tracing::info!("ready"),
                        Err(failure) => {
                            tracing::warn!(reason = reason_name(failure.reason), "not ready: {failure}");
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = asking => {}
        }
    }

    /// `/livez` and `/readyz`.
    pub fn routes(&self) -> axum::Router {
        let readiness = self.clone();
        let live = || async { answer(StatusCode::OK, &json!({ "status": "ok" })) };
        axum::Router::new()
            .route("/livez", get(live))
            .route("/readyz", get(move || async move { readiness.answer() }))
            .layer(axum::middleware::from_fn(request_id::settle))
    }

    fn answer(&self) -> Response {
        let Err(failure) = self.get() else {
            return answer(StatusCode::OK, &json!({ "status": "ok" }));
        };
        let reason = reason_name(failure.reason).to_ascii_lowercase();
        let body = json!({ "status": "not ready", "reason": reason, "message": failure.message });
        let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &body);
        let wait = failure.retry_after.map_or(1, |wait| wait.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
        response
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = (status, axum::Json(body.clone())).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(readiness: &Readiness, path: &str) -> (u16, serde_json::Value) {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = readiness.routes().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_follows_the_probe_until_the_end() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let probe: Probe = Arc::new(move || {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let failure = Failure::new(ErrorReason::NoCredentialAvailable, "none is there");
                if turn == 1 { Err(failure) } else { Ok(()) }
            })
        });
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        assert_eq!(ask(&readiness, "/readyz").await.0, 503, "nobody was asked yet");
        let mut heard = readiness.0.subscribe();
        let keeping = tokio_util::task::TaskTracker::new();
        keeping.spawn(readiness.clone().keep(probe, stop.clone(), Arc::new(|_| Box::pin(async {}))));

        heard.changed().await.unwrap();
        assert_eq!(ask(&readiness, "/readyz").await, (200, json!({ "status": "ok" })));
        heard.changed().await.unwrap();
        let (status, body) = ask(&readiness, "/readyz").await;
        assert_eq!((status, &body["reason"]), (503, &json!("no_credential_available")), "{body}");
        heard.changed().await.unwrap();
        assert!(readiness.get().is_ok());

        stop.cancel();
        keeping.close();
        keeping.wait().await;
        readiness.drain();
        assert_eq!(ask(&readiness, "/readyz").await.1["reason"], "shutting_down");
        assert_eq!(ask(&readiness, "/livez").await.0, 200, "it lives until it has ended");
    }
}
