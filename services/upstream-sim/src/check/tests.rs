use proptest::prelude::*;

use super::*;
use crate::testing::{RequestBuilder, request, write_text_result};

fn found(request: &RequestBuilder) -> Vec<Violation> {
    found_in(&request.build())
}

fn found_in(request: &[u8]) -> Vec<Violation> {
    check(&Turn::read(request).unwrap())
}

fn id(id: &str) -> String {
    id.to_owned()
}

#[test]
fn good_conversations_pass() {
    let server = |w: &mut crate::wire::writer::Writer| _ = w.string(1, "IgA=");
    for (name, request) in [
        ("first turn", request().asking("hi")),
        ("second turn", request().called_tool("s", 4, server).said("hi").answered("yes").asking("and?")),
        ("tool round", request().said("do").called("a", "f").giving("a", "1")),
        (
            "several calls together",
            request().said("do").called("a", "f").called("b", "f").giving("a", "1").giving("b", "2"),
        ),
        (
            "several calls one by one",
            request()
                .said("do")
                .called("a", "f")
                .got("a", "1")
                .called("b", "f")
                .got("b", "2")
                .answered("ok")
                .asking("?"),
        ),
        (
            "last of two in the input",
            request().said("do").called("a", "f").got("a", "1").called("b", "f").giving("b", "2"),
        ),
        ("results, then text", request().said("do").called("a", "f").giving("a", "1").asking("and?")),
        (
            "a cancelled call",
            request().said("do").called("a", "f").got_result("a", 14, |_| {}).asking("stop"),
        ),
        ("an empty text is a result", request().said("do").called("a", "f").giving("a", "")),
        (
            "an error is a result",
            request().said("do").called("a", "f").giving_result("a", 12, |w| {
                w.message(2, |w| _ = w.string(1, "no"));
            }),
        ),
        (
            "other tools",
            request().said("ls").called_tool("a", 2, |w| _ = w.string(1, "ls")).giving_result("a", 2, |_| {}),
        ),
        ("tools in servers", request().offering(&["f", "g"]).asking("hi")),
        ("flat tools", request().offering_flat("f").offering_flat("g").asking("hi")),
        ("unknown members", request().history(28, |_| {}).history(500, |_| {}).asking("hi")),
    ] {
        assert_eq!(found(&request), vec![], "{name}");
    }
}

#[test]
fn bad_conversations_are_named() {
    let text = |w: &mut crate::wire::writer::Writer| write_text_result(w, "1");
    let wrong = |number, found| Violation::WrongResultKind {
        call_id: id("a"),
        number,
        found,
        expected: "call_mcp_tool",
    };
    let called = || request().said("do").called("a", "f");
    for (name, request, expected) in [
        ("no input", request(), Violation::NoInput),
        ("an empty result", called().giving_nothing("a"), Violation::EmptyResult { call_id: id("a") }),
        (
            "an empty success",
            called().giving_result("a", 12, |w| _ = w.message(1, |_| {})),
            Violation::EmptyResult { call_id: id("a") },
        ),
        (
            "one blank of two results",
            called().giving_result("a", 12, |w| {
                w.message(1, |w| {
                    w.message(1, |_| {}).message(1, |w| _ = w.message(1, |_| {}));
                });
            }),
            Violation::EmptyResult { call_id: id("a") },
        ),
        (
            "an empty error",
            called().giving_result("a", 12, |w| _ = w.message(2, |_| {})),
            Violation::EmptyResult { call_id: id("a") },
        ),
        (
            "an empty result in the history",
            called().got_result("a", 16, |_| {}).asking("?"),
            Violation::EmptyResult { call_id: id("a") },
        ),
        ("a dangling call", called().asking("?"), Violation::CallWithoutResult { call_id: id("a") }),
        (
            "a call answered too late",
            called().answered("wait").giving("a", "1"),
            Violation::CallWithoutResult { call_id: id("a") },
        ),
        (
            "a new call before all results",
            called().called("b", "f").got("b", "1").called("c", "f").got("c", "2").asking("?"),
            Violation::CallWithoutResult { call_id: id("a") },
        ),
        (
            "the user before the result",
            called().asking("?").giving("a", "1"),
            Violation::CallWithoutResult { call_id: id("a") },
        ),
        (
            "an orphan",
            request().said("do").giving("z", "1"),
            Violation::ResultWithoutCall { call_id: id("z") },
        ),
        (
            "an orphan in the history",
            request().got("z", "1").asking("?"),
            Violation::ResultWithoutCall { call_id: id("z") },
        ),
        (
            "two results",
            called().got("a", "1").giving("a", "1"),
            Violation::SecondResult { call_id: id("a") },
        ),
        (
            "an id used again",
            called().got("a", "1").called("a", "f").asking("?"),
            Violation::CallIdNotUnique { call_id: id("a") },
        ),
        (
            "a call of nothing",
            request().history(4, |w| _ = w.string(1, "a")).giving_result("a", 99, text),
            Violation::CallWithoutTool { call_id: id("a") },
        ),
        (
            "the history's number in a request",
            called().giving_result("a", 16, text),
            wrong(16, "suggest_prompt"),
        ),
        (
            "the request's number in a history",
            called().got_result("a", 12, text).asking("?"),
            wrong(12, "nothing"),
        ),
        (
            "a cancellation in a request",
            called().giving_result("a", 14, |_| {}),
            wrong(14, "suggest_new_conversation"),
        ),
        (
            "a message twice",
            request().history_with_id("x", 2, |_| {}).history_with_id("x", 3, |_| {}).asking("?"),
            Violation::MessageIdNotUnique { id: id("x") },
        ),
        (
            "a message without id",
            request().history_with_id("", 2, |_| {}).asking("?"),
            Violation::MessageIdNotUnique { id: id("") },
        ),
        (
            "a message without content",
            request().history(7, |_| {}).asking("?"),
            Violation::EmptyMessage { id: id("m1") },
        ),
        (
            "a message of another task",
            request().in_task("t").said("hi").asking("?"),
            Violation::WrongTask { id: id("m1"), task_id: id("task") },
        ),
        (
            "a task's id as conversation",
            request().in_conversation("task").said("hi").asking("?"),
            Violation::ConversationIsTask { id: id("task") },
        ),
        (
            "tools twice",
            request().offering(&["f"]).offering_flat("f").asking("?"),
            Violation::ToolsInBothForms,
        ),
        (
            "a tool twice",
            request().offering(&["f", "f"]).asking("?"),
            Violation::ToolNameNotUnique { name: id("f") },
        ),
    ] {
        assert_eq!(found(&request), vec![expected], "{name}");
    }
}

