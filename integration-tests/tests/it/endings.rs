//! However the upstream ends an answer, the caller learns the truth: before the first text as a status with an error
//! object, after it as the last frame of a stream that has no `[DONE]`.

use std::time::Duration;

use serde_json::{Map, Value, json};
use warp2api_integration_tests::sse::Frames;
use warp2api_integration_tests::{House, ask, json_of};
use warp2api_upstream_sim::{
    Cut, Delivery, Event, Finish, Framing, Message, Part, Refusal, Scenario, Tokens, ToolCall,
};

/// What a caller sees in the end.
#[derive(Debug, PartialEq)]
enum Seen {
    /// An answer: its text and the reason of its end.
    Answer(String, String),
    /// A refusal: its status and its code.
    Refused(u16, String),
    /// A stream that breaks off: its text and the code of the error.
    Broken(String, String),
}

fn answer(text: &str, reason: &str) -> Seen {
    Seen::Answer(text.to_owned(), reason.to_owned())
}

fn refused(status: u16, code: &str) -> Seen {
    Seen::Refused(status, code.to_owned())
}

fn broken(text: &str, code: &str) -> Seen {
    Seen::Broken(text.to_owned(), code.to_owned())
}

async fn whole(house: &House, scenario: &Scenario) -> Seen {
    house.simulator.enqueue(scenario.clone());
    seen(house.post(&ask("planted prompt")).await).await
}

