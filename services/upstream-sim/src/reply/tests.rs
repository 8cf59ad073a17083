use serde_json::{Value, json};

use super::*;
use crate::testing::{RequestBuilder, request};

fn parts(request: &RequestBuilder) -> Vec<Part> {
    reply(&Turn::read(&request.build()).unwrap())
}

fn text(request: &RequestBuilder) -> String {
    match &parts(request)[..] {
        [Part::Text(text)] => text.clone(),
        other => panic!("not one text: {other:?}"),
    }
}

fn calls(request: &RequestBuilder) -> Vec<(String, Value, String)> {
    let call = |part| match part {
        Part::ToolCall(call) => (call.name, Value::Object(call.arguments.unwrap()), call.server_id),
        other => panic!("not a call: {other:?}"),
    };
    parts(request).into_iter().map(call).collect()
}

#[test]
fn any_prompt_gets_its_last_words_and_the_truth() {
    let answer = text(&request().asking("Tell me\n something about the sea"));

    assert_eq!(
        answer,
        "This is the embedded upstream of Warp2Api: no model was asked. Your message ends with: Tell me something \
         about the sea"
    );
    assert!(text(&request().asking("")).contains("There is no text."));
    assert!(text(&request().asking(&"long ".repeat(1000))).len() < 300);
}

#[test]
fn an_offered_tool_is_called() {
    let ask = r#"context
        call the tool get_weather with {"city":"Paris"}"#;

    for (request, server) in [
        (request().offering(&["other", "get_weather"]), "server"),
        (request().offering_flat("get_weather"), ""),
    ] {
        let called = vec![("get_weather".to_owned(), json!({"city": "Paris"}), server.to_owned())];
        assert_eq!(calls(&request.asking(ask)), called);
    }
}

#[test]
fn several_phrases_are_several_calls_in_one_turn() {
    let ask =
        r#"call the tool a with {"n":1}, call the tool nosuch with {} and call the tool a with {"n":2}"#;

    let called = calls(&request().offering(&["a"]).asking(ask));

    assert_eq!(called.iter().map(|call| call.1["n"].as_i64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn a_tool_that_is_not_offered_is_not_called() {
    let ask = "call the tool a with {}";

    for request in [request().asking(ask), request().offering(&["a"]).supporting(&[0, 2]).asking(ask)] {
        assert!(text(&request).ends_with("No such tool is offered: a."));
    }
}

#[test]
fn after_a_result_the_answer_quotes_it_and_calls_no_more() {
    let ask = "call the tool a with {}";
    let round = || request().offering(&["a"]).said(ask).called("k", "a");

    for (request, expected) in [
        (round().giving("k", "sunny"), "The tool a answered: sunny"),
        (
            round().got("k", "sunny").called("l", "a").giving("l", "rain"),
            "The tool a answered: sunny\n\nThe tool a answered: rain",
        ),
        (
            round().giving_result("k", 12, |w| _ = w.message(2, |w| _ = w.string(1, "no"))),
            "The tool a failed: no",
        ),
        (round().got_result("k", 14, |_| {}), "The call of the tool a was cancelled."),
        (
            round().giving_result("k", 12, |w| crate::testing::write_text_result(w, "")),
            "The tool a answered: ",
        ),
    ] {
        assert_eq!(text(&request), expected);
    }
}

#[test]
fn a_later_text_of_the_user_counts_alone() {
    let ask = "call the tool a with {}";
    let request = || request().offering(&["a"]).said(ask).called("k", "a");

    assert!(text(&request().giving("k", "1").asking("thanks")).ends_with("ends with: thanks"));
    assert_eq!(calls(&request().got("k", "1").answered("done").asking(ask)).len(), 1);
    assert!(text(&request().got("k", "1").answered("done").asking("hi")).ends_with("ends with: hi"));
}

#[test]
fn a_conversation_in_sections_is_read_as_one() {
    let ask = r#"<user>
call the tool a with {"t":"1 &lt; 2 &amp; 3"}
</user>
"#;
    let called = "<tool_call id=\"k\" name=\"a\">\n{}\n</tool_call>\n";
    let answered = "<tool_result id=\"k\">\nsunny\n</tool_result>\n";
    let request = |query: &str| request().offering(&["a"]).asking(query);

    let (name, arguments, _) = calls(&request(ask)).remove(0);
    assert_eq!((name.as_str(), arguments), ("a", json!({"t": "1 < 2 & 3"})));
    assert_eq!(text(&request(&format!("{ask}{called}{answered}"))), "The tool a answered: sunny");
    let done = format!("{ask}{called}{answered}<assistant>\nIt is sunny.\n</assistant>\n");
    assert_eq!(text(&request(&format!("{done}<user>\nsay exactly:  \n\n</user>\n"))), " \n");
    assert_eq!(calls(&request(&format!("{done}{ask}"))).len(), 1);
    assert_eq!(text(&request(&format!("{done}<continue/>\n"))), "The tool a answered: sunny");
    assert_eq!(text(&request(answered)), "The tool (unknown) answered: sunny");
    let (_, arguments, _) = calls(&request(&format!("{ask}and more"))).remove(0);
    assert_eq!(arguments, json!({"t": "1 &lt; 2 &amp; 3"}), "what is no section is what the user wrote");
}

#[test]
fn exact_and_slow_texts_are_said() {
    assert_eq!(text(&request().asking("say exactly: a  b\n")), "a  b\n");
    assert_eq!(parts(&request().asking("say slowly: a b")), [Part::PacedText("a b".to_owned(), SLOWLY)]);
    assert_eq!(
        parts(&request().asking("stream 3 chunks of 5 bytes every 7 ms")),
        [Part::Chunks { count: 3, piece: "xxxx ".to_owned(), every: Duration::from_millis(7) }]
    );
}

#[test]
fn reasoning_comes_only_where_it_is_wanted_and_understood() {
    let ask = "think first, then say exactly: done";

    let with = parts(&request().with_reasoning().asking(ask));
    assert!(matches!(&with[..], [Part::Reasoning(_), Part::Text(text)] if text == "done"));
    assert_eq!(parts(&request().asking(ask)).len(), 1);
    assert_eq!(parts(&request().with_reasoning().asking("hi")).len(), 1);
}

#[test]
fn input_is_counted_in_pieces() {
    let request = request().said("one two").answered("three").called("k", "f").giving("k", "four five");

    assert_eq!(count_input(&Turn::read(&request.build()).unwrap()), 5);
}
