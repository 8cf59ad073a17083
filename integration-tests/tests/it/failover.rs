//! Credentials that fail: the next one serves and the caller sees nothing, or hears when to come back.

use std::time::Duration;

use serde_json::{Value, json};
use warp2api_integration_tests::{House, HouseBuilder, ask, json_of, wait};
use warp2api_token_pool::config::Backoff;
use warp2api_upstream_sim::{Fingerprint, Finish, Refusal, Scenario, Simulator, SimulatorConfig};

use crate::dynamic;

pub(crate) const PERSONAL: &str = "wk-personal";
pub(crate) const SHARED: &str = "wk-shared";
pub(crate) const ANONYMOUS: &str = "wk-anonymous";

/// A house with a credential in each tier, and none but these.
pub(crate) fn tiers() -> HouseBuilder {
    let config = SimulatorConfig::without_credentials();
    let config = config.accepting(PERSONAL).accepting(SHARED).accepting(ANONYMOUS);
    hasty(config).settings(|settings| {
        settings.warp_anonymous_token = Some(ANONYMOUS.into());
        settings.warp_shared_tokens = Some(SHARED.into());
        settings.warp_api_key = Some(PERSONAL.into());
    })
}

/// A house on an upstream behind a port that does not wait for long between two attempts.
pub(crate) fn hasty(config: SimulatorConfig) -> HouseBuilder {
    House::builder()
        .simulator(Simulator::new(config))
        .remote_upstream()
        .tune(|config| config.chat.retry_pause = Duration::from_millis(1))
}

/// Whose bearer each chat came with.
pub(crate) fn asked(house: &House) -> Vec<&'static str> {
    let name = |bearer: Option<Fingerprint>| {
        let known = [PERSONAL, SHARED, ANONYMOUS];
        known.into_iter().find(|known| bearer == Some(Fingerprint::of(known))).unwrap_or("another")
    };
    house.record().chats().iter().map(|chat| name(chat.bearer)).collect()
}

/// Sends a chat, streamed or whole, and gives what a caller sees: the status, and the text or the error.
pub(crate) async fn see(house: &House, stream: bool) -> (u16, Value) {
    let mut chat = ask("say exactly: served");
    chat["stream"] = json!(stream);
    let response = house.post(&chat).await;
    let status = response.status().as_u16();
    if status == 200 && stream {
        let frames = warp2api_integration_tests::sse::Live::new(response).rest().await;
        let shown = frames.error().cloned().unwrap_or_else(|| json!(frames.text()));
        assert_eq!(frames.done, frames.error().is_none());
        return (status, shown);
    }
    let mut answer = json_of(response).await;
    let shown =
        if status == 200 { &mut answer["choices"][0]["message"]["content"] } else { &mut answer["error"] };
    (status, shown.take())
}

#[tokio::test]
async fn tiers_are_strict() {
    let house = tiers().start().await;
    for _ in 0..3 {
        assert_eq!(see(&house, false).await, (200, json!("served")));
    }
    assert_eq!(asked(&house), [PERSONAL; 3]);

    house.simulator.on_bearer(PERSONAL, Scenario::refuse(Refusal::out_of_credits()));
    assert_eq!(see(&house, true).await, (200, json!("served")));
    assert_eq!(see(&house, true).await, (200, json!("served")));
    assert_eq!(asked(&house)[3..], [PERSONAL, SHARED, SHARED], "who has no quota rests");

    house.simulator.on_bearer(SHARED, Scenario::refuse(Refusal::overloaded()));
    assert_eq!(see(&house, false).await, (200, json!("served")));
    assert_eq!(see(&house, false).await, (200, json!("served")));
    assert_eq!(asked(&house)[6..], [SHARED, ANONYMOUS, ANONYMOUS]);
    house.close().await;
}

