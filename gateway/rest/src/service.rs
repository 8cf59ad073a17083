//! The routes as an HTTP service: find, read, call, answer. What a message means is not known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::trace::Notes;
use warp2api_rpc::{CallContext, Failure, GrpcEndpoint, Guard, body};

use crate::route::{self, Route};
use crate::stream::{Call, Form, Source, StreamBody};
use crate::table::{Lookup, Table};
use crate::template::{Captured, NotText};
use crate::{call, failure, json, request, timeout};

/// What a caller shows to be let in goes along: a service that is elsewhere has a guard of its own.
static CREDENTIALS: [HeaderName; 3] = [
    http::header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-admin-key"),
];

/// The bounds of requests and the pace of streams.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// After how long without a message a stream of events gives a sign of life. Zero means never.
    pub keep_alive: Duration,
    /// After how long a stream is answered with its head though its call is not answered yet. Until then a failure
    /// has its own status; after it, it is the last event.
    pub commit_after: Duration,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(15),
            commit_after: Duration::from_secs(15),
        }
    }
}

/// The routes of the services at hand.
#[derive(Debug, Clone)]
pub struct Rest(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: RestConfig,
    guard: Guard,
    table: Table,
    /// By the full name of the service.
    endpoints: HashMap<String, GrpcEndpoint>,
}

impl Rest {
    /// The routes of those services that have an endpoint, by full name. The others are not there.
    /// `guard` decides who may call what, as it does for gRPC at the same listener; the endpoints are behind it.
    pub fn new(
        config: RestConfig,
        guard: Guard,
        routes: Vec<Route>,
        endpoints: HashMap<String, GrpcEndpoint>,
    ) -> Self {
        let here = |route: &Route| endpoints.contains_key(route.method.parent_service().full_name());
        let table = Table::new(routes.into_iter().filter(here).collect());
        Self(Arc::new(Shared { config, guard, table, endpoints }))
    }

    /// The routes.
    pub fn table(&self) -> &Table {
        &self.0.table
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match self.0.table.find(&head.method, path) {
            Lookup::Nothing => failure::not_found(&head.method, path),
            Lookup::OtherMethods(methods) if head.method == Method::OPTIONS => failure::options(&methods),
            Lookup::OtherMethods(methods) => failure::not_allowed(&head.method, path, &methods),
            Lookup::Route(route, captured) => {
                Notes::of(&head.extensions).note(|noted| noted.route = Some(route.path.clone()));
                let answered = self.serve(route, captured, &head, body).await;
                answered.unwrap_or_else(|refused| failure::response(&refused))
            }
        }
    }

    async fn serve(
        &self,
        route: &Route,
        captured: Result<Vec<Captured>, NotText>,
        head: &Parts,
        body: Body,
    ) -> Result<Response<Body>, Failure> {
        let config = &self.0.config;
        let now = Instant::now();
        let deadline = timeout::of(&head.headers)?.map(|wait| now + wait);
        // Before the body: who may not call has nothing to send.
        let caller = self.0.guard.check(route.grpc_path.path(), &head.uri, &head.headers)?;
        let captured = captured.map_err(|error| Failure::invalid("path", error.to_string()))?;
        let body = body::read(&head.headers, body, config.max_body_bytes, config.body_timeout).await?;
        if !body.is_empty() && !matches!(route.body, route::Body::None) {
            body::expect_json(&head.headers)?;
        }
        let message = request::message(route, &captured, head.uri.query().unwrap_or_default(), &body)?;
        // A conversation may be large; from here on only its message is needed.
        drop(body);
        let mut request = onward(&head.headers, deadline, message);
        request.extensions_mut().insert(caller);
        let service = route.method.parent_service();
        let Some(endpoint) = self.0.endpoints.get(service.full_name()).cloned() else {
            return Err(Failure::new(ErrorReason::ServiceUnreachable, "the service is not here"));
        };
        if route.method.is_server_streaming() {
            self.streamed(route, endpoint, request, &head.headers, deadline).await
        } else {
            whole(route, endpoint, request, deadline).await
        }
    }

    async fn streamed(
        &self,
        route: &Route,
        endpoint: GrpcEndpoint,
        request: tonic::Request<Bytes>,
        headers: &HeaderMap,
        deadline: Option<Instant>,
    ) -> Result<Response<Body>, Failure> {
        let config = &self.0.config;
        let mut call: Call = Box::pin(call::streaming(endpoint, route.grpc_path.clone(), request));
        let source = match tokio::time::timeout(config.commit_after, &mut call).await {
            Ok(answered) => Source::Answering(Box::new(answered?)),
            Err(_) => Source::Waiting(call),
        };
        let form = wanted_form(headers);
        let body = StreamBody::new(source, form, route.method.output(), deadline, config.keep_alive);
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }
}

async fn whole(
    route: &Route,
    endpoint: GrpcEndpoint,
    request: tonic::Request<Bytes>,
    deadline: Option<Instant>,
) -> Result<Response<Body>, Failure> {
    let call = call::unary(endpoint, route.grpc_path.clone(), request);
    let answer = match deadline {
        None => call.await?,
        Some(deadline) => tokio::time::timeout_at(deadline, call).await.unwrap_or_else(|_| {
            Err(Failure::new(ErrorReason::DeadlinePassed, "the deadline of the call passed"))
        })?,
    };
    let mut response = Response::new(Body::from(json::answer(route, answer)?));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The call as the caller's request made it: its deadline, trace and request id, and what it shows to be let in.
fn onward(headers: &HeaderMap, deadline: Option<Instant>, message: Bytes) -> tonic::Request<Bytes> {
    let context = CallContext::from_headers(headers, Instant::now()).with_deadline(deadline);
    let mut request = context.request(message);
    let metadata: &mut HeaderMap = request.metadata_mut().as_mut();
    for name in &CREDENTIALS {
        for value in headers.get_all(name) {
            metadata.append(name.clone(), value.clone());
        }
    }
    request
}

fn wanted_form(headers: &HeaderMap) -> Form {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds =
        accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or(one));
    let lines = kinds.any(|kind| {
        let kind = kind.trim();
        ["application/x-ndjson", "application/jsonl"].iter().any(|lines| kind.eq_ignore_ascii_case(lines))
    });
    if lines { Form::Lines } else { Form::Events }
}
