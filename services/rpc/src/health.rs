//! How a service that others need is, asked by gRPC's health protocol. That one knows yes and no; why not, and where chats
//! run, come along in the metadata of the answer, so that whoever asks can say it on.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use warp2api_proto::error::v1::ErrorReason;

use crate::Readiness;
use crate::endpoint::GrpcEndpoint;
use crate::readiness::Probe;
use crate::reason::{Failure, reason_from_name, reason_name};

/// How long another service may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The path of the question.
const CHECK: &str = "/grpc.health.v1.Health/Check";

static REASON: HeaderName = HeaderName::from_static("x-warp2api-reason");
static MESSAGE: HeaderName = HeaderName::from_static("x-warp2api-message");
static UPSTREAM: HeaderName = HeaderName::from_static("x-warp2api-upstream");

/// Hears where chats run.
pub type Learn = Arc<dyn Fn(&str) + Send + Sync>;

/// The services in `router`, whose health says why they cannot serve, and where chats run if they know it.
pub fn telling(router: axum::Router, readiness: Readiness, upstream: Option<&str>) -> axum::Router {
    let upstream = upstream.and_then(|name| HeaderValue::from_str(name).ok());
    router.layer(middleware::from_fn_with_state((readiness, upstream), tell))
}

async fn tell(
    State((readiness, upstream)): State<(Readiness, Option<HeaderValue>)>,
    request: Request,
    next: Next,
) -> Response {
    let is_asked = request.uri().path() == CHECK;
    let mut response = next.run(request).await;
    if is_asked {
        let headers = response.headers_mut();
        if let Err(failure) = readiness.get() {
            headers.insert(&REASON, HeaderValue::from_static(reason_name(failure.reason)));
            if let Ok(message) = HeaderValue::from_str(&failure.message) {
                headers.insert(&MESSAGE, message);
            }
        }
        headers.extend(upstream.map(|upstream| (UPSTREAM.clone(), upstream)));
    }
    response
}

/// Asks the health of the service `name` at `endpoint`, and tells `learn` where chats run. `otherwise` is why not, where it
/// says that it does not serve and no reason.
pub fn of_service(
    endpoint: GrpcEndpoint,
    name: &'static str,
    otherwise: Failure,
    learn: Option<Learn>,
) -> Probe {
    Arc::new(move || {
        let mut client = HealthClient::new(endpoint.clone());
        let (otherwise, learn) = (otherwise.clone(), learn.clone());
        Box::pin(async move {
            let asked = client.check(HealthCheckRequest { service: name.to_owned() });
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(answer)) => {
                    let (headers, answer, _) = answer.into_parts();
                    let headers = headers.into_headers();
                    if let (Some(learn), Some(upstream)) = (learn, text(&headers, &UPSTREAM)) {
                        learn(upstream);
                    }
                    match answer.status() {
                        ServingStatus::Serving => Ok(()),
                        _ => Err(why(&headers).unwrap_or(otherwise)),
                    }
                }
                Ok(Err(_)) | Err(_) => {
                    let words = "a service this one needs cannot be reached";
                    Err(Failure::new(ErrorReason::ServiceUnreachable, words))
                }
            }
        })
    })
}

/// Why the service does not serve, by its own word.
fn why(headers: &HeaderMap) -> Option<Failure> {
    let reason = reason_from_name(text(headers, &REASON)?)?;
    if reason == ErrorReason::ShuttingDown {
        // It does; the one that asks does not.
        let words = "a service this one needs is shutting down";
        return Some(Failure::new(ErrorReason::ServiceUnreachable, words));
    }
    Some(Failure::new(reason, text(headers, &MESSAGE)?))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::endpoint;
    use crate::server::GrpcServer;

    /// Asks a service that is like this.
    async fn asked(readiness: Readiness, serves: bool) -> (Result<(), Failure>, Option<String>) {
        let server = GrpcServer::default().with_health_of("chats");
        let descriptors = warp2api_proto::FILE_DESCRIPTOR_SET;
        let (router, health) = server.finish(descriptors, Default::default()).await.unwrap();
        health.set("chats", serves).await;
        let endpoint = endpoint::served(telling(router, readiness, Some("embedded")));
        let (otherwise, heard) = (Failure::new(ErrorReason::NoCredentialAvailable, "no"), Arc::default());
        let learned: Arc<Mutex<Option<String>>> = Arc::clone(&heard);
        let learn: Learn = Arc::new(move |upstream| *learned.lock().unwrap() = Some(upstream.to_owned()));
        let answer = of_service(endpoint, "chats", otherwise, Some(learn))().await;
        let heard = heard.lock().unwrap().clone();
        (answer, heard)
    }

    #[tokio::test]
    async fn why_not_and_where_chats_run_are_said_on() {
        let ready = Readiness::default();
        ready.set(Ok(()));
        assert_eq!(asked(ready.clone(), true).await.1.as_deref(), Some("embedded"));
        let (answer, heard) = asked(ready.clone(), false).await;
        assert_eq!(answer.unwrap_err().reason, ErrorReason::NoCredentialAvailable, "no reason was given");
        assert_eq!(heard.as_deref(), Some("embedded"), "also of one that cannot serve now");

        ready.set(Err(Failure::new(ErrorReason::StoreUnavailable, "the disk is away")));
        let failure = asked(ready.clone(), false).await.0.unwrap_err();
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            (ErrorReason::StoreUnavailable, "the disk is away")
        );
        ready.drain();
        let failure = asked(ready, false).await.0.unwrap_err();
        assert_eq!(failure.reason, ErrorReason::ServiceUnreachable, "the one that asks does not shut down");
    }
}
