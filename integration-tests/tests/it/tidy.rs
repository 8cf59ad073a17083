//! The rules of the house that no compiler holds: who may know whom, and that documents tell the truth.
//!
//! `W2A_UPDATE_DOCS=1 cargo test -p warp2api-integration-tests --test it tidy` writes the generated documents anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use warp2api_proto::descriptors;
use warp2api_rpc::meter::Kind;
use warp2api_rpc::trace::names;
use warp2api_server::settings::{RELOADED, TABLE};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What cargo knows of the workspace.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each crate of ours builds on, tests left out: names of other crates.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let used = dependencies.filter(|dependency| dependency["kind"] != "dev").map(|d| text(&d["name"]));
        (text(&package["name"]), used.collect())
    });
    packages.collect()
}

const SERVICES: [&str; 4] =
    ["warp2api-codec", "warp2api-token-pool", "warp2api-warp-chat", "warp2api-upstream-sim"];

/// README.md says `cargo run`.
#[test]
fn cargo_run_runs_the_program() {
    let metadata = metadata();
    let chosen = metadata["workspace_default_members"].as_array().unwrap();

    let packages = metadata["packages"].as_array().unwrap().iter();
    let programs = packages.filter(|package| chosen.contains(&package["id"])).flat_map(|package| {
        let targets = package["targets"].as_array().unwrap().iter();
        targets
            .filter(|target| target["kind"] == serde_json::json!(["bin"]))
            .map(|target| target["name"].clone())
    });

    assert_eq!(programs.collect::<Vec<_>>(), ["warp2api"]);
}

#[test]
fn nobody_knows_more_than_the_architecture_says() {
    let arrows = arrows();
    let ours = |name: &str| -> BTreeSet<_> {
        arrows[name].iter().filter(|used| used.starts_with("warp2api-")).map(String::as_str).collect()
    };
    let proto = BTreeSet::from(["warp2api-proto"]);
    let plumbing = BTreeSet::from(["warp2api-proto", "warp2api-rpc"]);

    assert_eq!(ours("warp2api-proto"), BTreeSet::new());
    assert_eq!(ours("warp2api-rpc"), proto);
    assert_eq!(ours("warp2api-dialects"), proto);
    assert_eq!(ours("warp2api-upstream-sim"), proto);
    for service in ["warp2api-codec", "warp2api-token-pool", "warp2api-warp-chat"] {
        assert_eq!(ours(service), plumbing, "{service} knows the contract and the plumbing");
    }
    assert_eq!(
        ours("warp2api-gateway"),
        BTreeSet::from(["warp2api-dialects", "warp2api-proto", "warp2api-rpc"])
    );
    assert_eq!(
        ours("warp2api-rest"),
        BTreeSet::from(["warp2api-dialects", "warp2api-proto", "warp2api-rpc"])
    );
    assert_eq!(
        ours("warp2api-bridge"),
        BTreeSet::from(["warp2api-dialects", "warp2api-proto", "warp2api-rpc"])
    );
    assert_eq!(ours("warp2api-ui"), BTreeSet::new());
    let server = ours("warp2api-server");
    for service in SERVICES {
        assert!(server.contains(service), "the composition root knows {service}");
    }
}

#[test]
fn the_mapping_of_dialects_cannot_wait() {
    let used = &arrows()["warp2api-dialects"];
    for io in ["tokio", "axum", "hyper", "reqwest", "tonic", "futures-util"] {
        assert!(!used.contains(io), "warp2api-dialects uses {io}");
    }
}

/// Every Rust file that git would keep, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn only_the_composition_root_reads_the_environment() {
    for (path, text) in sources() {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let may = path.starts_with("services/server/")
            || path == "build.rs"
            || path.contains("/tests/")
            || path.contains("/benches/");
        assert!(may || !text.contains("env::var"), "{path} reads the environment");
    }
}

