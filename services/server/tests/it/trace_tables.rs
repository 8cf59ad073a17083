//! All that a collector gets is in the tables of docs/traces.md, and what an operator looks for at night is among it: who
//! waited, what failed over to what, what rests for how long, and why.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::trace::v1::Span;
use warp2api_rpc::trace::names;
use warp2api_upstream_sim::{Refusal, Scenario};

use crate::collector::{Collector, attribute};
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
    let methods = ["GET ", "POST ", "PATCH ", "DELETE ", "PUT ", "HEAD ", "OPTIONS ", "_OTHER "];
    match name {
        "POST /ai/multi-agent" => "POST {path}",
        name if name.starts_with("chat ") => "chat {model}",
        name if name.starts_with("refresh ") => "refresh {credential}",
        name if name.starts_with("warp2api.") => "warp2api.{package}.{service}/{method}",
        name if methods.iter().any(|method| name.starts_with(method)) => "{method} {route}",
        name => panic!("{name} is no span that is known"),
    }
}

/// What of the spans is in no table.
fn strangers(spans: &[(String, Span)]) -> BTreeSet<String> {
    let known = |table: &[(&str, &str)], name: &str| table.iter().any(|(known, _)| *known == name);
    let mut strangers = BTreeSet::new();
    for (_, span) in spans {
        let kind = ["", "internal", "server", "client"][usize::try_from(span.kind).unwrap()];
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
    program.signal("TERM");
    assert!(program.ended().status.success());

    let spans = collector.all();
    assert_eq!(strangers(&spans), BTreeSet::new());
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
