//! Settings from everywhere: what is wrong is told all at once, what is secret is never shown.

use crate::program::{run, run_in};

const PLANTED: &str = "planted-secret";

#[test]
fn every_mistake_is_told_at_once_and_the_program_does_not_start() {
    let ended = run(
        &["--drain-timeout", "soon"],
        &[
            ("PORT", "http"),
            ("W2A_GRPC_ADDR", "28888"),
            ("W2A_ON_QUOTA", "never"),
            ("W2A_HISTORY", "none"),
            ("HOST", "0.0.0.0"),
            ("WARP_API_KEY", "wk-planted secret"),
            ("W2A_LOG", "a=b=c"),
        ],
    );

    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    for name in [
        "PORT",
        "W2A_GRPC_ADDR",
        "W2A_ON_QUOTA",
        "W2A_HISTORY",
        "W2A_DRAIN_TIMEOUT",
        "API_TOKEN",
        "WARP_API_KEY",
        "W2A_LOG",
    ] {
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
    assert!(!ended.output().contains("planted"), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    assert_eq!(run(&["--prot", "1"], &[]).status.code(), Some(64));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w2a.toml"), "prot = 1").unwrap();

    let ended = run_in(&folder, &["--config", "w2a.toml"], &[]);

    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("w2a.toml") && ended.stderr.contains("prot"), "{ended:?}");
}

#[test]
fn config_shows_what_would_be_used_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let dot_env = format!("WARP_REFRESH_TOKEN={PLANTED}-1\nPORT=1\nW2A_HISTORY=flattened\n");
    std::fs::write(folder.path().join(".env"), dot_env).unwrap();
    let file = format!("port = 2\nhost = \"127.0.0.7\"\napi_token = \"{PLANTED}-2\"\ndrain_timeout = 7\n");
    std::fs::write(folder.path().join("w2a.toml"), file).unwrap();
    let proxy = format!("http://user:{PLANTED}-3@127.0.0.1:3128");
    let [key, jwt, list, web] = ["wk-KEY", "JWT", "name=LIST", "WEB"]
        .map(|text| text.replace(|c: char| c.is_ascii_uppercase(), "") + PLANTED);

    let ended = run_in(
        &folder,
        &["config", "--turn-timeout", "99"],
        &[
            ("W2A_CONFIG", "w2a.toml"),
            ("HTTP_PROXY", &proxy),
            ("HTTPS_PROXY", &proxy),
            ("WARP_API_KEY", &key),
            ("WARP_JWT", &jwt),
            ("WARP_SHARED_TOKENS", &list),
            ("WARP_FIREBASE_API_KEY", &web),
            ("W2A_KEEPALIVE", "5"),
        ],
    );

    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    // A flag, a variable, `.env`, the file: the stronger ones first.
    for shown in [
        "turn_timeout = \"99\"  # the flag --turn-timeout\n",
        "keepalive = \"5\"  # the environment\n",
        "port = \"1\"  # .env line 2\n",
        "host = \"127.0.0.7\"  # w2a.toml line 2\n",
        "api_token = \"(hidden)\"",
        "warp_refresh_token = \"(hidden)\"",
        "127.0.0.7:1",
        "Flattened",
    ] {
        assert!(ended.stdout.contains(shown), "{shown} in {}", ended.stdout);
    }
    assert!(!ended.output().contains("planted"), "{}", ended.output());
}

#[test]
fn an_upstream_with_a_password_in_its_address_is_refused_without_showing_it() {
    for variable in ["W2A_UPSTREAM", "WARP_URL", "WARP_TOKEN_URL"] {
        let url = format!("http://user:{PLANTED}@127.0.0.1:9");

        let ended = run(&["config"], &[(variable, &url), ("WARP_API_KEY", "wk-1")]);

        assert!(!ended.output().contains("planted"), "{variable}: {ended:?}");
        assert_eq!(ended.status.code(), Some(64), "{variable}: {ended:?}");
        assert!(ended.stderr.contains(variable), "{ended:?}");
    }
}

#[test]
fn help_names_every_setting_but_flags_for_secrets() {
    let ended = run(&["--help"], &[]);

    assert_eq!(ended.status.code(), Some(0));
    for described in warp2api_server::settings::TABLE {
        let flag = format!("--{} ", described.key.replace('_', "-"));
        let secret = described.kind == warp2api_server::settings::Kind::Secret;
        assert_eq!(ended.stdout.contains(&flag), !secret, "{flag}");
    }
}

#[test]
fn mistakes_of_every_file_are_told_with_those_of_every_setting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "\nplanted\nW2A_PROT=1\nW2A_HISTORY=none\n").unwrap();
    std::fs::write(folder.path().join("w2a.toml"), "prot = 1\nmax_wait = [1]\nport = \"http\"\n").unwrap();

    let settings = [("OTEL_TRACES_SAMPLER", "sometimes")];
    let ended = run_in(&folder, &["config", "--check", "--config", "w2a.toml"], &settings);

    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    for words in [
        ".env line 2: ",
        "w2a.toml line 1: there is no setting `prot`",
        "w2a.toml line 2: max_wait wants",
        "port (PORT, from w2a.toml line 3)",
        "history (W2A_HISTORY, from .env line 4)",
        "OTEL_TRACES_SAMPLER",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!ended.output().contains("planted"), "{ended:?}");
}

#[test]
fn a_stranger_among_the_settings_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=7\nW2A_PROT=1\n").unwrap();

    let ended = run_in(&folder, &["config", "--check"], &[]);

    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("W2A_PROT is in .env line 2 and no setting; did you mean `port`?"),
        "{ended:?}"
    );
}
