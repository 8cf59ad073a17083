//! Metrics by OTLP: what a collector gets of a busy house in three processes is what `/metrics` has, by the same table.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics};
use warp2api_rpc::meter::{self, Kind};
use warp2api_upstream_sim::{Refusal, Scenario};

use crate::collector::{Collector, attribute};
use crate::pool_client::Upstream;
use crate::program::{PATIENCE, Program};
use crate::scrape::{Scrape, get};

/// A gateway, a chat service and a pool to which everything has happened that is counted.
pub(crate) struct BusyHouse {
    pub(crate) collector: Collector,
    gateway: Program,
    chat: Program,
    pool: Program,
    _upstream: Upstream,
}

impl BusyHouse {
    pub(crate) async fn start(protocol: &str) -> Self {
        let (collector, upstream) =
            (Collector::start().await, Upstream::start(&["planted-refresh", "planted-shared"]).await);
        let start = |name: &str, arguments: &[&str], more: &[(&str, &str)]| {
            let attributes = format!("deployment.environment.name=test,service.instance.id={name}-1");
            let mut settings = collector.settings(name, protocol);
            settings.retain(|(key, _)| *key != "OTEL_METRICS_EXPORTER");
            settings.extend([
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
                ("OTEL_RESOURCE_ATTRIBUTES", attributes.as_str()),
                ("W2A_METRICS_ADDR", "127.0.0.1:0"),
                ("W2A_LOG", "off"),
            ]);
            settings.extend(more);
            Program::start(&[&[name], arguments].concat(), &settings)
        };
        let keys = [
            ("WARP_REFRESH_TOKEN", "planted-refresh"),
            ("WARP_SHARED_TOKENS", "planted-shared"),
            ("WARP_FIREBASE_API_KEY", "planted-web-key"),
        ];
        let pool = start("token-pool", &["--upstream", &upstream.url], &keys);
        let pool_place = format!("http://{}", pool.shown("gRPC"));
        let chat = start("warp-chat", &["--token-pool", &pool_place, "--upstream", &upstream.url], &[]);
        let chat_place = format!("http://{}", chat.shown("gRPC"));
        let gateway = start("gateway", &["--warp-chat", &chat_place], &[("W2A_MAX_REQUESTS", "1")]);
        // Another credential, the same one again, a wait in line, a caller who leaves, a mistake.
        upstream.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));
        assert!(gateway.chat("hello").starts_with("HTTP/1.1 200 "));
        upstream.simulator.enqueue(Scenario::refuse(Refusal::unavailable()));
        assert!(gateway.chat("hello").starts_with("HTTP/1.1 200 "));
        let mut leaves = gateway.begin_chat("stream 6000 chunks of 8 bytes every 20 ms", true);
        leaves.read_exact(&mut [0; 64]).unwrap();
        let mut in_line = gateway.begin_chat("hello", false);
        until(|| Scrape::of(&port(&gateway)).value("warp2api_edge_waiting", &[]) == Some(1.0));
        drop(leaves);
        let mut waits = String::new();
        in_line.read_to_string(&mut waits).unwrap();
        assert!(waits.starts_with("HTTP/1.1 200 "), "{waits}");
        assert!(get(gateway.edge(), "/v1/nothing").starts_with("HTTP/1.1 404 "));
        let house = Self { collector, gateway, chat, pool, _upstream: upstream };
        // Turns are over on all floors.
        let [_, chat, pool] = house.processes();
        let turns = "gen_ai_client_operation_duration_seconds_count";
        until(|| Scrape::of(&chat.1).value(turns, &[]) == Some(4.0));
        until(|| Scrape::of(&pool.1).value("warp2api_pool_outcomes_total", &[]) == Some(5.0));
        until(|| Scrape::of(&pool.1).value("warp2api_pool_leases", &[]) == Some(0.0));
        house
    }

    /// The name of each process, and where it is scraped.
    pub(crate) fn processes(&self) -> [(&'static str, String); 3] {
        [("gateway", &self.gateway), ("warp-chat", &self.chat), ("token-pool", &self.pool)]
            .map(|(name, program)| (name, port(program)))
    }
}

