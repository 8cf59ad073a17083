//! Exporters: OTLP over gRPC or HTTP, from threads of their own, with a queue that is bounded and drops when it is full.

use std::str::FromStr as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, Protocol as Encoding, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::options::{Options, Protocol, Target};

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

/// Sends spans to `target`.
pub(super) fn traces(options: &Options, target: &Target) -> Result<SdkTracerProvider, String> {
    let exporter = match target.protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_metadata(metadata(target)?)
            .build(),
        Protocol::Http => SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new()?)
            .with_protocol(Encoding::HttpBinary)
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_headers(target.headers.clone())
            .build(),
    };
    let exporter = exporter.map_err(|error| format!("traces cannot be sent: {error}"))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(options.queue)
        .with_max_export_batch_size(options.batch)
        .with_scheduled_delay(options.delay)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource(options))
        .with_sampler(options.sampler.clone())
        .with_span_processor(processor)
        .build())
}

/// Sends metrics to `target`.
pub(super) fn metrics(target: &Target) -> Result<MetricExporter, String> {
    let exporter = match target.protocol {
        Protocol::Grpc => MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_metadata(metadata(target)?)
            .build(),
        Protocol::Http => MetricExporter::builder()
            .with_http()
            .with_http_client(Sender::new()?)
            .with_protocol(Encoding::HttpBinary)
            .with_endpoint(&target.url)
            .with_timeout(target.timeout)
            .with_headers(target.headers.clone())
            .build(),
    };
    exporter.map_err(|error| format!("metrics cannot be sent: {error}"))
}

fn metadata(target: &Target) -> Result<MetadataMap, String> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in &target.headers {
        let unusable = || "OTEL_EXPORTER_OTLP_HEADERS: holds what no header can have".to_owned();
        let name = HeaderName::from_str(name).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        MetadataValue::<tonic::metadata::Ascii>::try_from(value.as_bytes()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(MetadataMap::from_headers(headers))
}

/// Sends over HTTP on the runtime that was there at the start: exporters run on threads that have none.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

impl Sender {
    fn new() -> Result<Self, String> {
        // The first one in the process wins; whoever was earlier chose the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| error.to_string())?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[tonic::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
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
