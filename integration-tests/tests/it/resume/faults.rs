//! Turns that fail, are cancelled, come at the same time or meet an upstream that forgot: what was kept stays good.

use std::time::Duration;

use serde_json::json;
use warp2api_integration_tests::sse::{Frames, Live};
use warp2api_integration_tests::{House, HouseBuilder, json_of};
use warp2api_upstream_sim::{
    Cut, Event, Fingerprint, Finish, Message, Refusal, Scenario, Simulator, SimulatorConfig,
};

use super::talk::{Talk, contents, last_body};
use super::{conversation_id, kinds, news};

const ONE: &str = "wk-one";
const TWO: &str = "wk-two";

/// A house with two credentials of one tier, and none but these.
fn two_credentials() -> HouseBuilder {
    let config = SimulatorConfig::without_credentials().accepting(ONE).accepting(TWO);
    House::builder()
        .simulator(Simulator::new(config))
        .remote_upstream()
        .settings(|settings| {
            settings.warp_api_key = Some(ONE.into());
            settings.warp_jwt = Some(TWO.into());
        })
        .tune(|config| config.chat.retry_pause = Duration::from_millis(1))
}

fn bearer(house: &House) -> Option<Fingerprint> {
    house.record().last_chat().expect("a chat").bearer
}

#[tokio::test]
async fn a_turn_that_fails_or_is_left_changes_nothing_of_what_is_kept() {
    let house = House::builder().tune(|config| config.chat.max_retries = 0).start().await;
    let mut talk = Talk::named(&house, "a");
    talk.say("one").await;
    talk.say("two").await;
    let mut kept = None;
    let messages = talk.messages.clone();

    for fault in [
        Some(Scenario::refuse(Refusal::unavailable())),
        Some(Scenario::text("some of it").cut_after(8, Cut::Error)),
        Some(Scenario::text("all but the end").without_finished(Cut::Clean)),
        Some(Scenario::text("all").finishing(Finish::InternalError("no".into()))),
        None,
    ] {
        talk.stream = true;
        talk.messages = messages.clone();
        talk.messages.push(json!({ "role": "user", "content": "say slowly: one two three four" }));
        let cut = fault.is_some();
        fault.into_iter().for_each(|fault| house.simulator.enqueue(fault));
        let response = talk.request().send().await.unwrap();
        if cut && response.status() == 200 {
            assert!(Frames::parse(&response.text().await.unwrap()).error().is_some());
        } else if cut {
            assert_eq!(response.status(), 503);
        } else {
            // Leaves in the middle.
            Live::new(response).first_text().await;
        }
        house.settle().await;
        let sent = contents(&last_body(&house));
        assert_eq!(kept.get_or_insert_with(|| sent.clone()), &sent, "the same was sent each time");
    }

    talk.messages = messages;
    assert_eq!(talk.say("three").await.resumed, Some(true));
    assert_eq!(contents(&last_body(&house)), kept.unwrap());
    assert_eq!(talk.say("four").await.resumed, Some(true));
    house.close().await;
}

#[tokio::test]
async fn one_turn_at_a_time() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "a");
    talk.stream = true;
    talk.messages = vec![json!({ "role": "user", "content": "say slowly: one two three four" })];
    let mut first = Live::new(talk.request().send().await.unwrap());
    first.first_text().await;

    let second = talk.request().send().await.unwrap();

    assert_eq!((second.status().as_u16(), &second.headers()["x-should-retry"] == "true"), (409, true));
    assert_eq!(second.headers()["retry-after"], "1");
    let error = json_of(second).await["error"].take();
    assert_eq!(
        (&error["code"], &error["type"]),
        (&json!("conversation_busy"), &json!("invalid_request_error"))
    );
    let mut other = Talk::named(&house, "b");
    assert_eq!(other.say("hi").await.resumed, Some(false), "another conversation is not in the way");

    // A client may go on as soon as it has read why the answer ended.
    loop {
        let frame = first.frame().await.expect("the answer ends");
        if Frames::parse(&format!("{frame}\n\n")).finish_reason().is_some() {
            break;
        }
    }
    talk.messages.push(json!({ "role": "assistant", "content": "one two three four" }));
    assert_eq!(talk.say("And now?").await.resumed, Some(true));
    drop(first);
    house.close().await;
}

