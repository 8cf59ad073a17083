//! `warp2api doctor`: looks at everything a house needs, and says what cures what is wrong. Of a house in several processes
//! that run on one folder, `parts` looks at each.

use std::path::Path;
use std::time::Duration;

use http::Method;
use warp2api_codec::{Reading, Schema, Unknown, transcode};
use warp2api_rpc::tls::TlsFiles;
use warp2api_token_pool::store::OpenError;

use super::ask::{Answer, ask};
use super::folder::{self, Wanted};
use super::note::Note;
use super::port::Port;
use super::report::{Level, Line, say};
use super::smoke::{SLOWLY, streamed};
use super::{DoctorArgs, House, Running, Written, parts, ports, reach, ready, remote, rooms};
use crate::config::{Config, Role};
use crate::pool;
use crate::secured::Secured;
use crate::trust;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Tokens live about an hour; a clock that is wrong by less than this does no harm.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// A message and its bytes, so that a codec that is broken shows.
const VECTOR: (&str, [u8; 5]) = (r#"{"metadata":{"conversation_id":"c"}}"#, [0x22, 3, 0x0a, 1, b'c']);

pub(super) async fn run(written: &Written, running: &Running, args: &DoctorArgs) -> bool {
    let notes = running.notes();
    let lines = match args.role {
        None if notes.len() > 1 => parts::lines(written, running, args).await,
        role => one(written, running, args, role).await,
    };
    say(&lines, args.output, args.strict)
}

/// Looks at one process, whether it runs or is to be started.
async fn one(written: &Written, running: &Running, args: &DoctorArgs, role: Option<Role>) -> Vec<Line> {
    let notes = running.notes();
    let role = role.unwrap_or_else(|| rooms::implied(notes, written.settings()));
    let (config, problems) = written.config(role);
    let own: Vec<Note> = notes.iter().filter(|note| note.role == role.name()).cloned().collect();
    let house = House::new(config, written.settings(), args.url.as_ref(), args.key.as_ref()).at(&own);
    let is_noted = folder::takes_notes(running.folder.as_deref());

    let mut lines = settings(written, role, &problems);
    lines.push(codec());
    let folders = data(&house.config, running.folder.as_deref());
    let is_full = folders.iter().any(|line| line.level == Level::Fail);
    lines.extend(folders);
    if role.has_pool() && !(is_full && house.config.store.would_be_made()) {
        lines.push(store(&house, !own.is_empty()).await);
    }
    lines.extend(certificates(&house.config));
    let looks_at_edge = role.has_edge() || house.is_named;
    let asked = if looks_at_edge { edge(&house).await } else { Err(String::new()) };
    lines.extend(ports::lines(&house, notes, is_noted).await);
    if looks_at_edge {
        lines.extend(asked.as_ref().err().and_then(|words| unanswered(&house, words)));
    }
    if matches!(role, Role::All | Role::WarpChat | Role::TokenPool) {
        lines.extend(reach::lines(&house).await);
    }
    lines.extend(rooms::next(&house).await);
    // An edge of somebody else's says nothing of this house.
    let health = asked.ok().filter(|_| house.own_edge || house.is_named || !is_noted);
    if let Some(health) = health {
        lines.push(serves(&house, &house.edge).await);
        lines.push(stream(&house, &health).await);
    } else if let Some(port) = own.first().and_then(|note| ready::port_of(&house, note))
        && !role.has_edge()
    {
        lines.push(serves(&house, &port).await);
    }
    lines
}

/// What is wrong with the settings, or that nothing is.
pub(super) fn settings(written: &Written, role: Role, problems: &[String]) -> Vec<Line> {
    let cure = "correct it where the words say; `warp2api config --check` looks again";
    let wrong = problems.iter().map(|problem| Line::fail("settings", problem, cure));
    let strange = written.found.strangers.iter();
    let strange = strange.map(|words| Line::warn("settings", words, "correct its name, or take it away"));
    let right = problems.is_empty().then(|| {
        let words = format!("they are right for `{}`", role.name());
        Line::ok("settings", words)
    });
    right.into_iter().chain(wrong).chain(strange).collect()
}

pub(super) fn codec() -> Line {
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

/// The folders that a process writes to: that of its store, and that of its note.
pub(super) fn data(config: &Config, notes: Option<&Path>) -> Vec<Line> {
    let file = config.store.file().filter(|_| config.role.has_pool());
    let stored = file.as_deref().and_then(Path::parent).map(|folder| {
        // A path without a folder is in this one.
        if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
    });
    let needed = stored.map(|folder| Wanted { folder, file: file.clone(), is_needed: true });
    let for_notes = notes.filter(|notes| stored != Some(*notes));
    let for_notes = for_notes.map(|folder| Wanted { folder, file: None, is_needed: false });
    needed.iter().chain(&for_notes).map(folder::line).collect()
}

pub(super) async fn store(house: &House, runs: bool) -> Line {
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
            Some(OpenError::Held { .. }) if runs => {
                Line::ok("store", format!("{place}: in use by the process that runs"))
            }
            Some(OpenError::Held { .. }) => Line::warn("store", format!("{error:#}"), "the words say how"),
            _ => Line::fail("store", format!("{error:#}"), BACKUP),
        },
    }
}

