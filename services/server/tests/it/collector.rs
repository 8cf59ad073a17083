//! A collector of traces: OTLP over gRPC and HTTP on one port, and what came as a tree that can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};
use warp2api_rpc::listener::Listener;
use warp2api_rpc::serve::{ServeConfig, Shutdown, serve};
use warp2api_rpc::tls::{ServerTls, TlsFiles};

use crate::program::PATIENCE;

/// Collects until it is dropped.
pub(crate) struct Collector {
    received: Received,
    pub(crate) url: String,
    end: CancellationToken,
}

/// How a collector behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes what comes.
    Takes,
    /// It answers with this status.
    Refuses(u16),
    /// It takes connections and never answers.
    Sleeps,
    /// It takes what comes, but for so many spans of each request.
    Rejects(i64),
}

impl Manner {
    fn partial_success(self) -> Option<ExportTracePartialSuccess> {
        let Self::Rejects(rejected_spans) = self else { return None };
        // Nobody may repeat what a collector says.
        Some(ExportTracePartialSuccess { rejected_spans, error_message: "planted".to_owned() })
    }
}

/// The most bytes of a request, as collectors have it.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// What came, and how the collector behaves.
#[derive(Clone)]
struct Received(Arc<Mutex<Books>>);

struct Books {
    manner: Manner,
    /// Spans, each with the service it is of.
    spans: Vec<(String, Span)>,
    /// What their names mean.
    schemas: BTreeSet<String>,
    metrics: Vec<ExportMetricsServiceRequest>,
    /// Whose spans came, and what made them.
    sources: Vec<(Vec<KeyValue>, InstrumentationScope)>,
    /// The heads of requests.
    heads: Vec<HeaderMap>,
}

impl Received {
    fn new(manner: Manner) -> Self {
        let books = Books {
            manner,
            spans: Vec::new(),
            schemas: BTreeSet::new(),
            metrics: Vec::new(),
            sources: Vec::new(),
            heads: Vec::new(),
        };
        Self(Arc::new(Mutex::new(books)))
    }

    fn routes(&self) -> axum::Router {
        let traces = TraceServiceServer::new(self.clone()).max_decoding_message_size(MOST_BYTES);
        let metrics = MetricsServiceServer::new(self.clone()).max_decoding_message_size(MOST_BYTES);
        let grpc = tonic::service::Routes::new(traces.accept_compressed(CompressionEncoding::Gzip))
            .add_service(metrics.accept_compressed(CompressionEncoding::Gzip))
            .prepare()
            .into_axum_router();
        let http = axum::Router::new()
            .route("/v1/traces", post(over_http))
            .route("/v1/metrics", post(metrics_over_http))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.clone());
        http.merge(grpc)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    fn take(&self, request: ExportTraceServiceRequest) {
        for of_service in request.resource_spans {
            let resource = of_service.resource.unwrap_or_default();
            let service = attribute(&resource.attributes, "service.name");
            for of_scope in of_service.scope_spans {
                let spans = of_scope.spans.into_iter().map(|span| (service.clone(), span));
                let mut books = self.books();
                books.spans.extend(spans);
                books.schemas.insert(of_scope.schema_url);
                books.sources.push((resource.attributes.clone(), of_scope.scope.unwrap_or_default()));
            }
        }
    }

    /// Takes note of a request, and behaves.
    async fn behave(&self, head: HeaderMap) -> Result<ExportTraceServiceResponse, u16> {
        let manner = {
            let mut books = self.books();
            books.heads.push(head);
            books.manner
        };
        match manner {
            Manner::Takes | Manner::Rejects(_) => {
                Ok(ExportTraceServiceResponse { partial_success: manner.partial_success() })
            }
            Manner::Refuses(status) => Err(status),
            Manner::Sleeps => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let head = request.metadata().clone().into_headers();
        let answer = self.behave(head).await.map_err(|_| Status::unavailable("planted"))?;
        self.take(request.into_inner());
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.books().heads.push(request.metadata().clone().into_headers());
        self.books().metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// The body of a request, decompressed.
fn read(head: &HeaderMap, body: Bytes) -> Bytes {
    if head.get(CONTENT_ENCODING).is_none() {
        return body;
    }
    assert_eq!(head[CONTENT_ENCODING], "gzip");
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut read).unwrap();
    read.into()
}

async fn over_http(
    State(received): State<Received>,
    head: HeaderMap,
    body: Bytes,
) -> Result<Vec<u8>, StatusCode> {
    let body = read(&head, body);
    let answer = received.behave(head).await.map_err(|status| StatusCode::from_u16(status).unwrap())?;
    received.take(ExportTraceServiceRequest::decode(body).unwrap());
    Ok(answer.encode_to_vec())
}

async fn metrics_over_http(State(received): State<Received>, head: HeaderMap, body: Bytes) -> Vec<u8> {
    let metrics = ExportMetricsServiceRequest::decode(read(&head, body)).unwrap();
    received.books().heads.push(head);
    received.books().metrics.push(metrics);
    ExportMetricsServiceResponse::default().encode_to_vec()
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::that(Manner::Takes).await
    }

    pub(crate) async fn that(manner: Manner) -> Self {
        let received = Received::new(manner);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = received.routes();
        Self::serving(received, url, async move { axum::serve(listener, routes).await.unwrap() })
    }

    /// One behind TLS; its certificate is its own CA, `ca.pem` in that folder, with `key.pem`. Clients may have to show one
    /// of that CA.
    pub(crate) async fn secured(folder: &Path, asks: bool) -> Self {
        let received = Received::new(Manner::Takes);
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (folder.join("ca.pem"), folder.join("key.pem"));
        std::fs::write(&cert, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        let ca = asks.then(|| cert.clone());
        let files = TlsFiles { cert: Some(cert), key: Some(key), ca, own: None };
        let tls = Some(ServerTls::server(files).unwrap());
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), "the test").await.unwrap();
        let url = format!("https://{}", listener.local_address().unwrap());
        let config = ServeConfig { tls, ..ServeConfig::default() };
        let serving = serve(listener, received.routes(), config, Shutdown::default());
        Self::serving(received, url, serving)
    }

