//! Requests that no dialect takes, and stop sequences: the same in every dialect but for its words.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use warp2api_integration_tests::{House, json_of};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_upstream_sim::Scenario;

use super::speaker::{End, Heard, SPEAKERS, Speaker};
use super::talk::question;

async fn refused(speaker: &Speaker, request: RequestBuilder, reason: ErrorReason) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].clone();
    let body = json_of(response).await;
    let name = speaker.name;
    assert_eq!((status, (speaker.word)(&body)), speaker.says(reason), "{name}: {body}");
    assert_eq!(content_type, "application/json", "{name}");
    assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "{name}");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_words_of_the_dialect() {
    let house = House::builder().settings(|s| s.max_body_bytes = Some("1000".into())).start().await;
    for speaker in SPEAKERS {
        let post = |path: &str| house.request("POST", path).header("content-type", "application/json");
        let whole = (speaker.say)(&question("hi")).to_string();
        for damaged in ["", "{", "[]", "7", "\u{0}", &whole[..whole.len() - 1], &format!("{whole}}}")] {
            refused(speaker, post(speaker.path).body(damaged.to_owned()), ErrorReason::InvalidField).await;
        }
        let large = (speaker.say)(&question(&"x".repeat(1000))).to_string();
        refused(speaker, post(speaker.path).body(large), ErrorReason::RequestTooLarge).await;
        let zipped = post(speaker.path).header("content-encoding", "gzip").body("no gzip");
        refused(speaker, zipped, ErrorReason::InvalidField).await;
        let get = house.request("GET", speaker.path);
        refused(speaker, get, ErrorReason::MethodNotAllowed).await;
        // Clients of some tools send another type, or none.
        for other in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let request =
                house.request("POST", speaker.path).header("content-type", other).body(whole.clone());
            assert_eq!(request.send().await.unwrap().status(), 200, "{} {other}", speaker.name);
        }
    }
    assert_eq!(house.record().received(), 3 * SPEAKERS.len() as u64, "what is refused is not asked upstream");
    house.close().await;
}

#[tokio::test]
async fn a_stop_sequence_ends_an_answer_where_the_dialect_knows_it() {
    let house = House::start().await;
    for speaker in SPEAKERS {
        let mut body = (speaker.say)(&question("hi"));
        let (key, known): (_, Value) = match speaker.name {
            "messages" => ("stop_sequences", json!(["END"])),
            // OpenAI's responses have none: it is named as ignored.
            "responses" => ("stop", Value::Null),
            _ => ("stop", json!(["END"])),
        };
        body[key] = json!(["END"]);
        house.simulator.enqueue_times(2, &Scenario::text("before ENDafter"));
        let text = if known.is_null() { "before ENDafter" } else { "before " };
        let expected = Heard { text: text.into(), end: Some(End::Stop), ..Heard::default() };

        assert_eq!(speaker.stream(&house, body.clone()).await, expected, "{}", speaker.name);
        assert_eq!(speaker.whole(&house, &body).await, expected, "{}", speaker.name);
    }
    house.close().await;
}
