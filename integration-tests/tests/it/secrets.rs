//! Nothing that is secret, and nothing that people say, gets out where it does not belong: not into logs at their most
//! talkative, not into answers, not into `Debug`.
//!
//! Whatever must stay inside has `planted` in it, and the upstream's access tokens begin with `eyJ`. The answers of
//! the chats are told to hold neither.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use warp2api_integration_tests::{House, HouseBuilder, Topology};
use warp2api_rpc::listener::Address;
use warp2api_server::app::App;
use warp2api_server::config::{Config, Role};
use warp2api_server::settings::Settings;
use warp2api_upstream_sim::{Cut, ExchangeScenario, Finish, Part, Refusal, Scenario, Simulator};

use crate::dynamic;

const API_TOKEN: &str = "planted-client-key";
const API_KEY: &str = "wk-planted-api-key";
const REFRESH_TOKEN: &str = "planted-refresh-token";

/// Everything that was said, with a word on where.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn add(&self, place: &str, text: &str) {
        self.0.lock().unwrap().extend_from_slice(format!("{place}: {text}\n").as_bytes());
    }

    /// Notes head and body of an answer.
    async fn answer(&self, place: &str, response: Response) -> u16 {
        let status = response.status().as_u16();
        let head = format!("{status} {:?}", response.headers());
        let body = response.text().await.unwrap_or_else(|error| format!("{error:?}"));
        self.add(place, &format!("{head} {body}"));
        status
    }

    /// Fails with what is around the first leak.
    fn check(&self, at_least: usize) {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        assert!(text.len() > at_least, "it was listened to: {} bytes", text.len());
        for secret in ["planted", "eyJ"] {
            if let Some(at) = text.find(secret) {
                let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
                let to = text[at..].find('\n').map_or(text.len(), |end| at + end);
                panic!("a leak: {}", &text[from..to]);
            }
        }
    }
}

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs of this thread at their most talkative, as long as the guard lives. A test's runtime has this thread only.
fn listen(said: &Said) -> tracing::subscriber::DefaultGuard {
    // With a single subscriber in the process, the first thread to come by a log statement decides whether it is
    // ever told; threads of other tests have none. A second subscriber ends that shortcut.
    static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| {
        let deaf = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::sink);
        tracing::Dispatch::new(deaf.finish())
    });
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish())
}

fn secrets(settings: &mut Settings) {
    let planted = |text: &str| Some(text.to_owned());
    settings.api_token = planted(API_TOKEN);
    settings.warp_api_key = planted(API_KEY);
    settings.warp_refresh_token = planted(REFRESH_TOKEN);
    settings.warp_shared_tokens = planted("planted-shared-token");
    settings.warp_firebase_api_key = planted("planted-web-key");
    settings.http_proxy = planted("http://user:planted-proxy-password@127.0.0.1:9");
    settings.https_proxy = planted("http://user:planted-proxy-password@127.0.0.1:9");
}

fn house(topology: Topology, simulator: &Simulator) -> HouseBuilder {
    simulator.accept_bearer(API_KEY);
    simulator.accept_refresh_token(REFRESH_TOKEN);
    let builder = House::builder().topology(topology).simulator(simulator.clone()).settings(secrets);
    let builder = builder.tune(|config| config.chat.retry_pause = Duration::from_millis(1));
    if topology == Topology::InProcess { builder.remote_upstream() } else { builder }
}

/// A conversation in which everything is private but the last word, which makes the answer harmless.
fn conversation() -> Value {
    let call = json!({"name": "look", "arguments": "{\"q\":\"planted-arguments\"}"});
    json!({
        "model": "auto",
        "user": "planted-user",
        "messages": [
            {"role": "system", "content": "planted-instructions"},
            {"role": "user", "content": "planted-prompt"},
            {"role": "assistant", "content": "planted-answer", "tool_calls": [
                {"id": "call_1", "type": "function", "function": call},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "planted-result"},
            {"role": "user", "content": "say exactly: fine"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "look",
            "description": "planted-description",
            "parameters": {"type": "object", "properties": {"q": {"const": "planted-schema"}}},
        }}],
    })
}

async fn send(house: &House, body: impl Into<reqwest::Body>) -> Response {
    let request = house.request("POST", "/v1/chat/completions?api-key=planted-query").body(body);
    let request = request.bearer_auth(API_TOKEN).header("cookie", "planted=cookie");
    request.send().await.expect("the edge answers")
}