#[test]
fn input_without_content_is_refused() {
    let request = request();
    assert_eq!(found_in(&request.build_with_input(|_| {})), [Violation::NoInput]);
    assert_eq!(
        found_in(&request.build_with_input(|w| _ = w.message(6, |w| _ = w.message(1, |_| {})))),
        [Violation::NoInput]
    );
    assert_eq!(found_in(&[]), [Violation::NoInput]);
}

#[test]
fn a_resumed_conversation_needs_no_input() {
    let resume = |w: &mut crate::wire::writer::Writer| _ = w.message(7, |_| {});

    assert_eq!(found_in(&request().said("hi").answered("ye").build_with_input(resume)), []);
    assert_eq!(
        found_in(&request().said("hi").called("a", "f").build_with_input(resume)),
        [Violation::CallWithoutResult { call_id: id("a") }]
    );
}

#[test]
fn texts_are_like_the_real_ones() {
    assert_eq!(Violation::NoInput.to_string(), "Expected user query or tool call result as input; got <nil>");
    assert_eq!(
        Violation::ResultWithoutCall { call_id: id("z") }.to_string(),
        "No tool call found for tool_result with id \"z\""
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_and_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
    ) {
        let request = request().offering(&["f"]).said("do").called("a", "f").got("a", "1").called("b", "f");
        let mut bytes = request.giving("b", "2").asking("call the tool f with {\"a\":1}").build();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(end.index(4)));

        if let Ok(turn) = Turn::read(&bytes) {
            check(&turn);
            prop_assert!(!crate::reply::reply(&turn).is_empty());
        }
    }

    #[test]
    fn rounds_in_order_pass_and_a_missing_result_never_does(
        rounds in prop::collection::vec(1..4usize, 1..5), missing in any::<prop::sample::Index>()
    ) {
        let total: usize = rounds.iter().sum();
        let missing = missing.index(total);
        let build = |skipped: Option<usize>| {
            let (mut request, mut next) = (request().said("do"), 0);
            for calls in &rounds {
                let ids = next..next + calls;
                next += calls;
                request = ids.clone().fold(request, |request, id| request.called(&id.to_string(), "f"));
                request = ids
                    .filter(|id| Some(*id) != skipped)
                    .fold(request, |request, id| request.got(&id.to_string(), "1"));
            }
            request.answered("done").asking("and?")
        };

        prop_assert_eq!(found(&build(None)), []);
        let expected = Violation::CallWithoutResult { call_id: missing.to_string() };
        prop_assert_eq!(found(&build(Some(missing))), [expected]);
    }
}
