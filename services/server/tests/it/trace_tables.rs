//! All that a collector gets is in the tables of docs/traces.md, and what an operator looks for at night is among it: who
//! waited, what failed over to what, what rests for how long, and why.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::trace::v1::Span;
use warp2api_rpc::trace::names;
use warp2api_upstream_sim::{Refusal, Scenario};

use crate::collector::{Collector, attribute, failed, kind};
use crate::pool_client::{Upstream, until};
use crate::program::{Program, http};

/// A house with two credentials, each of which serves one chat at a time.
fn house(collector: &Collector, upstream: &Upstream) -> Program {
    let settings = [
        ("W2A_UPSTREAM", upstream.url.as_str()),
        ("WARP_REFRESH_TOKEN", "planted-refresh"),
        ("WARP_SHARED_TOKENS", "planted-shared"),
        ("WARP_FIREBASE_API_KEY", "planted-web-key"),
        ("W2A_MAX_REQUESTS", "3"),
        ("W2A_MAX_IN_FLIGHT", "1"),
    ];
    let settings: Vec<_> = settings.into_iter().chain(collector.settings("all", "http/protobuf")).collect();
    Program::start(&[], &settings)
}

/// The name of a span without what differs from one to the next.
fn kind_of(name: &str) -> &'static str {
    let methods = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "HTTP"];
    match name {
        "POST /ai/multi-agent" => "POST {path}",
        name if name.starts_with("chat ") => "chat {model}",
        "refresh" => "refresh",
        name if name.starts_with("warp2api.") => "warp2api.{package}.{service}/{method}",
        name if methods.contains(&name.split(' ').next().unwrap()) => "{method} {route}",
        name => panic!("{name} is no span that is known"),
    }
}

/// What of the spans is in no table.
fn strangers(spans: &[(String, Span)]) -> BTreeSet<String> {
    let known = |table: &[(&str, &str)], name: &str| table.iter().any(|(known, _)| *known == name);
    let mut strangers = BTreeSet::new();
    for (_, span) in spans {
        let kind = kind(span);
        let name = kind_of(&span.name);
        let row = names::SPANS.iter().find(|(known, ..)| *known == name).unwrap();
        if !row.1.contains(kind) {
            strangers.insert(format!("{kind} {name}"));
        }
        let attributes = span.attributes.iter().map(|pair| &pair.key);
        strangers.extend(attributes.filter(|name| !known(names::ATTRIBUTES, name)).cloned());
        for event in &span.events {
            strangers.extend((!known(names::EVENTS, &event.name)).then(|| event.name.clone()));
            let attributes = event.attributes.iter().map(|pair| &pair.key);
            strangers.extend(attributes.filter(|name| !known(names::EVENT_ATTRIBUTES, name)).cloned());
        }
    }
    strangers
}

/// What every span of a kind has. Over sockets calls have more: the address of who is called.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "{method} {route}",
        &[
            "http.request.method",
            "url.path",
            "url.scheme",
            "http.response.status_code",
            "warp2api.request.id",
        ],
    ),
    (POOL, &["rpc.system.name", "rpc.method", "rpc.response.status_code"]),
    (
        "chat {model}",
        &["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "request_id", "trace_id"],
    ),
    ("POST {path}", &["http.request.method", "url.full", "server.address", "server.port"]),
    ("refresh", &["warp2api.credential.id"]),
];

/// What a span lacks, or has that does not go together.
fn faults(spans: &[(String, Span)]) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    for (_, span) in spans {
        let name = kind_of(&span.name);
        let has = |attribute: &str| span.attributes.iter().any(|pair| pair.key == attribute);
        let (_, required) = REQUIRED.iter().find(|(kind, _)| *kind == name).unwrap();
        let lacking = required.iter().filter(|attribute| !has(attribute));
        faults.extend(lacking.map(|attribute| format!("{} without {attribute}", span.name)));
        if has("error.type") != failed(span) {
            faults.insert(format!("{} with an error.type that its status does not have", span.name));
        }
        // One that has a route is called by it.
        if name == "{method} {route}" && has("http.route") != span.name.contains(' ') {
            faults.insert(format!("{} has another route", span.name));
        }
        for known in span.attributes.windows(2).filter(|pair| pair[0].key == pair[1].key) {
            faults.insert(format!("{} twice on {}", known[0].key, span.name));
        }
    }
    faults
}

