//! Settings that change under a running program, and `config --check`.

use std::time::{Duration, Instant};

#[cfg(unix)]
use crate::program::run_with_bytes;
use crate::program::{PATIENCE, Program, run, run_in};
use crate::scrape::get;

/// Chats until one is answered with this status.
fn until(program: &Program, status: &str) {
    let end = Instant::now() + PATIENCE;
    while !program.chat("say exactly: hello").starts_with(&format!("HTTP/1.1 {status} ")) {
        assert!(Instant::now() < end, "it never answers {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_running_program_takes_new_settings_over_and_refuses_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w2a.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("max_body_bytes = 100000\n");
    let program = Program::start(&[], &[("W2A_CONFIG", file.to_str().unwrap())]);
    until(&program, "200");

    // Seen by itself.
    write("max_body_bytes = 10\nresume_idle = 7\n");
    until(&program, "413");
    // Told, where there is a signal for it.
    write("max_body_bytes = 10\nhistory = \"none\"\n");
    #[cfg(unix)]
    program.signal("HUP");
    std::thread::sleep(Duration::from_millis(100));
    assert!(program.chat("hello").starts_with("HTTP/1.1 413 "), "the old ones stay");
    write("max_body_bytes = 100000\n");
    #[cfg(unix)]
    program.signal("HUP");
    until(&program, "200");

    let ended = program.killed();
    for words in [
        "new settings are in use",
        "max_body_bytes",
        "want a restart",
        "resume_idle",
        "the old ones stay in use",
        "history (W2A_HISTORY, from",
        "line 2",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

/// As a full disk or an editor leaves it behind.
#[cfg(unix)]
#[test]
fn a_file_that_was_emptied_opens_no_edge() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w2a.toml");
    std::fs::write(&file, "api_token = \"key-of-the-client\"\nmax_body_bytes = 100000\n").unwrap();
    let program = Program::start(&[], &[("W2A_CONFIG", file.to_str().unwrap())]);
    until(&program, "200");
    assert!(get(program.edge(), "/v1/models").starts_with("HTTP/1.1 401 "));

    std::fs::write(&file, "").unwrap();
    program.signal("HUP");
    std::fs::write(&file, "api_token = \"key-of-the-client\"\nmax_body_bytes = 10\n").unwrap();
    // Seen by itself, so the emptied one was seen before.
    until(&program, "413");
    std::fs::write(&file, "max_body_bytes = 10000\n").unwrap();
    program.signal("HUP");
    until(&program, "413");

    assert!(get(program.edge(), "/v1/models").starts_with("HTTP/1.1 401 "), "it is as closed as before");
    let ended = program.killed();
    assert!(ended.stderr.contains("there is no key for clients left"), "{}", ended.stderr);
}

#[test]
fn a_mistake_in_the_file_shows_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w2a.toml");
    std::fs::write(&file, "port = 0\nwarp_api_key = wk-planted\n").unwrap();
    let file = file.to_str().unwrap();

    for arguments in [&["config", "--check"][..], &["config"], &[]] {
        let ended = run(arguments, &[("W2A_CONFIG", file)]);

        assert_eq!(ended.status.code(), Some(64), "{ended:?}");
        assert!(ended.stderr.contains("line 2, column 16"), "{ended:?}");
        assert!(!ended.output().contains("planted"), "{ended:?}");
    }
}

/// Files that settings name are looked at before a port is bound.
#[test]
fn a_check_opens_what_a_start_would() {
    for (settings, words) in [
        (&[("W2A_TLS_CERT", "/nowhere"), ("W2A_TLS_KEY", "/nowhere")][..], "/nowhere"),
        (&[("HTTPS_PROXY", "::planted"), ("WARP_API_KEY", "wk-1")], "HTTPS_PROXY"),
        (&[("W2A_KEYS_FILE", "/")], "cannot read the keys in /"),
    ] {
        let ended = run(&["config", "--check"], settings);

        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(64), ""), "{ended:?}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains("planted"), "{ended:?}");
    }
}

/// Ignored, a key that cannot be read would leave the edge open.
#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_a_mistake() {
    let ended = run_with_bytes(&["config", "--check"], "API_TOKEN", b"planted\xff");

    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("api_token (API_TOKEN, from the environment): "), "{ended:?}");
    assert!(!ended.output().contains("planted"), "{ended:?}");
}

#[test]
fn a_check_names_every_mistake_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("w2a.toml", "# keep\nport = \"http\"\n\nhistory = \"none\"\n");
    write(".env", "\nW2A_TURN_TIMEOUT=soon\n");

    let ended = run_in(
        &folder,
        &["config", "--check", "--config", "w2a.toml", "--keepalive", "often"],
        &[("W2A_ON_QUOTA", "never")],
    );

    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(64), ""), "{ended:?}");
    for words in [
        "port (PORT, from w2a.toml line 2): ",
        "history (W2A_HISTORY, from w2a.toml line 4): ",
        "turn_timeout (W2A_TURN_TIMEOUT, from .env line 2): ",
        "keepalive (W2A_KEEPALIVE, from the flag --keepalive): ",
        "on_quota (W2A_ON_QUOTA, from the environment): ",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    write("w2a.toml", "prot = 1\nkeep_alive = 2\n");
    let ended = run_in(&folder, &["config", "--check", "--config", "w2a.toml"], &[]);
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    for words in ["line 1: there is no setting `prot`; did you mean `port`?", "did you mean `keepalive`?"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

#[test]
fn a_check_of_what_is_right_says_so_for_the_command_that_is_meant() {
    let settings = [("PORT", "7"), ("W2A_KEEPALIFE", "3")];

    let ended = run(&["config", "--check"], &settings);

    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("W2A_KEEPALIFE") && ended.stderr.contains("`keepalive`"), "{ended:?}");
    assert!(ended.stdout.contains("the settings are right"), "{ended:?}");
    let ended = run(&["config", "--check", "--role", "warp-chat"], &settings);
    assert_eq!(ended.status.code(), Some(64), "it has to be told where chats run: {ended:?}");
}
