//! The child's side: runs one part until standard input ends.
//!
//! The parts of the house are built as the program builds them, by its settings, on a runtime like its own.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use warp2api_server::app::App;
use warp2api_server::config::{Config, Role};
use warp2api_server::settings::Settings;
use warp2api_server::telemetry;
use warp2api_upstream_sim::EmbeddedCredential;

use crate::options::{Part, PartKind};
use crate::{floor, sink};

/// Runs a part.
pub(crate) fn run(part: Part) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let started = runtime.block_on(async {
        match part.kind {
            PartKind::Floor => floor::start(&part.upstream.context("the floor needs an upstream")?).await,
            PartKind::Sink => sink::start().await,
            kind => Box::pin(house(kind, part)).await,
        }
    });
    match started {
        Ok(address) => println!("ready {address}"),
        Err(error) => return failed(&error),
    }
    // The runtime works on while we wait here.
    let mut rest = Vec::new();
    drop(std::io::stdin().read_to_end(&mut rest));
    runtime.shutdown_background();
    ExitCode::SUCCESS
}

fn failed(error: &anyhow::Error) -> ExitCode {
    println!("failed {error:#}");
    ExitCode::FAILURE
}

/// Starts a part of the house and tells where it listens.
async fn house(kind: PartKind, part: Part) -> anyhow::Result<String> {
    let role = match kind {
        PartKind::Upstream => Role::Upstream,
        PartKind::Gateway => Role::Gateway,
        PartKind::WarpChat => Role::WarpChat,
        PartKind::Codec => Role::Codec,
        PartKind::TokenPool => Role::TokenPool,
        PartKind::All | PartKind::Floor | PartKind::Sink => Role::All,
    };
    let settings = Settings {
        port: Some("0".to_owned()),
        grpc_addr: Some(part.grpc),
        upstream_addr: Some("127.0.0.1:0".to_owned()),
        upstream: Some(part.upstream.unwrap_or_else(|| "embedded".to_owned())),
        token_pool: part.token_pool,
        warp_chat: part.warp_chat,
        warp_api_key: Some(EmbeddedCredential::API_KEY.to_owned()),
        // The wait for a free credential is no cost of ours.
        max_in_flight: Some("10000".to_owned()),
        database_url: Some("memory:".to_owned()),
        otel_metrics_exporter: part.otlp.as_ref().map(|_| "none".to_owned()),
        metrics_addr: part.otlp.as_ref().map(|_| "127.0.0.1:0".to_owned()),
        otel_exporter_otlp_endpoint: part.otlp,
        otel_traces_sampler: Some("always_on".to_owned()),
        // So that what is sent of a round is sent within it: CPU is read at its beginning and at its end.
        otel_bsp_schedule_delay: Some("100".to_owned()),
        // What is dropped would cost nothing; if there is no room all the same, the measurement is void.
        otel_bsp_max_queue_size: Some("65536".to_owned()),
        ..Settings::default()
    };
    telemetry::start(&settings).map_err(anyhow::Error::msg)?;
    let app = App::build(Config::resolve(role, settings)?).await?;
    let addresses = app.addresses()?;
    let address = addresses.edge.or(addresses.grpc).or(addresses.upstream).context("it listens nowhere")?;
    let metrics = addresses.metrics.map(|metrics| format!(" {metrics}")).unwrap_or_default();
    // Nobody drains it: it ends with the process.
    std::mem::forget(app.spawn());
    Ok(format!("{address}{metrics}"))
}
