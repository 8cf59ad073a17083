//! Who tells: what goes along with all traces and metrics of a process, so that one can be told from another.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use uuid::Uuid;

use super::options::Options;

/// The process, by the settings; `instance` is its own unless they say another.
pub(super) fn of(options: &Options, instance: Uuid) -> Resource {
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_string()),
        ])
        .with_attributes(options.attributes.iter().cloned())
        .with_service_name(options.service_name.clone())
        .build()
}
