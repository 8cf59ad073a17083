//! The commands that look after a house, against programs that run.

use std::net::TcpListener;

use serde_json::Value;

use crate::program::{Program, run, told};

/// A check of the doctor's or of a smoke by its name.
fn check<'a>(told: &'a Value, name: &str) -> &'a Value {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

#[cfg(unix)]
#[test]
fn a_program_is_found_by_its_folder_looked_at_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let (code, status) = told(&["status"], &[data[0], ("PORT", "9"), ("W2A_GRPC_ADDR", "127.0.0.1:9")]);
    assert_eq!((code, &status["ready"], &status["edge"]), (1, &Value::Bool(false), &Value::Null), "{status}");
    let program = Program::start(&[], &data);

    // Its ports are of the system's choice: only its note tells them.
    let (code, status) = told(&["status"], &data);
    assert_eq!((code, &status["ready"]), (0, &Value::Bool(true)), "{status}");
    assert_eq!(
        (&status["processes"][0]["role"], &status["edge"]["upstream"]),
        (&"serve".into(), &"embedded".into())
    );
    assert_eq!(status["services"]["pool"]["activeCount"], 1, "{status}");
    let shown = run(&["status"], &data).stdout;
    assert!(shown.contains("1 of 1 can be leased; 0 in use now"), "{shown}");

    let (code, stopped) = told(&["stop"], &data);
    assert_eq!((code, &stopped["stopped"][0]["role"]), (0, &"serve".into()), "{stopped}");
    assert_eq!(program.ended().status.code(), Some(0));
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("serve")), "{left:?}");
    let again = run(&["stop"], &data);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(again.stderr.contains("nothing runs on"), "{again:?}");
}

/// What stands in a note after a kill may by now be anybody's number: here it is this test's own.
#[cfg(unix)]
#[test]
fn a_stop_never_ends_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let program = Program::start(&[], &data);
    let note = program.note(folder.path(), "serve");
    program.killed();
    let mut left: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    left["pid"] = std::process::id().into();
    std::fs::write(&note, left.to_string()).unwrap();

    let (code, stopped) = told(&["stop"], &data);

    assert_eq!((code, stopped["stopped"].as_array().map(Vec::len)), (1, Some(0)), "{stopped}");
}

#[cfg(unix)]
#[test]
fn a_stop_waits_for_streams_or_ends_them_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let program = Program::start(&[], &[data[0], ("W2A_DRAIN_TIMEOUT", "3600")]);
    let mut stream = program.begin_chat("stream 1000 chunks of 8 bytes every 1000 ms", true);
    std::io::Read::read_exact(&mut stream, &mut [0; 12]).unwrap();

    let patient = run(&["stop", "--timeout", "0.3"], &data);
    assert_eq!(patient.status.code(), Some(1), "{patient:?}");
    assert!(patient.stderr.contains("stop --now"), "{patient:?}");
    let (code, stopped) = told(&["stop", "--now"], &data);

    assert_eq!(code, 0, "{stopped}");
    assert!(program.ended().stderr.contains("stopped before everything had finished"));
}

#[test]
fn a_smoke_asks_for_all_that_a_client_needs() {
    let program = Program::start(&[], &[("API_TOKEN", "key-of-the-client")]);
    let url = format!("http://{}/v1", program.edge());

    let (code, smoke) = told(&["smoke", "--url", &url, "--key", "key-of-the-client"], &[]);
    assert_eq!((code, &smoke["ok"]), (0, &Value::Bool(true)), "{smoke}");
    for name in ["models", "whole", "stream", "tool"] {
        assert_eq!(check(&smoke, name)["level"], "ok", "{smoke}");
    }
    let (code, smoke) = told(&["smoke", "--url", &url, "--key", "wrong"], &[]);
    assert_eq!((code, &check(&smoke, "whole")["level"]), (1, &"fail".into()), "{smoke}");
    assert!(check(&smoke, "whole")["message"].as_str().unwrap().starts_with("401: "), "{smoke}");
    let (code, smoke) = told(&["smoke", "--url", "http://127.0.0.1:9"], &[]);
    assert_eq!((code, &check(&smoke, "edge")["level"]), (1, &"fail".into()), "{smoke}");
}

#[test]
fn a_smoke_spends_no_quota_unasked() {
    let upstream = Program::start(&["upstream"], &[]);
    let url = upstream.shown("upstream").to_owned();
    let settings = [("W2A_UPSTREAM", url.as_str()), ("WARP_API_KEY", "wk-embedded-upstream")];
    let program = Program::start(&[], &settings);
    let edge = format!("http://{}", program.edge());

    let (code, refused) = told(&["smoke", "--url", &edge], &[]);
    assert_eq!(code, 1, "{refused}");
    assert!(check(&refused, "upstream")["cure"].as_str().unwrap().contains("--yes"), "{refused}");
    // It is no Warp, so it is asked; an address is what it is known by.
    let (code, smoke) = told(&["smoke", "--url", &edge, "--yes"], &[]);
    assert_eq!(code, 0, "{smoke}");
}

#[test]
fn the_doctor_finds_a_house_well_before_and_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("W2A_DATA_DIR", folder.path().to_str().unwrap());
    let (code, found) = told(&["doctor"], &[data, ("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")]);
    assert_eq!(code, 0, "{found}");
    assert!(!folder.path().join("pool.db").exists(), "looking makes nothing");
    let _program = Program::start(&[], &[data]);

    let (code, found) = told(&["doctor"], &[data, ("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")]);

    assert_eq!(code, 0, "{found}");
    for name in ["settings", "codec", "store", "edge port", "grpc port", "upstream", "ready", "stream"] {
        assert_eq!(check(&found, name)["level"], "ok", "{name}: {found}");
    }
    assert!(check(&found, "store")["message"].as_str().unwrap().contains("in use by the process that runs"));
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("W2A_DATA_DIR", folder.path().to_str().unwrap());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let gone = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());

    let (code, found) = told(
        &["doctor"],
        &[
            data,
            ("PORT", &port),
            ("W2A_GRPC_ADDR", "127.0.0.1:0"),
            ("W2A_METRICS_ADDR", &format!("127.0.0.1:{port}")),
            ("W2A_UPSTREAM", &gone),
            ("WARP_API_KEY", "wk-1"),
        ],
    );

    assert_eq!(code, 1, "{found}");
    for name in ["edge port", "metrics port", "upstream"] {
        assert_eq!(check(&found, name)["level"], "fail", "{name}: {found}");
        assert!(check(&found, name)["cure"].is_string(), "{name}: {found}");
    }
    drop(taken);
}