#[tokio::test]
async fn the_next_credential_serves_and_the_caller_sees_nothing() {
    for (name, fault, rests) in [
        ("401", Scenario::refuse(Refusal::unauthorized("invalid token")), false),
        ("403 of a blocked account", Scenario::refuse(Refusal::blocked()), true),
        ("403 of a front", Scenario::refuse(Refusal::page(403, "403 Forbidden")), false),
        ("402", Scenario::refuse(Refusal::new(402, "pay")), false),
        ("429 by header", Scenario::refuse(Refusal::out_of_credits()), true),
        ("429 by words", Scenario::refuse(Refusal::no_requests_left()), true),
        ("quota inside the stream", Scenario::finish(Finish::QuotaLimit), true),
        ("429 of an overload", Scenario::refuse(Refusal::overloaded()), true),
        ("429 of a front", Scenario::refuse(Refusal::page(429, "429 Too Many Requests")), true),
        ("a model that is not in the plan", Scenario::refuse(Refusal::model_not_allowed("auto")), false),
    ] {
        for stream in [false, true] {
            let house = tiers().start().await;
            house.simulator.on_bearer(PERSONAL, fault.clone());

            assert_eq!(see(&house, stream).await, (200, json!("served")), "{name}");
            assert_eq!(asked(&house), [PERSONAL, SHARED], "{name}");

            house.record().clear();
            assert_eq!(see(&house, stream).await, (200, json!("served")), "{name}");
            let expected: &[_] = if rests { &[SHARED] } else { &[PERSONAL, SHARED] };
            assert_eq!(asked(&house), expected, "{name}: whether it rests");
            house.close().await;
        }
    }
}

#[tokio::test]
async fn a_refused_credential_is_left_alone_after_a_few_times() {
    let house = tiers().start().await;
    house.simulator.revoke_bearer(PERSONAL);
    for _ in 0..5 {
        assert_eq!(see(&house, false).await, (200, json!("served")));
    }
    let tried = asked(&house).into_iter().filter(|asked| *asked == PERSONAL).count();
    assert_eq!(tried, 3);
    house.close().await;
}

/// The state of each credential, by tier.
pub(crate) async fn states(house: &House) -> Vec<(String, i64)> {
    let pool = dynamic::at(&house.token_pool);
    let answer = dynamic::call(&pool, "token_pool.v1.TokenPool/ListCredentials", &json!({})).await;
    let credentials = answer.messages[0]["credentials"].as_array().expect("credentials").clone();
    let state = |credential: &Value| {
        let state = credential["state"].as_str().unwrap_or_default();
        let failures = credential["consecutiveFailureCount"].as_i64().unwrap_or_default();
        (state.strip_prefix("CREDENTIAL_STATE_").unwrap_or(state).to_owned(), failures)
    };
    credentials.iter().map(state).collect()
}

/// What README.md promises of the tiers.
#[tokio::test]
async fn three_failures_disable_the_next_tier_serves_and_recovery_brings_the_best_back_without_a_restart() {
    let base = Duration::from_millis(50);
    let house =
        tiers().tune(move |config| config.pool.probe_delay = Backoff { base, max: base }).start().await;
    let disabled = |failures: i64| move |state: &(String, i64)| state.0 == "DISABLED" && state.1 >= failures;

    house.simulator.revoke_bearer(PERSONAL);
    for turn in 1..=3 {
        assert_eq!(see(&house, true).await, (200, json!("served")), "shared serves in the same turn");
        assert_eq!(asked(&house)[2 * turn - 2..], [PERSONAL, SHARED]);
    }
    assert!(disabled(3)(&states(&house).await[0]));

    house.simulator.revoke_bearer(SHARED);
    while !disabled(3)(&states(&house).await[1]) {
        assert_eq!(see(&house, false).await, (200, json!("served")));
        assert_eq!(asked(&house).last(), Some(&ANONYMOUS), "anonymous comes last");
    }

    house.simulator.accept_bearer(PERSONAL);
    let back = async {
        while states(&house).await[0] != ("ACTIVE".to_owned(), 0) {
            assert_eq!(see(&house, true).await, (200, json!("served")));
        }
    };
    tokio::time::timeout(wait::PATIENCE, back).await.expect("a probe brings it back");
    house.record().clear();
    assert_eq!(see(&house, true).await, (200, json!("served")));
    assert_eq!(asked(&house), [PERSONAL], "it is first again");
    house.close().await;
}