/// What is asked that is not there.
async fn strays(program: &Program) {
    let root = format!("http://{}", program.edge());
    let key = "planted-in-a-path";
    let lost = http().get(format!("{root}/{key}?key=planted-query")).send().await.unwrap();
    assert_eq!(lost.status(), 404);
    let brew = reqwest::Method::from_bytes(b"BREW-SOMETHING-THAT-IS-NO-TEA-AT-ALL").unwrap();
    let brewed = http().request(brew, format!("{root}/v1/models")).send().await.unwrap();
    assert_eq!(brewed.status(), 405);
    let model = http().get(format!("{root}/v1/models/auto?key=planted-query")).send().await.unwrap();
    assert_eq!(model.status(), 200);
}

/// Events of that name, each with its attributes, and on which kind of span.
fn events(spans: &[(String, Span)], name: &str) -> Vec<(&'static str, BTreeMap<String, String>)> {
    let of_span = |span: &Span| {
        let kind = kind_of(&span.name);
        let events = span.events.iter().filter(|event| event.name == name);
        let told = events.map(|event| {
            let pairs = event.attributes.iter().map(|pair| &pair.key);
            (kind, pairs.map(|key| (key.clone(), attribute(&event.attributes, key))).collect())
        });
        told.collect::<Vec<_>>()
    };
    spans.iter().flat_map(|(_, span)| of_span(span)).collect()
}

