//! However the upstream ends an answer, the caller learns the truth: before the first text as a status with an error
//! object, after it as the last frame of a stream that has no `[DONE]`.

use std::time::Duration;

use serde_json::{Map, Value, json};
use warp2api_integration_tests::sse::Frames;
use warp2api_integration_tests::{House, ask, json_of};
use warp2api_upstream_sim::{Cut, Finish, Part, Refusal, Scenario};

/// What a caller sees in the end.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// An answer: its text and the reason of its end.
    Answer(String, String),
    /// A refusal: its status and its code.
    Refused(u16, String),
    /// A stream that breaks off: its text and the code of the error.
    Broken(String, String),
}

pub(crate) fn answer(text: &str, reason: &str) -> Seen {
    Seen::Answer(text.to_owned(), reason.to_owned())
}

pub(crate) fn refused(status: u16, code: &str) -> Seen {
    Seen::Refused(status, code.to_owned())
}

pub(crate) fn broken(text: &str, code: &str) -> Seen {
    Seen::Broken(text.to_owned(), code.to_owned())
}

pub(crate) async fn whole(house: &House, scenario: &Scenario) -> Seen {
    house.simulator.enqueue(scenario.clone());
    seen(house.post(&ask("planted prompt")).await).await
}

pub(crate) async fn streamed(house: &House, scenario: &Scenario) -> Seen {
    house.simulator.enqueue(scenario.clone());
    let mut chat = ask("planted prompt");
    chat["stream"] = json!(true);
    let response = house.post(&chat).await;
    if response.status() != 200 {
        return seen(response).await;
    }
    let frames = Frames::parse(&response.text().await.unwrap());
    match frames.error() {
        Some(error) => {
            check_error(error);
            assert!(!frames.done && frames.finish_reason().is_none(), "{frames:?}");
            broken(&frames.text(), error["code"].as_str().unwrap())
        }
        None => {
            assert!(frames.done, "{frames:?}");
            answer(&frames.text(), frames.finish_reason().expect("a reason"))
        }
    }
}