/// What the upstream may do, quoting what it got wherever it can.
fn scenarios() -> Vec<(&'static str, Option<Scenario>)> {
    let quoting =
        |status: u16| Some(Scenario::refuse(Refusal::new(status, "planted-prompt, sent as eyJabc")));
    let text = || Scenario::parts([Part::WholeText("fine".to_owned())]);
    let internal = || Finish::InternalError("planted-prompt".to_owned());
    let provider = Finish::InvalidApiKey { provider: 2, model: "planted-model".to_owned() };
    vec![
        ("usual", None),
        ("refused", quoting(400)),
        ("unauthorized", quoting(401)),
        ("blocked", Some(Scenario::refuse(Refusal::blocked()))),
        ("limited", quoting(429)),
        ("out of credits", Some(Scenario::refuse(Refusal::out_of_credits()))),
        ("too large", quoting(413)),
        ("broken", quoting(500)),
        ("moved", quoting(302)),
        ("internal", Some(Scenario::finish(internal()))),
        ("internal, late", Some(text().finishing(internal()))),
        ("provider", Some(Scenario::finish(provider))),
        ("no payload", Some(Scenario::parts([Part::Payload("planted-prompt!".to_owned())]))),
        ("no event", Some(Scenario::parts([Part::Payload("CnBsYW50ZWQ=".to_owned())]))),
        ("cut", Some(text().without_finished(Cut::Error))),
    ]
}

/// Two chats, whole and streamed, and what everybody may ask about the house.
async fn talk(house: &House, said: &Said) {
    for stream in [false, true] {
        let mut body = conversation();
        body["stream"] = json!(stream);
        let response = send(house, body.to_string()).await;
        said.answer("chat", response).await;
    }
    let Address::Tcp(bridge) = &house.warp_chat else { panic!("it listens on TCP") };
    for root in [&house.edge, &format!("http://{bridge}")] {
        for path in ["/", "/healthz", "/nowhere?key=planted-query"] {
            let response = house.http.get(format!("{root}{path}")).bearer_auth(API_TOKEN).send().await;
            said.answer("health", response.expect("it answers")).await;
        }
    }
    let pool = dynamic::at(&house.token_pool);
    for method in ["ListCredentials", "GetPoolStatus"] {
        let answer = dynamic::call(&pool, &format!("token_pool.v1.TokenPool/{method}"), &json!({})).await;
        assert_eq!(answer.refusal, None);
        said.add(method, &format!("{answer:?}"));
    }
}

#[tokio::test]
async fn chats_leave_no_trace_of_secrets_or_words_however_they_end() {
    for topology in [Topology::InProcess, Topology::Tcp] {
        // Five processes take long to start, and differ in what travels between them only.
        let every = if topology == Topology::Tcp { 5 } else { 1 };
        for (name, scenario) in scenarios().into_iter().step_by(every) {
            let said = Said::default();
            let listening = listen(&said);
            let simulator = Simulator::default();
            if let Some(scenario) = &scenario {
                simulator.enqueue_times(32, scenario);
            }
            let house = house(topology, &simulator).start().await;

            said.add(name, &format!("{topology:?}"));
            talk(&house, &said).await;
            house.close().await;

            drop(listening);
            said.check(10_000);
        }
    }
}

