//! One program, several processes.

use crate::program::Program;

/// The line that the embedded upstream prints is the one that works.
#[test]
fn an_upstream_of_its_own_serves_a_second_process_as_its_banner_says() {
    let upstream = Program::start(&["upstream"], &[]);
    let line = upstream.banner.lines().find(|line| line.trim_start().starts_with("use it")).unwrap();
    let settings: Vec<_> = line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
    assert_eq!(settings.len(), 2, "{line}");

    let program = Program::start(&[], &settings);

    let answer = program.chat("say exactly: through a port");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("through a port"), "{answer}");
    assert!(answer.contains("x-warp2api-upstream: embedded"), "nobody takes it for the real one: {answer}");
}

#[test]
fn five_processes_are_one_house() {
    let upstream = Program::start(&["upstream"], &[]);
    let url = upstream.shown("upstream").to_owned();
    let key = [("WARP_API_KEY", "wk-embedded-upstream")];
    let pool = Program::start(&["token-pool"], &key);
    let codec = Program::start(&["codec"], &[]);
    let pool_place = format!("http://{}", pool.shown("gRPC"));
    let chat = Program::start(&["warp-chat", "--token-pool", &pool_place, "--upstream", &url], &[]);
    let chat_place = format!("http://{}", chat.shown("gRPC"));
    let gateway = Program::start(&["gateway", "--warp-chat", &chat_place], &[]);

    let answer = gateway.chat("say exactly: through five");

    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("through five"), "{answer}");
    assert!(!codec.shown("gRPC").is_empty());
}

#[test]
fn a_gateway_without_its_services_says_what_is_missing() {
    let gateway = Program::start(&["gateway", "--warp-chat", "http://127.0.0.1:9"], &[]);

    let answer = gateway.chat("hello");

    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("service_unreachable"), "{answer}");
}
