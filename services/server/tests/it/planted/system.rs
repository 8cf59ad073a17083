//! The system and what is done to it: turns in every dialect that end in every way, bad requests, the work of operators,
//! new settings, a drain.

use std::io::Read as _;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::token_pool::v1::{AcquireCredentialRequest, ListCredentialsRequest};
use warp2api_upstream_sim::{Cut, ExchangeScenario, Finish, Part, Refusal, Scenario};

use super::surfaces::{self, key};
use super::{CLIENT_KEY, KEYS, SECOND_KEY, Told, WRONG_KEY};
use crate::collector::Collector;
use crate::pool_client::Upstream;
use crate::program::{PATIENCE, Program, http, run_in};

/// What a person pastes into a prompt.
pub(crate) const PASTED_KEY: &str = "sk-planted-pasted-0123456789";

const DIALECTS: [&str; 4] = ["chat_completions", "responses", "messages", "completions"];

/// Runs a system with these settings besides its secrets, and tells everything it said.
pub(crate) async fn run(more: &[(&str, &str)]) -> Told {
    let mut told = Told::default();
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let collector = Collector::start().await;
    let tokens = ["planted-refresh-token", "planted-personal-token", "planted-shared-token"];
    let upstream = Upstream::start(&tokens).await;
    upstream.simulator.accept_bearer(key("WARP_API_KEY"));
    upstream.simulator.accept_bearer(key("WARP_JWT"));
    let config = folder.path().join("w2a.toml");
    let write = |text: &str| std::fs::write(&config, text).unwrap();
    write(&format!("api_token = \"app={CLIENT_KEY}\"\n"));
    // As some vendors want it.
    let with_a_key = format!("{}/v1/traces?api-key=planted-address-key", collector.url);
    let mut settings = vec![
        ("W2A_CONFIG", config.to_str().unwrap()),
        ("W2A_DATA_DIR", data.path().to_str().unwrap()),
        ("W2A_UPSTREAM", &upstream.url),
        ("W2A_METRICS_ADDR", "127.0.0.1:0"),
        ("W2A_LOG", "trace"),
        ("W2A_DRAIN_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &with_a_key),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "65536"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    settings.extend(KEYS.iter().copied());
    settings.extend(more);
    let program = Program::start(&[], &settings);
    let (edge, services) = (program.edge().to_owned(), program.shown("gRPC").to_owned());
    let followed = surfaces::follow(&services);

    turns(&mut told, &edge, &services, &upstream).await;
    bad_requests(&mut told, &edge).await;
    over_grpc(&mut told, &services).await;
    let port = edge.rsplit(':').next().unwrap().to_owned();
    settings.extend([("PORT", port.as_str()), ("W2A_GRPC_ADDR", services.as_str())]);
    // It is shown once, to whoever asked for it.
    let made = run_in(&folder, &["keys", "add", "made"], &settings).stdout;
    let made = made.split_whitespace().find(|word| word.starts_with("w2a-")).expect("a key").to_owned();
    opens(&edge, &made).await;
    told.made.push(made);
    surfaces::command(&mut told, &folder, &settings);
    // Wrong, then right.
    write(&format!("api_token = \"app={CLIENT_KEY},{SECOND_KEY}\"\nmax_wait = \"never\"\n"));
    program.signal("HUP");
    // Nothing shows from outside that they were seen and refused.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    write(&format!("api_token = \"app={CLIENT_KEY},more={SECOND_KEY}\"\n"));
    program.signal("HUP");
    opens(&edge, SECOND_KEY).await;
    surfaces::ask(&mut told, &program, SECOND_KEY).await;
    drain(&mut told, &program, &edge).await;

    let ended = program.ended();
    told.add("stdout", &ended.stdout);
    told.add("stderr", &ended.stderr);
    for (path, reading) in followed {
        told.add(path.split('?').next().unwrap(), reading.join().unwrap());
    }
    let (spans, metrics) = collector.told();
    told.add(surfaces::SPANS, spans);
    told.add("metrics by OTLP", metrics);
    surfaces::files(&mut told, data.path());
    told
}

/// What the upstream may do, quoting what it got wherever it can.
fn scenarios() -> Vec<Scenario> {
    let quoting = |status| Scenario::refuse(Refusal::new(status, "planted-prompt, sent as eyJabc"));
    let text = || Scenario::parts([Part::WholeText("fine".to_owned())]);
    let internal = || Finish::InternalError("planted-prompt".to_owned());
    let provider = Finish::InvalidApiKey { provider: 2, model: "planted-model".to_owned() };
    vec![
        quoting(400),
        quoting(500),
        quoting(429),
        Scenario::finish(internal()),
        text().finishing(internal()),
        Scenario::finish(provider),
        Scenario::parts([Part::Payload("planted-prompt!".to_owned())]),
        text().without_finished(Cut::Error),
        Scenario::refuse(Refusal::out_of_credits()),
        quoting(401),
    ]
}

async fn turns(told: &mut Told, edge: &str, services: &str, upstream: &Upstream) {
    for dialect in DIALECTS {
        for stream in [false, true] {
            turn(told, edge, dialect, request(dialect, stream)).await;
        }
    }
    for (number, scenario) in scenarios().iter().enumerate() {
        for (place, dialect) in DIALECTS.into_iter().enumerate() {
            upstream.simulator.enqueue_times(2, scenario);
            while upstream.simulator.queued() > 0 {
                turn(told, edge, dialect, request(dialect, (number + place) % 2 == 0)).await;
                recover(services).await;
            }
        }
    }
    // The token endpoint quotes what it got too.
    for token in ["planted-refresh-token", "planted-personal-token", "planted-shared-token"] {
        let words = format!("{token} with planted-web-key: eyJabc");
        upstream.simulator.on_refresh_token(token, ExchangeScenario::refuse(Refusal::new(400, words)));
    }
    recover(services).await;
}

/// One turn: of an answer that went well the head, of one that did not everything.
async fn turn(told: &mut Told, edge: &str, dialect: &str, body: Value) {
    let path = match dialect {
        "chat_completions" => "chat/completions",
        other => other,
    };
    let request = http().post(format!("http://{edge}/v1/{path}?api-key=planted-query"));
    let request = request.header("content-type", "application/json").header("cookie", "planted=cookie");
    let answer = request.bearer_auth(CLIENT_KEY).body(body.to_string()).send().await.unwrap();
    told.add("heads of answers", format!("{} {:?}", answer.status(), answer.headers()));
    let went_well = answer.status() == 200;
    let text = answer.text().await.unwrap_or_else(|error| format!("error: {error:?}"));
    let wanted = |line: &&str| !went_well || line.contains("\"error\"");
    // What is handed back of the question, as the responses do, is the caller's own.
    for line in text.lines().filter(wanted).filter(|line| !line.contains("\"instructions\":")) {
        told.add(&format!("errors of {dialect}"), line);
    }
}

/// A conversation in which everything is private.
fn request(dialect: &str, stream: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"q": {"const": "planted-schema"}}});
    let arguments = "{\"q\":\"planted-arguments\"}";
    let image = STANDARD.encode([&b"GIF89a\x01\x00\x01\x00\x00\x00\x00,planted-image;"[..]].concat());
    let data_url = format!("data:image/gif;base64,{image}");
    let last = format!("planted-prompt with {PASTED_KEY}; call the tool look with {arguments}");
    let say = "say exactly: planted-answer";
    let function = json!({"name": "look", "description": "planted-description", "parameters": schema});
    match dialect {
        "chat_completions" => json!({
            "model": "auto", "stream": stream, "user": "planted-user",
            "messages": [
                {"role": "system", "content": "planted-instructions"},
                {"role": "user", "content": [
                    {"type": "text", "text": "planted-prompt"},
                    {"type": "image_url", "image_url": {"url": data_url}},
                ]},
                {"role": "assistant", "content": "planted-answer", "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": "planted-result"},
                {"role": "user", "content": last},
            ],
            "tools": [{"type": "function", "function": function}],
        }),
        "responses" => json!({
            "model": "auto", "stream": stream, "instructions": "planted-instructions",
            "input": [
                {"role": "user", "content": [
                    {"type": "input_text", "text": "planted-prompt"},
                    {"type": "input_image", "image_url": data_url},
                ]},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": arguments},
                {"type": "function_call_output", "call_id": "call_1", "output": "planted-result"},
                {"role": "user", "content": say},
            ],
            "tools": [{"type": "function", "name": "look", "description": "planted-description", "parameters": schema}],
        }),
        "messages" => json!({
            "model": "auto", "max_tokens": 1000, "stream": stream, "system": "planted-instructions",
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "planted-prompt"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": image}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"q": "planted-arguments"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "planted-result"},
                    {"type": "text", "text": say},
                ]},
            ],
            "tools": [{"name": "look", "description": "planted-description", "input_schema": schema}],
        }),
        _ => json!({"model": "auto", "stream": stream, "prompt": format!("planted-prompt {say}")}),
    }
}

