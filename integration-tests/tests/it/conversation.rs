//! Conversations arrive at the upstream in the order its models demand, every text to the byte, nothing lost.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use warp2api_integration_tests::{House, ask, received};

use crate::generated::{GIF, Generated, conversations};

/// Eight bytes that begin a PNG, and no more: what follows is the upstream's to judge.
const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

fn image(url: &str) -> Value {
    json!({ "type": "image_url", "image_url": { "url": url, "detail": "auto" } })
}

/// Sends the messages and gives what arrived.
async fn arrived(house: &House, messages: &Value) -> Vec<String> {
    let (status, answer) = house.chat(&json!({ "messages": messages })).await;
    assert_eq!(status, 200, "{answer}");
    let received = house.record().last_chat().expect("a chat");
    assert_eq!(received.violations, []);
    received::conversation(&received.request().expect("a request"))
}

#[tokio::test]
async fn a_long_agent_conversation_arrives_in_order_and_to_the_byte() {
    let house = House::start().await;
    let arguments = concat!(
        r#"{"path":"/a b/\"c\"","lines":[1,-2.5,9007199254740991],"indent":"    four\n\tand a tab","#,
        r#""empty":"","none":null,"object":{},"list":[]}"#
    );
    let messages = json!([
        { "role": "system", "content": "You are careful.\n" },
        { "role": "developer", "content": [{ "type": "text", "text": "Rule one" }, { "type": "text", "text": "" }] },
        { "role": "user", "name": "ann", "content": [
            { "type": "text", "text": "Look at these:" },
            image(PNG),
            { "type": "text", "text": "  what are they?  " },
            image(GIF),
        ] },
        { "role": "assistant", "content": null, "reasoning_content": "not for the upstream", "tool_calls": [
            call("k1", "read", arguments), call("k2", "read", ""), call("k3", "list", "{\"z\":1,\"a\":{}}"),
        ] },
        { "role": "tool", "tool_call_id": "k3", "content": "" },
        { "role": "tool", "tool_call_id": "k1", "content": [
            { "type": "text", "text": "fn main() {\n    one();\n\n\ttwo();\n}\n" }, { "type": "text", "text": "" }, image(GIF),
        ] },
        { "role": "tool", "tool_call_id": "k2" },
        { "role": "assistant", "content": "Both read.", "tool_calls": [call("k1", "read", "  ")] },
        { "role": "tool", "tool_call_id": "k1", "content": null },
        { "role": "user", "content": "" },
        { "role": "assistant", "content": "", "tool_calls": [call("k4", "run", "{}"), call("k5", "run", "{}")] },
        { "role": "tool", "tool_call_id": "k5", "content": "  ok\r\n" },
        { "role": "tool", "tool_call_id": "ghost", "content": "nobody asked" },
        { "role": "system", "content": "Late rule" },
        { "role": "assistant", "content": [{ "type": "text", "text": "So" }, { "type": "refusal", "refusal": "no" }] },
        { "role": "user", "content": "and now?" },
        { "role": "assistant", "content": "Working on" },
    ]);

    let lines = arrived(&house, &messages).await;

    assert_eq!(
        lines,
        [
            r#"user "Look at these:\n  what are they?  " image/png:12 image/gif:20"#,
            &format!("call k1 read {arguments}"),
            r#"result k1 "fn main() {\n    one();\n\n\ttwo();\n}\n" "" image/gif:20"#,
            "call k2 read {}",
            r#"result k2 """#,
            r#"call k3 list {"z":1,"a":{}}"#,
            r#"result k3 """#,
            r#"assistant "Both read.""#,
            "call k1-2 read {}",
            r#"result k1-2 """#,
            r#"user """#,
            "call k4 run {}",
            "cancelled k4",
            "call k5 run {}",
            r#"result k5 "  ok\r\n""#,
            r#"user "Result of the tool call ghost:\nnobody asked""#,
            r#"assistant "So\nno""#,
            r#"user "and now?" instructions "You are careful.\n\n\nRule one\n\n\nLate rule""#,
            r#"assistant "Working on""#,
            "=> resume",
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn every_end_of_a_conversation_is_an_input_the_upstream_takes() {
    let house = House::start().await;
    let user = json!({ "role": "user", "content": "u" });
    let system = json!({ "role": "system", "content": "s" });
    let said = json!({ "role": "assistant", "content": "a" });
    let calls = json!({ "role": "assistant", "tool_calls": [call("k1", "f", "{}"), call("k2", "f", "{}")] });
    let result = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": id });
    let (one, two) = (result("k1"), result("k2"));
    let cancelled = r#"=> error k2 "the tool call was cancelled""#;
    for (messages, expected) in [
        (json!([user]), vec![r#"=> user "u""#]),
        (json!([system]), vec![r#"=> user "s""#]),
        (json!([system, user, system]), vec![r#"=> user "u" instructions "s\n\ns""#]),
        (json!([said]), vec![r#"assistant "a""#, "=> resume"]),
        (json!([system, said]), vec![r#"user "" instructions "s""#, r#"assistant "a""#, "=> resume"]),
        (json!([one]), vec![r#"=> user "Result of the tool call k1:\nk1""#]),
        (
            json!([system, user, calls, two, one]),
            vec![
                r#"user "u" instructions "s""#,
                "call k1 f {}",
                "call k2 f {}",
                r#"=> result k1 "k1""#,
                r#"=> result k2 "k2""#,
            ],
        ),
        (json!([calls, one]), vec!["call k1 f {}", "call k2 f {}", r#"=> result k1 "k1""#, cancelled]),
        (
            json!([system, calls, one, system, two]),
            vec![
                r#"user "" instructions "s\n\ns""#,
                "call k1 f {}",
                "call k2 f {}",
                r#"=> result k1 "k1""#,
                r#"=> result k2 "k2""#,
            ],
        ),
        (
            json!([user, calls, one, two, user]),
            vec![
                r#"user "u""#,
                "call k1 f {}",
                r#"result k1 "k1""#,
                "call k2 f {}",
                r#"result k2 "k2""#,
                r#"=> user "u""#,
            ],
        ),
        (
            json!([user, calls, one, two, said]),
            vec![
                r#"user "u""#,
                "call k1 f {}",
                r#"result k1 "k1""#,
                "call k2 f {}",
                r#"result k2 "k2""#,
                r#"assistant "a""#,
                "=> resume",
            ],
        ),
        (
            json!([user, calls, one, user, two]),
            vec![
                r#"user "u""#,
                "call k1 f {}",
                r#"result k1 "k1""#,
                "call k2 f {}",
                r#"result k2 "k2""#,
                r#"=> user "u""#,
            ],
        ),
    ] {
        assert_eq!(arrived(&house, &messages).await, expected, "{messages}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_image_of_the_last_message_arrives_as_the_upstream_wants_it() {
    let house = House::start().await;
    let mut chat = ask("");
    chat["messages"][0]["content"] = json!([image(PNG), { "type": "text", "text": "this one" }, image(GIF)]);

    let (status, answer) = house.chat(&chat).await;

    assert_eq!(status, 200);
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.ends_with("Your message ends with: this one 2 images came with it."), "{text}");
    let base64 = |url: &str| url.split_once(',').unwrap().1.to_owned();
    let expected = [("image/png".to_owned(), base64(PNG)), ("image/gif".to_owned(), base64(GIF))];
    assert_eq!(received::new_images(&house.last_request()), expected);
    house.close().await;
}

#[tokio::test]
async fn numbers_survive_as_far_as_the_upstreams_own_form_goes() {
    let house = House::start().await;
    for (given, arrives) in [
        (r#"{"n":5}"#, r#"{"n":5}"#),
        (r#"{"n":-9007199254740991}"#, r#"{"n":-9007199254740991}"#),
        // The upstream knows doubles only.
        (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
        (r#"{"n":[1e3,0.1,2.50,-0.0,1e-7]}"#, r#"{"n":[1000,0.1,2.5,-0.0,1e-7]}"#),
    ] {
        let calls = json!({ "role": "assistant", "tool_calls": [call("k1", "f", given)] });
        let result = json!({ "role": "tool", "tool_call_id": "k1", "content": "r" });

        let lines = arrived(&house, &json!([calls, result])).await;

        assert_eq!(lines, [&format!("call k1 f {arrives}"), r#"=> result k1 "r""#]);
    }
    house.close().await;
}

#[tokio::test]
async fn the_request_offers_what_the_caller_has_and_nothing_of_the_upstreams_own() {
    let house = House::start().await;
    let mut chat = ask("hello");
    chat["parallel_tool_calls"] = json!(false);
    chat["tools"] = json!([{ "type": "function", "function": { "name": "f" } }]);

    house.chat(&chat).await;

    let received = house.record().last_chat().unwrap();
    assert_eq!(received.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(received.header("accept"), Some("text/event-stream"));
    for header in ["x-warp-client-id", "x-warp-client-version", "x-warp-os-category", "x-warp-os-name"] {
        assert!(received.header(header).is_some(), "{header}");
    }
    let json = received.json().unwrap();
    assert_eq!(json["settings"]["supported_tools"], json!(["CALL_MCP_TOOL"]));
    assert_eq!(json["settings"]["supports_reasoning_message"], true);
    assert!(json["settings"].get("supports_parallel_tool_calls").is_none(), "false is the default");
    assert!(json["metadata"].get("conversation_id").is_none(), "no id that the upstream did not give");
    assert!(json["task_context"].get("active_task_id").is_none());
    assert!(json["mcp_context"].get("tools").is_none(), "grouped, not flat");
    house.close().await;
}

#[tokio::test]
async fn nothing_of_a_caller_is_in_the_request_of_another() {
    let house = House::start().await;
    let first = json!([
        { "role": "system", "content": "secret rule" },
        { "role": "user", "content": "secret question" },
        { "role": "assistant", "content": "secret answer" },
        { "role": "user", "content": "go on" },
    ]);
    arrived(&house, &first).await;
    let before = house.last_request();

    assert_eq!(
        arrived(&house, &json!([{ "role": "user", "content": "hello" }])).await,
        [r#"=> user "hello""#]
    );

    let after = house.last_request();
    assert_eq!(after.task_context.unwrap().tasks, []);
    assert_eq!(after.metadata.unwrap().conversation_id, "");
    // The same conversation again has ids of its own.
    arrived(&house, &first).await;
    let again = house.last_request();
    let id = |request: &warp2api_proto::warp::multi_agent::v1::Request| {
        request.task_context.as_ref().unwrap().tasks[0].id.clone()
    };
    assert_ne!(id(&before), id(&again));
    assert_eq!(received::without_ids(before), received::without_ids(again));
    house.close().await;
}

#[tokio::test]
async fn the_older_forms_of_tools_and_history_are_settings() {
    let house = House::builder()
        .settings(|settings| {
            settings.tool_form = Some("flat".into());
            settings.server_preamble = Some("true".into());
        })
        .start()
        .await;
    let mut chat = ask(r#"call the tool f with {"a":1}"#);
    chat["tools"] = json!([{ "type": "function", "function": { "name": "f" } }]);

    let (_, answer) = house.chat(&chat).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let json = house.record().last_chat().unwrap().json().unwrap();
    assert_eq!(json["mcp_context"]["tools"][0]["name"], "f");
    assert!(json["mcp_context"].get("servers").is_none());

    let messages = chat["messages"].as_array_mut().unwrap();
    messages.push(answer["choices"][0]["message"].clone());
    messages.push(json!({ "role": "user", "content": "never mind" }));
    assert_eq!(house.chat(&chat).await.0, 200);
    let lines = received::conversation(&house.last_request());
    assert_eq!((lines.len(), lines[0].as_str()), (5, "server"), "{lines:?}");
    house.close().await;
}

#[test]
fn any_conversation_is_one_the_upstream_takes_and_nothing_of_it_is_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = runtime.block_on(House::start());
    let config = Config { cases: 128, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&conversations(), |generated| {
        let lines = runtime.block_on(arrived(&house, &json!(generated.messages)));
        judge(&generated, &lines, received::instructions(&house.last_request()))
    });
    runtime.block_on(house.close());
    outcome.unwrap();
}

/// Whether every text of the conversation is there once and in order, and every call and image is there.
fn judge(generated: &Generated, lines: &[String], instructions: Option<&str>) -> Result<(), TestCaseError> {
    let fail = |why: String| Err(TestCaseError::fail(format!("{why} in {lines:#?}")));
    let quoted = |text: &str| {
        let quoted = format!("{text:?}");
        quoted[1..quoted.len() - 1].to_owned()
    };
    let places = |text: &str| -> Vec<usize> {
        let mark = quoted(text);
        lines.iter().enumerate().filter(|(_, line)| line.contains(&mark)).map(|(at, _)| at).collect()
    };
    let mut last = 0;
    for said in &generated.said {
        match places(said)[..] {
            [at] if at >= last => last = at,
            ref places => return fail(format!("{said:?} is at {places:?} after {last}")),
        }
    }
    for result in &generated.results {
        if places(result).len() != 1 {
            return fail(format!("{result:?} is at {:?}", places(result)));
        }
    }
    let calls = lines.iter().filter(|line| line.starts_with("call ")).count();
    if calls != generated.calls {
        return fail(format!("{calls} of {} calls", generated.calls));
    }
    let images = lines.iter().map(|line| line.matches(" image/gif:").count()).sum::<usize>();
    if images != generated.images {
        return fail(format!("{images} of {} images", generated.images));
    }
    let joined = generated.instructions.join("\n\n");
    if generated.said.is_empty() && generated.results.is_empty() && generated.calls == 0 {
        // Nothing but instructions, and perhaps messages that say nothing: they are the question.
        return if places(&joined).len() == 1 { Ok(()) } else { fail(format!("{joined:?} is lost")) };
    }
    if instructions.unwrap_or_default() != joined {
        return fail(format!("instructions are {instructions:?}, not {joined:?}"));
    }
    Ok(())
}
