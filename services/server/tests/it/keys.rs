//! `warp2api keys` beside a running house.

use std::time::Instant;

use crate::program::{PATIENCE, Program, run_in};

#[test]
fn a_key_is_shown_once_and_a_running_house_wants_it_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let settings = [("W2A_DATA_DIR", data.as_str())];
    let keys = |arguments: &[&str]| run_in(&folder, &[&["keys"], arguments].concat(), &settings);
    let program = Program::start(&[], &[("W2A_DATA_DIR", &data), ("W2A_UPSTREAM", "embedded")]);
    // The client of these tests sends a key that nobody made.
    assert!(program.chat("say exactly: open").starts_with("HTTP/1.1 200"));

    let added = keys(&["add", "app", "--rpm", "5", "--expires", "1d"]);
    assert!(added.status.success(), "{added:?}");
    let key = added.stdout.trim();
    assert!(key.starts_with("w2a-") && !key.contains(char::is_whitespace), "{key}");
    let end = Instant::now() + PATIENCE;
    while !program.chat("say exactly: closed").starts_with("HTTP/1.1 401") {
        assert!(Instant::now() < end, "the key is not wanted");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }

    let listed = keys(&["list"]);
    assert!(listed.stdout.contains("app") && listed.stdout.contains("5 requests/min"), "{listed:?}");
    for again in [keys(&["add", "app"]), keys(&["revoke", "other"]), keys(&["add", "a b"])] {
        assert_eq!((again.status.code(), again.stdout.as_str()), (Some(1), ""), "{again:?}");
    }
    assert!(keys(&["revoke", "app"]).status.success());
    assert!(keys(&["list"]).stdout.contains("revoked"));
    let stderr = program.killed().output();
    for said in [listed.output(), stderr, added.stderr] {
        assert!(!said.contains(key), "{said}");
    }
}

#[test]
fn a_house_that_keeps_nothing_keeps_no_keys() {
    let folder = tempfile::tempdir().unwrap();

    let refused = run_in(&folder, &["keys", "add", "app"], &[("W2A_UPSTREAM", "embedded")]);

    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("W2A_KEYS_FILE"), "{refused:?}");
}
