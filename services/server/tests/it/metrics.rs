//! What is counted: every metric of the table is there after some traffic, with the labels it says and no others, whatever
//! clients send; where it can be scraped; and that the time of a turn is divided as it should be.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use warp2api_rpc::meter::{Kind, TABLE, label_in_prometheus};

use crate::program::{PATIENCE, Program};
use crate::scrape::{Scrape, get};

/// Sends a request to `address` as it stands and reads what comes.
fn send(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // One that is cut off is one, too.
    drop(socket.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(address: &str, path: &str, body: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer k\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    send(address, &(head + body))
}

/// Scrapes until it is as wanted: what ends a request is counted a moment after its last byte is out.
fn scrape_until(address: &str, wanted: impl Fn(&Scrape) -> bool) -> Scrape {
    let end = Instant::now() + PATIENCE;
    loop {
        let scrape = Scrape::of(address);
        if wanted(&scrape) {
            return scrape;
        }
        assert!(Instant::now() < end, "{scrape:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_scrape_is_what_the_table_says_whatever_clients_send() {
    let settings = [("W2A_UPSTREAM", "embedded"), ("W2A_LOG", "off"), ("API_TOKEN", "k")];
    let program = Program::start(&[], &settings);
    let (edge, grpc) = (program.edge(), program.shown("gRPC"));
    let chat = |model: &str| serde_json::json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "hello" }] });
    assert!(post(edge, "/v1/chat/completions", &chat("auto").to_string()).contains("[DONE]"));
    for hostile in 0..600 {
        let evil = format!("evil{hostile}");
        post(edge, "/v1/chat/completions", &chat(&format!("{evil}\"}} 1\n")).to_string());
        send(
            edge,
            &format!(
                "{} /{evil}?{evil} HTTP/1.1\r\nhost: {evil}\r\nconnection: close\r\n\r\n",
                evil.to_uppercase()
            ),
        );
        post(grpc, &format!("/v1/credentials/{evil}:{evil}"), "{}");
    }

    let ended = |scrape: &Scrape| {
        let requests = scrape.value("http_server_request_duration_seconds_count", &[]);
        requests.is_some_and(|requests| requests >= 1801.0)
    };
    let scrape = scrape_until(grpc, ended);

    for (name, family) in &scrape.0 {
        let metric = TABLE.iter().find(|metric| metric.in_prometheus() == *name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(family.kind, metric.kind_in_prometheus(), "{name}");
        assert!(metric.kind == Kind::Process || family.help == metric.about, "{name}: {}", family.help);
        let known: Vec<_> = metric.labels.iter().map(|label| label_in_prometheus(label)).collect();
        for label in scrape.labels(name) {
            assert!(known.iter().any(|known| known == label), "{name} has the label {label}");
        }
        assert!(family.samples.len() < 400, "{name} has {} series", family.samples.len());
        let text = format!("{:?}", family.samples).to_lowercase();
        assert!(!text.contains("evil"), "{name} has what clients make up: {text}");
    }
    let count = |name, labels: &[(&str, &str)]| scrape.value(name, labels);
    let duration = "gen_ai_client_operation_duration_seconds_count";
    assert_eq!(count(duration, &[("gen_ai_request_model", "other")]), Some(600.0));
    assert_eq!(count("warp2api_edge_turns_total", &[("warp2api_key", "key")]), Some(601.0));
    assert!(
        count("http_server_request_duration_seconds_count", &[("http_request_method", "_OTHER")])
            >= Some(600.0)
    );
    assert_eq!(count("warp2api_pool_outcomes_total", &[("outcome", "SUCCESS")]), Some(601.0));
    assert_eq!(count("warp2api_build_info", &[("role", "serve")]), Some(1.0));
    assert_eq!(count("warp2api_chat_active", &[]), Some(0.0));
    assert_eq!(count("warp2api_edge_active", &[]), Some(0.0));
    assert_eq!(count("http_server_active_requests", &[]), Some(1.0), "the scrape itself");
    if cfg!(target_os = "linux") {
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
            assert!(count(name, &[]) > Some(0.0), "{name}");
        }
    }
}

/// Who watches a house has to see how it stops.
#[cfg(unix)]
#[test]
fn a_port_of_its_own_answers_until_the_last_stream_is_over() {
    let settings = [("W2A_METRICS_ADDR", "127.0.0.1:0"), ("W2A_DRAIN_TIMEOUT", "60")];
    let program = Program::start(&[], &settings);
    let url = program.shown("metrics").to_owned();
    let metrics = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let mut stream = program.begin_chat("say slowly: one two three four five six seven eight", true);
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).unwrap() > 0, "it has begun");

    program.signal("TERM");
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(program.edge()).is_ok() {
        assert!(Instant::now() < end, "it does not close its door");
        std::thread::sleep(Duration::from_millis(5));
    }

    let scrape = Scrape::of(metrics);
    assert_eq!(scrape.value("warp2api_draining", &[]), Some(1.0));
    assert_eq!(scrape.value("warp2api_edge_active", &[]), Some(1.0));
    assert!(get(metrics, "/readyz").contains("shutting_down"));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("[DONE]"));
    assert_eq!(program.ended().status.code(), Some(0));
}