async fn seen(response: reqwest::Response) -> Seen {
    let status = response.status().as_u16();
    let body = json_of(response).await;
    if status == 200 {
        let choice = &body["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap_or_default();
        return answer(text, choice["finish_reason"].as_str().unwrap());
    }
    check_error(&body["error"]);
    refused(status, body["error"]["code"].as_str().unwrap())
}

/// All four keys, and nothing of what others wrote.
fn check_error(error: &Value) {
    let keys: Vec<_> = error.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    assert_eq!(keys, ["message", "type", "param", "code"]);
    assert!(!error.to_string().contains("planted"), "{error}");
}

#[tokio::test]
async fn each_reason_has_its_end_before_and_after_the_first_text() {
    let planted = Finish::InternalError("planted".into());
    let key = Finish::InvalidApiKey { provider: 2, model: "planted".into() };
    let mut house = House::start().await;
    for (finish, before, after) in [
        (Finish::Done, answer("", "stop"), answer("text", "stop")),
        (Finish::Unset, answer("", "stop"), answer("text", "stop")),
        (Finish::MaxTokenLimit, refused(400, "context_length_exceeded"), answer("text", "length")),
        (
            Finish::ContextWindowExceeded,
            refused(400, "context_length_exceeded"),
            broken("text", "context_length_exceeded"),
        ),
        (Finish::QuotaLimit, refused(429, "insufficient_quota"), broken("text", "insufficient_quota")),
        (
            Finish::LlmUnavailable,
            refused(503, "upstream_unavailable"),
            broken("text", "upstream_unavailable"),
        ),
        (planted, refused(502, "upstream_failed"), broken("text", "upstream_failed")),
        (key, refused(400, "provider_key_rejected"), broken("text", "provider_key_rejected")),
        (Finish::Other, refused(502, "upstream_failed"), broken("text", "upstream_failed")),
    ] {
        let scenario = Scenario::finish(finish.clone());
        let with_text = Scenario::text("text").finishing(finish.clone());
        // Nothing of a whole answer is sent before all of it is there.
        let whole_after = match &after {
            Seen::Broken(..) => &before,
            after => after,
        };
        let received = house.record().received();
        for (stream, scenario, expected) in [
            (true, &scenario, &before),
            (true, &with_text, &after),
            (false, &scenario, &before),
            (false, &with_text, whole_after),
        ] {
            let seen = if stream { streamed(&house, scenario).await } else { whole(&house, scenario).await };
            assert_eq!(&seen, expected, "{finish:?}");
            if finish == Finish::QuotaLimit {
                // It is remembered.
                house.close().await;
                house = House::start().await;
            }
        }
        if finish != Finish::QuotaLimit {
            assert_eq!(house.record().received() - received, 4, "{finish:?} is not tried again");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn each_status_of_the_upstream_has_its_own() {
    let house = House::builder().tune(|config| config.chat.max_retries = 0).start().await;
    for (upstream, status, code) in [
        (400, 400, "upstream_rejected"),
        (404, 400, "upstream_rejected"),
        (405, 400, "upstream_rejected"),
        (413, 413, "request_too_large"),
        (415, 400, "upstream_rejected"),
        (422, 400, "upstream_rejected"),
        (408, 503, "upstream_unavailable"),
        (500, 503, "upstream_unavailable"),
        (502, 503, "upstream_unavailable"),
        (504, 503, "upstream_unavailable"),
        (200, 502, "upstream_malformed"),
        (204, 502, "upstream_malformed"),
        (302, 502, "upstream_malformed"),
    ] {
        let scenario = Scenario::refuse(Refusal::new(upstream, "planted <b>body</b>"));
        assert_eq!(whole(&house, &scenario).await, refused(status, code), "{upstream}");
        assert_eq!(streamed(&house, &scenario).await, refused(status, code), "{upstream}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_end_without_finished_is_no_end() {
    let house = House::builder().tune(|config| config.chat.max_retries = 0).start().await;
    for cut in [Cut::Clean, Cut::Error] {
        let nothing = Scenario::parts([]).without_finished(cut);
        assert_eq!(whole(&house, &nothing).await, refused(502, "upstream_interrupted"));
        assert_eq!(streamed(&house, &nothing).await, refused(502, "upstream_interrupted"));
        let text = Scenario::text("some text").without_finished(cut);
        assert_eq!(whole(&house, &text).await, refused(502, "upstream_interrupted"));
        assert_eq!(streamed(&house, &text).await, broken("some text", "upstream_interrupted"));
        // After every single event.
        for events in 0..9 {
            let scenario = Scenario::text("one two").cut_after(events, cut);
            assert_eq!(whole(&house, &scenario).await, refused(502, "upstream_interrupted"), "{events}");
            match streamed(&house, &scenario).await {
                Seen::Refused(502, code) => assert_eq!(code, "upstream_interrupted"),
                Seen::Broken(text, code) => {
                    assert!(
                        "one two".starts_with(&text) && code == "upstream_interrupted",
                        "{text:?} {code}"
                    );
                }
                other => panic!("{other:?} after {events}"),
            }
        }
    }
    house.close().await;
}

#[tokio::test]
async fn silence_has_an_end() {
    let house = House::builder()
        .tune(|config| {
            config.chat.max_retries = 1;
            config.chat.retry_pause = Duration::from_millis(1);
            config.chat.clocks.first_event = Duration::from_millis(500);
            config.chat.clocks.gap = Duration::from_millis(500);
        })
        .start()
        .await;
    for (scenario, attempts) in [
        (Scenario::stall_before_headers(), 2),
        (Scenario::usual().stall_after(0), 2),
        (Scenario::usual().stall_after(3), 2),
    ] {
        let before = house.record().received();
        house.simulator.enqueue_times(attempts - 1, &scenario);
        assert_eq!(streamed(&house, &scenario).await, refused(504, "upstream_timeout"));
        house.simulator.enqueue_times(attempts - 1, &scenario);
        assert_eq!(whole(&house, &scenario).await, refused(504, "upstream_timeout"));
        assert_eq!(house.record().received() - before, 2 * attempts as u64);
    }
    let stall = Scenario::parts([Part::Text("some text".into()), Part::Stall]);
    assert_eq!(streamed(&house, &stall).await, broken("some text", "upstream_timeout"));
    // Pauses shorter than the limit are no silence, however many.
    let pause = || Part::Pause(Duration::from_millis(20));
    let text = || Part::Text("text ".into());
    let slow = Scenario::parts((0..8).flat_map(|_| [pause(), text()]).collect::<Vec<_>>());
    assert_eq!(streamed(&house, &slow).await, answer(&"text ".repeat(8), "stop"));
    house.close().await;
}

#[tokio::test]
async fn a_turn_has_an_end_however_much_it_says() {
    let house = House::builder()
        .tune(|config| {
            config.chat.max_retries = 0;
            config.chat.clocks.lifetime = Duration::from_secs(1);
        })
        .start()
        .await;
    let endless = Scenario::chunks(100_000, "on and ", Duration::from_millis(2));
    match streamed(&house, &endless).await {
        Seen::Broken(text, code) => {
            assert!(text.starts_with("on and ") && code == "upstream_timeout", "{text} {code}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(whole(&house, &endless).await, refused(504, "upstream_timeout"));
    house.close().await;
}
