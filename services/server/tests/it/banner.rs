//! What a person sees at the start: all they need next, and no secret.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::program::Program;

#[test]
fn the_start_shows_where_it_is_what_it_runs_on_and_what_to_try() {
    let program = Program::start(&[], &[]);

    let base = program.shown("base URL");
    assert!(base.starts_with("http://127.0.0.1:") && base.ends_with("/v1"), "{base}");
    assert_eq!(program.shown("upstream"), "embedded:");
    assert!(program.banner.contains("any key is accepted"), "{}", program.banner);
    assert!(program.banner.contains("the embedded upstream's own"), "{}", program.banner);
    let curl = format!("curl -N {base}/chat/completions");
    assert!(program.banner.contains(&curl), "{}", program.banner);
    assert!(program.shown("gRPC").starts_with("127.0.0.1:"));
    assert!(program.chat("say exactly: it works").contains("it works"));
}

#[test]
fn credentials_are_shown_by_tier_and_never_themselves() {
    let program = Program::start(
        &[],
        &[
            ("W2A_UPSTREAM", "http://127.0.0.1:9"),
            ("API_TOKEN", "planted-key"),
            ("WARP_API_KEY", "wk-planted-one"),
            ("WARP_SHARED_TOKENS", "a=planted-two,planted-three"),
            ("WARP_ANONYMOUS_TOKEN", "planted-four"),
        ],
    );

    let banner = &program.banner;
    assert!(banner.contains("1 personal, 2 shared, 1 anonymous"), "{banner}");
    assert!(banner.contains("a key of API_TOKEN"), "{banner}");
    assert_eq!(program.shown("upstream"), "http://127.0.0.1:9");
    assert!(!banner.contains("planted"), "{banner}");
    let refused = program.chat("hello");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
}

/// Whatever is logged, and however much of it.
#[test]
fn the_log_shows_no_secret_and_no_prompt() {
    let settings = [
        ("W2A_UPSTREAM", "http://127.0.0.1:9"),
        ("WARP_API_KEY", "wk-planted-one"),
        ("WARP_SHARED_TOKENS", "planted-two"),
        ("WARP_FIREBASE_API_KEY", "planted-three"),
        ("HTTP_PROXY", "http://user:planted-four@127.0.0.1:9"),
        ("NO_PROXY", "nothing.invalid"),
        ("W2A_LOG", "trace"),
    ];
    let program = Program::start(&[], &settings);

    let answer = program.chat("a planted prompt");

    let ended = program.killed();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(ended.stderr.contains("TRACE"), "it was logged in all detail: {}", ended.stderr);
    assert!(!ended.output().contains("planted") && !answer.contains("planted"), "{ended:?}{answer}");
}

/// HTTP on the port of the services says that they live.
#[test]
fn the_port_of_the_services_answers_health_over_http() {
    let program = Program::start(&[], &[]);
    for address in [program.edge(), program.shown("gRPC")] {
        let mut socket = TcpStream::connect(address).unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
