//! What the upstream says is understood as it is meant: corrections, drafts taken back, events of every spelling, and
//! what nobody can read is never skipped.

use serde_json::{Value, json};
use warp2api_integration_tests::{House, ask};
use warp2api_upstream_sim::{
    Cut, Delivery, Event, Finish, Framing, Message, Part, Scenario, Tokens, ToolCall,
};

use crate::endings::{answer, broken, refused, streamed, whole};

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
