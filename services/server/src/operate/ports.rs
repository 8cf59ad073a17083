//! The ports a process wants, to the doctor: each is free, its own, or somebody's who is named.

use std::time::Duration;

use warp2api_rpc::listener::{Address, Listener};

use super::note::Note;
use super::port::Port;
use super::remote::get;
use super::report::Line;
use super::{House, chain};
use crate::banner::reachable;
use crate::config::Role;

/// How long whoever has a port may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// A port that a process wants.
struct Wanted<'a> {
    name: &'static str,
    address: &'a Address,
    /// What chooses another one.
    option: &'static str,
    variable: &'static str,
    scheme: &'static str,
}

/// The ports of the house's role. `notes` are of all that runs on the data folder, if `is_noted`: where no note can be left,
/// what runs may have none.
pub(super) async fn lines(house: &House, notes: &[Note], is_noted: bool) -> Vec<Line> {
    let config = &house.config;
    let role = config.role;
    let (edge, grpc) = (config.security.edge_scheme(), config.security.grpc_scheme());
    let wanted = [
        (role.has_edge(), "edge port", Some(&config.edge), "--port", "PORT", edge),
        (role.has_services(), "grpc port", Some(&config.grpc), "--grpc-addr", "W2A_GRPC_ADDR", grpc),
        (
            role == Role::Upstream,
            "upstream port",
            Some(&config.upstream_listener),
            "--upstream-addr",
            "W2A_UPSTREAM_ADDR",
            "http",
        ),
        (true, "metrics port", config.metrics.as_ref(), "--metrics-addr", "W2A_METRICS_ADDR", "http"),
    ];
    let mut lines = Vec::new();
    for (is_wanted, name, address, option, variable, scheme) in wanted {
        if let Some(address) = address.filter(|_| is_wanted) {
            let wanted = Wanted { name, address, option, variable, scheme };
            lines.push(line(house, &wanted, notes, is_noted).await);
        }
    }
    lines
}

async fn line(house: &House, wanted: &Wanted<'_>, notes: &[Note], is_noted: bool) -> Line {
    let Wanted { name, address, option, variable, .. } = *wanted;
    let Err(error) = Listener::bind(address, option).await else {
        return Line::ok(name, format!("{address} is free"));
    };
    let role = house.config.role.name();
    let another = format!("stop that one, or choose another port here ({variable})");
    if let Some(note) = notes.iter().find(|note| note.listens_at(&reachable(address))) {
        if note.role == role {
            return Line::ok(name, format!("{address} is in use by the process that runs"));
        }
        let words = format!("{address} is in use by {} (process {}) of this folder", note.role, note.pid);
        return Line::fail(name, words, another);
    }
    if !is_warp2api(house, wanted).await {
        let cure = format!("stop the other program, or choose another port ({variable})");
        return Line::fail(name, chain(&error), cure);
    }
    if is_noted && !house.is_named {
        let words = format!("{address} is in use by a warp2api that is not of this data folder");
        return Line::fail(name, words, format!("{another}; W2A_DATA_DIR names another folder"));
    }
    // Nobody can have left a note that says whose it is; or an edge elsewhere is what is looked at.
    let words = format!("{address} is in use by a warp2api, perhaps by one of this data folder");
    Line::warn(name, words, another)
}

async fn is_warp2api(house: &House, wanted: &Wanted<'_>) -> bool {
    let port = Port::of(wanted.scheme, &reachable(wanted.address), None);
    let health = get(&house.config, &port, "/healthz", PATIENCE).await;
    match health {
        Ok(health) if health.json()["service"] == "Warp2Api" => true,
        // Ports of metrics and of an upstream know no more than that they live.
        _ => get(&house.config, &port, "/livez", PATIENCE)
            .await
            .is_ok_and(|live| live.json()["status"] == "ok"),
    }
}
