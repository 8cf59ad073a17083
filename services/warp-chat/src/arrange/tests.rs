use proptest::prelude::*;
use warp2api_proto::value::Struct;

use super::*;

fn user(text: &str) -> Item {
    Item::User(UserTurn { text: text.into(), images: Vec::new() })
}

fn assistant(text: &str) -> Item {
    Item::Assistant(text.into())
}

fn call(id: &str) -> Item {
    Item::Call(Call { id: id.into(), name: "f".into(), arguments: Struct::default() })
}

fn answer(id: &str, text: &str) -> Item {
    let content = AnswerContent::Parts(vec![AnswerPart::Text(text.into())]);
    Item::Answer(Answer { call_id: id.into(), content })
}

fn show_answer(answer: &Answer) -> String {
    match &answer.content {
        AnswerContent::Parts(parts) => match &parts[..] {
            [AnswerPart::Text(text)] => format!("{}={text}", answer.call_id),
            other => format!("{}={other:?}", answer.call_id),
        },
        AnswerContent::Error(text) => format!("{}!{text}", answer.call_id),
        AnswerContent::Cancelled => format!("{} cancelled", answer.call_id),
    }
}

/// `history => input`, each item a word: `u:` user, `a:` assistant, `A` a call, `A=1` an answer.
fn show(arranged: &Arranged) -> String {
    let history = arranged.history.iter().map(|item| match item {
        Item::User(turn) => format!("u:{}", turn.text.replace('\n', "|")),
        Item::Assistant(text) => format!("a:{text}"),
        Item::Call(call) => call.id.clone(),
        Item::Answer(answer) => show_answer(answer),
    });
    let input = match &arranged.input {
        Input::Query(turn) => format!("u:{}", turn.text.replace('\n', "|")),
        Input::Answers(answers) => answers.iter().map(show_answer).collect::<Vec<_>>().join(" "),
        Input::Continue => "continue".to_owned(),
    };
    format!("{} => {input}", history.collect::<Vec<_>>().join(" ")).trim_start().to_owned()
}

fn arranged(items: impl Into<Vec<Item>>) -> String {
    show(&arrange(Parsed { instructions: Vec::new(), items: items.into() }))
}

#[test]
fn results_of_the_last_round_are_the_input_together() {
    assert_eq!(
        arranged([
            user("u1"),
            assistant("thinking"),
            call("A"),
            call("B"),
            answer("B", "2"),
            answer("A", "1")
        ]),
        "u:u1 a:thinking A B => A=1 B=2"
    );
}

#[test]
fn earlier_results_stand_behind_their_calls() {
    assert_eq!(
        arranged([
            user("u1"),
            assistant("t1"),
            call("A"),
            call("B"),
            answer("B", "2"),
            answer("A", "1"),
            assistant("mid"),
            user("u2"),
            call("C"),
            answer("C", "3"),
        ]),
        "u:u1 a:t1 A A=1 B B=2 a:mid u:u2 C => C=3"
    );
}

#[test]
fn a_user_between_results_stays_and_is_the_input_when_last() {
    assert_eq!(
        arranged([user("u1"), call("A"), call("B"), answer("A", "1"), user("x"), answer("B", "2")]),
        "u:u1 A A=1 B B=2 => u:x"
    );
}

#[test]
fn a_result_then_a_user_keeps_the_round_in_history() {
    assert_eq!(arranged([user("u1"), call("A"), answer("A", "1"), user("u2")]), "u:u1 A A=1 => u:u2");
}

#[test]
fn a_call_without_result_is_cancelled() {
    assert_eq!(arranged([user("u1"), call("A"), call("B"), answer("A", "1")]), "u:u1 A B => A=1 B cancelled");
    assert_eq!(arranged([user("u1"), call("A"), user("u2")]), "u:u1 A A cancelled => u:u2");
    assert_eq!(arranged([user("u1"), call("A")]), "u:u1 A => A cancelled");
}

#[test]
fn a_result_without_call_is_quoted() {
    assert_eq!(
        arranged([user("u1"), answer("Z", "lost"), user("u2")]),
        "u:u1 u:Result of the tool call Z:|lost => u:u2"
    );
}

#[test]
fn an_id_of_an_earlier_round_is_another_call() {
    assert_eq!(
        arranged([user("u"), call("A"), answer("A", "1"), assistant("t"), call("A"), answer("A", "2")]),
        "u:u A A=1 a:t A-2 => A-2=2"
    );
}

