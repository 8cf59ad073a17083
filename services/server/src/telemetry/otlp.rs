//! Exporters: OTLP over gRPC or HTTP, from threads of their own, with a queue that is bounded and drops when it is full.

use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, Protocol as Encoding, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;
use tonic::metadata::MetadataMap;

use super::options::{Options, Protocol, Target};
use super::sending::{Bounded, Ledger, Timed};

/// The largest answer of a collector that is read.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// Who tells.
pub(super) fn resource(options: &Options) -> Resource {
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(options.attributes.iter().cloned())
        .with_service_name(options.service_name.clone())
        .build()
}

/// Sends spans to `target`; and the books of it.
pub(super) fn traces(options: &Options, target: &Target) -> Result<(SdkTracerProvider, Arc<Ledger>), String> {
    let exporter = match target.protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_metadata(MetadataMap::from_headers(headers(target)?))
            .build(),
        Protocol::Http => SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(target)?)
            .with_protocol(Encoding::HttpBinary)
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .build(),
    };
    let exporter = exporter.map_err(|error| format!("traces cannot be sent: {error}"))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(options.queue)
        .with_max_export_batch_size(options.batch)
        .with_scheduled_delay(options.delay)
        .build();
    let ledger = Ledger::new(options.queue);
    let exporter = Timed {
        inner: exporter,
        timeout: options.export_timeout,
        ledger: ledger.clone(),
        runtime: Handle::current(),
    };
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(options))
        .with_sampler(options.sampler.clone())
        .with_span_processor(Bounded { inner: processor, ledger: ledger.clone() })
        .build();
    Ok((provider, ledger))
}

/// Sends metrics to `target`.
pub(super) fn metrics(target: &Target) -> Result<MetricExporter, String> {
    let exporter = match target.protocol {
        Protocol::Grpc => MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_metadata(MetadataMap::from_headers(headers(target)?))
            .build(),
        Protocol::Http => MetricExporter::builder()
            .with_http()
            .with_http_client(Sender::new(target)?)
            .with_protocol(Encoding::HttpBinary)
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .build(),
    };
    exporter.map_err(|error| format!("metrics cannot be sent: {error}"))
}

/// Whether the headers and the file of CAs can be used.
pub(super) fn check(target: &Target) -> Result<(), String> {
    headers(target)?;
    authorities(target).map(drop)
}

fn headers(target: &Target) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &target.headers {
        let unusable = || "OTEL_EXPORTER_OTLP_HEADERS: holds what no header can have".to_owned();
        let name = HeaderName::from_str(name).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        // What is not ASCII cannot be sent everywhere.
        value.to_str().map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The CAs that the collector's certificate must come from, if they were named.
fn authorities(target: &Target) -> Result<Option<Vec<reqwest::Certificate>>, String> {
    let Some(path) = &target.certificate else { return Ok(None) };
    let name = "otel_exporter_otlp_certificate (OTEL_EXPORTER_OTLP_CERTIFICATE)";
    let pem = std::fs::read(path).map_err(|error| format!("{name}: cannot read {path}: {error}"))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(Some(found)),
        _ => Err(format!("{name}: {path} holds no certificate in PEM")),
    }
}

/// Sends over HTTP on the runtime that was there at the start: exporters run on threads that have none.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    headers: HeaderMap,
    gzip: bool,
    timeout: Duration,
    runtime: Handle,
}

impl Sender {
    fn new(target: &Target) -> Result<Self, String> {
        // The first one in the process wins; whoever was earlier chose the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = match authorities(target)? {
            Some(authorities) => client.tls_certs_only(authorities),
            None => client,
        };
        Ok(Self {
            client: client.build().map_err(|error| error.to_string())?,
            headers: headers(target)?,
            gzip: target.gzip,
            timeout: target.timeout,
            runtime: Handle::current(),
        })
    }
}

/// Sent smaller.
fn smaller(request: &mut Request<Bytes>) -> std::io::Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(request.body())?;
    *request.body_mut() = encoder.finish()?.into();
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(())
}

#[tonic::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if self.gzip {
            smaller(&mut request)?;
        }
        request.headers_mut().extend(self.headers.clone());
        let mut request = reqwest::Request::try_from(request)?;
        // From the connection to the end of the answer: without it one that never answers would be waited for.
        *request.timeout_mut() = Some(self.timeout);
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut response = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.extend(std::mem::take(response.headers_mut()));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
                if body.len() + chunk.len() > MOST_ANSWER_BYTES {
                    return Err("the collector's answer is too large".into());
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, HttpError>(answer.body(Bytes::from(body))?)
        });
        sent.await?
    }
}
