//! What an app gets of a chat: text, thinking, usage, whole and streamed, within the limits it asked for.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use warp2api_gateway::KeepAliveForm;
use warp2api_integration_tests::sse::{Frames, Live};
use warp2api_integration_tests::{House, ask, received};
use warp2api_upstream_sim::{Part, Scenario, Tokens, UsageForm};

/// Texts that a careless hand would change.
const DELICATE: &[&str] = &[
    "plain",
    "  two spaces before, three after   ",
    "\n\nlines\n\n\nwith nothing between\n",
    "\ttab\r\ncarriage return\rand a vertical\u{b}one",
    "日本語 🇨🇭 👩‍👩‍👧‍👦 e\u{301} \u{200f}rtl\u{200e} \u{feff}bom",
    "\"quotes\" \\backslashes\\ \\n </script> <|end|> \u{0}\u{1}\u{7f}\u{2028}",
    "data: [DONE]\n\ndata: {\"error\":{}}\n\n",
    "",
];

#[tokio::test]
async fn a_whole_answer_has_openais_form() {
    let house = House::start().await;

    let (status, answer) = house.chat(&ask("say exactly: Hello, world")).await;

    assert_eq!(status, 200, "{answer}");
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-"), "{id}");
    assert!(answer["created"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "auto");
    assert_eq!(
        answer["choices"],
        json!([{
            "index": 0,
            "message": { "role": "assistant", "content": "Hello, world", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }])
    );
    let usage = &answer["usage"];
    let count = |key: &str| usage[key].as_i64().unwrap();
    assert_eq!(count("total_tokens"), count("prompt_tokens") + count("completion_tokens"));
    assert_eq!(received::conversation(&house.last_request()), [r#"=> user "say exactly: Hello, world""#]);
    house.close().await;
}

#[tokio::test]
async fn every_chunk_of_a_stream_is_what_strict_clients_want() {
    let house = House::start().await;

    let frames = house.stream(&ask("say exactly: one two three four")).await;

    assert_eq!((frames.text().as_str(), frames.finish_reason()), ("one two three four", Some("stop")));
    assert!(frames.done && frames.error().is_none() && frames.comments == 0);
    assert!(frames.data.len() >= 6, "the text comes in pieces: {}", frames.data.len());
    for key in ["id", "object", "created", "model"] {
        let values: HashSet<_> = frames.data.iter().map(|chunk| chunk[key].to_string()).collect();
        assert_eq!(values.len(), 1, "{key} differs: {values:?}");
    }
    assert_eq!(frames.data[0]["object"], "chat.completion.chunk");
    assert_eq!(frames.data[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let last = frames.data.len() - 1;
    for (at, chunk) in frames.data.iter().enumerate() {
        let choice = chunk["choices"][0].as_object().unwrap();
        let keys: Vec<_> = choice.keys().map(String::as_str).collect();
        assert_eq!(keys, ["index", "delta", "logprobs", "finish_reason"]);
        assert_eq!(choice["delta"].get("role").is_some(), at == 0);
        assert_eq!(choice["finish_reason"].is_null(), at != last);
        assert!(chunk.get("usage").is_none(), "nobody asked for usage");
    }
    assert_eq!(frames.data[last]["choices"][0]["delta"], json!({}));
    house.close().await;
}

#[tokio::test]
async fn text_comes_and_goes_to_the_byte() {
    let house = House::start().await;
    for text in DELICATE {
        let question = ask(&format!("say exactly: {text}"));

        let (status, whole) = house.chat(&question).await;
        let frames = house.stream(&question).await;

        assert_eq!((status, &whole["choices"][0]["message"]["content"]), (200, &json!(text)));
        assert_eq!(frames.text(), *text);
        let expected = format!("=> user {:?}", format!("say exactly: {text}"));
        assert_eq!(received::conversation(&house.last_request()), [expected]);
    }
    house.close().await;
}

#[tokio::test]
async fn usage_ends_a_stream_that_asked_for_it_and_no_other() {
    let house = House::start().await;
    let tokens = Tokens { input: 100, output: 20, cache_read: 7, cache_write: 3 };
    let expected = json!({
        "prompt_tokens": 110,
        "completion_tokens": 20,
        "total_tokens": 130,
        "prompt_tokens_details": { "cached_tokens": 7 },
    });
    let mut chat = ask("hello");
    house.simulator.enqueue_times(3, &Scenario::text("hi").using(tokens));

    let (_, whole) = house.chat(&chat).await;
    assert_eq!(whole["usage"], expected);

    let without = house.stream(&chat).await;
    assert!(without.data.iter().all(|chunk| chunk.get("usage").is_none()));

    chat["stream_options"] = json!({ "include_usage": true });
    let with = house.stream(&chat).await;
    let (last, others) = with.data.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &expected));
    assert!(others.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"][0].is_object()));
    assert!(with.done);
    house.close().await;
}

#[tokio::test]
async fn usage_that_the_upstream_does_not_split_is_left_out() {
    let house = House::start().await;
    let mut chat = ask("hello");
    chat["stream_options"] = json!({ "include_usage": true });
    for form in [UsageForm::Absent, UsageForm::Totals] {
        house.simulator.enqueue_times(2, &Scenario::text("hi").reporting(form));

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        assert!(whole.get("usage").is_none(), "{whole}");
        assert!(frames.done && frames.data.iter().all(|chunk| chunk["usage"].is_null()), "{form:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn thinking_comes_before_the_answer_and_apart_from_it() {
    let house = House::start().await;
    let chat = ask("think first, then say exactly: done");

    let (_, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    let message = &whole["choices"][0]["message"];
    let thought = message["reasoning_content"].as_str().unwrap();
    assert!(thought.starts_with("The latest message has 6 words."), "{thought}");
    assert_eq!(message["content"], "done");
    assert_eq!((frames.reasoning().as_str(), frames.text().as_str()), (thought, "done"));
    let first = |key: &str| {
        let has =
            |chunk: &Value| chunk["choices"][0]["delta"][key].as_str().is_some_and(|text| !text.is_empty());
        frames.data.iter().position(has)
    };
    assert!(first("reasoning_content") < first("content"));
    house.close().await;
}

#[tokio::test]
async fn a_stop_sequence_ends_the_answer_before_it() {
    let house = House::start().await;
    for (stop, text) in [
        (json!("END"), "one two "),
        (json!(["three", "two EN"]), "one "),
        (json!([" thr"]), "one two END"),
        (json!(["absent", "thr33"]), "one two END three"),
    ] {
        let mut chat = ask("say exactly: one two END three");
        chat["stop"] = stop.clone();

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(text), &json!("stop")),
            "{stop}"
        );
        assert_eq!((frames.text().as_str(), frames.finish_reason()), (text, Some("stop")), "{stop}");
        assert!(frames.done);
    }
    house.close().await;
}

#[tokio::test]
async fn a_token_limit_cuts_the_answer_and_says_so() {
    let house = House::start().await;
    for (limit, text, reason) in [
        (json!({ "max_tokens": 2 }), "12345678", "length"),
        (json!({ "max_completion_tokens": 1, "max_tokens": 100 }), "1234", "length"),
        (json!({ "max_tokens": 100 }), "123456789", "stop"),
        (json!({ "max_tokens": null }), "123456789", "stop"),
    ] {
        let mut chat = ask("say exactly: 123456789");
        chat.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());

        let (_, whole) = house.chat(&chat).await;
        let frames = house.stream(&chat).await;

        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(text), &json!(reason)),
            "{limit}"
        );
        assert_eq!((frames.text().as_str(), frames.finish_reason()), (text, Some(reason)), "{limit}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_limit_that_is_reached_ends_the_upstreams_turn() {
    let house = House::start().await;
    let endless = Scenario::chunks(100_000, "again and ", Duration::from_millis(1));
    let mut chat = ask("hello");
    chat["stop"] = json!("again and again and again");
    house.simulator.enqueue(endless);

    let frames = house.stream(&chat).await;

    assert_eq!((frames.text().as_str(), frames.finish_reason(), frames.done), ("", Some("stop"), true));
    house.settle().await;
    assert_eq!((house.record().finished(), house.record().abandoned()), (0, 1));
    house.close().await;
}

#[tokio::test]
async fn silence_is_filled_so_that_nobody_on_the_way_gives_up() {
    for form in [KeepAliveForm::Comment, KeepAliveForm::Chunk] {
        let house = House::builder()
            .tune(move |c| {
                c.gateway.keep_alive = Duration::from_millis(5);
                c.gateway.keep_alive_form = form;
            })
            .start()
            .await;
        let pause = Part::Pause(Duration::from_millis(200));
        house.simulator.enqueue(Scenario::parts([Part::Text("a ".into()), pause, Part::Text("b".into())]));

        let frames = house.stream(&ask("hello")).await;

        assert_eq!((frames.text().as_str(), frames.done), ("a b", true));
        let empty = |choice: &Value| choice["delta"] == json!({}) && choice["finish_reason"].is_null();
        let chunks = frames.data.iter().filter(|chunk| empty(&chunk["choices"][0])).count();
        match form {
            KeepAliveForm::Comment => assert!(frames.comments >= 2 && chunks == 0, "{frames:?}"),
            KeepAliveForm::Chunk => assert!(frames.comments == 0 && chunks >= 2, "{frames:?}"),
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_long_gets_its_head_and_its_error_as_last_frame() {
    let house = House::builder()
        .tune(|c| {
            c.gateway.commit_after = Duration::from_millis(10);
            c.gateway.keep_alive = Duration::from_millis(10);
        })
        .start()
        .await;
    let delay = Duration::from_millis(150);
    let mut chat = ask("hello");
    chat["stream"] = json!(true);

    house.simulator.enqueue(Scenario::text("at last").delayed(delay));
    let mut live = Live::new(house.post(&chat).await);
    assert_eq!(house.record().finished(), 0, "the head came before the answer");
    assert_eq!(live.first_text().await, "at ");
    let frames = live.rest().await;
    assert_eq!((frames.text().as_str(), frames.done), ("last", true));

    let refusal = warp2api_upstream_sim::Refusal::new(400, "no");
    house.simulator.enqueue(Scenario::refuse(refusal).delayed(delay));
    let frames = Live::new(house.post(&chat).await).rest().await;
    assert_eq!(frames.error().unwrap()["code"], "upstream_rejected");
    assert!(!frames.done && frames.text().is_empty());

    // Whole answers have no head before they are there.
    house.simulator.enqueue(Scenario::text("at last").delayed(delay));
    chat["stream"] = json!(false);
    assert_eq!(house.chat(&chat).await.0, 200);
    house.close().await;
}

#[tokio::test]
async fn a_stream_is_what_the_whole_answer_is() {
    let house = House::start().await;
    let chat = ask("think first and tell me something");
    let (_, whole) = house.chat(&chat).await;
    let Frames { data, .. } = house.stream(&chat).await;
    let joined = |key: &str| -> String {
        data.iter().filter_map(|chunk| chunk["choices"][0]["delta"][key].as_str()).collect()
    };
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], joined("content"));
    assert_eq!(message["reasoning_content"], joined("reasoning_content"));
    house.close().await;
}