const BACKUP: &str =
    "see docs/operations.md, \"Backup\": database and key belong together; or set W2A_DATA_DIR";

pub(super) async fn edge(house: &House) -> Result<Answer, String> {
    let asked = get(house, &house.edge, "/healthz").await?;
    if asked.status == 200 && asked.json()["service"] == "Warp2Api" {
        Ok(asked)
    } else {
        Err(format!("{} is no edge of warp2api: {}", house.edge.url, asked.trouble()))
    }
}

async fn get(house: &House, port: &Port, path: &str) -> Result<Answer, String> {
    remote::get(&house.config, port, path, PATIENCE).await
}

/// Whether the files for TLS can be used, if there are some.
pub(super) fn certificates(config: &Config) -> Option<Line> {
    let security = &config.security;
    if [&security.edge, &security.grpc, &security.link].into_iter().all(Option::<TlsFiles>::is_none) {
        return None;
    }
    Some(match Secured::open(config, config.role.has_edge(), config.role.has_services()) {
        Ok(_) => Line::ok("certificates", "they and their keys can be used"),
        Err(error) => {
            let cure =
                "name files in PEM that belong together: W2A_TLS_CERT, W2A_GRPC_TLS_CERT, W2A_SERVICE_CA";
            Line::fail("certificates", format!("{error:#}"), cure)
        }
    })
}

/// An edge that should answer and does not: one that was named, one that runs, or one behind TLS.
pub(super) fn unanswered(house: &House, words: &str) -> Option<Line> {
    let url = &house.edge.url;
    let advice = trust::advice(words, url, &house.config);
    let awaited = house.is_named || house.own_edge;
    let cure = advice.unwrap_or("look at its log; `warp2api stop` and a new start help if it hangs");
    (awaited || advice.is_some()).then(|| Line::fail("edge", format!("{url}: {words}"), cure))
}

/// Whether what listens at `port` can serve.
pub(super) async fn serves(house: &House, port: &Port) -> Line {
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
pub(super) async fn stream(house: &House, health: &Answer) -> Line {
    if health.json()["upstream"] != "embedded" {
        let words = "not looked at: a stream of a real upstream spends quota";
        return Line::ok("stream", format!("{words}; `warp2api smoke --yes` looks"));
    }
    let client = match remote::client(&house.config, &house.edge) {
        Ok(client) => client,
        Err(words) => return Line::fail("stream", words, "the words say how"),
    };
    let message = serde_json::json!({"role": "user", "content": SLOWLY});
    let body = serde_json::json!({"model": "auto", "stream": true, "messages": [message]});
    let key = house.api_key.as_deref().map(|key| ("authorization", key));
    let url = house.edge.at("/v1/chat/completions");
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
    use super::*;

    #[test]
    fn the_codec_of_this_build_is_well() {
        assert_eq!(codec().level, Level::Ok);
    }
}
