//! What a call hands on to the calls it makes: the rest of the deadline, the trace and the request id, nothing else.
//! Somebody stands at the door of the pool and writes down the headers of each call.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{HeaderMap, Request};
use serde_json::json;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tower::Service;
use warp2api_integration_tests::wait;
use warp2api_proto::warp_chat::v1::warp_chat_server::WarpChatServer;
use warp2api_rpc::context::parse_timeout;
use warp2api_rpc::http_endpoint;
use warp2api_upstream_sim::Simulator;
use warp2api_warp_chat::WarpChatService;

use super::rig::{Doors, Way, hasty, token_pool};
use crate::dynamic;

/// The headers of calls, by method.
type Heard = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// A service that is listened to.
#[derive(Clone)]
struct Overheard<S> {
    inner: S,
    heard: Heard,
}

impl<S: NamedService> NamedService for Overheard<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Overheard<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        self.heard.lock().expect("nobody panics with it").push((method, request.headers().clone()));
        self.inner.call(request)
    }
}

fn headers_of(heard: &Heard, method: &str) -> Vec<HeaderMap> {
    let heard = heard.lock().expect("nobody panics with it");
    heard.iter().filter(|(name, _)| name == method).map(|(_, headers)| headers.clone()).collect()
}

#[tokio::test]
async fn a_call_hands_on_its_context_and_nothing_else() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for way in Way::ALL {
        let mut doors = Doors::new(*way);
        let heard = Heard::default();
        let upstream = http_endpoint::local(Simulator::default().router());
        let pool = Overheard { inner: token_pool(upstream.clone()), heard: heard.clone() };
        let endpoint = doors.open(pool).await;
        let tasks = doors.shutdown.tasks.clone();
        let chat = WarpChatService::new(hasty(), upstream, endpoint, tasks).expect("usable settings");
        let chat = doors.open(WarpChatServer::new(chat)).await;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("grpc-timeout", "60S"),
            ("traceparent", TRACE),
            ("tracestate", "vendor=1"),
            ("baggage", "tenant=a"),
            ("x-request-id", "req-7"),
            ("authorization", "Bearer of the caller"),
            ("cookie", "of=the-caller"),
        ] {
            headers.insert(name, value.parse().expect("a header"));
        }
        let hi = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]});

        let metadata = MetadataMap::from_headers(headers);
        let stream = dynamic::open(&chat, "warp_chat.v1.WarpChat/StreamChat", &hi, metadata).await;
        let events: Vec<_> = stream.expect("an answer").collect().await;
        assert!(events.iter().all(Result::is_ok), "{way:?}");
        let reported = || headers_of(&heard, "ReportCredentialOutcome");
        wait::until("the lease is reported", || reported().len() == 1).await;

        let (acquired, reported) = (headers_of(&heard, "AcquireCredential"), reported());
        assert_eq!(acquired.len(), 1, "{way:?}");
        for headers in acquired.iter().chain(&reported) {
            let text = |name: &str| headers.get(name).map(|value| value.to_str().expect("text"));
            assert_eq!(text("traceparent"), Some(TRACE), "{way:?}");
            assert_eq!(text("tracestate"), Some("vendor=1"), "{way:?}");
            assert_eq!(text("baggage"), Some("tenant=a"), "{way:?}");
            assert_eq!(text("x-request-id"), Some("req-7"), "{way:?}");
            assert_eq!((text("authorization"), text("cookie")), (None, None), "{way:?}");
        }
        let timeout = |headers: &HeaderMap| {
            let value = headers.get("grpc-timeout").expect("it has a deadline");
            parse_timeout(value.to_str().expect("text")).expect("a timeout")
        };
        // What is left of the minute; a report has ten seconds of its own, whatever is left.
        let rest = timeout(&acquired[0]);
        assert!(rest < Duration::from_secs(60) && rest > Duration::from_secs(30), "{way:?}: {rest:?}");
        assert!(timeout(&reported[0]) <= Duration::from_secs(10), "{way:?}");
        doors.close().await;
    }
}