/// Requests that are wrong somewhere, with something private in the wrong place, and keys that open nothing.
async fn bad_requests(told: &mut Told, edge: &str) {
    let messages = json!([{"role": "user", "content": "planted-prompt"}]);
    for (dialect, path) in DIALECTS.iter().zip(["chat/completions", "responses", "messages", "completions"]) {
        let bodies = [
            json!("planted-prompt").to_string(),
            json!({"messages": "planted-prompt", "input": {"planted": 1}, "prompt": {"planted": 1}}).to_string(),
            json!({"messages": [{"role": "planted", "content": "x"}], "input": [{"role": "planted"}]}).to_string(),
            json!({"model": {"planted": 1}, "messages": messages, "input": "planted", "prompt": "planted"}).to_string(),
            json!({"messages": messages, "stream": "planted", "max_tokens": "planted"}).to_string(),
            json!({"messages": messages, "input": messages, "tools": [{"type": "function", "name": 7, "function":
                {"name": "f", "parameters": "planted-schema"}, "input_schema": "planted"}]})
            .to_string(),
            "{\"messages\": [{\"planted".to_owned(),
            "\u{0}planted".to_owned(),
        ];
        for body in bodies {
            for client_key in [CLIENT_KEY, WRONG_KEY] {
                let request = http().post(format!("http://{edge}/v1/{path}?key=planted-query"));
                let request = request.header("content-type", "application/json").bearer_auth(client_key);
                let answer = request.body(body.clone()).send().await.unwrap();
                assert!(answer.status().is_client_error(), "{path}: {body}: {}", answer.status());
                told.add("heads of answers", format!("{:?}", answer.headers()));
                told.add(&format!("errors of {dialect}"), answer.text().await.unwrap());
            }
        }
    }
}

