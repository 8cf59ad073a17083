//! Secrets are planted everywhere an operator or a caller can put one, a whole system runs with logs at their most
//! talkative and every trace sent, and then everything it has said to anybody is searched for them.
//!
//! Whatever must stay inside has `planted` in it, so that one search finds all of it in any of the forms below; the
//! upstream's access tokens begin with `eyJ`. A new surface is a row of [`surfaces`].

mod surfaces;
mod system;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::program::run;

/// What no one but its owner may see: what it is, and its text.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("WARP_API_KEY", "wk-planted-api-key"),
    ("WARP_JWT", "eyJwbGFudGVkIjoxfQ.eyJwbGFudGVkIjoxfQ.planted-jwt"),
    ("WARP_REFRESH_TOKEN", "planted-refresh-token"),
    ("WARP_PERSONAL_TOKENS", "mine=planted-personal-token"),
    ("WARP_SHARED_TOKENS", "planted-shared-token"),
    ("WARP_ANONYMOUS_TOKEN", "planted-anonymous-token"),
    ("WARP_FIREBASE_API_KEY", "planted-web-key"),
    ("W2A_ADMIN_KEY", "planted-admin-key"),
    ("W2A_SERVICE_TOKEN", "planted-service-token"),
    ("W2A_CHAT_TOKEN", "app=planted-chat-token"),
    // In hexadecimal: planted-store-key-0123456789abcd.
    ("W2A_STORE_KEY", "706c616e7465642d73746f72652d6b65792d3031323334353637383961626364"),
    ("HTTP_PROXY", "http://user:planted-proxy-password@127.0.0.1:9"),
    ("HTTPS_PROXY", "http://user:planted-proxy-password@127.0.0.1:9"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-collector-key"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer planted-key-for-traces"),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "authorization=Bearer planted-key-for-metrics"),
];
/// Keys of callers, in the config file, and those that are tried in vain.
pub(crate) const CLIENT_KEY: &str = "planted-client-key";
pub(crate) const SECOND_KEY: &str = "planted-second-key";
pub(crate) const WRONG_KEY: &str = "planted-wrong-key";
/// What callers and the model say.
pub(crate) const WORDS: [&str; 8] = [
    "planted-instructions",
    "planted-prompt",
    "planted-answer",
    "planted-arguments",
    "planted-result",
    "planted-description",
    "planted-schema",
    "planted-image",
];

/// Everything that was said, by surface.
#[derive(Default)]
pub(crate) struct Told {
    said: BTreeMap<String, Vec<u8>>,
    /// Secrets that were made on the way.
    made: Vec<String>,
}

impl Told {
    pub(crate) fn add(&mut self, surface: &str, text: impl AsRef<[u8]>) {
        let said = self.said.entry(surface.to_owned()).or_default();
        said.extend_from_slice(text.as_ref());
        said.push(b'\n');
    }

    /// Where something is that should not be, with what is around it.
    pub(crate) fn leaks(&self) -> Vec<(&str, String)> {
        let needles = [needles(), self.made.clone()].concat();
        let found = self.said.iter().flat_map(|(surface, said)| {
            let text = String::from_utf8_lossy(said).into_owned();
            let found = needles.iter().filter_map(|needle| Some(around(&text, text.find(needle)?)));
            found.map(|around| (surface.as_str(), around)).collect::<Vec<_>>()
        });
        found.collect()
    }

    fn surfaces(&self) -> BTreeSet<&str> {
        self.said.iter().filter(|(_, said)| said.len() > 1).map(|(surface, _)| surface.as_str()).collect()
    }

    fn text(&self, surface: &str) -> String {
        self.said.get(surface).map(|said| String::from_utf8_lossy(said).into_owned()).unwrap_or_default()
    }
}

fn around(text: &str, at: usize) -> String {
    let from = text.floor_char_boundary(at.saturating_sub(160));
    let to = text.ceil_char_boundary((at + 80).min(text.len()));
    text[from..to].to_owned()
}

