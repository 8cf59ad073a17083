//! One request, one trace: through five processes, over both ways that OTLP travels, whatever becomes of it.

use std::io::{Read as _, Write as _};

use warp2api_upstream_sim::{Refusal, Scenario};

use crate::collector::{Collector, attribute, hex, tree};
use crate::pool_client::Upstream;
use crate::program::{PATIENCE, Program};

const PROMPT: &str = "planted-prompt";

/// The processes of a house whose upstream is at `url`.
pub(crate) fn house(collector: &Collector, url: &str, keys: &[(&str, &str)], protocol: &str) -> [Program; 3] {
    let with = |name, more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        let settings = collector.settings(name, protocol);
        settings.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let start = |arguments: &[&str], settings: &[(String, String)]| {
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Program::start(arguments, &settings)
    };
    let mut settings = with("token-pool", &[]);
    settings.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let pool = start(&["token-pool", "--upstream", url], &settings);
    let pool_place = format!("http://{}", pool.shown("gRPC"));
    let chat = start(
        &["warp-chat", "--token-pool", &pool_place, "--upstream", url],
        &with("warp-chat", &[("W2A_LOG", "trace")]),
    );
    let chat_place = format!("http://{}", chat.shown("gRPC"));
    let gateway = start(&["gateway", "--warp-chat", &chat_place], &with("gateway", &[]));
    [gateway, chat, pool]
}

/// The id in the `traceparent` of an answer.
fn trace_of(answer: &str) -> String {
    let parent =
        answer.lines().find_map(|line| line.strip_prefix("traceparent: 00-")).expect("it names its trace");
    assert!(answer.contains("x-request-id: "), "{answer}");
    parent[..32].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_through_five_processes_is_one_trace() {
    let collector = Collector::start().await;
    let upstream = Program::start(&["upstream"], &collector.settings("upstream", "grpc"));
    let url = upstream.shown("upstream").to_owned();
    let codec = Program::start(&["codec"], &collector.settings("codec", "grpc"));
    let [gateway, chat, pool] = house(&collector, &url, &[("WARP_API_KEY", "wk-embedded-upstream")], "grpc");

    let answer = gateway.chat(&format!("say exactly: {PROMPT}"));

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let spans = collector.spans(&trace_of(&answer), 9);
    let expected = include_str!("traces/chat.txt");
    assert_eq!(tree(&spans), expected);
    let root = &spans[0].1;
    assert!(spans.iter().all(|(_, span)| span.start_time_unix_nano >= root.start_time_unix_nano));
    for part in [gateway, chat, pool, codec, upstream] {
        part.killed();
    }
    let everything = collector.everything();
    for secret in [PROMPT, "wk-embedded", "key-of-the-client", "Bearer"] {
        assert!(!everything.contains(secret), "a span holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_and_leases_of_a_failover_are_in_the_trace_and_nothing_of_it_reaches_the_upstream() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh", "planted-shared"]).await;
    let keys = [
        ("WARP_REFRESH_TOKEN", "planted-refresh"),
        ("WARP_SHARED_TOKENS", "planted-shared"),
        ("WARP_FIREBASE_API_KEY", "planted-web-key"),
    ];
    let [gateway, chat, pool] = house(&collector, &upstream.url, &keys, "http/protobuf");
    upstream.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));

    let answer = gateway.chat(PROMPT);

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let spans = collector.spans(&trace_of(&answer), 16);
    assert_eq!(tree(&spans), include_str!("traces/failover.txt"));
    for received in upstream.simulator.record().chats() {
        let sent = format!("{received:?}").to_lowercase();
        for ours in ["traceparent", "tracestate", "baggage", "x-request-id", "grpc-timeout"] {
            assert!(!sent.contains(ours), "the upstream is told our {ours}");
        }
    }
    let ended: Vec<_> = [gateway, chat, pool].map(Program::killed).into();
    let told = ended.iter().fold(collector.everything(), |text, ended| text + &ended.output());
    for secret in ["planted", "key-of-the-client", "eyJ"] {
        assert!(!told.contains(secret), "a span or a log holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_every_span_as_cancelled() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let keys = [("WARP_REFRESH_TOKEN", "planted-refresh"), ("WARP_FIREBASE_API_KEY", "planted-web-key")];
    let [gateway, ..] = &house(&collector, &upstream.url, &keys, "grpc");

    let mut socket = gateway.begin_chat("stream 6000 chunks of 8 bytes every 20 ms", true);
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("data: ") {
        let mut some = [0; 1024];
        let count = socket.read(&mut some).unwrap();
        assert!(count > 0, "{PATIENCE:?}");
        read.extend_from_slice(&some[..count]);
    }
    drop(socket);

    let spans = collector.spans(&trace_of(&String::from_utf8_lossy(&read)), 9);
    let cancelled = |name: &str| {
        spans.iter().any(|(_, span)| {
            span.name.starts_with(name) && span.events.iter().any(|event| event.name == "cancelled")
        })
    };
    for name in
        ["POST /v1/chat/completions", "warp2api.warp_chat.v1.WarpChat/StreamChat", "chat ", "POST /ai/"]
    {
        assert!(cancelled(name), "{name}:\n{}", tree(&spans));
    }
    let root = spans.iter().find(|(_, span)| span.parent_span_id.is_empty()).unwrap();
    assert_eq!(attribute(&root.1.attributes, "error.type"), "cancelled");
    assert_eq!(hex(&root.1.trace_id).len(), 32);
}

/// What is counted is there to be read, and the line of a request has what one looks for at night.
#[test]
fn a_chat_is_counted_and_has_its_line_in_the_log() {
    let settings = [("W2A_UPSTREAM", "embedded"), ("W2A_LOG_FORMAT", "json")];
    let program = Program::start(&[], &settings);
    assert!(program.chat("say exactly: planted-answer").starts_with("HTTP/1.1 200 "));
    let mut socket = std::net::TcpStream::connect(program.shown("gRPC")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut metrics = String::new();
    socket.read_to_string(&mut metrics).unwrap();

    for expected in [
        "http_server_request_duration_seconds_count{",
        "http_route=\"/v1/chat/completions\"",
        "gen_ai_client_operation_duration_seconds_bucket{",
        "gen_ai_client_operation_time_to_first_chunk_seconds_count{",
        "gen_ai_client_token_usage",
        "warp2api_chat_overhead_seconds_sum",
        "warp2api_chat_active 0",
        "warp2api_pool_credentials{",
    ] {
        assert!(metrics.contains(expected), "no {expected} in {metrics}");
    }
    let log = program.killed().stderr;
    let line =
        log.lines().find(|line| line.contains("/v1/chat/completions")).expect("a line for the request");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let fields = &line["fields"];
    for (name, value) in [
        ("method", "POST"),
        ("route", "/v1/chat/completions"),
        ("dialect", "chat_completions"),
        ("upstream", "embedded"),
        ("model", "auto"),
    ] {
        assert_eq!(fields[name], value, "{line}");
    }
    assert_eq!(fields["status"], 200);
    for name in ["request_id", "credential"] {
        assert!(fields[name].as_str().is_some_and(|value| !value.is_empty()), "{name} in {line}");
    }
    assert!(
        fields["total_ms"].as_u64() >= fields["first_byte_ms"].as_u64() && fields["bytes"].as_u64() > Some(0)
    );
    assert!(!log.contains("planted") && !metrics.contains("planted"));
}
