//! `warp2api doctor`: looks at everything a house needs, and says what cures what is wrong.

use std::time::{Duration, SystemTime};

use http::Method;
use http::header::DATE;
use warp2api_codec::{Reading, Schema, Unknown, transcode};
use warp2api_rpc::listener::{Address, Listener};
use warp2api_token_pool::store::OpenError;

use super::ask::{Answer, ask};
use super::note::Note;
use super::report::{Line, say};
use super::smoke::{SLOWLY, streamed};
use super::{House, Output, Port, remote, rooms};
use crate::banner::reachable;
use crate::config::{Role, UpstreamChoice};
use crate::pool;
use crate::secured::Secured;
use crate::trust;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Tokens live about an hour; a clock that is wrong by less than this does no harm.
const SKEW: Duration = Duration::from_secs(60);
/// A message and its bytes, so that a codec that is broken shows.
const VECTOR: (&str, [u8; 5]) = (r#"{"metadata":{"conversation_id":"c"}}"#, [0x22, 3, 0x0a, 1, b'c']);

pub(super) async fn run(house: &House, notes: &[Note], output: Output) -> bool {
    // Settings that are wrong end the program before it comes here.
    let role = house.config.role;
    let settings = format!("they are right for `{}`", role.name());
    let mut lines = vec![Line::ok("settings", settings), codec()];
    if role.has_pool() {
        lines.push(store(house, notes).await);
    }
    lines.extend(certificates(house));
    let asked = if role.has_edge() || house.is_named { edge(house).await } else { Err(String::new()) };
    let answers = asked.is_ok();
    for (name, wanted, address) in [
        ("edge port", role.has_edge(), &house.config.edge),
        ("grpc port", role.has_services(), &house.config.grpc),
        ("upstream port", role == Role::Upstream, &house.config.upstream_listener),
    ] {
        if wanted {
            lines.push(port(name, address, notes, answers).await);
        }
    }
    if let Some(address) = &house.config.metrics {
        // No note tells of it.
        lines.push(port("metrics port", address, notes, answers || !notes.is_empty()).await);
    }
    if role.has_edge() || house.is_named {
        lines.extend(asked.as_ref().err().and_then(|words| unanswered(house, notes, words)));
    }
    let health = asked.ok();
    let upstream = health.as_ref().and_then(|health| health.json()["upstream"].as_str().map(str::to_owned));
    if matches!(role, Role::All | Role::WarpChat | Role::TokenPool) {
        lines.extend(reach_upstream(house).await);
    }
    lines.extend(rooms::next(house).await);
    if health.is_some() {
        lines.push(ready(house, &house.edge).await);
        if upstream.as_deref() == Some("embedded") {
            lines.push(stream(house).await);
        } else {
            let words = "not looked at: a stream of a real upstream spends quota";
            lines.push(Line::ok("stream", format!("{words}; `warp2api smoke --yes` looks")));
        }
    } else if role.has_services()
        && notes.iter().any(|note| note.grpc.is_some())
        && let Some(services) = &house.services
    {
        lines.push(ready(house, services).await);
    }
    say(&lines, output)
}

fn codec() -> Line {
    let (json, bytes) = VECTOR;
    let cure = "this build is broken: install it again, and report it";
    let Ok(message) = Schema::global().message_type("warp.multi_agent.v1.Request") else {
        return Line::fail("codec", "the schema has no requests", cure);
    };
    match transcode::to_bytes(message, json, Reading { unknown: Unknown::Refuse, server_message_data: false })
    {
        Ok(made) if made[..] == bytes => Line::ok("codec", "makes the bytes it should"),
        Ok(_) => Line::fail("codec", "makes other bytes than it should", cure),
        Err(error) => Line::fail("codec", error.to_string(), cure),
    }
}

async fn store(house: &House, notes: &[Note]) -> Line {
    let place = house.config.store.to_string();
    if house.config.store.would_be_made() {
        return Line::ok("store", format!("{place}: not there yet, the first start makes it"));
    }
    match house.config.store.look().await {
        Ok(store) => match pool::opens(&house.config, store).await {
            Ok(()) => Line::ok("store", format!("{place}: opens, and so do its secrets")),
            Err(error) => Line::fail("store", format!("{error:#}"), BACKUP),
        },
        Err(error) => match error.downcast_ref() {
            Some(OpenError::Missing { .. }) => Line::ok("store", format!("{error:#}")),
            Some(OpenError::Older { .. }) => Line::warn("store", format!("{error:#}"), "back it up before"),
            Some(OpenError::Held { .. }) if !notes.is_empty() => {
                Line::ok("store", format!("{place}: in use by the process that runs"))
            }
            Some(OpenError::Held { .. }) => Line::warn("store", format!("{error:#}"), "the words say how"),
            _ => Line::fail("store", format!("{error:#}"), BACKUP),
        },
    }
}

const BACKUP: &str =
    "see docs/operations.md, \"Backup\": database and key belong together; or set W2A_DATA_DIR";

async fn edge(house: &House) -> Result<Answer, String> {
    let asked = get(house, &house.edge, "/healthz").await?;
    if asked.status == 200 && asked.json()["service"] == "Warp2Api" {
        Ok(asked)
    } else {
        Err(format!("{} is no edge of warp2api: {}", house.edge.url, asked.trouble()))
    }
}

async fn get(house: &House, port: &Port, path: &str) -> Result<Answer, String> {
    let client = remote::client(&house.config, port)?;
    ask(&client, Method::GET, &format!("{}{path}", port.url), None, None, PATIENCE).await
}

/// Whether the files for TLS can be used, if there are some.
fn certificates(house: &House) -> Option<Line> {
    let security = &house.config.security;
    if [&security.edge, &security.grpc, &security.link].into_iter().all(Option::is_none) {
        return None;
    }
    Some(match Secured::open(&house.config, house.config.role.has_edge(), house.config.role.has_services()) {
        Ok(_) => Line::ok("certificates", "they and their keys can be used"),
        Err(error) => {
            let cure =
                "name files in PEM that belong together: W2A_TLS_CERT, W2A_GRPC_TLS_CERT, W2A_SERVICE_CA";
            Line::fail("certificates", format!("{error:#}"), cure)
        }
    })
}

/// An edge that should answer and does not: one that was named, one that runs, or one behind TLS.
fn unanswered(house: &House, notes: &[Note], words: &str) -> Option<Line> {
    let url = &house.edge.url;
    let advice = trust::advice(words, url, &house.config);
    let awaited = house.is_named || notes.iter().any(|note| note.edge.is_some());
    let cure = advice.unwrap_or("look at its log; `warp2api stop` and a new start help if it hangs");
    (awaited || advice.is_some()).then(|| Line::fail("edge", format!("{url}: {words}"), cure))
}

/// Whether a port is free, or ours.
async fn port(name: &'static str, address: &Address, notes: &[Note], edge_answers: bool) -> Line {
    let shown = address.to_string();
    match Listener::bind(address, "").await {
        Ok(_) => Line::ok(name, format!("{shown} is free")),
        Err(_) if notes.iter().any(|note| listens(note, address)) || edge_answers => {
            Line::ok(name, format!("{shown} is in use by the process that runs"))
        }
        Err(error) => {
            let cure =
                "stop the other program, or choose another port (PORT, W2A_GRPC_ADDR, W2A_METRICS_ADDR)";
            Line::fail(name, format!("{shown} cannot be had: {error}"), cure)
        }
    }
}

fn listens(note: &Note, address: &Address) -> bool {
    [&note.edge, &note.grpc].into_iter().flatten().any(|listening| *listening == reachable(address))
}

/// Whether the upstream answers, over TLS where it has it, and whether its clock agrees with ours.
async fn reach_upstream(house: &House) -> Vec<Line> {
    let url = match (&house.config.upstream, &house.config.auto) {
        (UpstreamChoice::Remote(url), _) => url.clone(),
        (UpstreamChoice::Embedded(_), Some(auto)) if house.config.store.has_credentials().await => {
            auto.url.clone()
        }
        (UpstreamChoice::Embedded(_), _) => {
            return vec![Line::ok("upstream", "the embedded one: no network is used")];
        }
    };
    let Ok(client) = pool::remote(&house.config) else {
        let cure = "correct HTTP_PROXY or HTTPS_PROXY";
        return vec![Line::fail("upstream", "a proxy setting cannot be used", cure)];
    };
    match ask(&client, Method::GET, &format!("{url}/"), None, None, PATIENCE).await {
        Ok(answer) => {
            let words = format!("{url} answers over {:?}", answer.version);
            vec![Line::ok("upstream", words), clock(&answer, SystemTime::now())]
        }
        Err(words) => vec![Line::fail("upstream", format!("{url}: {words}"), cure_for(&words))],
    }
}

fn cure_for(words: &str) -> &'static str {
    let words = words.to_ascii_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if any(&["certificate", "tls", "unknownissuer"]) {
        "something on the way has a certificate that is not trusted: a proxy that looks into TLS, or a wrong clock"
    } else if any(&["dns", "lookup", "resolve"]) {
        "the name cannot be found: look at the machine's DNS, or set HTTPS_PROXY if only a proxy may"
    } else if any(&["refused", "unreachable", "seconds", "timed out"]) {
        "a firewall may be in between: allow it, or set HTTPS_PROXY"
    } else {
        "look at the network, at HTTPS_PROXY and at W2A_UPSTREAM"
    }
}

