//! Conversations that go on by a key: the upstream gets back what it made of them, to the byte; whatever does not fit
//! starts anew; and nothing ever passes from one caller to another.

mod bounds;
mod faults;
mod talk;

use serde_json::json;
use warp2api_integration_tests::{House, Topology, ask, json_of, received};
use warp2api_proto::warp::multi_agent::v1::Request;
use warp2api_proto::warp::multi_agent::v1::message::Message as Kind;
use warp2api_upstream_sim::{Event, Finish, Message, Scenario, ToolCall};

use talk::{Talk, contents, last_body};

const ADD: &str =
    r#"{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{}}}}"#;

/// What stands in the upstream's tasks, by kind.
fn kinds(request: &Request) -> Vec<&'static str> {
    let tasks = request.task_context.iter().flat_map(|context| &context.tasks);
    let kind = |kind: &Option<Kind>| match kind {
        Some(Kind::UserQuery(_)) => "query",
        Some(Kind::AgentOutput(_)) => "output",
        Some(Kind::ToolCall(_)) => "call",
        Some(Kind::ToolCallResult(_)) => "result",
        Some(Kind::ServerEvent(_)) => "event",
        _ => "other",
    };
    tasks.flat_map(|task| &task.messages).map(|message| kind(&message.message)).collect()
}

fn conversation_id(request: &Request) -> &str {
    request.metadata.as_ref().map_or("", |metadata| &metadata.conversation_id)
}

/// The line for what is new.
fn news(request: &Request) -> Vec<String> {
    let lines = received::conversation(request).into_iter();
    lines.filter_map(|line| line.strip_prefix("=> ").map(str::to_owned)).collect()
}

