//! What a turn tells its trace: every lease and how it fared, every retry and fail-over, and no secret.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, HouseBuilder, ask, wait};
use warp2api_upstream_sim::{Refusal, Scenario, SimulatorConfig};
use warp2api_warp_chat::trail;

use crate::failover::{hasty, see};

const PERSONAL: &str = "wk-planted-personal";
const SHARED: &str = "wk-planted-shared";
const REFRESH_TOKEN: &str = "planted-refresh-token";

/// A span or an event: its name or message, and its fields as text.
#[derive(Debug, Clone, Default)]
struct Noted {
    what: String,
    fields: Vec<(&'static str, String)>,
    /// The innermost span around it.
    span: Option<&'static str>,
}

impl Noted {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

impl Visit for Noted {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.what);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }
}

/// Notes everything, at every level, of this thread.
#[derive(Clone, Default)]
struct Notes {
    spans: Arc<Mutex<Vec<Noted>>>,
    events: Arc<Mutex<Vec<Noted>>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        let mut noted = Noted { what: attributes.metadata().name().to_owned(), ..Noted::default() };
        attributes.record(&mut noted);
        self.spans.lock().unwrap().push(noted);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == warp2api_rpc::trace::TARGET {
            // Of other spans than the turn's.
            return;
        }
        let mut noted = Noted { span: context.event_span(event).map(|span| span.name()), ..Noted::default() };
        event.record(&mut noted);
        self.events.lock().unwrap().push(noted);
    }
}

impl Notes {
    fn listen() -> (Self, DefaultGuard) {
        // As with logs: a second subscriber keeps other threads from deciding that nobody listens.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(Self::default())));
        let notes = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(notes.clone()));
        (notes, guard)
    }

    /// The trail of the turns, each step as its name and the fields that tell it apart.
    fn trail(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let steps = events.iter().filter(|event| STEPS.contains(&event.what.as_str()));
        steps
            .map(|step| {
                assert_eq!(step.span, Some(trail::TURN), "{step:?}");
                let told = [trail::ATTEMPT, trail::CREDENTIAL_TIER, trail::OUTCOME, trail::ERROR_REASON];
                let told = told.map(|name| step.field(name)).into_iter().filter(|value| !value.is_empty());
                told.fold(step.what.clone(), |line, value| format!("{line} {value}"))
            })
            .collect()
    }

    fn field_of(&self, what: &str, field: &str) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.what == what).map(|event| event.field(field).to_owned()).collect()
    }

    fn turns(&self) -> Vec<Noted> {
        self.spans.lock().unwrap().iter().filter(|span| span.what == trail::TURN).cloned().collect()
    }

    fn check(&self) {
        let everything = format!("{:?} {:?}", self.spans.lock().unwrap(), self.events.lock().unwrap());
        assert!(everything.len() > 2_000, "it was listened to");
        for secret in ["planted", "eyJ"] {
            assert!(!everything.contains(secret), "a leak of {secret}");
        }
    }
}

const STEPS: [&str; 11] = [
    trail::LEASED,
    trail::NOT_LEASED,
    trail::GIVEN_BACK,
    trail::RETRIED,
    trail::BEGUN_ANEW,
    trail::REFRESHED,
    trail::FAILED_OVER,
    trail::FIRST_EVENT,
    trail::FINISHED,
    trail::FAILED,
    trail::CANCELLED,
];

fn house() -> HouseBuilder {
    let config = SimulatorConfig::without_credentials().accepting(PERSONAL).accepting(SHARED);
    hasty(config).settings(|settings| {
        settings.warp_api_key = Some(PERSONAL.into());
        settings.warp_shared_tokens = Some(SHARED.into());
    })
}