#[tokio::test]
async fn an_upstream_that_forgot_gets_the_whole_conversation() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "a");
    talk.say("one").await;

    for forgotten in [
        Scenario::refuse(Refusal::new(404, "unknown conversation")),
        Scenario::finish(Finish::InternalError("unknown conversation".into())),
        Scenario::finish(Finish::Done),
    ] {
        let chats = house.record().chats().len();
        house.simulator.enqueue(forgotten);
        let turn = talk.say("two").await;
        assert_eq!((turn.resumed, turn.text.is_empty()), (Some(false), false));
        assert_eq!(house.record().chats().len(), chats + 2);
        assert_eq!(conversation_id(&house.last_request()), "");
        assert_eq!(talk.say("three").await.resumed, Some(true), "and it is kept again");
    }
    house.close().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_answered_all_the_same() {
    let house = House::start().await;
    let said = [Message::agent_output("m", "hi")];
    let events = |middle: &[Event]| {
        let start = [Event::init("c", "r"), Event::create_task("t", "", &[])];
        Scenario::events([&start[..], middle, &[Event::finished(&Finish::Done)]].concat())
    };
    for (name, odd) in [
        ("an unknown task", events(&[Event::add_messages("nowhere", &said)])),
        ("another conversation", events(&[Event::add_messages("t", &said), Event::action_member(12, b"")])),
        ("a task without an id", events(&[Event::create_task("", "", &said)])),
        (
            "no id of the conversation",
            Scenario::events([Event::create_task("t", "", &said), Event::finished(&Finish::Done)]),
        ),
    ] {
        let mut talk = Talk::named(&house, name.replace(' ', "-").as_str());
        house.simulator.enqueue(odd);
        assert_eq!(talk.say("one").await.text, "hi", "{name}");
        assert_eq!(talk.say("two").await.resumed, Some(false), "{name}");
        assert_eq!(talk.say("three").await.resumed, Some(true), "{name}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_answer_that_a_limit_cut_is_not_gone_on_with() {
    let house = House::start().await;
    let mut talk = Talk::named(&house, "a");
    talk.parameters = json!({ "stop": ["STOP"] });
    talk.say("say exactly: this is all STOP and this is not").await;

    assert_eq!(talk.say("next").await.resumed, Some(false));

    assert_eq!(kinds(&house.last_request()), ["query", "output"]);
    assert_eq!(talk.say("and on").await.resumed, Some(true));

    // Text that was held as the beginning of a stop sequence is cut when the upstream has already finished.
    talk.parameters = json!({ "stop": ["abc!"], "max_completion_tokens": 1 });
    assert_eq!(talk.say("say exactly: helabc").await.text, "hela");
    assert_eq!(talk.say("next").await.resumed, Some(false));
    house.close().await;
}

#[tokio::test]
async fn a_conversation_stays_on_its_credential_as_long_as_that_serves() {
    let house = two_credentials().start().await;
    let mut talk = Talk::named(&house, "a");
    talk.say("one").await;
    let first = bearer(&house);
    for text in ["two", "three", "four"] {
        let mut other = Talk::named(&house, "other");
        other.say("something between").await;
        assert_eq!(talk.say(text).await.resumed, Some(true));
        assert_eq!(bearer(&house), first);
    }

    let (mine, other) = if first == Some(Fingerprint::of(ONE)) { (ONE, TWO) } else { (TWO, ONE) };
    house.simulator.on_bearer(mine, Scenario::refuse(Refusal::out_of_credits()));
    assert_eq!(talk.say("five").await.resumed, Some(false));
    assert_eq!(bearer(&house), Some(Fingerprint::of(other)));
    let request = house.last_request();
    assert_eq!(conversation_id(&request), "", "another account knows nothing of the conversation");
    assert_eq!(kinds(&request), ["query", "output"].repeat(4));

    house.simulator.clear_bearer(mine);
    assert_eq!(talk.say("six").await.resumed, Some(true));
    assert_eq!(bearer(&house), Some(Fingerprint::of(other)));
    assert_eq!(news(&house.last_request()), [r#"user "six""#]);
    house.close().await;
}