    fn serving(received: Received, url: String, serving: impl Future<Output = ()> + Send + 'static) -> Self {
        let end = CancellationToken::new();
        tokio_util::task::TaskTracker::new().spawn(end.clone().run_until_cancelled_owned(serving));
        Self { received, url, end }
    }

    /// What came of metrics from the process of that name, latest last.
    pub(crate) fn metrics(&self, service: &str) -> Vec<ResourceMetrics> {
        let all = self.received.books().metrics.clone().into_iter().flat_map(|sent| sent.resource_metrics);
        let of_service = |sent: &ResourceMetrics| {
            let resource = sent.resource.as_ref();
            resource.is_some_and(|resource| attribute(&resource.attributes, "service.name") == service)
        };
        all.filter(of_service).collect()
    }

    /// Has it behave otherwise from now on.
    pub(crate) fn turns(&self, manner: Manner) {
        self.received.books().manner = manner;
    }

    /// How many requests came over HTTP or gRPC.
    pub(crate) fn requests(&self) -> usize {
        self.received.books().heads.len()
    }

    /// Whether a request came with such a header.
    pub(crate) fn saw(&self, name: &str, value: &str) -> bool {
        self.received.books().heads.iter().any(|head| head.get(name).is_some_and(|found| found == value))
    }

    /// The values of a header, of every request that had it.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let books = self.received.books();
        let values = books.heads.iter().flat_map(|head| head.get_all(name));
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// Whose spans came, and what made them.
    pub(crate) fn sources(&self) -> Vec<(Vec<KeyValue>, InstrumentationScope)> {
        self.received.books().sources.clone()
    }

    /// Every span that came, of every trace.
    pub(crate) fn all(&self) -> Vec<(String, Span)> {
        self.received.books().spans.clone()
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

    /// Where the names of the spans that came are described.
    pub(crate) fn schemas(&self) -> BTreeSet<String> {
        self.received.books().schemas.clone()
    }

    /// The spans of a trace that came so far, in the order of their beginnings.
    pub(crate) fn trace(&self, trace_id: &str) -> Vec<(String, Span)> {
        let mut spans = self.all();
        spans.retain(|(_, span)| hex(&span.trace_id) == trace_id);
        spans.sort_by_key(|(_, span)| span.start_time_unix_nano);
        spans
    }

    /// The same once there are so many. More may come; all are there when the processes have stopped.
    pub(crate) fn spans(&self, trace_id: &str, count: usize) -> Vec<(String, Span)> {
        let end = Instant::now() + PATIENCE;
        loop {
            let spans = self.trace(trace_id);
            if spans.len() >= count {
                return spans;
            }
            assert!(Instant::now() < end, "{} of {count} spans came:\n{}", spans.len(), tree(&spans));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that came, to be searched: spans, and metrics.
    pub(crate) fn told(&self) -> (String, String) {
        let books = self.received.books();
        (format!("{:?}", books.spans), format!("{:?}", books.metrics))
    }

    /// Everything that came, to be searched.
    pub(crate) fn everything(&self) -> String {
        let books = self.received.books();
        format!("{:?} {:?}", books.spans, books.metrics)
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

/// Which side a span tells of.
pub(crate) fn kind(span: &Span) -> &'static str {
    ["?", "internal", "server", "client"][usize::try_from(span.kind).unwrap()]
}

/// Whether a span says that what it tells of failed.
pub(crate) fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
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
    let kind = kind(span);
    let failed = if failed(span) { " FAILED" } else { "" };
    writeln!(text, "{indent}{service} {kind} {}{failed}", span.name).unwrap();
    let shown: BTreeMap<_, _> = span
        .attributes
        .iter()
        .filter(|pair| {
            !pair.key.contains("_id")
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