/// How far the upstream's clock is from `now`.
fn clock(answer: &Answer, now: SystemTime) -> Line {
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(date) = date else { return Line::ok("clock", "the upstream does not tell the time") };
    let skew = now.duration_since(date).unwrap_or_else(|error| error.duration());
    let words = format!("{} seconds from the upstream's", skew.as_secs());
    if skew <= SKEW {
        return Line::ok("clock", words);
    }
    Line::fail(
        "clock",
        words,
        "set the machine's clock (NTP): tokens would be taken for expired, or for fresh",
    )
}

async fn ready(house: &House, port: &Port) -> Line {
    match get(house, port, "/readyz").await {
        Ok(answer) if answer.status == 200 => Line::ok("ready", "a chat can be served"),
        Ok(answer) => Line::fail(
            "ready",
            answer.trouble(),
            "look at the credentials (`warp2api status`, /ui); docs/troubleshooting.md knows the reasons",
        ),
        Err(words) => {
            let cure = trust::advice(&words, &port.url, &house.config).unwrap_or("start it again");
            Line::fail("ready", words, cure)
        }
    }
}

/// Whether a stream comes as it is said, all the way to here.
async fn stream(house: &House) -> Line {
    let client = match remote::client(&house.config, &house.edge) {
        Ok(client) => client,
        Err(words) => return Line::fail("stream", words, "the words say how"),
    };
    let message = serde_json::json!({"role": "user", "content": SLOWLY});
    let body = serde_json::json!({"model": "auto", "stream": true, "messages": [message]});
    let key = house.api_key.as_deref().map(|key| ("authorization", key));
    let url = format!("{}/v1/chat/completions", house.edge.url);
    match ask(&client, Method::POST, &url, key, Some(&body), PATIENCE).await {
        Ok(answer) if answer.status == 200 => streamed("stream", &answer),
        Ok(answer) if matches!(answer.status, 401 | 403) => {
            Line::fail("stream", answer.trouble(), "give it an API key: --key, or the first one of API_TOKEN")
        }
        Ok(answer) => Line::fail("stream", answer.trouble(), "docs/troubleshooting.md knows the messages"),
        Err(words) => Line::fail("stream", words, "docs/troubleshooting.md knows the messages"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn the_codec_of_this_build_is_well() {
        assert_eq!(codec().level, Level::Ok);
    }

    #[test]
    fn a_clock_that_is_far_off_is_a_failure_either_way() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (date, level) in [
            (Some("Sun, 06 Nov 1994 08:49:07 GMT"), Level::Ok),
            (Some("Sun, 06 Nov 1994 08:59:37 GMT"), Level::Fail),
            (Some("Sun, 06 Nov 1994 07:49:37 GMT"), Level::Fail),
            (Some("today"), Level::Ok),
            (None, Level::Ok),
        ] {
            let headers = date.map(|date| (DATE, date.parse().unwrap())).into_iter().collect();
            let (text, pieces) = (String::new(), Vec::new());
            let answer = Answer { status: 200, version: http::Version::HTTP_11, headers, text, pieces };
            assert_eq!(clock(&answer, now).level, level, "{date:?}");
        }
    }

    #[test]
    fn what_keeps_the_upstream_away_has_a_cure_of_its_own() {
        for (words, cure) in [
            ("invalid peer certificate: UnknownIssuer", "certificate"),
            ("dns error: failed to lookup address", "DNS"),
            ("tcp connect error: Connection refused", "firewall"),
            ("no answer in 20 seconds", "firewall"),
            ("something else", "HTTPS_PROXY"),
        ] {
            assert!(cure_for(words).contains(cure), "{words}: {}", cure_for(words));
        }
    }
}