#[test]
fn a_conversation_that_ends_with_the_model_goes_on() {
    assert_eq!(
        arranged([user("u1"), call("A"), answer("A", "1"), assistant("done")]),
        "u:u1 A A=1 a:done => continue"
    );
}

#[test]
fn rounds_without_words_between_them_are_told_apart() {
    assert_eq!(
        arranged([
            user("u"),
            call("A"),
            answer("A", "1"),
            call("B"),
            call("C"),
            answer("C", "3"),
            answer("B", "2")
        ]),
        "u:u A A=1 B C => B=2 C=3"
    );
}

#[test]
fn a_result_that_came_before_its_call_finds_it() {
    assert_eq!(arranged([user("u"), answer("A", "1"), call("A"), user("v")]), "u:u A A=1 => u:v");
}

#[test]
fn instructions_alone_are_the_question_and_else_stay_apart() {
    let instructions = vec!["one".to_owned(), " two ".to_owned()];
    let alone = arrange(Parsed { instructions: instructions.clone(), items: Vec::new() });
    assert_eq!((alone.instructions.as_str(), show(&alone).as_str()), ("", "=> u:one|| two "));

    let with_user = arrange(Parsed { instructions, items: vec![user("u")] });
    assert_eq!((with_user.instructions.as_str(), show(&with_user).as_str()), ("one\n\n two ", "=> u:u"));
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let id = prop::sample::select(vec!["A", "B", "C", "A-2"]);
    let text = prop::sample::select(vec!["", " x ", "y\n"]);
    let item = (0..5, id, text).prop_map(|(kind, id, text)| match kind {
        0 => user(text),
        1 => assistant("said"),
        2 | 3 => call(id),
        _ => answer(id, text),
    });
    prop::collection::vec(item, 0..14)
}

/// The arranged conversation as a caller would send it.
fn unarranged(arranged: Arranged) -> Vec<Item> {
    let mut items = arranged.history;
    match arranged.input {
        Input::Query(turn) => items.push(Item::User(turn)),
        Input::Answers(answers) => items.extend(answers.into_iter().map(Item::Answer)),
        Input::Continue => {}
    }
    items
}

proptest! {
    #[test]
    fn every_call_has_exactly_one_result_right_behind_it_or_in_the_input(items in any_items()) {
        let arranged = arrange(Parsed { instructions: Vec::new(), items });

        let mut open = Vec::new();
        let mut history = arranged.history.iter().peekable();
        while let Some(item) = history.next() {
            match item {
                Item::Call(call) => match history.peek() {
                    Some(Item::Answer(answer)) => {
                        prop_assert_eq!(&answer.call_id, &call.id);
                        history.next();
                    }
                    _ => open.push(call.id.clone()),
                },
                Item::Answer(answer) => prop_assert!(false, "result of {} without call", answer.call_id),
                _ => prop_assert!(open.is_empty(), "open calls stand last"),
            }
        }
        let answered: Vec<_> = match &arranged.input {
            Input::Answers(answers) => answers.iter().map(|a| a.call_id.clone()).collect(),
            _ => Vec::new(),
        };
        prop_assert_eq!(open, answered);
        let ids: Vec<_> = arranged.history.iter().filter_map(|item| match item {
            Item::Call(call) => Some(&call.id),
            _ => None,
        }).collect();
        let unique: HashSet<_> = ids.iter().collect();
        prop_assert_eq!(ids.len(), unique.len());
    }

    #[test]
    fn it_is_a_permutation_with_explicit_insertions(items in any_items()) {
        let arranged = arrange(Parsed { instructions: Vec::new(), items: items.clone() });

        // Texts of users and of the model, calls and answers: each kept once. Only cancelled answers come on top,
        // and the empty question of an empty conversation.
        let count = |items: &[Item]| {
            let said = items.iter().filter(|i| matches!(i, Item::User(_) | Item::Assistant(_))).count();
            let calls = items.iter().filter(|i| matches!(i, Item::Call(_))).count();
            let answers = items.iter().filter(|i| matches!(i, Item::Answer(a) if a.content != AnswerContent::Cancelled));
            said + calls + answers.count()
        };
        let after = unarranged(arranged);
        prop_assert_eq!(count(&after), count(&items).max(1));
    }

    #[test]
    fn it_is_idempotent(items in any_items()) {
        let once = arrange(Parsed { instructions: Vec::new(), items });
        let twice = arrange(Parsed { instructions: Vec::new(), items: unarranged(once.clone()) });

        prop_assert_eq!(once, twice);
    }
}
