//! What is the same in every dialect but for its words: answers, failures before and after the first byte, limits,
//! leaving, keys and addresses.

use serde_json::{Value, json};
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, json_of, wait};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_upstream_sim::{Finish, Scenario};

use super::speaker::{End, Heard, SPEAKERS, Speaker, conversing};
use super::talk::{Talk, question, tool};

fn ask(speaker: &Speaker, text: &str) -> Value {
    (speaker.say)(&question(text))
}

#[tokio::test]
async fn text_is_heard_to_the_byte_streamed_and_whole() {
    let house = House::start().await;
    let text = "Ünï \"code\"\n\tdata: [DONE]\n\nevent: x \u{2028} \\u0000 end";
    for speaker in SPEAKERS {
        house.simulator.enqueue_times(2, &Scenario::text(text));
        let expected = Heard { text: text.to_owned(), end: Some(End::Stop), ..Heard::default() };

        assert_eq!(speaker.stream(&house, ask(speaker, "hi")).await, expected, "{}", speaker.name);
        assert_eq!(speaker.whole(&house, &ask(speaker, "hi")).await, expected, "{}", speaker.name);
    }
    house.close().await;
}

#[tokio::test]
async fn calls_are_heard_in_their_order_with_ids_of_their_own() {
    let house = House::start().await;
    let prompt = "call the tool read with {\"b\":1,\"a\":[]} and call the tool write with {}";
    let talk = Talk { tools: vec![tool("read"), tool("write")], ..question(prompt) };
    for speaker in conversing() {
        let body = (speaker.say)(&talk);
        let streamed = speaker.stream(&house, body.clone()).await;
        let whole = speaker.whole(&house, &body).await;
        for heard in [streamed, whole] {
            let calls: Vec<_> =
                heard.calls.iter().map(|(_, name, args)| (name.as_str(), args.as_str())).collect();
            assert_eq!(calls, [("read", "{\"b\":1,\"a\":[]}"), ("write", "{}")], "{}", speaker.name);
            assert_eq!(heard.end, Some(End::Calls), "{}", speaker.name);
            assert!(heard.calls[0].0 != heard.calls[1].0 && !heard.calls[0].0.is_empty(), "{heard:?}");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn failures_before_the_first_byte_have_their_status_and_word() {
    let house = House::start().await;
    for (finish, reason) in [
        (Finish::ContextWindowExceeded, ErrorReason::ContextTooLong),
        (Finish::LlmUnavailable, ErrorReason::UpstreamUnavailable),
        (Finish::InternalError("planted".into()), ErrorReason::UpstreamFailed),
        (Finish::InvalidApiKey { provider: 2, model: "m".into() }, ErrorReason::ProviderKeyRejected),
    ] {
        for speaker in SPEAKERS {
            for streamed in [true, false] {
                house.simulator.enqueue_times(4, &Scenario::finish(finish.clone()));
                let mut body = ask(speaker, "hi");
                body["stream"] = json!(streamed);
                let failure = speaker.failure(&house, &body).await;
                assert_eq!(failure, speaker.says(reason), "{} {finish:?}", speaker.name);
                while house.simulator.queued() > 0 {
                    speaker.post(&house, &ask(speaker, "use up")).await;
                }
            }
        }
    }
    house.close().await;
}

#[tokio::test]
async fn failures_after_the_first_byte_end_the_stream_with_their_word() {
    let house = House::start().await;
    for (finish, reason) in [
        (Finish::ContextWindowExceeded, ErrorReason::ContextTooLong),
        (Finish::LlmUnavailable, ErrorReason::UpstreamUnavailable),
        (Finish::Other, ErrorReason::UpstreamFailed),
    ] {
        for speaker in SPEAKERS {
            house.simulator.enqueue(Scenario::text("some").finishing(finish.clone()));
            let heard = speaker.stream(&house, ask(speaker, "hi")).await;
            let error = Some(speaker.says(reason).1);
            assert_eq!(heard, Heard { text: "some".into(), error, ..Heard::default() }, "{}", speaker.name);
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_limit_of_tokens_ends_an_answer_in_every_dialect() {
    let house = House::start().await;
    for speaker in SPEAKERS {
        let mut body = ask(speaker, "hi");
        (speaker.limit)(&mut body, 2);
        house.simulator.enqueue_times(2, &Scenario::text("12345678 and more"));
        let expected = Heard { text: "12345678".into(), end: Some(End::Length), ..Heard::default() };

        assert_eq!(speaker.stream(&house, body.clone()).await, expected, "{}", speaker.name);
        assert_eq!(speaker.whole(&house, &body).await, expected, "{}", speaker.name);
    }
    house.close().await;
}

#[tokio::test]
async fn a_wrong_value_is_named_and_asks_nothing_of_the_upstream() {
    let house = House::start().await;
    for speaker in SPEAKERS {
        let mut body = ask(speaker, "hi");
        let name = (speaker.spoil)(&mut body);
        let response = speaker.post(&house, &body).await;
        assert_eq!(response.status(), 400, "{}", speaker.name);
        let answer = json_of(response).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{name}: ")), "{}: {message}", speaker.name);
        assert_eq!((speaker.word)(&answer), speaker.says(ErrorReason::InvalidField).1, "{}", speaker.name);
    }
    assert_eq!(house.record().received(), 0);
    house.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_upstream_in_every_dialect() {
    let house = House::start().await;
    for speaker in SPEAKERS {
        for streamed in [true, false] {
            let before = house.record().abandoned();
            let mut body = ask(speaker, "stream 6000 chunks of 8 bytes every 100 ms");
            body["stream"] = json!(streamed);
            if streamed {
                let mut live = Live::new(speaker.post(&house, &body).await);
                live.frame().await.unwrap();
                live.frame().await.unwrap();
            } else {
                let waiting = speaker.post(&house, &body);
                tokio::pin!(waiting);
                tokio::select! {
                    _ = &mut waiting => panic!("{} answers", speaker.name),
                    () = wait::until("the upstream is at work", || house.record().running() == 1) => {}
                }
            }
            wait::until("the upstream sees that it left", || house.record().abandoned() == before + 1).await;
        }
    }
    house.close().await;
}

#[tokio::test]
async fn every_dialect_wants_a_key_and_is_there_without_v1() {
    let house = House::builder().settings(|s| s.api_token = Some("planted-key".into())).start().await;
    for speaker in SPEAKERS {
        let body = ask(speaker, "hi");
        assert_eq!(speaker.failure(&house, &body).await, speaker.says(ErrorReason::ApiKeyInvalid));
        let bare = speaker.path.strip_prefix("/v1").unwrap();
        for path in
            [speaker.path.to_owned(), bare.to_owned(), format!("{bare}/"), format!("{}/", speaker.path)]
        {
            for (header, value) in [("authorization", "Bearer planted-key"), ("x-api-key", "planted-key")] {
                let request = house.request("POST", &path).header(header, value).body(body.to_string());
                assert_eq!(request.send().await.unwrap().status(), 200, "{path} {header}");
            }
            assert_eq!(house.request("GET", &path).send().await.unwrap().status(), 405, "{path}");
        }
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_ignored_is_named_in_every_dialect() {
    let house = House::start().await;
    for speaker in SPEAKERS {
        let mut body = ask(speaker, "hi");
        body["no_such_parameter"] = json!({ "a": 1 });
        let response = speaker.post(&house, &body).await;
        assert_eq!(response.headers()["x-warp2api-ignored"], "no_such_parameter", "{}", speaker.name);
    }
    house.close().await;
}
