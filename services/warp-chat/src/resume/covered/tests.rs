use proptest::prelude::*;

use super::*;
use crate::arrange::arrange;
use crate::conversation::Parsed;
use crate::resume::testing::arguments;

fn user(text: &str) -> Item {
    Item::User(UserTurn { text: text.into(), images: Vec::new() })
}

fn assistant(text: &str) -> Item {
    Item::Assistant(text.into())
}

fn call(id: &str, json: &str) -> Item {
    Item::Call(Call { id: id.into(), name: "f".into(), arguments: arguments(json) })
}

fn answer(id: &str, text: &str) -> Item {
    Item::Answer(given(id, text))
}

fn given(id: &str, text: &str) -> Answer {
    Answer { call_id: id.into(), content: AnswerContent::Parts(vec![AnswerPart::Text(text.into())]) }
}

fn arranged(items: &[Item]) -> Arranged {
    arrange(Parsed { instructions: vec!["Be brief.".into()], items: items.to_vec() })
}

/// What is covered after a turn with these items, answered with those.
fn covered(items: &[Item], told: &[Item]) -> Covered {
    let mut outline = Outline::of(&arranged(items));
    told.iter().for_each(|item| outline.say(item));
    outline.covered()
}

fn news(covered: &Covered, items: &[Item]) -> Option<News> {
    let arranged = arranged(items);
    covered.news(&Outline::of(&arranged), &arranged)
}

fn said(text: &str) -> Option<UserTurn> {
    Some(UserTurn { text: text.into(), images: Vec::new() })
}

#[test]
fn what_is_new_is_found_where_the_caller_goes_on() {
    let text = covered(&[user("a")], &[assistant("b")]);
    let calls = covered(&[user("a")], &[assistant("b"), call("x", r#"{"p":1,"q":2}"#), call("y", "{}")]);
    let again = r#"{"q":2,"p":1}"#;
    let both = [answer("y", "Y"), answer("x", "X")];
    let in_order = vec![given("x", "X"), given("y", "Y")];
    let after_calls =
        |rest: &[Item]| [&[user("a"), assistant("b"), call("x", again), call("y", "{}")][..], rest].concat();
    for (name, covered, items, expected) in [
        (
            "a question",
            &text,
            vec![user("a"), assistant("b"), user("c")],
            Some(News { query: said("c"), ..News::default() }),
        ),
        ("nothing, to go on", &text, vec![user("a"), assistant("b")], Some(News::default())),
        ("an edit", &text, vec![user("A"), assistant("b"), user("c")], None),
        ("an edit of the answer", &text, vec![user("a"), assistant("B"), user("c")], None),
        ("the same question again", &text, vec![user("a")], None),
        ("another conversation", &text, vec![user("c")], None),
        ("two questions", &text, vec![user("a"), assistant("b"), user("c"), user("d")], None),
        (
            "an answer we did not give",
            &text,
            vec![user("a"), assistant("b"), user("c"), assistant("d"), user("e")],
            None,
        ),
        ("results", &calls, after_calls(&both), Some(News { answers: in_order.clone(), query: None })),
        (
            "results and a question",
            &calls,
            after_calls(&[both[0].clone(), both[1].clone(), user("c")]),
            Some(News { answers: in_order, query: said("c") }),
        ),
        (
            "a call left open",
            &calls,
            after_calls(&[both[1].clone(), user("c")]),
            Some(News {
                answers: vec![
                    given("x", "X"),
                    Answer { call_id: "y".into(), content: AnswerContent::Cancelled },
                ],
                query: said("c"),
            }),
        ),
        (
            "other arguments",
            &calls,
            vec![user("a"), assistant("b"), call("x", "{}"), call("y", "{}"), both[0].clone()],
            None,
        ),
    ] {
        assert_eq!(news(covered, &items), expected, "{name}");
    }
}

#[test]
fn instructions_do_not_count() {
    let text = covered(&[user("a")], &[assistant("b")]);
    let items = vec![user("a"), assistant("b"), user("c")];
    let other = arrange(Parsed { instructions: vec!["Be long.".into()], items });

    assert!(text.news(&Outline::of(&other), &other).is_some());
}

#[test]
fn pieces_that_read_the_same_are_not() {
    let of = |items: &[Item]| covered(items, &[]);
    let different = [
        of(&[user("ab")]),
        of(&[user("a"), user("b")]),
        of(&[user("a"), assistant("b"), user("")]),
        of(&[user("a"), call("x", "{}"), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":""}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":null}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":[]}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":{}}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":0}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":false}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":[[],[]]}"#), answer("x", "")]),
        of(&[user("a"), call("x", r#"{"a":[[[]]]}"#), answer("x", "")]),
    ];
    for (index, one) in different.iter().enumerate() {
        for other in &different[..index] {
            assert_ne!(one, other);
        }
    }
}

/// A turn: what the model says and calls, and what the caller says then.
fn turn() -> impl Strategy<Value = (String, usize, Option<String>)> {
    ("[a-c]{0,2}", 0..3usize, prop::option::of("[a-c]{0,2}"))
}

proptest! {
    #[test]
    fn a_caller_who_sends_everything_back_always_goes_on(turns in prop::collection::vec(turn(), 1..6)) {
        let mut items = vec![user("first")];
        let mut calls = 0;
        for (text, new_calls, query) in turns {
            let ids: Vec<_> = (calls..calls + new_calls).map(|id| format!("id{id}")).collect();
            calls += new_calls;
            let said = Some(assistant(&text)).filter(|_| !text.is_empty());
            let told: Vec<_> = said.into_iter().chain(ids.iter().map(|id| call(id, "{}"))).collect();
            let covered = covered(&items, &told);
            items.extend(told);
            items.extend(ids.iter().map(|id| answer(id, "result")));
            items.extend(query.as_deref().or_else(|| (new_calls == 0).then_some("on")).map(user));

            let found = news(&covered, &items);

            let found = found.expect("the caller went on");
            prop_assert_eq!(found.answers, ids.iter().map(|id| given(id, "result")).collect::<Vec<_>>());
            prop_assert_eq!(found.query.is_some(), query.is_some() || new_calls == 0);
        }
    }
}