fn port(program: &Program) -> String {
    let shown = program.shown("metrics");
    shown.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap().to_owned()
}

fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn sent(resource: &ResourceMetrics) -> impl Iterator<Item = &Metric> {
    resource.scope_metrics.iter().flat_map(|scope| &scope.metrics)
}

/// The labels of every point of a metric.
fn labels(metric: &Metric) -> Vec<&KeyValue> {
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => sum.data_points.iter().flat_map(|point| &point.attributes).collect(),
        Data::Gauge(gauge) => gauge.data_points.iter().flat_map(|point| &point.attributes).collect(),
        Data::Histogram(values) => values.data_points.iter().flat_map(|point| &point.attributes).collect(),
        other => panic!("{other:?}"),
    }
}

fn is_as_described(metric: &Metric) {
    let described = meter::Metric::named(&metric.name).unwrap_or_else(|| panic!("{}", metric.name));
    assert_eq!((metric.unit.as_str(), metric.description.as_str()), (described.unit, described.about));
    let cumulative = i32::from(AggregationTemporality::Cumulative);
    match (described.kind, metric.data.as_ref().unwrap()) {
        (Kind::Counter, Data::Sum(sum)) => {
            assert!(sum.is_monotonic && sum.aggregation_temporality == cumulative, "{metric:?}");
        }
        (Kind::UpDown, Data::Sum(sum)) => {
            assert!(!sum.is_monotonic && sum.aggregation_temporality == cumulative, "{metric:?}");
        }
        (Kind::Gauge, Data::Gauge(_)) => {}
        (Kind::Histogram(buckets), Data::Histogram(values)) => {
            assert_eq!(values.aggregation_temporality, cumulative, "{metric:?}");
            assert!(values.data_points.iter().all(|point| point.explicit_bounds == buckets), "{metric:?}");
        }
        other => panic!("{other:?}"),
    }
    for label in labels(metric) {
        assert!(described.labels.contains(&label.key.as_str()), "{} has {}", metric.name, label.key);
    }
}

/// How many turns were counted.
fn turns(resource: &ResourceMetrics) -> Option<u64> {
    let metric = sent(resource).find(|metric| metric.name == "gen_ai.client.operation.duration")?;
    match metric.data.as_ref().unwrap() {
        Data::Histogram(values) => Some(values.data_points.iter().map(|point| point.count).sum()),
        other => panic!("{other:?}"),
    }
}

async fn both_ways(protocol: &str) {
    let house = BusyHouse::start(protocol).await;
    for (name, place) in house.processes() {
        // What only the system knows is not sent.
        let scraped = || -> BTreeSet<String> {
            let families = Scrape::of(&place).0.into_keys();
            families.filter(|family| !family.starts_with("process_")).collect()
        };
        let expected = scraped();
        let in_prometheus =
            |sent: &Metric| meter::Metric::named(&sent.name).map(meter::Metric::in_prometheus);
        until(|| {
            let latest = house.collector.metrics(name).pop();
            latest.is_some_and(|latest| {
                let got: BTreeSet<_> = sent(&latest).filter_map(in_prometheus).collect();
                assert!(got.is_subset(&expected), "{name} {protocol}: {:?}", got.difference(&expected));
                got == expected && turns(&latest) == (name == "warp-chat").then_some(4)
            })
        });

        let latest = house.collector.metrics(name).pop().unwrap();

        sent(&latest).for_each(is_as_described);
        let resource = latest.resource.as_ref().unwrap();
        for (key, value) in [
            ("service.name", name.to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("deployment.environment.name", "test".to_owned()),
            ("service.instance.id", format!("{name}-1")),
        ] {
            assert_eq!(attribute(&resource.attributes, key), value, "{name} {protocol}");
        }
    }
    let told = house.collector.everything();
    assert!(!told.contains("planted"), "a metric or a span holds a secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_over_grpc_what_is_scraped() {
    both_ways("grpc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_over_http_what_is_scraped() {
    both_ways("http/protobuf").await;
}