async fn streamed(house: &House, scenario: &Scenario) -> Seen {
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

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_never_skipped() {
    let house = House::start().await;
    let text = || Part::Text("text".into());
    let lost = Message::agent_output("never sent before", "more");
    for (name, part) in [
        ("no base64", Part::Payload("?!".into())),
        ("a plain text", Part::Payload("[DONE]".into())),
        ("no message", Part::Event(Event::raw(&[0xff, 0xff, 0xff][..]))),
        ("a message that is cut", Part::Event(Event::raw(Event::init("c", "r").bytes().slice(..5)))),
        ("more for a message that was never sent", {
            Part::Event(Event::append_to_message("t", &lost, &["agent_output.text"]))
        }),
    ] {
        let before = Scenario::parts([part.clone(), text()]);
        let after = Scenario::parts([text(), part]);
        assert_eq!(whole(&house, &before).await, refused(502, "upstream_malformed"), "{name}");
        assert_eq!(streamed(&house, &before).await, refused(502, "upstream_malformed"), "{name}");
        assert_eq!(whole(&house, &after).await, refused(502, "upstream_malformed"), "{name}");
        assert_eq!(streamed(&house, &after).await, broken("text", "upstream_malformed"), "{name}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_event_has_a_largest_size() {
    let house = House::builder().tune(|config| config.chat.max_event_bytes = 4096).start().await;
    let large = Scenario::parts([Part::Text("text".into()), Part::WholeText("x".repeat(5000))]);
    for delivery in [Delivery::Events, Delivery::Bytes(100)] {
        let scenario = large.clone().delivered(delivery);
        assert_eq!(streamed(&house, &scenario).await, broken("text", "upstream_malformed"));
    }
    let endless_line = Scenario::parts([Part::Text("text".into()), Part::Bytes(vec![b'x'; 9000])]);
    assert_eq!(streamed(&house, &endless_line).await, broken("text", "upstream_malformed"));
    let long = "many words ".repeat(2000);
    assert_eq!(streamed(&house, &Scenario::text(&long)).await, answer(&long, "stop"), "answers have none");
    house.close().await;
}

#[tokio::test]
async fn what_the_upstream_takes_back_is_not_shown_twice_and_never_left_standing() {
    let house = House::start().await;
    let back = |text: &str| Part::RolledBack(text.into());
    let (commit, begin) = (|| Part::Event(Event::commit()), || Part::Event(Event::begin()));
    let text = |text: &str| Part::Text(text.into());
    for (parts, live, committed) in [
        (vec![back("Hello wor"), text("Hello world")], answer("Hello world", "stop"), "Hello world"),
        (
            vec![back("one two"), back("one two three"), text("one two three")],
            answer("one two three", "stop"),
            "one two three",
        ),
        (
            vec![text("kept "), commit(), begin(), back("draft"), text("draft, said again")],
            answer("kept draft, said again", "stop"),
            "kept draft, said again",
        ),
        (
            vec![text("un"), back("done"), text("undone, said again")],
            answer("undone, said again", "stop"),
            "undone, said again",
        ),
        (
            vec![back("Hello there"), text("Hello world")],
            broken("Hello there", "upstream_interrupted"),
            "Hello world",
        ),
        (vec![back("all of it")], broken("all of it", "upstream_interrupted"), ""),
        (vec![back("longer than"), text("longer")], broken("longer than", "upstream_interrupted"), "longer"),
    ] {
        let scenario = Scenario::parts(parts.clone());
        assert_eq!(streamed(&house, &scenario).await, live, "{parts:?}");
        assert_eq!(whole(&house, &scenario).await, answer(committed, "stop"), "{parts:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_update_of_a_text_shows_its_growth_only() {
    let house = House::start().await;
    for (draft, text, live) in [
        ("Hello", "Hello, world", "Hello, world"),
        ("Hello", "Hello", "Hello"),
        // A stream cannot take back what was sent; a whole answer can.
        ("Helo world", "Hello world", "Helo world"),
        ("Hello world", "Hello", "Hello world"),
    ] {
        let (draft, text) = (draft.to_owned(), text.to_owned());
        let scenario = Scenario::parts([Part::Corrected { draft, text: text.clone() }]);
        assert_eq!(streamed(&house, &scenario).await, answer(live, "stop"));
        assert_eq!(whole(&house, &scenario).await, answer(&text, "stop"));
    }
    house.close().await;
}

#[tokio::test]
async fn only_what_is_the_callers_is_shown() {
    let house = House::start().await;
    let text = |text: &str| Part::Text(text.into());
    let shell = || Part::ShellCall("rm -rf /".into());
    let scenario = Scenario::parts([
        text("before "),
        Part::SubtaskText("what a helper of the upstream says".into()),
        Part::Unknown,
        Part::Payload(String::new()),
        Part::Bytes(b": a comment\n\nid: 7\nretry: 5\n\n".to_vec()),
        shell(),
        text("after"),
    ]);
    assert_eq!(streamed(&house, &scenario).await, answer("before after", "stop"));
    assert_eq!(whole(&house, &scenario).await, answer("before after", "stop"));
    let scenario = Scenario::parts([shell()]);
    assert_eq!(whole(&house, &scenario).await, answer("", "stop"), "a call that nobody offered is none");
    house.close().await;
}

#[tokio::test]
async fn arguments_that_come_late_are_there_in_the_end() {
    let house = House::start().await;
    let late = ToolCall::new("f", json!({ "z": 1, "a": [true] })).with_id("c1");
    let none = ToolCall::new("g", Value::Null).with_id("c2");
    let early = ToolCall::new("f", json!({})).with_id("c3");
    house.simulator.enqueue(Scenario::parts([
        Part::LateToolCall(late),
        Part::ToolCall(none),
        Part::Text("text between".into()),
        Part::ToolCall(early),
    ]));

    let frames = house.stream(&ask("hello")).await;

    let call = |id: &str, name: &str, json: &str| (id.to_owned(), name.to_owned(), json.to_owned());
    let expected = [call("c1", "f", r#"{"z":1,"a":[true]}"#), call("c2", "g", "{}"), call("c3", "f", "{}")];
    assert_eq!(frames.calls(), expected);
    assert_eq!((frames.text().as_str(), frames.finish_reason()), ("text between", Some("tool_calls")));
    house.close().await;
}

#[tokio::test]
async fn an_upstream_that_is_terse_is_understood() {
    let house = House::start().await;
    let hi = || Message::agent_output("m", "hi");
    let done = || Event::finished(&Finish::Done);
    let begin_and_add = Event::together(&[Event::begin(), Event::add_messages("t", &[hi()])]);
    for (name, events) in [
        ("without init", vec![Event::add_messages("t", &[hi()]), done()]),
        ("several actions in one event", vec![Event::init("c", "r"), begin_and_add, done()]),
        ("a task that comes with its text", vec![Event::create_task("t", "", &[hi()]), done()]),
        (
            "events after the end",
            vec![Event::add_messages("t", &[hi()]), done(), Event::raw(&[0xff][..]), done()],
        ),
        (
            "an update of a message that is new",
            vec![Event::update_message("t", &hi(), &["agent_output.text"]), done()],
        ),
    ] {
        let scenario = Scenario::events(events);
        assert_eq!(streamed(&house, &scenario).await, answer("hi", "stop"), "{name}");
        assert_eq!(whole(&house, &scenario).await, answer("hi", "stop"), "{name}");
    }
    // The last event without the empty line after it.
    let last = format!("data:{}", done().payload()).into_bytes();
    let scenario = Scenario::parts([Part::Text("hi".into()), Part::Bytes(last)]).without_finished(Cut::Clean);
    assert_eq!(streamed(&house, &scenario).await, answer("hi", "stop"));
    house.close().await;
}

#[tokio::test]
async fn bytes_may_be_cut_anywhere_and_spelled_in_any_way() {
    let house = House::start().await;
    let call = ToolCall::new("f", json!({ "text": "日本\n", "n": 5 })).with_id("c1");
    let scenario = Scenario::parts([
        Part::Reasoning("thinking, 思考".into()),
        Part::Text("one two 日本語 👩‍👧 three".into()),
        Part::Unknown,
        Part::ToolCall(call),
    ]);
    let scenario = scenario.using(Tokens { input: 3, output: 4, ..Tokens::default() });
    let mut chat = ask("hello");
    chat["stream_options"] = json!({ "include_usage": true });
    let usual = Framing::default();
    let framings = [
        usual,
        Framing { crlf: true, ..usual },
        Framing { quoted: true, ..usual },
        Framing { spaced: true, ..usual },
        Framing { decorated: true, ..usual },
        Framing { data_line: Some(1), ..usual },
        Framing { crlf: true, quoted: true, spaced: true, decorated: true, data_line: Some(7) },
    ];
    let random = |seed| Delivery::Random { seed, longest: 50 };
    let deliveries = [
        Delivery::Events,
        Delivery::Bytes(1),
        Delivery::Bytes(2),
        Delivery::Bytes(3),
        Delivery::Bytes(61),
        Delivery::Together(4),
        Delivery::Together(1000),
        random(1),
        random(2),
    ];
    for framing in framings {
        for delivery in deliveries {
            house.simulator.enqueue(scenario.clone().framed(framing).delivered(delivery));

            let frames = house.stream(&chat).await;

            let case = format!("{framing:?} {delivery:?}");
            assert_eq!(frames.reasoning(), "thinking, 思考", "{case}");
            assert_eq!(frames.text(), "one two 日本語 👩‍👧 three", "{case}");
            let expected = ("c1".to_owned(), "f".to_owned(), r#"{"text":"日本\n","n":5}"#.to_owned());
            assert_eq!(frames.calls(), [expected], "{case}");
            let usage = &frames.data.last().unwrap()["usage"];
            assert_eq!(
                (frames.finish_reason(), &usage["total_tokens"]),
                (Some("tool_calls"), &json!(7)),
                "{case}"
            );
            assert!(frames.done, "{case}");
        }
    }
    house.close().await;
}
