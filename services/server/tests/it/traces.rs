//! One request, one trace: through five processes, over both ways that OTLP travels, whatever becomes of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::Endpoint;
use warp2api_proto::codec::v1::ListMessageTypesRequest;
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_rpc::semconv;
use warp2api_upstream_sim::{Refusal, Scenario};

use crate::collector::{Collector, attribute, failed, hex, kind, tree};
use crate::pool_client::{Upstream, until};
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

/// Stops processes as a supervisor does: what they had not sent yet is sent then.
fn stopped<const COUNT: usize>(parts: [Program; COUNT]) -> String {
    let mut told = String::new();
    for part in parts {
        part.signal("TERM");
        let ended = part.ended();
        assert!(ended.status.success(), "{ended:?}");
        told += &ended.output();
    }
    told
}

const REPORT: &str = "warp2api.token_pool.v1.TokenPool/ReportCredentialOutcome";
const STREAM_CHAT: &str = "warp2api.warp_chat.v1.WarpChat/StreamChat";

/// The one span of that kind and name.
fn one<'a>(spans: &'a [(String, Span)], side: &str, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|(_, span)| kind(span) == side && span.name == name);
    match (found.next(), found.next()) {
        (Some((_, span)), None) => span,
        _ => panic!("not one {side} {name}:\n{}", tree(spans)),
    }
}

/// Each span lies within its parent, and the turn ends with its last word.
fn lies_right(spans: &[(String, Span)]) {
    let named = |span: &Span| format!("{} {}:\n{}", kind(span), span.name, tree(spans));
    for (_, span) in spans {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", named(span));
        let Some((_, parent)) = spans.iter().find(|(_, parent)| parent.span_id == span.parent_span_id) else {
            continue;
        };
        assert!(parent.start_time_unix_nano <= span.start_time_unix_nano, "{}", named(span));
        // Nobody waits for the report of a lease: it is made when the turn has ended.
        let outlives = span.name == REPORT && kind(span) == "client";
        assert!(outlives || span.end_time_unix_nano <= parent.end_time_unix_nano, "{}", named(span));
    }
    let turn = one(spans, "client", "chat auto");
    let last = turn.events.iter().max_by_key(|event| event.time_unix_nano).unwrap();
    assert_eq!(last.name, "finished", "{}", named(turn));
    assert!(last.time_unix_nano <= turn.end_time_unix_nano, "{}", named(turn));
    let call = one(spans, "server", STREAM_CHAT);
    assert!(turn.end_time_unix_nano <= call.end_time_unix_nano, "the turn ends with its stream");
}

/// Whoever is called over a socket is named.
fn says_who_is_called(spans: &[(String, Span)]) {
    for (_, span) in spans.iter().filter(|(_, span)| kind(span) == "client" && span.name.contains('/')) {
        assert_eq!(attribute(&span.attributes, "server.address"), "127.0.0.1", "{}", span.name);
        let port = attribute(&span.attributes, "server.port");
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{}: {port}", span.name);
    }
}

/// Reads until something to show has come.
fn read_some(socket: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("data: ") {
        let mut some = [0; 1024];
        let count = socket.read(&mut some).unwrap();
        assert!(count > 0, "{PATIENCE:?}");
        read.extend_from_slice(&some[..count]);
    }
    read
}