#[tokio::test]
async fn a_stream_that_fails_over_before_its_first_byte_leaves_its_whole_trail() {
    let (notes, _listening) = Notes::listen();
    let house = house().start().await;
    house.simulator.on_bearer(PERSONAL, Scenario::refuse(Refusal::out_of_credits()));
    house.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));
    house.simulator.enqueue(Scenario::refuse(Refusal::unavailable()));

    assert_eq!(see(&house, true).await, (200, json!("served")));
    house.close().await;

    assert_eq!(
        notes.trail(),
        [
            "leased 1 personal",
            "given back QUOTA_EXHAUSTED",
            "failed over 1 UPSTREAM_QUOTA_EXHAUSTED",
            "leased 2 shared",
            "retried 2 UPSTREAM_UNAVAILABLE",
            "first event 3",
            "given back SUCCESS",
            "finished",
        ]
    );
    let leased = notes.field_of(trail::LEASED, trail::CREDENTIAL_ID);
    assert_eq!(notes.field_of(trail::GIVEN_BACK, trail::CREDENTIAL_ID), leased);
    assert!(leased.iter().all(|id| id.len() == 8) && leased[0] != leased[1], "{leased:?}");
    for event in [trail::LEASED, trail::RETRIED, trail::FIRST_EVENT] {
        let waits = notes.field_of(event, trail::WAIT_MS);
        assert!(waits.iter().all(|wait| wait.parse::<u64>().is_ok()), "{event}: {waits:?}");
    }
    let turns = notes.turns();
    assert_eq!(turns.len(), 1);
    // As in every line of the log, also where nothing is exported.
    assert!(!turns[0].field("request_id").is_empty(), "{turns:?}");
    assert_eq!(turns[0].field("trace_id").len(), 32, "{turns:?}");
    notes.check();
}

#[tokio::test]
async fn a_bearer_that_is_renewed_is_told_as_that() {
    let (notes, _listening) = Notes::listen();
    let config = SimulatorConfig::without_credentials().exchanging(REFRESH_TOKEN);
    let house = hasty(config).settings(|settings| {
        settings.warp_refresh_token = Some(REFRESH_TOKEN.into());
        settings.warp_firebase_api_key = Some("planted-web-key".into());
    });
    let house = house.start().await;
    house.simulator.enqueue(Scenario::refuse(Refusal::unauthorized("planted-words")));

    assert_eq!(see(&house, true).await, (200, json!("served")));
    house.close().await;

    assert_eq!(
        notes.trail(),
        [
            "leased 1 personal",
            "given back REJECTED",
            "refreshed 1 NO_CREDENTIAL_AVAILABLE",
            "leased 2 personal",
            "first event 2",
            "given back SUCCESS",
            "finished",
        ]
    );
    notes.check();
}

#[tokio::test]
async fn a_turn_that_finds_no_credential_says_so() {
    let (notes, _listening) = Notes::listen();
    let house = house().start().await;
    house.simulator.revoke_bearer(PERSONAL);
    house.simulator.on_bearer(SHARED, Scenario::refuse(Refusal::overloaded()));

    assert_eq!(see(&house, true).await.0, 429);
    house.close().await;

    assert_eq!(
        notes.trail(),
        [
            "leased 1 personal",
            "given back REJECTED",
            "failed over 1 NO_CREDENTIAL_AVAILABLE",
            "leased 2 shared",
            "given back RATE_LIMITED",
            "failed over 2 UPSTREAM_RATE_LIMITED",
            "not leased 3 NO_CREDENTIAL_AVAILABLE",
            "failed UPSTREAM_RATE_LIMITED",
        ]
    );
    notes.check();
}

#[tokio::test]
async fn a_caller_that_leaves_is_told_as_that() {
    let (notes, _listening) = Notes::listen();
    let house = house().start().await;
    let mut chat = ask("stream 6000 chunks of 8 bytes every 100 ms");
    chat["stream"] = json!(true);

    let mut live = Live::new(house.post(&chat).await);
    live.first_text().await;
    drop(live);
    leaves(&house).await;
    house.close().await;

    let expected = ["leased 1 personal", "first event 1", "given back ABANDONED", "cancelled"];
    assert_eq!(notes.trail(), expected);
    notes.check();
}

async fn leaves(house: &House) {
    wait::until("the upstream sees that it left", || house.record().abandoned() == 1).await;
}
