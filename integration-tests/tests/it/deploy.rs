//! What is in deploy/ and what documents say about it fits the program.

use std::path::{Path, PathBuf};

use warp2api_server::config::{Config, Role};
use warp2api_server::settings::{Settings, TABLE};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below a folder, with its text.
fn files(folder: &str, kept: fn(&str) -> bool) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if path.is_file() && kept(&name) {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// Names in capitals that look like settings of ours.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(move |c: char| !is_name(c));
    words.filter(|word| {
        let prefixed =
            ["W2A_", "WARP_"].iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix));
        prefixed || *word == "API_TOKEN"
    })
}

#[test]
fn every_setting_that_deploy_and_the_documents_name_exists() {
    // Those of the program that are no settings, and those of its tests.
    const OTHERS: [&str; 2] = ["W2A_CONFIG", "W2A_UPDATE_DOCS"];
    let documents = files("docs", |name| name.ends_with(".md"));
    for (path, text) in files("deploy", |_| true).into_iter().chain(documents) {
        // Some are written with an asterisk for what they have in common.
        for name in variables(&text).filter(|name| !name.ends_with('_')) {
            let known = OTHERS.contains(&name) || TABLE.iter().any(|setting| setting.env == name);
            assert!(known, "{path} names {name}, which is no setting");
        }
    }
}

#[test]
fn the_example_config_is_right_with_and_without_what_it_comments_out() {
    let text = std::fs::read_to_string(root().join("deploy/warp2api.toml")).unwrap();
    let all: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix("# ").and_then(|rest| Some((rest, rest.split_once(" = ")?.0))) {
            Some((rest, key)) if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => rest,
            _ => line,
        })
        .collect();
    for text in [text.clone(), all.join("\n")] {
        let table: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let value = |key: &str| match table.get(key)? {
            toml::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let settings = Settings::from_keys(value);
        assert_eq!(settings.written().len(), table.len(), "each is a setting");
        Config::resolve(Role::All, settings).unwrap_or_else(|problems| panic!("{problems}"));
    }
}

/// What stands in backticks and is not a name, a path or a command is a message; the program must say it.
#[test]
fn every_message_that_troubleshooting_quotes_is_one_of_the_program() {
    let text = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let mut sources = String::new();
    for folder in ["services", "gateway"] {
        for (_, text) in files(folder, |name| name.ends_with(".rs")) {
            // A message may be written over several lines.
            sources.push_str(&text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let errors = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let (mut messages, mut codes) = (0, 0);
    for quoted in text.split('`').skip(1).step_by(2) {
        let words = quoted.split(' ').count();
        let plain = |c: char| c.is_ascii_alphabetic() || " '_-.,2".contains(c);
        if words >= 3 && quoted.starts_with(|c: char| c.is_ascii_lowercase()) && quoted.chars().all(plain) {
            if quoted.starts_with("warp2api ") {
                continue;
            }
            assert!(sources.contains(quoted), "nobody says `{quoted}`");
            messages += 1;
        } else if words == 1
            && quoted.contains('_')
            && quoted.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            if quoted == "proxy_buffering" {
                continue;
            }
            assert!(errors.contains(&format!("`{quoted}`")), "there is no code `{quoted}`");
            codes += 1;
        }
    }
    assert!(messages > 25 && codes > 10, "{messages} messages, {codes} codes");
}

/// Reasons that say by themselves what the caller is to do, or to leave.
const SELF_EXPLAINING: &[&str] = &[
    // The request is wrong, and the message names the field, the name or the address.
    "INVALID_FIELD",
    "UNSUPPORTED_FIELD",
    "REQUEST_TOO_LARGE",
    "MESSAGE_TYPE_NOT_FOUND",
    "MALFORMED_MESSAGE",
    "ROUTE_NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "UNSUPPORTED_MEDIA_TYPE",
    "EXCHANGE_NOT_FOUND",
    "CREDENTIAL_NOT_FOUND",
    "CREDENTIAL_EXISTS",
    "CREDENTIAL_CHANGED",
    "CREDENTIAL_UNSUITABLE",
    "STORE_KEY_MISSING",
    // Between services, which go on by themselves.
    "LEASE_NOT_FOUND",
    // The caller's own doing.
    "CANCELLED",
    "DEADLINE_PASSED",
];

#[test]
fn every_reason_has_its_cure_in_troubleshooting_or_needs_none() {
    let read = |name: &str| std::fs::read_to_string(root().join("docs").join(name)).unwrap();
    let (errors, cures) = (read("errors.md"), read("troubleshooting.md"));
    let mut reasons = Vec::new();
    for row in errors.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (reason, code) = (cells[1], cells[6]);
        let cured = cures.contains(&format!("`{code}`"));
        assert!(
            cured != SELF_EXPLAINING.contains(&reason),
            "{reason} ({code}) is to be in docs/troubleshooting.md or in the list here, not in both"
        );
        reasons.push(reason);
    }
    assert!(reasons.len() > 40, "{reasons:?}");
    for reason in SELF_EXPLAINING {
        assert!(reasons.contains(reason), "there is no {reason}");
    }
}