#[tokio::test]
async fn requests_that_are_refused_are_not_quoted() {
    let said = Said::default();
    let listening = listen(&said);
    let house = house(Topology::InProcess, &Simulator::default()).start().await;

    let call = |arguments: &str| {
        let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}});
        json!({"messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "x"}]})
    };
    let image = |url: &str| {
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        json!({"messages": [{"role": "user", "content": [part]}]})
    };
    let hello = json!([{"role": "user", "content": "planted"}]);
    for body in [
        json!("planted"),
        json!({"messages": "planted"}),
        json!({"messages": [{"role": "planted", "content": "x"}]}),
        json!({"messages": [{"role": "user", "content": {"planted": 1}}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "planted"}]}]}),
        json!({"messages": hello, "model": 7, "stream": "planted"}),
        json!({"messages": hello, "n": 2, "stop": ["planted", ""]}),
        json!({"messages": hello, "max_tokens": "planted", "temperature": "planted"}),
        json!({"messages": hello, "tools": [{"type": "function", "function": {"name": "f", "parameters": "planted"}}]}),
        json!({"messages": hello, "tool_choice": {"type": "function", "function": {"name": "planted"}}}),
        call("\"planted\""),
        call("planted"),
        call("[\"planted\"]"),
        image("https://planted.invalid/planted.png"),
        image("data:image/png;base64,planted!"),
        image("file:///planted"),
    ] {
        let response = send(&house, body.to_string()).await;
        assert_eq!(said.answer("refused", response).await, 400, "{body}");
    }
    for body in ["{\"messages\": [{\"planted\"", "planted", "{\"messages\": planted}", "\u{0}planted"] {
        let response = send(&house, body.to_owned()).await;
        assert_eq!(said.answer("no JSON", response).await, 400, "{body}");
    }
    for key in ["planted-wrong-key", ""] {
        let request = house.request("POST", "/v1/chat/completions").bearer_auth(key).body("{}");
        assert_eq!(said.answer("no key", request.send().await.unwrap()).await, 401);
    }
    let chat = dynamic::at(&house.warp_chat);
    let tool_call = json!({"id": "1", "name": "f", "argumentsJson": "\"planted\""});
    for request in [
        json!({"messages": [{"role": "ROLE_ASSISTANT", "parts": [{"toolCall": tool_call}]}]}),
        json!({"messages": hello_grpc(), "tools": [{"name": "f", "parametersJson": "[\"planted\"]"}]}),
        json!({"messages": hello_grpc(), "tools": [{"name": "f", "parametersJson": "planted"}]}),
        json!({"messages": hello_grpc(), "toolChoice": {"toolNames": ["planted"]}}),
    ] {
        let answer = dynamic::call(&chat, "warp_chat.v1.WarpChat/StreamChat", &request).await;
        assert!(answer.refusal.is_some(), "{request}");
        said.add("gRPC", &format!("{answer:?}"));
    }
    let codec = dynamic::at(&house.codec);
    let name = "messageTypes/warp.multi_agent.v1.Request";
    for (method, request) in [
        ("EncodeMessage", json!({"name": name, "json": "{\"input\": \"planted\"}"})),
        ("EncodeMessage", json!({"name": name, "json": "planted"})),
        ("DecodeMessage", json!({"name": name, "data": "cGxhbnRlZA=="})),
    ] {
        let answer = dynamic::call(&codec, &format!("codec.v1.Codec/{method}"), &request).await;
        assert!(answer.refusal.is_some(), "{request}");
        said.add(method, &format!("{answer:?}"));
    }
    house.close().await;

    drop(listening);
    said.check(10_000);
}

fn hello_grpc() -> Value {
    json!([{"role": "ROLE_USER", "parts": [{"text": "planted"}]}])
}

/// Keys of the file, of the settings and between services, right and wrong.
#[tokio::test]
async fn keys_leave_no_trace_whether_they_open_or_not() {
    use warp2api_gateway::{KeyFile, KeyLimits, KeyRecord, Scope};
    for topology in [Topology::InProcess, Topology::Tcp] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let mut file = KeyFile::default();
        let limits = KeyLimits { requests_per_minute: Some(1), ..KeyLimits::default() };
        for (name, key) in [("app", "planted-file-key"), ("gone", "planted-revoked-key")] {
            let scopes = vec![Scope::Chat];
            let sha256 = String::new();
            let name = name.to_owned();
            let record = KeyRecord { name, sha256, scopes, limits, created: 1, expires: None, revoked: None };
            file.add(key, record).unwrap();
        }
        file.revoke("gone", 2).unwrap();
        file.save(&path).unwrap();
        let said = Said::default();
        let listening = listen(&said);
        let house = house(topology, &Simulator::default()).settings(|settings| {
            settings.keys_file = Some(path.display().to_string());
            settings.service_token = Some("planted-service-token".to_owned());
            settings.chat_token = Some("app=planted-chat-token".to_owned());
            settings.admin_key = Some("planted-admin-key".to_owned());
        });
        let house = house.start().await;

        for (key, status) in [
            (API_TOKEN, 200),
            ("planted-file-key", 200),
            ("planted-file-key", 429),
            ("planted-revoked-key", 401),
            ("planted-unknown-key", 401),
        ] {
            let body =
                json!({"model": "auto", "messages": [{"role": "user", "content": "say exactly: fine"}]});
            let request = house.request("POST", "/v1/chat/completions").header("x-api-key", key);
            let answer = request.body(body.to_string()).send().await.unwrap();
            assert_eq!(said.answer("key", answer).await, status, "{key}");
        }
        for service in [&house.token_pool, &house.warp_chat] {
            let place = match service {
                Address::Tcp(address) => warp2api_rpc::endpoint::Place::Tcp(format!("http://{address}")),
                Address::Unix(path) => warp2api_rpc::endpoint::Place::Unix(path.clone()),
            };
            let tokens = "planted-service-guess".parse().unwrap();
            let link = warp2api_rpc::Link { tokens, ..warp2api_rpc::Link::default() };
            let endpoint = warp2api_rpc::endpoint::linked(&place, &link).unwrap();
            for method in ["token_pool.v1.TokenPool/AcquireCredential", "warp_chat.v1.WarpChat/StreamChat"] {
                let answer = dynamic::call(&endpoint, method, &json!({})).await;
                assert!(answer.refusal.is_some());
                said.add(method, &format!("{answer:?} {link:?}"));
            }
        }
        house.close().await;

        drop(listening);
        said.check(10_000);
    }
}