#[tokio::test]
async fn when_all_quotas_are_used_up_the_caller_is_told_when_to_come_back() {
    for stream in [false, true] {
        let house = tiers().start().await;
        for bearer in [PERSONAL, SHARED, ANONYMOUS] {
            house.simulator.on_bearer(bearer, Scenario::refuse(Refusal::out_of_credits()));
        }
        let mut chat = ask("hello");
        chat["stream"] = json!(stream);
        // The second time the upstream is not even asked.
        for _ in 0..2 {
            let response = house.post(&chat).await;
            assert_eq!(response.status(), 429);
            let headers = response.headers();
            let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((60..24 * 3600).contains(&wait), "{wait}");
            assert_eq!(headers["x-should-retry"], "false", "nobody waits for that long");
            let error = &json_of(response).await["error"];
            assert_eq!(
                (&error["type"], &error["code"]),
                (&json!("insufficient_quota"), &json!("insufficient_quota"))
            );
            assert_eq!(asked(&house), [PERSONAL, SHARED, ANONYMOUS]);
        }
        house.close().await;
    }
}

#[tokio::test]
async fn the_wait_that_the_upstream_asks_for_is_passed_on() {
    let house = tiers().start().await;
    let overloaded = Refusal::overloaded().with_header("retry-after", "7");
    for bearer in [PERSONAL, SHARED, ANONYMOUS] {
        house.simulator.on_bearer(bearer, Scenario::refuse(overloaded.clone()));
    }

    let response = house.post(&ask("hello")).await;

    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    let error = &json_of(response).await["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("rate_limit_error"), &json!("rate_limit_exceeded")));
    assert!(error["message"].as_str().unwrap().ends_with("try again in 7s"), "{error}");
    house.close().await;
}

#[tokio::test]
async fn when_every_credential_is_refused_that_is_no_fault_of_the_caller() {
    let house = tiers().start().await;
    for bearer in [PERSONAL, SHARED, ANONYMOUS] {
        house.simulator.revoke_bearer(bearer);
    }

    let (status, error) = see(&house, false).await;

    assert_eq!((status, &error["code"]), (503, &json!("no_credential_available")), "{error}");
    for secret in [PERSONAL, SHARED, ANONYMOUS] {
        assert!(!error.to_string().contains(secret), "{error}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_operator_can_have_a_used_up_quota_told() {
    for fault in [Scenario::refuse(Refusal::out_of_credits()), Scenario::finish(Finish::QuotaLimit)] {
        let house = tiers().settings(|settings| settings.on_quota = Some("fail".into())).start().await;
        house.simulator.on_bearer(PERSONAL, fault);

        let (status, error) = see(&house, true).await;

        assert_eq!((status, &error["code"]), (429, &json!("insufficient_quota")), "{error}");
        assert_eq!(asked(&house), [PERSONAL]);
        let response = house.post(&ask("hello")).await;
        assert_eq!(response.status(), 429, "the next turn does not go on to a lesser tier either");
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((60..24 * 3600).contains(&wait), "{wait}");
        assert_eq!(asked(&house), [PERSONAL], "and the upstream is not even asked");
        house.close().await;
    }
    // Other failures go on to the next one all the same.
    let house = tiers().settings(|settings| settings.on_quota = Some("fail".into())).start().await;
    house.simulator.on_bearer(PERSONAL, Scenario::refuse(Refusal::overloaded()));
    assert_eq!(see(&house, false).await, (200, json!("served")));
    house.close().await;
}
