//! Exporters by OTLP: spans and metrics as messages, sent from threads of their own, with a queue that is bounded and drops
//! when it is full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter, SpanLimits,
};
use prost::Message as _;

use super::options::Options;
use super::sending::{Bounded, Ledger, Sending};
use super::target::Target;
use super::transport::Transport;
use super::voice::{Line, Voice};
use super::weight;

const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const EXPORT_METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Sends spans to `target`; and the books of it.
pub(super) fn traces(
    options: &Options,
    target: &Target,
    resource: Resource,
) -> Result<(SdkTracerProvider, Arc<Ledger>), String> {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(options.queue)
        .with_max_export_batch_size(options.batch)
        .with_scheduled_delay(options.delay)
        .build();
    let ledger = Ledger::new(options.queue);
    let exporter = Spans {
        transport: Transport::new(target, EXPORT_TRACES)?,
        resource: (&resource).into(),
        timeout: options.export_timeout,
        ledger: ledger.clone(),
    };
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(options.sampler.clone())
        // Said, so that no variable of the SDK's own says otherwise.
        .with_span_limits(SpanLimits::default())
        .with_span_processor(Bounded { inner: processor, ledger: ledger.clone() })
        .build();
    Ok((provider, ledger))
}

/// Sends metrics to `target`.
pub(super) fn metrics(target: &Target) -> Result<Metrics, String> {
    let transport = Transport::new(target, EXPORT_METRICS)?;
    Ok(Metrics { transport, timeout: target.timeout, voice: Mutex::default() })
}

/// Sends spans, cut so that nothing is more than a collector takes, and keeps the books.
#[derive(Debug)]
struct Spans {
    transport: Transport,
    resource: ResourceAttributesWithSchema,
    /// For all parts of a batch.
    timeout: Duration,
    ledger: Arc<Ledger>,
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let end = Instant::now() + self.timeout;
        self.ledger.taken(batch.len());
        let mut result = Ok(());
        for (spans, bytes) in weight::parts(batch, weight::MOST_AT_ONCE, weight::of) {
            let count = spans.len();
            let sent = self.send(spans, end).await;
            let error = sent.as_ref().err().map(String::as_str);
            let rejected = sent.as_ref().copied().unwrap_or_default();
            self.ledger.ended(&Sending { spans: count, bytes, rejected, error }, Instant::now());
            let failed = match sent {
                Ok(0) => continue,
                Ok(rejected) => format!("the collector rejects {rejected} spans"),
                Err(error) => error,
            };
            result = Err(OTelSdkError::InternalFailure(failed));
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl Spans {
    /// How many of them the collector does not want.
    async fn send(&self, spans: Vec<SpanData>, end: Instant) -> Result<usize, String> {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let answer = self.transport.send(message, end.into()).await?;
        // What cannot be read is no rejection.
        let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default().partial_success;
        let rejected = answer.map_or(0, |partial| partial.rejected_spans);
        Ok(usize::try_from(rejected).unwrap_or_default())
    }
}

/// Sends metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    transport: Transport,
    timeout: Duration,
    voice: Mutex<Voice>,
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let sent = self.send(metrics).await;
        let line =
            self.voice.lock().unwrap_or_else(PoisonError::into_inner).hear(sent.is_err(), 0, Instant::now());
        match (line, &sent) {
            (Some(Line::Badly), Err(error)) => tracing::warn!(error, "metrics cannot be sent"),
            (Some(Line::Well), _) => tracing::info!("metrics are sent again"),
            _ => {}
        }
        sent.map_err(OTelSdkError::InternalFailure)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl Metrics {
    async fn send(&self, metrics: &ResourceMetrics) -> Result<(), String> {
        let message = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        let answer = self.transport.send(message, (Instant::now() + self.timeout).into()).await?;
        let answer = ExportMetricsServiceResponse::decode(answer).unwrap_or_default().partial_success;
        match answer.map_or(0, |partial| partial.rejected_data_points) {
            ..=0 => Ok(()),
            rejected => Err(format!("the collector rejects {rejected} data points")),
        }
    }
}