/// The forms in which what must stay inside can get out: as it is, in hexadecimal, as numbers, and in base64, wherever
/// in a group of three bytes it begins; and what access tokens begin with.
fn needles() -> Vec<String> {
    let core = b"planted";
    let hex = core.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = core.map(|byte| byte.to_string()).join(", ");
    let packed = core.map(|byte| byte.to_string()).join(",");
    let base64 = (0..3).map(|before| {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before][..], core].concat());
        // Characters that also hold bits of what is before or after tell nothing.
        encoded[before * 8 / 6 + usize::from(before > 0)..(before + core.len()) * 8 / 6].to_owned()
    });
    let plain = ["planted", "eyJ"].map(str::to_owned);
    plain.into_iter().chain([hex, numbers, packed]).chain(base64).collect()
}

#[test]
fn the_search_finds_every_secret_in_every_form() {
    let secrets = KEYS.iter().map(|(_, text)| *text).chain([CLIENT_KEY, SECOND_KEY, WRONG_KEY]).chain(WORDS);
    for secret in secrets {
        let forms = [
            secret.to_owned(),
            format!("{:?}", secret.as_bytes()),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            serde_json::to_string(secret.as_bytes()).unwrap(),
            STANDARD_NO_PAD.encode(secret),
            STANDARD_NO_PAD.encode(format!("a{secret}b")),
            STANDARD_NO_PAD.encode(format!("ab{secret}")),
        ];
        // What is in hexadecimal already is looked for as it is.
        for form in forms.iter().take(if secret.contains("planted") { forms.len() } else { 1 }) {
            let mut told = Told::default();
            told.add("quiet", "nothing to be seen here");
            told.add("loud", format!("something {form} something"));
            let leaks = told.leaks();
            assert!(!leaks.is_empty() && leaks.iter().all(|(surface, _)| *surface == "loud"), "{form}");
        }
    }
}

/// Nothing anywhere, with the log as JSON; below it is for people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_planted_gets_out() {
    let told = system::run(&[("W2A_LOG_FORMAT", "json")]).await;

    for (surface, word) in surfaces::HEARD {
        let text = told.text(surface);
        assert!(text.contains(word), "{surface} does not tell {word}: {} bytes", text.len());
    }
    for surface in told.surfaces() {
        assert!(!told.text(surface).contains("panicked at"), "{surface}: {}", told.text(surface));
    }
    let leaks = told.leaks();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// What is said is on the spans if that is wanted, and nowhere else; keys are not even there. That it is found there
/// shows that the search above is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_content_on_what_is_said_is_in_traces_and_nowhere_else() {
    let told = system::run(&[("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")]).await;

    let leaks = told.leaks();
    assert!(leaks.iter().all(|(surface, _)| *surface == surfaces::SPANS), "{leaks:#?}");
    let spans = told.text(surfaces::SPANS);
    for word in
        ["planted-instructions", "planted-prompt", "planted-answer", "planted-arguments", "planted-result"]
    {
        assert!(spans.contains(word), "no {word} in spans");
    }
    // Neither the tools that are offered, nor an image, nor a key that a person pasted, nor any other.
    let keys = KEYS.iter().map(|(_, text)| *text).chain([CLIENT_KEY, SECOND_KEY, WRONG_KEY]);
    for secret in keys.chain(["planted-description", "planted-schema", "planted-image", system::PASTED_KEY]) {
        assert!(!spans.contains(secret), "{secret} is in spans");
    }
    for name in ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"] {
        assert!(spans.contains(name), "{name}");
    }
    assert!(told.text("stderr").contains("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"), "it is said");
}

/// A database elsewhere has its password in its address.
#[test]
fn the_password_of_a_database_is_shown_nowhere() {
    let settings = [
        ("W2A_DATABASE_URL", "postgres://user:planted-database-password@127.0.0.1:9/pool"),
        ("W2A_UPSTREAM", "embedded"),
        ("W2A_LOG", "trace"),
        ("PORT", "0"),
        ("W2A_GRPC_ADDR", "127.0.0.1:0"),
    ];
    let mut told = Told::default();
    for arguments in [
        &["config"][..],
        &["config", "--check"],
        &["doctor"],
        &["doctor", "--json"],
        &["tokens", "list"],
        &["status"],
        &[],
    ] {
        let ended = run(arguments, &settings);
        told.add(&arguments.join(" "), format!("{ended:?}"));
    }
    assert_eq!(told.surfaces().len(), 7);
    let leaks = told.leaks();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