#[tokio::test]
async fn three_turns_are_one_conversation_of_the_upstreams() {
    for topology in Topology::ALL {
        for stream in [false, true] {
            let house = House::builder().topology(*topology).start().await;
            let mut talk = Talk::named(&house, "chat/1");
            talk.stream = stream;

            assert_eq!(talk.say("My cat is Tom.").await.resumed, Some(false));
            let first = house.last_request();
            assert_eq!((conversation_id(&first), kinds(&first).len()), ("", 0));

            assert_eq!(talk.say("And my dog is Rex.").await.resumed, Some(true));
            let second = house.last_request();
            let id = conversation_id(&second).to_owned();
            assert!(!id.is_empty());
            assert_eq!(kinds(&second), ["call", "event", "query", "output"]);
            assert_eq!(news(&second), [r#"user "And my dog is Rex.""#]);
            let task = &second.task_context.as_ref().unwrap().tasks[0];
            assert_eq!(task.description, "Embedded upstream: My cat is Tom.");
            for message in &task.messages {
                assert!(!message.server_message_data.is_empty() && !message.request_id.is_empty());
                assert!(message.timestamp.is_some() && message.task_id == task.id);
            }
            assert_ne!(id, task.id);
            let before = contents(&last_body(&house));

            assert_eq!(talk.say("Who is Tom?").await.resumed, Some(true));
            let third = house.last_request();
            assert_eq!(conversation_id(&third), id);
            assert_eq!(kinds(&third)[4..], ["event", "query", "output"]);
            assert_eq!(news(&third), [r#"user "Who is Tom?""#]);
            assert_eq!(contents(&last_body(&house))[..before.len()], before, "to the byte");
            house.close().await;
        }
    }
}

#[tokio::test]
async fn the_upstreams_messages_go_back_to_the_byte() {
    let house = House::start().await;
    let unknown = [0xc8, 0x3e, 0x07];
    let at = std::time::Duration::from_secs(1_700_000_000);
    let dressed = |message: Message| {
        message.in_task("root").with_server_data("opaque").stamped("r1", at).with_unknown_fields(&unknown)
    };
    let call = ToolCall::new("f", json!({ "z": 1, "a": { "y": "", "b": [] } })).with_id("c1");
    let sent = [
        dressed(Message::call_server("m1", "s1", "IgA=")),
        dressed(Message::server_event("m2", "payload")),
        dressed(Message::member("m3", 500, vec![0x0a, 1, b'?'])),
        dressed(Message::agent_output("m4", "Hello there")),
        dressed(Message::call_mcp_tool("m5", &call)),
    ];
    let begun = dressed(Message::agent_output("m4", "Hel"));
    let piece = Message::agent_output("m4", "lo there").in_task("root");
    house.simulator.enqueue(Scenario::events([
        Event::init("conversation", "r1"),
        Event::create_task("root", "", &sent[..2]),
        Event::begin(),
        Event::add_messages("root", &[Message::agent_output("draft", "Hel")]),
        Event::rollback(),
        Event::begin(),
        Event::together(&[Event::add_messages("root", &sent[2..3]), Event::add_messages("root", &[begun])]),
        Event::append_to_message("root", &piece, &["agent_output.text"]),
        Event::commit(),
        Event::add_messages("root", &sent[4..]),
        Event::finished(&Finish::Done),
    ]));
    let mut talk = Talk::named(&house, "a");
    assert_eq!(talk.say("Hi").await.text, "Hello there");

    assert_eq!(talk.answer("c1", "done").await.resumed, Some(true));

    let expected = contents_of_task(&Event::create_task("root", "", &sent));
    assert_eq!(contents(&last_body(&house)), expected);
    assert_eq!(news(&house.last_request()), [r#"result c1 "done""#]);
    assert_eq!(conversation_id(&house.last_request()), "conversation");
    house.close().await;
}

/// The encoded messages of the task that an event creates.
fn contents_of_task(event: &Event) -> Vec<Vec<u8>> {
    let inside = |bytes: &[u8], number| talk::field(bytes, number).concat();
    let task = inside(&inside(&inside(&inside(event.bytes(), 2), 1), 1), 1);
    talk::field(&task, 5)
}

#[tokio::test]
async fn rounds_of_tools_go_on_with_nothing_but_their_results() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "tools");
    talk.messages.push(json!({ "role": "system", "content": "Count well." }));
    talk.tools = json!([serde_json::from_str::<serde_json::Value>(ADD).unwrap()]);

    let turn = talk.say(r#"call the tool add with {"b":2,"a":1} and call the tool add with {"a":[]}"#).await;
    assert_eq!(turn.calls.len(), 2);
    talk.messages.push(json!({ "role": "tool", "tool_call_id": turn.calls[1], "content": "two" }));
    assert_eq!(talk.answer(&turn.calls[0], "one").await.resumed, Some(true));
    let results = house.last_request();
    assert_eq!(kinds(&results), ["call", "event", "query", "call", "call"]);
    let lines = [format!("result {} \"one\"", turn.calls[0]), format!("result {} \"two\"", turn.calls[1])];
    assert_eq!(news(&results), lines);
    assert_eq!(received::instructions(&results), Some("Count well."));
    assert_eq!(received::tools(&results).len(), 1);

    assert_eq!(talk.say("Thanks.").await.resumed, Some(true));
    assert_eq!(news(&house.last_request()), [r#"user "Thanks." instructions "Count well.""#]);

    // One that is answered and talked past, and other instructions from now on.
    let turn = talk.say(r#"call the tool add with {}"#).await;
    talk.messages[0] = json!({ "role": "system", "content": "Count badly." });
    talk.messages.push(json!({ "role": "tool", "tool_call_id": turn.calls[0], "content": "three" }));
    assert_eq!(talk.say("Go on.").await.resumed, Some(true));
    let lines = [
        format!("result {} \"three\"", turn.calls[0]),
        r#"user "Go on." instructions "Count badly.""#.into(),
    ];
    assert_eq!(news(&house.last_request()), lines);

    // One that is never answered, and instructions that change on a turn of results.
    let turn = talk.say(r#"call the tool add with {"n":1}"#).await;
    talk.messages[0] = json!({ "role": "system", "content": "Stop counting." });
    assert_eq!(talk.answer(&turn.calls[0], "four").await.resumed, Some(true));
    let request = house.last_request();
    let lines = received::conversation(&request);
    assert!(lines.iter().any(|line| line.ends_with(r#"instructions "Stop counting.""#)), "{lines:#?}");
    let turn = talk.say(r#"call the tool add with {"n":2}"#).await;
    assert_eq!(talk.say("Never mind.").await.resumed, Some(true));
    let line = format!("error {} \"the tool call was cancelled\"", turn.calls[0]);
    assert_eq!(news(&house.last_request())[0], line);
    assert!(house.record().chats().iter().all(|chat| chat.violations.is_empty()));
    house.close().await;
}

#[tokio::test]
async fn an_edited_conversation_starts_anew_and_is_kept_from_then_on() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "edits");
    talk.say("one").await;
    talk.say("two").await;

    talk.messages[0]["content"] = json!("ONE");
    assert_eq!(talk.say("three").await.resumed, Some(false));
    let request = house.last_request();
    assert_eq!(conversation_id(&request), "");
    assert_eq!(kinds(&request), ["query", "output", "query", "output"]);

    assert_eq!(talk.say("four").await.resumed, Some(true));
    let request = house.last_request();
    assert_eq!(kinds(&request), ["query", "output", "query", "output", "event", "query", "output"]);
    assert_ne!(conversation_id(&request), "");

    // The same question again: the answer was not wanted.
    talk.messages.truncate(talk.messages.len() - 2);
    assert_eq!(talk.say("four").await.resumed, Some(false));
    assert_eq!(talk.say("five").await.resumed, Some(true));
    assert!(house.record().chats().iter().all(|chat| chat.violations.is_empty()));
    house.close().await;
}

#[tokio::test]
async fn a_conversation_that_ends_with_the_models_words_goes_on_from_there() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "a");
    talk.say("one").await;

    assert_eq!(talk.send().await.resumed, Some(true));

    assert_eq!(news(&house.last_request()), ["resume"]);
    house.close().await;
}

#[tokio::test]
async fn flattened_history_is_needed_only_to_begin() {
    let house = House::builder().settings(|s| s.history = Some("flattened".into())).start().await;
    let mut talk = Talk::named(&house, "a");
    talk.messages =
        vec![json!({ "role": "user", "content": "one" }), json!({ "role": "assistant", "content": "uno" })];

    assert_eq!(talk.say("two").await.resumed, Some(false));
    assert_eq!(kinds(&house.last_request()).len(), 0);
    assert_eq!(talk.say("three").await.resumed, Some(true));

    assert_eq!(kinds(&house.last_request()), ["call", "event", "query", "output"]);
    assert_eq!(news(&house.last_request()), [r#"user "three""#]);
    house.close().await;
}

#[tokio::test]
async fn without_a_key_nothing_is_kept_and_a_bad_key_is_refused() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "a");
    talk.conversation = None;
    talk.say("one").await;

    assert_eq!(talk.say("two").await.resumed, None);

    assert_eq!((conversation_id(&house.last_request()), kinds(&house.last_request()).len()), ("", 2));
    let chats = house.record().chats().len();
    for bad in ["", "a b", &"x".repeat(129)] {
        let request = house.request("POST", "/v1/chat/completions").header("x-warp2api-conversation", bad);
        let response = request.body(ask("hi").to_string()).send().await.unwrap();
        assert_eq!(response.status(), 400);
        let error = json_of(response).await["error"].take();
        assert_eq!(error["param"], "x-warp2api-conversation");
        assert!(error["message"].as_str().unwrap().starts_with("x-warp2api-conversation"), "{error}");
    }
    assert_eq!(house.record().chats().len(), chats, "the upstream never hears of it");
    house.close().await;
}