#[test]
fn every_role_can_have_a_port_for_what_is_counted_and_nothing_else() {
    let upstream = Program::start(&["upstream"], &[("W2A_METRICS_ADDR", "127.0.0.1:0")]);
    let place = upstream.shown("upstream").to_owned();
    let pool = [("W2A_METRICS_ADDR", "127.0.0.1:0"), ("WARP_API_KEY", "wk-embedded-upstream")];
    let pool = Program::start(&["token-pool", "--upstream", &place], &pool);
    let pool_place = format!("http://{}", pool.shown("gRPC"));
    let chat = Program::start(
        &["warp-chat", "--token-pool", &pool_place, "--upstream", &place],
        &[("W2A_METRICS_ADDR", "127.0.0.1:0")],
    );
    let chat_place = format!("http://{}", chat.shown("gRPC"));
    let gateway =
        Program::start(&["gateway", "--warp-chat", &chat_place], &[("W2A_METRICS_ADDR", "127.0.0.1:0")]);
    let codec = Program::start(&["codec"], &[("W2A_METRICS_ADDR", "127.0.0.1:0")]);
    assert!(gateway.chat("say exactly: hello").starts_with("HTTP/1.1 200 "));

    for (program, role, counts) in [
        (&gateway, "gateway", Some("warp2api_edge_turns_total")),
        (&chat, "warp-chat", Some("gen_ai_client_operation_duration_seconds_count")),
        (&pool, "token-pool", Some("warp2api_pool_outcomes_total")),
        (&codec, "codec", None),
        (&upstream, "upstream", None),
    ] {
        let shown = program.shown("metrics").to_owned();
        let address = shown.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap();
        let scrape =
            scrape_until(address, |scrape| counts.is_none_or(|name| scrape.value(name, &[]) == Some(1.0)));
        assert_eq!(scrape.value("warp2api_build_info", &[("role", role)]), Some(1.0), "{role}");
        assert_eq!(scrape.value("warp2api_draining", &[]), Some(0.0), "{role}");
        assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "), "{role}");
        for path in ["/", "/v1/models", "/v1/credentials", "/ui", "/v1/exchanges"] {
            assert!(get(address, path).starts_with("HTTP/1.1 404 "), "{role} {path}");
        }
    }
    // What came in over gRPC is counted by its method, where it came in.
    let acquire = ("rpc_method", "warp2api.token_pool.v1.TokenPool/AcquireCredential");
    let calls = |program: &Program, labels: &[(&str, &str)]| {
        Scrape::of(program.shown("gRPC")).value("rpc_server_call_duration_seconds_count", labels)
    };
    assert_eq!(calls(&pool, &[acquire, ("rpc_response_status_code", "OK")]), Some(1.0));
    let stream = ("rpc_method", "warp2api.warp_chat.v1.WarpChat/StreamChat");
    assert_eq!(calls(&chat, &[stream]), Some(1.0));
    assert!(get(gateway.edge(), "/metrics").starts_with("HTTP/1.1 404 "), "the edge is for applications");
}

/// A caller who does not read for a while makes its turn longer, and none of it is our part or the upstream's.
#[test]
fn a_slow_reader_is_neither_our_overhead_nor_a_gap_of_the_upstream() {
    let program = Program::start(&[], &[("W2A_UPSTREAM", "embedded"), ("W2A_LOG", "off")]);
    // More than sockets and buffers hold between them.
    let mut socket = program.begin_chat("stream 6000 chunks of 4000 bytes every 0 ms", true);
    let mut some = [0; 4096];
    assert!(socket.read(&mut some).unwrap() > 0);
    let away = Duration::from_secs(3);
    std::thread::sleep(away);
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest[rest.len() - 64..]).contains("[DONE]"), "{} bytes", rest.len());

    let ended = |scrape: &Scrape| scrape.value("warp2api_chat_overhead_seconds_count", &[]) == Some(1.0);
    let scrape = scrape_until(program.shown("gRPC"), ended);

    let sum = |name: &str| scrape.value(&format!("{name}_seconds_sum"), &[]).unwrap();
    let total = sum("gen_ai_client_operation_duration");
    let reader = sum("warp2api_chat_reader_wait");
    assert!(reader > away.as_secs_f64() * 0.8, "{reader} of {total}");
    let parts = ["overhead", "upstream_wait", "lease_wait", "reader_wait"];
    let parts: f64 = parts.iter().map(|part| sum(&format!("warp2api_chat_{part}"))).sum();
    assert!((parts - total).abs() < 0.001, "{parts} of {total}");
    assert!(sum("warp2api_chat_overhead") < total - away.as_secs_f64() * 0.8, "{scrape:#?}");
    assert!(sum("warp2api_chat_longest_gap") < away.as_secs_f64() * 0.8, "{scrape:#?}");
}
