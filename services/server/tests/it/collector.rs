//! A collector of traces: OTLP over gRPC and HTTP on one port, and what came as a tree that can be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::program::PATIENCE;

/// Collects until it is dropped.
pub(crate) struct Collector {
    received: Received,
    pub(crate) url: String,
    end: CancellationToken,
}

/// Spans, each with the service it is of.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(String, Span)>>>);

impl Received {
    fn take(&self, request: ExportTraceServiceRequest) {
        for of_service in request.resource_spans {
            let resource = of_service.resource.unwrap_or_default();
            let service = attribute(&resource.attributes, "service.name");
            let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn over_http(State(received): State<Received>, body: Bytes) -> Vec<u8> {
    received.take(ExportTraceServiceRequest::decode(body).unwrap());
    ExportTraceServiceResponse::default().encode_to_vec()
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let received = Received::default();
        let grpc = tonic::service::Routes::new(TraceServiceServer::new(received.clone()))
            .prepare()
            .into_axum_router();
        let http = axum::Router::new().route("/v1/traces", post(over_http)).with_state(received.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let end = CancellationToken::new();
        let serving =
            axum::serve(listener, http.merge(grpc)).with_graceful_shutdown(end.clone().cancelled_owned());
        tokio_util::task::TaskTracker::new().spawn(async move { serving.await.unwrap() });
        Self { received, url, end }
    }

    /// The settings with which a process sends its traces here under a name.
    pub(crate) fn settings<'a>(&'a self, name: &'a str, protocol: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_SERVICE_NAME", name),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ]
    }

    /// The spans of a trace once there are so many, in the order of their beginnings.
    pub(crate) fn spans(&self, trace_id: &str, count: usize) -> Vec<(String, Span)> {
        let end = Instant::now() + PATIENCE;
        loop {
            let all = self.received.0.lock().unwrap().clone();
            let mut spans: Vec<_> =
                all.into_iter().filter(|(_, span)| hex(&span.trace_id) == trace_id).collect();
            if spans.len() >= count {
                spans.sort_by_key(|(_, span)| span.start_time_unix_nano);
                return spans;
            }
            assert!(Instant::now() < end, "{} of {count} spans came:\n{}", spans.len(), tree(&spans));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that came, to be searched.
    pub(crate) fn everything(&self) -> String {
        format!("{:?}", self.received.0.lock().unwrap())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Spans as a tree: the service, the kind, the name, the status, attributes that do not change from run to run, events.
pub(crate) fn tree(spans: &[(String, Span)]) -> String {
    let mut text = String::new();
    let ids: Vec<_> = spans.iter().map(|(_, span)| span.span_id.clone()).collect();
    for (service, span) in spans.iter().filter(|(_, span)| !ids.contains(&span.parent_span_id)) {
        branch(spans, service, span, 0, &mut text);
    }
    text
}

fn branch(spans: &[(String, Span)], service: &str, span: &Span, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let kind = ["?", "internal", "server", "client"][usize::try_from(span.kind).unwrap()];
    let failed = span.status.as_ref().filter(|status| status.code == 2).map_or("", |_| " FAILED");
    writeln!(text, "{indent}{service} {kind} {}{failed}", span.name).unwrap();
    let shown: BTreeMap<_, _> = span
        .attributes
        .iter()
        .filter(|pair| {
            !pair.key.contains("request.id")
                && !pair.key.contains("_id")
                && !pair.key.ends_with(".id")
                && !pair.key.contains("time_to")
                && !["server.address", "server.port", "url.full"].contains(&pair.key.as_str())
        })
        .map(|pair| (pair.key.as_str(), shown(pair.value.as_ref())))
        .collect();
    for (key, value) in shown {
        writeln!(text, "{indent}  - {key} {value}").unwrap();
    }
    for event in &span.events {
        let words = attribute(&event.attributes, "error.reason");
        writeln!(text, "{}", format!("{indent}  * {} {words}", event.name).trim_end()).unwrap();
    }
    for (service, child) in spans.iter().filter(|(_, child)| child.parent_span_id == span.span_id) {
        branch(spans, service, child, depth + 1, text);
    }
}

/// An attribute as text; empty if it is not there.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|pair| pair.key == name);
    found.map_or_else(String::new, |pair| shown(pair.value.as_ref()))
}

fn shown(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => {
            array.values.iter().map(|value| shown(Some(value))).collect::<Vec<_>>().join(",")
        }
        _ => String::new(),
    }
}