async fn recovered(program: &Program) {
    let root = format!("http://{}/v1", program.shown("gRPC"));
    let listed = http().get(format!("{root}/credentials")).send().await.unwrap().text().await.unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    for credential in listed["credentials"].as_array().unwrap() {
        let name = credential["name"].as_str().unwrap();
        let request =
            http().post(format!("{root}/{name}:recover")).header("content-type", "application/json");
        assert_eq!(request.body("{}").send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_happens_at_night_is_in_the_trace_and_all_of_it_in_the_tables() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(&["planted-refresh", "planted-shared"]).await;
    let program = house(&collector, &upstream);
    let status = |answer: String| answer[9..12].to_owned();
    let chat = || status(program.chat("say exactly: fine"));

    // The first rests and the second serves; then that one has no quota left, and none is there.
    let limited = Refusal::overloaded().with_header("retry-after", "77");
    upstream.simulator.enqueue(Scenario::refuse(limited));
    assert_eq!(chat(), "200");
    upstream.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));
    let answer = program.chat("say exactly: fine");
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: "), "{answer}");
    recovered(&program).await;
    // A fault is met with another attempt.
    upstream.simulator.enqueue(Scenario::refuse(Refusal::unavailable()));
    assert_eq!(chat(), "200");
    // More at once than there is room for: one waits for a slot, one in line.
    let asked: Vec<_> = (0..4).map(|_| program.begin_chat("say slowly: one two three four", false)).collect();
    for mut socket in asked {
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // A caller leaves.
    let mut socket = program.begin_chat("stream 6000 chunks of 8 bytes every 20 ms", true);
    std::io::Read::read_exact(&mut socket, &mut [0; 12]).unwrap();
    drop(socket);
    until("the upstream sees that it left", || upstream.simulator.record().abandoned() == 1).await;
    // The upstream is gone, and comes back.
    upstream.simulator.enqueue_times(64, &Scenario::refuse(Refusal::unavailable()));
    until("the upstream is left alone", || {
        assert_eq!(chat(), "503");
        !events(&collector.all(), names::BREAKER_OPENED).is_empty()
    })
    .await;
    upstream.simulator.clear_queue();
    until("it is tried again", || chat() == "200").await;
    strays(&program).await;
    program.signal("TERM");
    assert!(program.ended().status.success());

    let spans = collector.all();
    assert_eq!(strangers(&spans), BTreeSet::new());
    assert_eq!(faults(&spans), BTreeSet::new());
    for (name, expected) in [
        ("GET", &[("url.path", "/REDACTED"), ("warp2api.error.reason", "ROUTE_NOT_FOUND")][..]),
        ("GET /v1/models/{*id}", &[("url.path", "/v1/models/auto"), ("url.scheme", "http")]),
        (
            "HTTP /v1/models",
            &[
                ("http.request.method", "_OTHER"),
                ("http.request.method_original", "BREW-SOMETHING-THAT-IS-NO-TEA-AT"),
                ("warp2api.error.reason", "METHOD_NOT_ALLOWED"),
            ],
        ),
    ] {
        let Some((_, span)) = spans.iter().find(|(_, span)| span.name == name) else {
            panic!("no {name} among {:?}", spans.iter().map(|(_, span)| &span.name).collect::<BTreeSet<_>>())
        };
        assert!(!failed(span), "what the caller did wrong is no failure of the server");
        for (key, value) in expected {
            assert_eq!(attribute(&span.attributes, key), *value, "{name}");
        }
    }
    for (name, of, expected) in [
        (names::LEASED, "chat {model}", &[("attempt", "1"), ("credential.tier", "personal")][..]),
        (names::FAILED_OVER, "chat {model}", &[("error.reason", "UPSTREAM_RATE_LIMITED")]),
        (names::RETRIED, "chat {model}", &[("error.reason", "UPSTREAM_UNAVAILABLE")]),
        (names::GIVEN_BACK, "chat {model}", &[("outcome", "RATE_LIMITED"), ("retry_after_ms", "77000")]),
        (names::GIVEN_BACK, "chat {model}", &[("outcome", "QUOTA_EXHAUSTED")]),
        (names::NOT_LEASED, "chat {model}", &[]),
        (names::FIRST_EVENT, "chat {model}", &[]),
        (names::FINISHED, "chat {model}", &[]),
        (names::FAILED, "chat {model}", &[("error.reason", "UPSTREAM_UNAVAILABLE")]),
        (names::CANCELLED, "chat {model}", &[]),
        (names::CANCELLED, "{method} {route}", &[]),
        (names::WAITED_IN_LINE, "{method} {route}", &[("admitted", "true")]),
        (names::WAITED_FOR_SLOT, POOL, &[]),
        (names::AWAITS_TOKEN, POOL, &[]),
        (names::COOLED_DOWN, POOL, &[("wait_ms", "77000"), ("why", "the upstream asks to slow down")]),
        (names::EXHAUSTED, POOL, &[]),
        (names::BACK, POOL, &[]),
        (names::BREAKER_OPENED, POOL, &[("endpoint", "chat"), ("why", "faults")]),
        (names::BREAKER_CLOSED, POOL, &[("endpoint", "chat")]),
    ] {
        let told = events(&spans, name);
        let fits = |(kind, pairs): &(&str, BTreeMap<String, String>)| {
            *kind == of
                && expected.iter().all(|(key, value)| pairs.get(*key).is_some_and(|found| found == value))
        };
        assert!(told.iter().any(fits), "no {name} on {of} with {expected:?}: {told:#?}");
    }
    for (name, key) in [
        (names::COOLED_DOWN, "credential.id"),
        (names::EXHAUSTED, "wait_ms"),
        (names::BREAKER_OPENED, "wait_ms"),
        (names::WAITED_IN_LINE, "wait_ms"),
        (names::WAITED_FOR_SLOT, "wait_ms"),
    ] {
        let told = events(&spans, name);
        assert!(
            told.iter().all(|(_, pairs)| pairs.get(key).is_some_and(|value| !value.is_empty())),
            "{told:#?}"
        );
    }
    let waits = spans.iter().map(|(_, span)| attribute(&span.attributes, "http.response.header.retry-after"));
    assert!(waits.into_iter().any(|wait| wait.parse::<u64>().is_ok_and(|seconds| seconds > 0)));
    assert!(!collector.everything().contains("planted"));
}

const POOL: &str = "warp2api.{package}.{service}/{method}";
