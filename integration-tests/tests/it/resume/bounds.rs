//! What is kept is bounded, and it is its caller's alone.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use warp2api_integration_tests::House;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::{Message, Part, Resume, Role, StreamChatRequest, part};
use warp2api_rpc::Failure;

use super::conversation_id;
use super::talk::{Talk, last_body};

#[tokio::test]
async fn the_one_not_used_for_longest_is_forgotten_first() {
    let house = House::builder().settings(|s| s.resume_conversations = Some("2".into())).start().await;
    let mut talks = ["a", "b", "c"].map(|name| Talk::named(&house, name));
    for talk in &mut talks {
        talk.say("one").await;
    }
    let [a, b, c] = &mut talks;

    assert_eq!(a.say("two").await.resumed, Some(false), "it made room");
    assert_eq!(c.say("two").await.resumed, Some(true));
    assert_eq!(b.say("two").await.resumed, Some(false), "the one before it made room again");
    house.close().await;
}

#[tokio::test]
async fn what_is_too_large_or_not_wanted_is_not_kept() {
    let large = House::builder().settings(|s| s.resume_bytes = Some("4000".into())).start().await;
    let mut talk = Talk::named(&large, "a");
    talk.say("short").await;
    assert_eq!(talk.say(&"long ".repeat(1000)).await.resumed, Some(true));
    assert_eq!(talk.say("short").await.resumed, Some(false));
    large.close().await;

    for off in ["resume_conversations", "resume_idle"] {
        let house = House::builder()
            .settings(|s| match off {
                "resume_idle" => s.resume_idle = Some("0".into()),
                _ => s.resume_conversations = Some("0".into()),
            })
            .start()
            .await;
        let mut talk = Talk::named(&house, "a");
        talk.say("one").await;
        assert_eq!(talk.say("two").await.resumed, Some(false), "{off}");
        house.close().await;
    }
}

/// Whoever speaks, in which conversation, and whether they edit what they said before.
type Step = (usize, bool);

/// Four callers: two keys of the edge, and for each the same two names of conversations.
const CALLERS: [(&str, &str); 4] = [
    ("key-one", "shared-name"),
    ("key-two", "shared-name"),
    ("key-one", "other-name"),
    ("key-two", "other-name"),
];

/// Plays the steps. Gives what went wrong, if anything did.
async fn nothing_crosses(house: &House, run: u32, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut talks = CALLERS.map(|(key, name)| {
        let mut talk = Talk::named(house, &format!("{name}-{run}"));
        talk.api_key = Some(key.to_owned());
        talk
    });
    // The upstream's ids, with whose they are.
    let mut owners: HashMap<String, usize> = HashMap::new();
    for (turn, (caller, edits)) in steps.iter().enumerate() {
        let talk = &mut talks[*caller];
        let edits = *edits && !talk.messages.is_empty();
        if edits {
            talk.messages[0]["content"] = json!(format!("changed mark-{caller}. in turn {turn}"));
        }
        let again = !talk.messages.is_empty() && !edits;

        let answer = talk.say(&format!("say exactly: mark-{caller}. in turn {turn}")).await;

        prop_assert_eq!(answer.resumed, Some(again));
        let body = last_body(house);
        let holds = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        for other in (0..CALLERS.len()).filter(|other| other != caller) {
            prop_assert!(!holds(&format!("mark-{other}.")), "{} reads {}", caller, other);
        }
        for (id, owner) in &owners {
            prop_assert!(owner == caller || !holds(id), "{} sends an id of {}", caller, owner);
        }
        let request = house.last_request();
        let tasks = request.task_context.iter().flat_map(|context| &context.tasks);
        let messages = tasks.clone().flat_map(|task| task.messages.iter().map(|message| &message.id));
        let ids = tasks.map(|task| &task.id).chain(messages).map(String::as_str);
        for id in ids.chain([conversation_id(&request)]).filter(|id| !id.is_empty()) {
            owners.insert(id.to_owned(), *caller);
        }
    }
    Ok(())
}

#[test]
fn nothing_ever_passes_from_one_caller_to_another() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let keys = |s: &mut warp2api_server::settings::Settings| s.api_token = Some("key-one,key-two".into());
    let house = runtime.block_on(House::builder().settings(keys).start());
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec((0..CALLERS.len(), prop::bool::weighted(0.2)), 1..14);
    let mut run = 0;
    let run = std::cell::RefCell::new(&mut run);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        **run.borrow_mut() += 1;
        let number = **run.borrow();
        runtime.block_on(nothing_crosses(&house, number, &steps))
    });
    runtime.block_on(house.close());
    outcome.unwrap();
}

#[tokio::test]
async fn a_service_names_conversations_by_key_and_scope() {
    let house = House::start().await;
    let mut chat = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let content = Some(part::Content::Text("hi".into()));
    let message = Message { role: Role::User.into(), parts: vec![Part { content }] };
    for (key, scope, field) in [
        ("", "", "resume.key"),
        ("a b", "", "resume.key"),
        (&*"x".repeat(129), "", "resume.key"),
        ("a", &*"x".repeat(129), "resume.scope"),
    ] {
        let resume = Some(Resume { key: key.into(), scope: scope.into() });
        let request = StreamChatRequest { messages: vec![message.clone()], resume, ..Default::default() };

        let failure = Failure::from(&chat.stream_chat(request).await.unwrap_err());

        assert_eq!(failure.violations[0].field, field);
    }
    house.close().await;
}
