//! `warp2api status`: what runs and how it is.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, ask};
use super::note::Note;
use super::{House, Output, Port, remote};
use crate::say::answer;

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(house: &House, notes: &[Note], output: Output) -> bool {
    let (edge, edge_error) = apart(edge(house).await);
    let (services, services_error) = match &house.services {
        Some(port) => apart(services(house, port).await),
        None => (None, None),
    };
    let ready = match (&edge, &services) {
        (Some((_, Ok(ready))), _) => ready.status == 200,
        (None, Some((ready, _))) => ready.status == 200,
        _ => false,
    };
    let told = json!({
        "ready": ready,
        "processes": notes,
        "edge": edge.as_ref().map(|(health, ready)| {
            let body = health.json();
            let why = ready.as_ref().map(why_not).unwrap_or_default();
            json!({"url": house.edge.url, "version": body["version"], "upstream": body["upstream"], "not_ready": why})
        }),
        "services": services.as_ref().map(|(ready, pool)| {
            let error = pool.as_ref().map_or_else(|words| Some(words.clone()), why_not);
            let pool = pool.as_ref().ok().filter(|pool| pool.status == 200).map(Answer::json);
            let url = house.services.as_ref().map(|port| &port.url);
            json!({"url": url, "not_ready": why_not(ready), "pool": pool, "pool_error": error})
        }),
        "edge_error": edge_error,
        "services_error": services_error,
    });
    let words = if output.json { format!("{told}\n") } else { text(&told) };
    answer(words) && ready
}

/// The edge's health, and whether it can serve.
async fn edge(house: &House) -> Result<(Answer, Result<Answer, String>), String> {
    let port = &house.edge;
    let client = remote::client(&house.config, port)?;
    let get =
        async |path| ask(&client, Method::GET, &format!("{}{path}", port.url), None, None, PATIENCE).await;
    let health = get("/healthz").await.map_err(|words| house.advised(port, words))?;
    Ok((health, get("/readyz").await))
}

/// Whether the services can serve, and how the pool is.
async fn services(house: &House, port: &Port) -> Result<(Answer, Result<Answer, String>), String> {
    let client = remote::client(&house.config, port)?;
    let get = async |path, key| {
        ask(&client, Method::GET, &format!("{}{path}", port.url), key, None, PATIENCE).await
    };
    let ready = get("/readyz", None).await.map_err(|words| house.advised(port, words))?;
    let key = house.admin_key.as_deref().map(|key| ("x-admin-key", key));
    Ok((ready, get("/v1/poolStatus", key).await))
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
        let words = format!(
            "process {}, version {}, since {}",
            process["pid"],
            shown(&process["version"]),
            shown(&process["since"])
        );
        line(&shown(&process["role"]), &words);
    }
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
                &format!("{}, version {}, {}", shown(&edge["url"]), shown(&edge["version"]), state(edge)),
            );
            if edge["upstream"].is_string() {
                line("upstream", &shown(&edge["upstream"]));
            }
        }
    }
    match &told["services"] {
        Value::Null => {
            line("services", &format!("do not answer over TCP{}", because(&told["services_error"])));
        }
        services => line("services", &format!("{}, {}", shown(&services["url"]), state(services))),
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

        assert_eq!(text(&told), "edge         does not answer\nservices     do not answer over TCP\n");
    }

    #[test]
    fn counts_that_are_zero_are_left_out_on_the_wire_and_shown_all_the_same() {
        let told = json!({
            "processes": [{"pid": 7, "role": "serve", "version": "1", "since": "t"}],
            "edge": {"url": "http://a", "version": "1", "upstream": "embedded", "not_ready": "503: none"},
            "services": {"url": "http://b", "not_ready": null, "pool": {"totalCount": 1}},
        });

        assert_eq!(
            text(&told),
            "serve        process 7, version 1, since t\n\
             edge         http://a, version 1, not ready: 503: none\n\
             upstream     embedded\n\
             services     http://b, ready\n\
             credentials  0 of 1 can be leased; 0 in use now\n"
        );
    }
}