#[tokio::test]
async fn the_token_exchange_leaves_no_trace_however_it_ends() {
    let quoting = |status: u16| Refusal::new(status, format!("{REFRESH_TOKEN} with planted-web-key: eyJabc"));
    for scenario in [
        ExchangeScenario::usual(),
        ExchangeScenario::error("TOKEN_EXPIRED"),
        ExchangeScenario::error("planted-code"),
        ExchangeScenario::refuse(quoting(400)),
        ExchangeScenario::refuse(quoting(200)),
        ExchangeScenario::refuse(quoting(302)),
        ExchangeScenario::refuse(quoting(500)),
    ] {
        let said = Said::default();
        let listening = listen(&said);
        let simulator = Simulator::default();
        simulator.on_refresh_token(REFRESH_TOKEN, scenario);
        let builder = house(Topology::InProcess, &simulator);
        let house = builder.settings(|settings| settings.warp_api_key = None).start().await;

        talk(&house, &said).await;
        assert!(!house.record().exchanges().is_empty(), "the token was exchanged");
        house.close().await;

        drop(listening);
        said.check(10_000);
    }
}

/// The bearer of a lease is for chat services. It is in the message, and in nothing that is printed of it.
#[tokio::test]
async fn debug_shows_no_secret() {
    use warp2api_proto::token_pool::v1::AcquireCredentialRequest;
    use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
    let said = Said::default();
    let mut settings = Settings { upstream: Some("http://127.0.0.1:9".to_owned()), ..Settings::default() };
    settings.port = Some("0".to_owned());
    settings.grpc_addr = Some("127.0.0.1:0".to_owned());
    settings.database_url = Some("memory:".to_owned());
    secrets(&mut settings);
    said.add("settings", &format!("{settings:?} {settings:#?}"));
    let mut wrong = settings.clone();
    wrong.warp_api_key = Some("planted with spaces".to_owned());
    wrong.http_proxy = Some("planted with spaces".to_owned());
    wrong.warp_shared_tokens = Some("eyJplanted=planted".to_owned());
    said.add("mistakes", &format!("{:?}", Config::resolve(Role::All, wrong).expect_err("they are wrong")));
    let config = Config::resolve(Role::All, settings).expect("they are right");
    said.add("config", &format!("{config:?} {config:#?}"));
    let app = App::build(config).await.expect("it can be built");
    said.add("app", &format!("{app:?} {:?}", app.pool()));
    let addresses = app.addresses().expect("it listens");
    said.add("banner", &warp2api_server::banner::text(&app, &addresses));
    let running = app.spawn();
    said.add("running", &format!("{running:?}"));
    let mut pool = TokenPoolClient::new(dynamic::at(&addresses.grpc.expect("it serves gRPC")));

    let response = pool.acquire_credential(AcquireCredentialRequest::default()).await.expect("a lease");
    assert_eq!(response.get_ref().lease.as_ref().expect("a lease").bearer, API_KEY);
    said.add("lease", &format!("{response:?}"));
    drop(pool);
    running.drain(std::future::ready(())).await;

    said.check(1000);
}
