//! `warp2api status`: what runs and how it is.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, ask};
use super::note::Note;
use super::remote::get;
use super::{House, Output, Running, remote};
use crate::config::Role;
use crate::say::answer;

const PATIENCE: Duration = Duration::from_secs(5);
const POOL: &str = "warp2api.token_pool.v1.TokenPool";

pub(super) async fn run(house: &House, running: &Running, output: Output) -> bool {
    let notes = running.notes();
    let (edge, edge_error) = apart(edge(house).await);
    let (services, services_error) = apart(services(house, notes).await);
    let ready = match (&edge, &services) {
        (Some((_, Ok(ready))), _) => ready.status == 200,
        (None, Some((ready, _))) => ready.status == 200,
        _ => false,
    };
    let told = json!({
        "ready": ready,
        "processes": notes,
        "processes_error": running.notes.as_ref().err().map(ToString::to_string),
        "edge": edge.as_ref().map(|(health, ready)| {
            let body = health.json();
            let why = ready.as_ref().map(why_not).unwrap_or_default();
            json!({
                "url": house.edge.url,
                "version": body["version"],
                "upstream": body["upstream"],
                "not_ready": why,
                "of_this_folder": house.own_edge,
            })
        }),
        "services": services.as_ref().map(|(ready, pool)| {
            let error = match pool {
                Some(Ok(pool)) => why_not(pool),
                Some(Err(words)) => Some(words.clone()),
                None => None,
            };
            let pool = pool.as_ref().and_then(|pool| pool.as_ref().ok());
            let pool = pool.filter(|pool| pool.status == 200).map(Answer::json);
            json!({
                "url": house.services.url,
                "not_ready": why_not(ready),
                "pool": pool,
                "pool_error": error,
                "of_this_folder": house.own_services,
            })
        }),
        "edge_error": edge_error,
        "services_error": services_error,
    });
    let words = if output.json { format!("{told}\n") } else { text(&told) };
    answer(words) && ready
}

/// The edge's health, and whether it can serve.
async fn edge(house: &House) -> Result<(Answer, Result<Answer, String>), String> {
    let get = async |path| get(&house.config, &house.edge, path, PATIENCE).await;
    let health = get("/healthz").await.map_err(|words| house.advised(&house.edge, words))?;
    Ok((health, get("/readyz").await))
}

/// Whether the services can serve, and how the pool is, if there is one behind them.
async fn services(house: &House, notes: &[Note]) -> Result<(Answer, Option<Result<Answer, String>>), String> {
    let port = &house.services;
    let ready = get(&house.config, port, "/readyz", PATIENCE).await;
    let ready = ready.map_err(|words| house.advised(port, words))?;
    let served = get(&house.config, port, "/healthz", PATIENCE).await.map(|health| health.json());
    if !has_pool(&served.unwrap_or_default(), notes) {
        return Ok((ready, None));
    }
    let client = remote::client(&house.config, port)?;
    let key = house.admin_key.as_deref().map(|key| ("x-admin-key", key));
    Ok((ready, Some(ask(&client, Method::GET, &port.at("/v1/poolStatus"), key, None, PATIENCE).await)))
}

/// Whether somebody answers for the pool there: others would answer, and log, that they have no such path. A house all in
/// one answers for a pool elsewhere, too.
fn has_pool(health: &Value, notes: &[Note]) -> bool {
    let serves_it = health["grpc_services"].as_array().is_some_and(|names| names.iter().any(|n| n == POOL));
    serves_it || notes.iter().any(|note| note.known_role() == Some(Role::All))
}

fn apart<T>(found: Result<T, String>) -> (Option<T>, Option<String>) {
    match found {
        Ok(found) => (Some(found), None),
        Err(words) => (None, Some(words)),
    }
}

fn why_not(ready: &Answer) -> Option<String> {
    (ready.status != 200).then(|| ready.trouble())
}

fn text(told: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, words: &str| {
        // Writing to a String cannot fail.
        let _written: std::fmt::Result = writeln!(text, "{name:<12} {words}");
    };
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for process in told["processes"].as_array().into_iter().flatten() {
        let stopping = process["stopping_since"].as_str();
        let stopping = stopping.map(|since| format!(", stopping since {since}")).unwrap_or_default();
        let words = format!(
            "process {}, version {}, since {}{stopping}",
            process["pid"],
            shown(&process["version"]),
            shown(&process["since"])
        );
        line(&shown(&process["role"]), &words);
    }
    if let Some(words) = told["processes_error"].as_str() {
        line("processes", words);
    }
    // Whoever asks for this folder's house is not to take another one for it.
    let whose = |part: &Value| {
        if part["of_this_folder"] == false { ", not of this data folder" } else { "" }
    };
    let because = |error: &Value| error.as_str().map(|words| format!(": {words}")).unwrap_or_default();
    let state = |part: &Value| match &part["not_ready"] {
        Value::Null => "ready".to_owned(),
        why => format!("not ready: {}", shown(why)),
    };
    match &told["edge"] {
        Value::Null => line("edge", &format!("does not answer{}", because(&told["edge_error"]))),
        edge => {
            line(
                "edge",
                &format!(
                    "{}, version {}{}, {}",
                    shown(&edge["url"]),
                    shown(&edge["version"]),
                    whose(edge),
                    state(edge)
                ),
            );
            if edge["upstream"].is_string() {
                line("upstream", &shown(&edge["upstream"]));
            }
        }
    }
    match &told["services"] {
        Value::Null => {
            line("services", &format!("do not answer{}", because(&told["services_error"])));
        }
        services => {
            line("services", &format!("{}{}, {}", shown(&services["url"]), whose(services), state(services)));
        }
    }
    match &told["services"]["pool"] {
        Value::Null => {
            if let Some(error) = told["services"]["pool_error"].as_str() {
                line("credentials", &format!("not told: {error}"));
            }
        }
        pool => {
            let count = |name: &str| pool[name].as_i64().unwrap_or(0);
            line(
                "credentials",
                &format!(
                    "{} of {} can be leased; {} in use now",
                    count("activeCount"),
                    count("totalCount"),
                    count("inFlightCount")
                ),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_at_all_is_said_as_that() {
        let told = json!({"ready": false, "processes": [], "edge": null, "services": null});

        assert_eq!(text(&told), "edge         does not answer\nservices     do not answer\n");
    }

    #[test]
    fn counts_that_are_zero_are_left_out_on_the_wire_and_shown_all_the_same() {
        let told = json!({
            "processes": [{"pid": 7, "role": "serve", "version": "1", "since": "t", "stopping_since": "u"}],
            "edge": {"url": "http://a", "version": "1", "upstream": "embedded", "not_ready": "503: none"},
            "services": {"url": "unix:/b", "not_ready": null, "pool": {"totalCount": 1}, "of_this_folder": false},
        });

        assert_eq!(
            text(&told),
            "serve        process 7, version 1, since t, stopping since u\n\
             edge         http://a, version 1, not ready: 503: none\n\
             upstream     embedded\n\
             services     unix:/b, not of this data folder, ready\n\
             credentials  0 of 1 can be leased; 0 in use now\n"
        );
    }
}
