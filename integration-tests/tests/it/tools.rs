//! Tools: what is offered arrives, calls come back, results go in.

use std::collections::HashSet;

use serde_json::{Value, json};
use warp2api_integration_tests::{House, ask, received};
use warp2api_upstream_sim::{Part, Scenario, ToolCall};

fn tool(name: &str, parameters: &Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "description": "about", "parameters": parameters } })
}

#[tokio::test]
async fn a_schema_arrives_as_it_was_written() {
    let house = House::start().await;
    // Key order, references, unions, empty values of every kind, numbers, escapes.
    let schema = concat!(
        r##"{"type":"object","properties":{"zebra":{"$ref":"#/$defs/z"},"##,
        r#""apple":{"anyOf":[{"type":"string"},{"type":"null"}],"default":""},"mango":{},"#,
        r#""n":{"type":"integer","minimum":-5,"maximum":9007199254740991,"multipleOf":0.25,"enum":[0,1,-1]},"#,
        r#""s":{"type":"string","pattern":"^\\d+$","description":"a \"word\"\n日本"}},"#,
        r#""required":[],"$defs":{"z":{"type":"object","properties":{},"additionalProperties":false}},"#,
        r#""examples":[[],{},null,true,false]}"#
    );
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut chat = ask("hello");
    chat["tools"] = json!([tool("z_first", &schema), tool("a_second", &json!({})), {
        "type": "function", "function": { "name": "bare" }
    }]);

    let (status, answer) = house.chat(&chat).await;

    assert_eq!(status, 200, "{answer}");
    let none = r#"{"type":"object","properties":{}}"#;
    let expected = [
        ("z_first", "about", schema.to_string()),
        ("a_second", "about", none.to_owned()),
        ("bare", "", none.to_owned()),
    ];
    let expected = expected.map(|(name, about, schema)| (name.to_owned(), about.to_owned(), schema));
    assert_eq!(received::tools(&house.last_request()), expected);
    house.close().await;
}

#[tokio::test]
async fn no_tools_are_offered_where_none_may_be_called() {
    let house = House::start().await;
    let mut chat = ask("call the tool f with {}");
    chat["tools"] = json!([tool("f", &json!({})), tool("g", &json!({}))]);
    let names = |house: &House| -> Vec<String> {
        received::tools(&house.last_request()).into_iter().map(|(name, ..)| name).collect()
    };

    chat["tool_choice"] = json!("none");
    let (_, answer) = house.chat(&chat).await;
    assert_eq!((names(&house), &answer["choices"][0]["finish_reason"]), (vec![], &json!("stop")));

    chat["tool_choice"] = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "g" } }] } });
    house.chat(&chat).await;
    assert_eq!(names(&house), ["g"]);

    chat["tool_choice"] = json!("auto");
    let (_, answer) = house.chat(&chat).await;
    assert_eq!(
        (names(&house), &answer["choices"][0]["finish_reason"]),
        (vec!["f".into(), "g".into()], &json!("tool_calls"))
    );
    house.close().await;
}