/// Now, as spans tell it.
fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
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
    let trace = trace_of(&answer);
    let root = collector.spans(&trace, 9).into_iter().find(|(_, span)| span.parent_span_id.is_empty());
    // No chat calls the codec: somebody does who looks at one.
    let channel = Endpoint::from_shared(format!("http://{}", codec.shown("gRPC"))).unwrap();
    let mut client = CodecClient::new(channel.connect().await.unwrap());
    let mut request = tonic::Request::new(ListMessageTypesRequest::default());
    let parent = format!("00-{trace}-{}-01", hex(&root.unwrap().1.span_id));
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    client.list_message_types(request).await.unwrap();
    drop(client);
    stopped([gateway, chat, pool, codec, upstream]);

    // All that will ever come.
    let spans = collector.trace(&trace);
    assert_eq!(tree(&spans), include_str!("traces/chat.txt"));
    assert_eq!(spans.len(), 10);
    let of_the_chat: Vec<_> = spans.into_iter().filter(|(service, _)| service != "codec").collect();
    lies_right(&of_the_chat);
    says_who_is_called(&of_the_chat);
    assert!(collector.all().iter().all(|(service, _)| service != "upstream"), "it is told of no trace");
    assert_eq!(collector.schemas().into_iter().collect::<Vec<_>>(), [semconv::SCHEMA_URL]);
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
    let trace = trace_of(&answer);
    collector.spans(&trace, 16);
    for received in upstream.simulator.record().chats() {
        let sent = format!("{received:?}").to_lowercase();
        for ours in ["traceparent", "tracestate", "baggage", "x-request-id", "grpc-timeout"] {
            assert!(!sent.contains(ours), "the upstream is told our {ours}");
        }
    }
    let told = stopped([gateway, chat, pool]);
    let spans = collector.trace(&trace);
    assert_eq!(tree(&spans), include_str!("traces/failover.txt"));
    assert_eq!(spans.len(), 16);
    lies_right(&spans);
    says_who_is_called(&spans);
    let told = collector.everything() + &told;
    for secret in ["planted", "key-of-the-client", "eyJ"] {
        assert!(!told.contains(secret), "a span or a log holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_told_of_until_its_last_byte_though_the_pool_went_away_meanwhile() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let keys = [("WARP_REFRESH_TOKEN", "planted-refresh"), ("WARP_FIREBASE_API_KEY", "planted-web-key")];
    let [gateway, chat, pool] = house(&collector, &upstream.url, &keys, "grpc");
    let place = pool.shown("gRPC").to_owned();

    let asked = now();
    let mut socket = gateway.begin_chat("stream 50 chunks of 8 bytes every 20 ms", true);
    let read = read_some(&mut socket);
    let begun = now();
    pool.killed();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    let read_all = now();

    assert!(rest.contains("data: [DONE]"), "{rest}");
    let trace = trace_of(&String::from_utf8_lossy(&read));
    // The turn is told of at once: it does not wait for the report, which nobody takes.
    until("the turn is told of", || {
        collector.trace(&trace).iter().any(|(_, span)| span.name.starts_with("chat "))
    })
    .await;
    let settings = [("W2A_GRPC_ADDR", place.as_str())];
    let settings: Vec<_> = settings.into_iter().chain(keys).collect();
    let pool = Program::start(&["token-pool", "--upstream", &upstream.url], &settings);
    until("the report is given up, or taken", || {
        collector.trace(&trace).iter().any(|(_, span)| span.name == REPORT)
    })
    .await;
    stopped([gateway, chat, pool]);

    // What the pool that was killed had not sent yet is lost; of it nothing is asked.
    let spans: Vec<_> =
        collector.trace(&trace).into_iter().filter(|(service, _)| service != "token-pool").collect();
    lies_right(&spans);
    let report = one(&spans, "client", REPORT);
    assert!(report.events.iter().any(|event| event.name == "retried"), "{report:?}");
    assert_eq!(report.parent_span_id, one(&spans, "client", "chat auto").span_id);
    assert!(report.end_time_unix_nano > one(&spans, "server", STREAM_CHAT).end_time_unix_nano);
    let root = one(&spans, "server", "POST /v1/chat/completions");
    let first_byte = root.events.iter().find(|event| event.name == "first byte").unwrap().time_unix_nano;
    assert!(asked <= root.start_time_unix_nano && first_byte <= begun, "{root:?}");
    assert!(begun < root.end_time_unix_nano && root.end_time_unix_nano <= read_all, "{root:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_every_span_as_cancelled() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let keys = [("WARP_REFRESH_TOKEN", "planted-refresh"), ("WARP_FIREBASE_API_KEY", "planted-web-key")];
    let [gateway, chat, pool] = house(&collector, &upstream.url, &keys, "grpc");

    let mut socket = gateway.begin_chat("stream 6000 chunks of 8 bytes every 20 ms", true);
    let read = read_some(&mut socket);
    drop(socket);

    let trace = trace_of(&String::from_utf8_lossy(&read));
    collector.spans(&trace, 10);
    stopped([gateway, chat, pool]);
    let spans = collector.trace(&trace);
    assert_eq!(spans.len(), 10, "{}", tree(&spans));
    let left = [
        ("server", "POST /v1/chat/completions"),
        ("client", STREAM_CHAT),
        ("server", STREAM_CHAT),
        ("client", "chat auto"),
        ("client", "POST /ai/multi-agent"),
    ];
    for (side, name) in left {
        let span = one(&spans, side, name);
        let last = span.events.iter().max_by_key(|event| event.time_unix_nano).unwrap();
        let told = (last.name.as_str(), attribute(&span.attributes, "error.type"), failed(span));
        assert_eq!(told, ("cancelled", "cancelled".to_owned(), true), "{side} {name}:\n{}", tree(&spans));
    }
    for (_, span) in spans.iter().filter(|(_, span)| !left.contains(&(kind(span), span.name.as_str()))) {
        assert!(!failed(span), "{} {}:\n{}", kind(span), span.name, tree(&spans));
    }
}

/// What is counted is there to be read, and the line of a request has what one looks for at night.
#[test]
fn a_chat_is_counted_and_has_its_line_in_the_log() {
    let settings = [("W2A_UPSTREAM", "embedded"), ("W2A_LOG_FORMAT", "json")];
    let program = Program::start(&[], &settings);
    assert!(program.chat("say exactly: planted-answer").starts_with("HTTP/1.1 200 "));
    let mut socket = TcpStream::connect(program.shown("gRPC")).unwrap();
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
    for name in ["request_id", "trace_id", "credential"] {
        assert!(fields[name].as_str().is_some_and(|value| !value.is_empty()), "{name} in {line}");
    }
    assert!(
        fields["total_ms"].as_u64() >= fields["first_byte_ms"].as_u64() && fields["bytes"].as_u64() > Some(0)
    );
    assert!(!log.contains("planted") && !metrics.contains("planted"));
}
