//! Faults of the upstream: they are met with patience that has an end, and cost no credential anything; once text was sent,
//! nothing is tried again.

use std::time::{Duration, Instant};

use serde_json::json;
use warp2api_integration_tests::{House, ask, json_of, wait};
use warp2api_token_pool::config::Backoff;
use warp2api_upstream_sim::{Cut, Finish, Part, Refusal, Scenario, ToolCall};

use crate::failover::{ANONYMOUS, PERSONAL, SHARED, asked, see, states, tiers};

#[tokio::test]
async fn an_upstream_that_fails_with_everybody_is_left_alone_and_nobody_pays() {
    let base = Duration::from_millis(200);
    let give_way = Backoff { base: Duration::from_secs(60), max: Duration::from_secs(60) };
    let house = tiers().tune(move |config| {
        config.pool.breaker_delay = Backoff { base, max: base };
        config.pool.give_way = give_way;
    });
    let house = house.start().await;
    for bearer in [PERSONAL, SHARED, ANONYMOUS] {
        house.simulator.on_bearer(bearer, Scenario::refuse(Refusal::unavailable()));
    }
    for _ in 0..7 {
        assert_eq!(see(&house, true).await.1["code"], "upstream_unavailable");
    }
    let tried = asked(&house);
    assert_eq!(
        [tried[0], tried[9], tried[18]],
        [PERSONAL, SHARED, ANONYMOUS],
        "three turns each, of three attempts"
    );
    assert_eq!(tried.len(), 21);

    let response = house.post(&ask("hello")).await;

    assert_eq!((response.status().as_u16(), asked(&house).len()), (503, 21), "it is not asked");
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(json_of(response).await["error"]["code"], "upstream_unavailable");
    assert_eq!(states(&house).await, vec![("ACTIVE".to_owned(), 0); 3]);
    for bearer in [PERSONAL, SHARED, ANONYMOUS] {
        house.simulator.clear_bearer(bearer);
    }
    let back = async { while see(&house, true).await != (200, json!("served")) {} };
    tokio::time::timeout(wait::PATIENCE, back).await.expect("one turn tries, and it works");
    assert_eq!(asked(&house)[21..], [PERSONAL], "the first one that tried");
    house.close().await;
}

/// Faults of the upstream before the first text, and what the caller is told when they do not pass.
fn faults_of_the_upstream() -> Vec<(&'static str, Scenario, u16, &'static str)> {
    let call = Part::ToolCall(ToolCall::new("f", json!({})));
    vec![
        ("500", Scenario::refuse(Refusal::internal()), 503, "upstream_unavailable"),
        ("503", Scenario::refuse(Refusal::unavailable()), 503, "upstream_unavailable"),
        ("408", Scenario::refuse(Refusal::new(408, "")), 503, "upstream_unavailable"),
        ("an end before init", Scenario::usual().cut_after(0, Cut::Clean), 502, "upstream_interrupted"),
        ("a break before init", Scenario::usual().cut_after(0, Cut::Error), 502, "upstream_interrupted"),
        ("an end after init", Scenario::usual().cut_after(3, Cut::Clean), 502, "upstream_interrupted"),
        ("a break after init", Scenario::usual().cut_after(3, Cut::Error), 502, "upstream_interrupted"),
        (
            "a break after a call",
            Scenario::parts([call]).without_finished(Cut::Error),
            502,
            "upstream_interrupted",
        ),
    ]
}

#[tokio::test]
async fn a_fault_of_the_upstream_that_passes_is_not_seen() {
    let house = tiers().start().await;
    for (name, fault, ..) in faults_of_the_upstream() {
        for stream in [false, true] {
            house.record().clear();
            house.simulator.enqueue_times(2, &fault);

            assert_eq!(see(&house, stream).await, (200, json!("served")), "{name}");

            assert_eq!(asked(&house), [PERSONAL; 3], "{name}: the credential is not at fault");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn an_upstream_in_trouble_gets_a_pause_that_grows() {
    let pause = Duration::from_millis(40);
    let house = tiers().tune(move |config| config.chat.retry_pause = pause).start().await;
    house.simulator.enqueue_times(2, &Scenario::refuse(Refusal::unavailable()));
    let started = Instant::now();

    assert_eq!(see(&house, false).await, (200, json!("served")));

    assert!(started.elapsed() >= 3 * pause, "one pause, and one of twice its length");
    house.close().await;
}

#[tokio::test]
async fn patience_with_the_upstream_ends() {
    let house = tiers().start().await;
    for (name, fault, status, code) in faults_of_the_upstream() {
        for stream in [false, true] {
            house.record().clear();
            house.simulator.enqueue_times(3, &fault);

            let (seen, error) = see(&house, stream).await;

            assert_eq!((seen, &error["code"]), (status, &json!(code)), "{name}: {error}");
            assert_eq!((asked(&house), house.simulator.queued()), (vec![PERSONAL; 3], 0), "{name}");
            assert_eq!(see(&house, stream).await, (200, json!("served")), "one that works ends the row");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn an_upstream_that_is_away_is_unavailable() {
    // Nobody listens there: the port was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let house = House::builder()
        .settings(|settings| {
            settings.upstream = Some(url);
            settings.warp_api_key = Some(PERSONAL.into());
        })
        .tune(|config| config.chat.retry_pause = Duration::from_millis(1))
        .start()
        .await;

    let (status, error) = see(&house, true).await;

    assert_eq!((status, &error["code"]), (503, &json!("upstream_unavailable")), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    house.close().await;
}

#[tokio::test]
async fn after_the_first_text_nothing_is_tried_again() {
    let begun = || Scenario::parts([Part::Text("begun and ".into())]);
    for (name, fault, code) in [
        ("a break", begun().without_finished(Cut::Error), "upstream_interrupted"),
        ("an end", begun().without_finished(Cut::Clean), "upstream_interrupted"),
        ("no quota", begun().finishing(Finish::QuotaLimit), "insufficient_quota"),
        ("no model", begun().finishing(Finish::LlmUnavailable), "upstream_unavailable"),
    ] {
        let house = tiers().start().await;
        house.simulator.enqueue(fault);

        let frames = house.stream(&ask("hello")).await;

        assert_eq!(frames.text(), "begun and ", "{name}");
        assert_eq!(frames.error().expect("an error frame")["code"], code, "{name}");
        assert!(!frames.done && frames.finish_reason().is_none(), "{name}");
        assert_eq!(asked(&house), [PERSONAL], "{name}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_whole_answer_may_begin_anew_until_it_is_kept() {
    let house = tiers().start().await;
    house.simulator.enqueue(Scenario::text("begun").finishing(Finish::QuotaLimit));

    assert_eq!(see(&house, false).await, (200, json!("served")), "nothing of the first attempt is in it");

    assert_eq!(asked(&house), [PERSONAL, SHARED]);
    house.close().await;
}
