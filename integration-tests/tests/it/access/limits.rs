//! How much a key may do, and all of them together.

use std::time::Duration;

use reqwest::Response;
use serde_json::json;
use warp2api_gateway::KeyLimits;
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, ask, json_of, wait};
use warp2api_upstream_sim::{Part, Refusal, Scenario};

use super::keys::add;

async fn chat(house: &House, key: &str) -> Response {
    let request = house.request("POST", "/v1/chat/completions").bearer_auth(key);
    request.body(ask("say exactly: fine").to_string()).send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_limited_key_is_told_how_it_stands_and_refused_when_it_is_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let limits = KeyLimits { requests_per_minute: Some(2), ..KeyLimits::default() };
    add(&path, "limited", "limited", |record| record.limits = limits);
    add(&path, "free", "free", |_| {});
    let house = House::builder().kept_in(folder.path()).start().await;

    for left in ["1", "0"] {
        let answer = chat(&house, "limited").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "x-ratelimit-limit-requests"), "2");
        assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), left);
        assert!(header(&answer, "x-ratelimit-reset-requests").ends_with('s'));
        assert_eq!(header(&answer, "x-ratelimit-limit-tokens"), "", "of tokens nobody said anything");
    }
    let refused = chat(&house, "limited").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(json_of(refused).await["error"]["code"], "api_key_rate_limit_exceeded");

    let body = json!({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let message = house.request("POST", "/v1/messages").header("x-api-key", "limited").body(body.to_string());
    let refused = message.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "anthropic-ratelimit-requests-remaining"), "0");
    assert!(header(&refused, "anthropic-ratelimit-requests-reset").ends_with('Z'));
    assert_eq!(json_of(refused).await["error"]["type"], "rate_limit_error");

    let other = chat(&house, "free").await;
    assert_eq!((other.status().as_u16(), header(&other, "x-ratelimit-limit-requests")), (200, String::new()));
    let models = house.request("GET", "/v1/models").bearer_auth("limited").send().await.unwrap();
    assert_eq!(models.status(), 200, "models cost nothing");
    house.close().await;
}

#[tokio::test]
async fn tokens_are_counted_as_the_upstream_reports_them() {
    let house =
        House::builder().settings(|settings| settings.key_tpm = Some("1000000".to_owned())).start().await;
    let first = chat(&house, "any").await;
    assert_eq!(header(&first, "x-ratelimit-limit-tokens"), "1000000");
    let used = json_of(first).await["usage"]["total_tokens"].as_u64().expect("the upstream reports usage");

    let models = house.request("GET", "/v1/models").send().await.unwrap();

    assert_eq!(header(&models, "x-ratelimit-remaining-tokens"), (1_000_000 - used).to_string());
    house.close().await;

    let house = House::builder().settings(|settings| settings.key_tpm = Some("5".to_owned())).start().await;
    let refused = chat(&house, "any").await;
    assert_eq!(refused.status(), 413, "it would never fit");
    assert!(house.record().chats().is_empty());
    house.close().await;
}

/// A house with room for one turn, and one more that waits.
async fn narrow(wait: &str) -> House {
    let house = House::builder().settings(|settings| {
        settings.max_requests = Some("1".to_owned());
        settings.max_waiting = Some("1".to_owned());
        settings.max_wait = Some(wait.to_owned());
    });
    house.start().await
}

async fn hanging(house: &House) -> Live {
    let scenario = Scenario::parts([Part::WholeText("first".to_owned()), Part::Stall]);
    house.simulator.enqueue(scenario);
    let mut body = ask("hello");
    body["stream"] = json!(true);
    let mut live = Live::new(house.post(&body).await);
    live.first_text().await;
    live
}

#[tokio::test]
async fn chats_at_the_limit_leave_health_and_models_alone_and_go_on_when_one_leaves() {
    let house = narrow("60").await;
    let live = hanging(&house).await;
    let mut waiting = Box::pin(chat(&house, "any"));
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting.as_mut()).await.is_err(), "it waits");

    let refused = chat(&house, "any").await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_str()), (503, "1"));
    assert_eq!(json_of(refused).await["error"]["code"], "overloaded");
    for path in ["/", "/healthz", "/livez", "/v1/models"] {
        let answered = house.request("GET", path).send().await.unwrap();
        assert_eq!(answered.status(), 200, "{path}");
    }
    drop(live);

    assert_eq!((&mut waiting).await.status(), 200, "who leaves makes room");
    drop(waiting);
    house.close().await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    let house = narrow("0.05").await;
    let live = hanging(&house).await;

    let refused = chat(&house, "any").await;

    assert_eq!(refused.status(), 503);
    drop(live);
    wait::until("the turn has ended", || house.record().running() == 0).await;
    for _ in 0..3 {
        // Room is there as soon as the edge has noticed, and an answer gives it back at its end.
        let answer = chat(&house, "any").await;
        if answer.status() == 200 {
            answer.bytes().await.unwrap();
        }
    }
    assert_eq!(chat(&house, "any").await.status(), 200);
    house.close().await;
}

#[tokio::test]
async fn a_key_has_no_more_under_way_than_it_may() {
    let house =
        House::builder().settings(|settings| settings.key_requests = Some("1".to_owned())).start().await;
    let live = hanging(&house).await;

    let refused = chat(&house, "any").await;

    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_str()), (429, "1"));
    drop(live);
    house.settle().await;
    let answered = async {
        while chat(&house, "any").await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(wait::PATIENCE, answered).await.expect("its place was given back");
    house.close().await;
}

#[tokio::test]
async fn counts_of_tokens_are_requests_of_the_key_and_no_turns() {
    let house = House::builder().settings(|settings| {
        settings.key_rpm = Some("2".to_owned());
        settings.key_requests = Some("1".to_owned());
    });
    let house = house.start().await;
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).to_string();
    let count =
        async || house.request("POST", "/v1/messages/count_tokens").body(body.clone()).send().await.unwrap();
    for left in ["1", "0"] {
        let answer = count().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "anthropic-ratelimit-requests-remaining"), left);
    }

    let refused = count().await;

    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").is_empty()), (429, false));
    assert_eq!(header(&refused, "anthropic-ratelimit-requests-remaining"), "0");
    assert_eq!(json_of(refused).await["error"]["type"], "rate_limit_error");
    assert_eq!(chat(&house, "any").await.status(), 429, "they are of one minute");
    assert!(house.record().chats().is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_turn_that_the_upstream_refuses_uses_no_tokens() {
    let house =
        House::builder().settings(|settings| settings.key_tpm = Some("1000000".to_owned())).start().await;
    for stream in [false, true] {
        house.simulator.enqueue(Scenario::refuse(Refusal::model_not_allowed("auto")));
        let mut body = ask("hello");
        body["stream"] = json!(stream);
        let failed = house.post(&body).await;
        assert!(failed.status().as_u16() >= 400, "{failed:?}");
        drop(failed.bytes().await);

        let models = house.request("GET", "/v1/models").send().await.unwrap();

        assert_eq!(header(&models, "x-ratelimit-remaining-tokens"), "1000000", "streamed {stream}");
    }
    assert!(house.record().chats().len() >= 2, "they were asked of the upstream");
    house.close().await;
}
