//! One program, several processes.

use crate::program::{Program, told};

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

/// Nobody has chatted yet, and the edge knows where it would be.
#[test]
fn a_house_in_several_processes_is_smoked_and_looked_at_right_after_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap()), ("W2A_UPSTREAM", "embedded")];
    let pool = Program::start(&["token-pool"], &data);
    let pool_place = format!("http://{}", pool.shown("gRPC"));
    let chat = Program::start(&["warp-chat", "--token-pool", &pool_place], &data);
    let chat_place = format!("http://{}", chat.shown("gRPC"));
    let _codec = Program::start(&["codec"], &data);
    let _gateway = Program::start(&["gateway", "--warp-chat", &chat_place], &data);

    let (code, smoke) = told(&["smoke"], &data);
    assert_eq!(code, 0, "{smoke}");
    let (code, found) = told(&["doctor"], &data);
    assert_eq!(code, 0, "{found}");
    let checks = found["checks"].as_array().unwrap();
    let parts = |name: &str| -> Vec<&str> {
        let of_name = checks.iter().filter(|check| check["name"] == name);
        of_name.map(|check| check["part"].as_str().unwrap().split(' ').next().unwrap()).collect()
    };
    assert_eq!(parts("ready"), ["gateway", "warp-chat", "codec", "token-pool"], "{found}");
    assert_eq!(parts("stream"), ["gateway"], "{found}");
    assert!(checks.iter().any(|check| check["name"] == "store"), "{found}");

    // What is missing is the pool, and not a credential.
    pool.killed();
    let end = std::time::Instant::now() + crate::program::PATIENCE;
    loop {
        let (_, status) = told(&["status"], &data);
        let why = status["edge"]["not_ready"].to_string();
        if why.contains("a service this one needs cannot be reached") {
            break;
        }
        assert!(std::time::Instant::now() < end, "{status}");
    }
}