/// Calls of the pool with the right key, the wrong one and none.
async fn over_grpc(told: &mut Told, services: &str) {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{services}")).unwrap();
    let mut pool = TokenPoolClient::new(channel.timeout(PATIENCE).connect().await.unwrap());
    for (name, value) in [
        ("x-admin-key", key("W2A_ADMIN_KEY")),
        ("x-admin-key", WRONG_KEY),
        ("x-warp2api-service-token", WRONG_KEY),
        ("x-nothing", "none"),
    ] {
        let mut list = tonic::Request::new(ListCredentialsRequest::default());
        list.metadata_mut().insert(name, value.parse().unwrap());
        told.add("gRPC", format!("{:?}", pool.list_credentials(list).await));
        let mut acquire = tonic::Request::new(AcquireCredentialRequest::default());
        acquire.metadata_mut().insert(name, value.parse().unwrap());
        told.add("gRPC", format!("{:?}", pool.acquire_credential(acquire).await));
    }
}

/// Brings every credential back that failed.
async fn recover(services: &str) {
    let root = format!("http://{services}/v1");
    let admin = |request: reqwest::RequestBuilder| request.header("x-admin-key", key("W2A_ADMIN_KEY"));
    let listed = admin(http().get(format!("{root}/credentials"))).send().await.unwrap().text().await.unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let failed = |credential: &&Value| credential["state"] != "CREDENTIAL_STATE_ACTIVE";
    for credential in listed["credentials"].as_array().unwrap().iter().filter(failed) {
        let name = credential["name"].as_str().unwrap();
        let recovered = admin(http().post(format!("{root}/{name}:recover")));
        let recovered = recovered.header("content-type", "application/json").body("{}").send().await.unwrap();
        assert_eq!(recovered.status(), 200, "{:?}", recovered.text().await);
    }
}

/// Waits until a key opens.
async fn opens(edge: &str, client_key: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer =
            http().get(format!("http://{edge}/v1/models")).bearer_auth(client_key).send().await.unwrap();
        if answer.status() == 200 {
            return;
        }
        assert!(Instant::now() < end, "{}", answer.status());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Stops it while a stream runs.
async fn drain(told: &mut Told, program: &Program, edge: &str) {
    let body = json!({"model": "auto", "stream": true, "messages": [
        {"role": "user", "content": "stream 6000 chunks of 8 bytes every 20 ms"},
    ]});
    let request = http().post(format!("http://{edge}/v1/chat/completions")).bearer_auth(SECOND_KEY);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let mut answer = request.send().await.unwrap();
    program.signal("TERM");
    let mut last = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        last.extend_from_slice(&chunk);
    }
    let mut text = String::new();
    last.as_slice().read_to_string(&mut text).unwrap();
    assert!(text.contains("shutting_down") || answer.status() != 200, "{text}");
    told.add("errors of chat_completions", text);
}