/// A question that makes the embedded upstream call three tools, and the names and arguments of the calls.
fn three_calls() -> (Value, [(&'static str, &'static str); 3]) {
    let calls = [
        ("add", r#"{"z":1,"a":-2.5,"nested":{"list":[1,"two",null,[]],"empty":{}}}"#),
        ("add", r#"{"big":9007199254740991,"text":"  keep\n    this ","quote":"\"}"}"#),
        ("sub", "{}"),
    ];
    let words: Vec<_> =
        calls.iter().map(|(name, json)| format!("call the tool {name} with {json}")).collect();
    let mut chat = ask(&words.join("\nand then "));
    chat["tools"] =
        json!([tool("add", &json!({ "type": "object" })), tool("sub", &json!({ "type": "object" }))]);
    (chat, calls)
}

#[tokio::test]
async fn calls_of_tools_come_whole_and_streamed_alike() {
    let house = House::start().await;
    let (chat, expected) = three_calls();

    let (status, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    assert_eq!(status, 200, "{whole}");
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert!(choice["message"]["content"].is_null() && choice["message"].get("content").is_some());
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let mut ids = HashSet::new();
    assert_eq!(calls.len(), expected.len());
    for (call, (name, arguments)) in calls.iter().zip(expected) {
        assert_eq!(call["type"], "function");
        assert_eq!(call["function"], json!({ "name": name, "arguments": arguments }));
        assert!(ids.insert(call["id"].as_str().unwrap()));
    }

    assert_eq!(frames.finish_reason(), Some("tool_calls"));
    assert!(frames.done);
    let streamed = frames.calls();
    let shown: Vec<_> = streamed.iter().map(|(_, name, json)| (name.as_str(), json.as_str())).collect();
    assert_eq!(shown, expected);
    assert!(streamed.iter().all(|(id, ..)| !id.is_empty()));
    let deltas: Vec<_> = frames
        .data
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .collect();
    assert!(deltas.iter().all(|delta| delta.len() == 1 && delta[0]["index"].is_u64()));
    let firsts: Vec<_> = deltas.iter().filter(|delta| delta[0].get("id").is_some()).collect();
    assert_eq!(firsts.len(), 3, "the id comes once for each call");
    assert!(
        firsts.iter().all(|first| first[0]["type"] == "function" && first[0]["function"]["arguments"] == "")
    );
    house.close().await;
}

#[tokio::test]
async fn results_go_back_and_the_answer_quotes_them() {
    let house = House::start().await;
    for stream in [false, true] {
        let (mut chat, expected) = three_calls();
        let (_, answer) = house.chat(&chat).await;
        let message = &answer["choices"][0]["message"];
        let ids: Vec<_> = message["tool_calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| call["id"].as_str().unwrap())
            .collect();
        let messages = chat["messages"].as_array_mut().unwrap();
        let question = messages[0]["content"].as_str().unwrap().to_owned();
        messages.push(message.clone());
        // In another order than the calls, one as parts, one empty.
        messages.push(json!({ "role": "tool", "tool_call_id": ids[2], "content": "" }));
        messages.push(json!({ "role": "tool", "tool_call_id": ids[0], "content": "  3\n" }));
        let parts = json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]);
        messages.push(json!({ "role": "tool", "tool_call_id": ids[1], "content": parts }));

        let text = if stream {
            let frames = house.stream(&chat).await;
            assert_eq!(frames.finish_reason(), Some("stop"));
            frames.text()
        } else {
            let (status, answer) = house.chat(&chat).await;
            assert_eq!((status, &answer["choices"][0]["finish_reason"]), (200, &json!("stop")), "{answer}");
            answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };

        assert_eq!(
            text,
            "The tool add answered:   3\n\n\nThe tool add answered: one\ntwo\n\nThe tool sub answered: "
        );
        let mut lines = vec![format!("user {question:?}")];
        lines.extend(ids.iter().zip(expected).map(|(id, (name, json))| format!("call {id} {name} {json}")));
        lines.push(format!(r#"=> result {} "  3\n""#, ids[0]));
        lines.push(format!(r#"=> result {} "one" "two""#, ids[1]));
        lines.push(format!(r#"=> result {} """#, ids[2]));
        assert_eq!(received::conversation(&house.last_request()), lines);
    }
    house.close().await;
}

#[tokio::test]
async fn the_older_functions_work_as_they_did() {
    let house = House::start().await;
    let mut chat = ask(r#"call the tool f with {"a":1}"#);
    chat["functions"] = json!([{ "name": "f", "parameters": { "type": "object" } }]);

    let (status, answer) = house.chat(&chat).await;
    let choice = &answer["choices"][0];
    assert_eq!((status, &choice["finish_reason"]), (200, &json!("function_call")), "{answer}");
    assert_eq!(choice["message"]["function_call"], json!({ "name": "f", "arguments": r#"{"a":1}"# }));

    let messages = chat["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    messages.push(json!({ "role": "function", "name": "f", "content": "done" }));
    let (status, answer) = house.chat(&chat).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "The tool f answered: done");
    house.close().await;
}

#[tokio::test]
async fn text_beside_calls_stays() {
    let house = House::start().await;
    let parts = [Part::Text("I will add.".into()), Part::ToolCall(ToolCall::new("add", json!({ "a": 1 })))];
    let mut chat = ask("add");
    chat["tools"] = json!([tool("add", &json!({}))]);

    house.simulator.enqueue_times(2, &Scenario::parts(parts));
    let (_, whole) = house.chat(&chat).await;
    let frames = house.stream(&chat).await;

    let message = &whole["choices"][0]["message"];
    assert_eq!(
        (&message["content"], message["tool_calls"].as_array().map(Vec::len)),
        (&json!("I will add."), Some(1))
    );
    assert_eq!((frames.text().as_str(), frames.calls().len()), ("I will add.", 1));
    house.close().await;
}