#[test]
fn only_two_files_talk_to_the_upstream() {
    for (path, text) in sources() {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let elsewhere = !path.starts_with("services/upstream-sim/")
            && !path.starts_with("integration-tests/")
            && !path.contains("/tests");
        if elsewhere && path != "services/warp-chat/src/upstream.rs" {
            assert!(!text.contains("/ai/multi-agent"), "{path} knows the chat endpoint");
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (path, text) in sources() {
        if path.ends_with("integration-tests/tests/it/tidy.rs") {
            continue;
        }
        for mark in ["todo!(", "unimplemented!(", "FIXME", "#[ignore"] {
            assert!(!text.contains(mark), "{} has {mark}", path.display());
        }
    }
}

/// Past this a file holds two ideas. Tests tell one after the other and may be longer.
const MOST_LINES: usize = 400;

#[test]
fn a_file_is_one_idea() {
    for (path, text) in sources() {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let tests = path.contains("/tests/") || path.ends_with("tests.rs");
        let lines = text.lines().count();
        assert!(tests || lines <= MOST_LINES, "{path} has {lines} lines");
    }
}

/// What git keeps says nothing of the machine it was written on, nor of notes that are not in the tree.
#[test]
fn nothing_refers_to_what_is_not_here() {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    // Without git, in an unpacked archive, there is nothing to ask.
    let Some(output) = output.ok().filter(|output| output.status.success()) else { return };
    // Put together here, so that this file does not hold them.
    let notes = ["wire", "design", "houses", "gateways", "original"].map(|note| format!("{note}.md"));
    let folders = ["work", "root", "home"].map(|folder| format!(" /{folder}/"));
    let marks: Vec<_> = notes.into_iter().chain(folders).collect();
    for name in String::from_utf8(output.stdout).unwrap().split_terminator('\0') {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{name} speaks of {mark}");
        }
    }
}

#[test]
fn generated_documents_are_true() {
    for (name, expected) in [
        ("docs/errors.md", errors()),
        ("docs/parameters.md", parameters()),
        ("docs/configuration.md", configuration()),
        ("docs/compatibility.md", compatibility()),
        ("docs/traces.md", traces()),
        ("docs/metrics.md", metrics()),
    ] {
        let path = root().join(name);
        #[expect(clippy::disallowed_methods, reason = "how a person asks for the documents to be written")]
        let update = std::env::var_os("W2A_UPDATE_DOCS").is_some();
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(found == expected, "{name} is out of date: run the tests of `tidy` with W2A_UPDATE_DOCS=1");
    }
}

const HOW: &str =
    "<!-- Made by `W2A_UPDATE_DOCS=1 cargo test -p warp2api-integration-tests --test it tidy`. -->";

fn errors() -> String {
    let reasons = descriptors::pool().get_enum_by_name("warp2api.error.v1.ErrorReason").unwrap();
    let file = reasons.parent_file();
    let meaning = |reason: &str| {
        let value = reasons.get_value_by_name(reason)?;
        let words = descriptors::comment(file.name(), value.path()).split_whitespace();
        Some(words.collect::<Vec<_>>().join(" "))
    };
    let mut text = format!(
        "# Errors\n\n{HOW}\n\nEvery failure has a reason. Over gRPC it is the `reason` of the `google.rpc.ErrorInfo` in the \
         status (domain `warp2api`), with a `BadRequest` where fields are at fault and a `RetryInfo` where a wait is known. \
         Over HTTP it is the error object of the API that was asked: OpenAI's with `type` and `code`, or Anthropic's, \
         which has a `type` only. Both have the same status. Before the first byte of a stream a failure has its HTTP \
         status; after it, it is the last frame or event, and what marks the end of a whole answer (`[DONE]`, \
         `response.completed`, `message_stop`) does not follow.\n\n\
         | reason | meaning | gRPC code | HTTP | `type` | `code` | Anthropic's `type` | tried again |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    let rows = warp2api_dialects::errors_markdown_rows();
    for (reason, row) in warp2api_dialects::error::reasons().zip(rows) {
        let meaning = meaning(reason.as_str_name()).unwrap_or_default();
        let code = format!("{:?}", warp2api_rpc::reason::code(reason));
        let [name, status, kind, word, anthropics, retry] = row;
        let words = format!("{kind} | {word} | {anthropics}");
        writeln!(text, "| {name} | {meaning} | {code} | {status} | {words} | {retry} |").unwrap();
    }
    text
}

fn parameters() -> String {
    format!(
        "# Parameters\n\n{HOW}\n\nWhat becomes of each parameter of the references. *Honoured*: it \
         reaches the model. *Enforced*: the upstream knows no such thing, this service does it. *Refused*: an error that \
         names it, since silence would give a wrong answer. *Ignored*: named in the header `x-warp2api-ignored` of the \
         answer. Unknown parameters are ignored in the same way.\n\n{}",
        warp2api_dialects::parameters_markdown()
    )
}

/// What a collector gets is held against the same tables where a whole house is traced.
fn traces() -> String {
    let mut text = format!(
        "# What is in traces\n\n{HOW}\n\nAll of it; [telemetry.md](telemetry.md) says how to get it. Times, ids and the resource \
         are OpenTelemetry's own. What is said in chats is in them only where it was switched on \
         ([security.md](security.md)).\n\n## Spans\n\n| span | kind | what it is |\n| --- | --- | --- |\n"
    );
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, kind, about) in names::SPANS {
        writeln!(text, "| `{name}` | {kind} | {about} |").unwrap();
    }
    for (title, what, table) in [
        ("Attributes of spans", "attribute", names::ATTRIBUTES),
        ("Events", "event", names::EVENTS),
        ("Attributes of events", "attribute", names::EVENT_ATTRIBUTES),
    ] {
        writeln!(text, "\n## {title}\n\n| {what} | meaning |\n| --- | --- |").unwrap();
        for (name, about) in table {
            writeln!(text, "| `{name}` | {} |", words(about)).unwrap();
        }
    }
    text
}

fn metrics() -> String {
    let mut text = format!(
        "# Metrics\n\n{HOW}\n\nWhat `/metrics` has, and OTLP where that is on; [telemetry.md](telemetry.md) says where and how. \
         A metric is there once something has happened that it counts. In Prometheus dots are underscores, also in labels; a \
         histogram has `_bucket`, `_sum` and `_count`.\n\nLabels have few values. A model that is not known is `other`, a \
         route without a template `none`, a method that is none of HTTP's `_OTHER`, and beyond 500 combinations of labels \
         those that follow are one series, `otel_metric_overflow`.\n\n\
         | metric | in Prometheus | kind | unit | labels | meaning |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for metric in warp2api_rpc::meter::TABLE {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (metric.in_prometheus(), metric.kind_in_prometheus());
        let by_otlp = if metric.kind == Kind::Process { String::new() } else { format!("`{}`", metric.name) };
        let (unit, labels) = (metric.unit.trim_matches(['{', '}']), labels.join(", "));
        writeln!(text, "| {by_otlp} | `{name}` | {kind} | {unit} | {labels} | {} |", metric.about).unwrap();
    }
    for metric in warp2api_rpc::meter::TABLE {
        if let Kind::Histogram(buckets) = metric.kind {
            let buckets: Vec<_> = buckets.iter().map(ToString::to_string).collect();
            if metric.name == "http.server.request.duration" {
                text.push_str("\n## Buckets\n\n| histogram | upper bounds |\n| --- | --- |\n");
            }
            writeln!(text, "| `{}` | {} |", metric.name, buckets.join(", ")).unwrap();
        }
    }
    text
}

fn compatibility() -> String {
    format!("# Paths of the original\n\n{HOW}\n\n{}", crate::original::markdown())
}

fn configuration() -> String {
    let mut text = format!(
        "# Settings\n\n{HOW}\n\nA flag beats the environment, the environment beats `.env` in the working directory, `.env` \
         beats the config file (`--config FILE` or `W2A_CONFIG`, TOML with the keys below). All mistakes are told at once. \
         `warp2api config` prints what would be used; `warp2api config --check` only says whether it is right.\n\n\
         Settings with `yes` under *live* are taken over by a running process, on SIGHUP and when the config file or `.env` \
         changes; requests that have begun keep what they began with. Others want a restart, and the log says so. Settings \
         that are wrong are refused whole, and the old ones stay in use.\n\n\
         | key | flag | environment | live | meaning |\n| --- | --- | --- | --- | --- |\n"
    );
    for setting in TABLE {
        let flag = setting.key.replace('_', "-");
        let meaning = setting.about.split_whitespace().collect::<Vec<_>>().join(" ");
        let live = if RELOADED.contains(&setting.key) { "yes" } else { "" };
        writeln!(text, "| `{}` | `--{flag}` | `{}` | {live} | {meaning} |", setting.key, setting.env)
            .unwrap();
    }
    text
}
