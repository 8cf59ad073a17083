//! `StreamWarp`: the upstream's own protocol through the pool. What goes in comes out at the other side to the byte,
//! in both directions, and the upstream's own ends stay what they are.

use bytes::{BufMut as _, Bytes};
use futures_util::StreamExt as _;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::{Code, Status};
use warp2api_integration_tests::{House, Topology};
use warp2api_proto::opaque;
use warp2api_proto::warp::multi_agent::v1::request::input::user_inputs::{UserInput, user_input};
use warp2api_proto::warp::multi_agent::v1::request::input::{Type, UserInputs, UserQuery};
use warp2api_proto::warp::multi_agent::v1::request::{Input, Settings, TaskContext};
use warp2api_proto::warp::multi_agent::v1::{Request, ResponseEvent, response_event};
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_upstream_sim::{Cut, Event, Finish, Message, Refusal, Scenario};

use crate::dynamic::Refusal as Refused;

/// The credentials of the operator, and no others.
const KEYS: [&str; 2] = ["wk-first", "wk-second"];

async fn house(topology: Topology) -> House {
    let keys = KEYS.join(",");
    let builder = House::builder().topology(topology);
    // A house that is divided has its upstream behind a port anyhow.
    let builder = if topology == Topology::InProcess { builder.remote_upstream() } else { builder };
    let house = builder.settings(|s| s.warp_api_key = Some(keys)).start().await;
    for key in KEYS {
        house.simulator.accept_bearer(key);
    }
    house
}

/// A request as an official client sends it, as typed code encodes it.
fn request() -> Vec<u8> {
    let query = UserQuery { query: "hello".to_owned(), ..UserQuery::default() };
    let input = UserInput { input: Some(user_input::Input::UserQuery(query)) };
    let input =
        Input { r#type: Some(Type::UserInputs(UserInputs { inputs: vec![input] })), ..Input::default() };
    let request = Request {
        task_context: Some(TaskContext::default()),
        input: Some(input),
        settings: Some(Settings::default()),
        ..Request::default()
    };
    request.encode_to_vec()
}

/// Appends fields that no schema knows, of every wire type, and one that the schema knows a second time.
fn with_unknown_fields(mut bytes: Vec<u8>) -> Bytes {
    encode_key(1900, WireType::LengthDelimited, &mut bytes);
    encode_varint(7, &mut bytes);
    bytes.put_slice(b"\x00\xffplain");
    encode_key(1901, WireType::Varint, &mut bytes);
    encode_varint(u64::MAX, &mut bytes);
    encode_key(1902, WireType::SixtyFourBit, &mut bytes);
    bytes.put_u64_le(1);
    encode_key(1903, WireType::ThirtyTwoBit, &mut bytes);
    bytes.put_u32_le(2);
    // An empty task context: a decoder merges it, whoever passes the bytes on must not.
    encode_key(1, WireType::LengthDelimited, &mut bytes);
    encode_varint(0, &mut bytes);
    bytes.into()
}

/// Sends a request and reads all events, and the error that ended them if one did.
async fn stream(house: &House, request: Bytes) -> (Vec<Bytes>, Option<Status>) {
    let mut chat = WarpChatClient::new(house.channel(&house.warp_chat).await);
    let mut stream = match chat.stream_warp(opaque::Request::from(request)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event.bytes),
            Err(status) => return (events, Some(status)),
        }
    }
    (events, None)
}

fn bytes_of(events: &[Event]) -> Vec<Bytes> {
    events.iter().map(|event| event.bytes().clone()).collect()
}

fn begin() -> [Event; 2] {
    let text = Message::empty("m");
    [Event::init("conversation", "request"), Event::add_messages("task", &[text])]
}

#[tokio::test]
async fn a_request_reaches_the_upstream_to_the_byte() {
    for topology in Topology::ALL {
        let house = house(*topology).await;
        let request = with_unknown_fields(request());

        let (events, error) = stream(&house, request.clone()).await;

        assert!(error.is_none(), "{topology:?}: {error:?}");
        let received = house.record().last_chat().expect("the upstream was asked");
        assert_eq!(received.body, request, "{topology:?}");
        let last = ResponseEvent::decode(events.last().expect("events").clone()).expect("an event");
        assert!(matches!(last.r#type, Some(response_event::Type::Finished(_))), "{topology:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn events_come_back_to_the_byte() {
    for topology in Topology::ALL {
        let house = house(*topology).await;
        let [init, message] = begin();
        let newer = Event::raw(with_unknown_fields(message.bytes().to_vec()));
        // A kind of event that the schema does not have.
        let unheard_of = Event::raw(Bytes::from_static(b"\x92\x03\x02hi"));
        let sent = [init, unheard_of, newer, message, Event::finished(&Finish::Done)];
        house.simulator.enqueue(Scenario::events(sent.clone()));

        let (events, error) = stream(&house, request().into()).await;

        assert!(error.is_none(), "{topology:?}: {error:?}");
        assert_eq!(events, bytes_of(&sent), "{topology:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn ends_of_the_upstream_stay_events() {
    let house = house(Topology::InProcess).await;
    for finish in Finish::all().into_iter().filter(|finish| *finish != Finish::QuotaLimit) {
        let sent = [Event::init("conversation", "request"), Event::finished(&finish)];
        house.simulator.enqueue(Scenario::events(sent.clone()));

        let (events, error) = stream(&house, request().into()).await;

        assert!(error.is_none(), "{finish:?}: {error:?}");
        assert_eq!(events, bytes_of(&sent), "{finish:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_quota_before_any_content_moves_on_to_the_next_credential() {
    let house = house(Topology::InProcess).await;
    let exhausted = [Event::init("conversation", "request"), Event::finished(&Finish::QuotaLimit)];
    let [init, message] = begin();
    let good = [init, message, Event::finished(&Finish::Done)];
    house.simulator.enqueue(Scenario::events(exhausted.clone()));
    house.simulator.enqueue(Scenario::events(good.clone()));

    let (events, error) = stream(&house, request().into()).await;

    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, bytes_of(&good), "nothing of the first attempt is shown");
    let chats = house.record().chats();
    assert_eq!(chats.len(), 2);
    assert_ne!(chats[0].bearer, chats[1].bearer);
    house.close().await;
}

#[tokio::test]
async fn a_quota_after_content_stays_an_event() {
    let house = house(Topology::InProcess).await;
    let [init, message] = begin();
    let sent = [init, message, Event::finished(&Finish::QuotaLimit)];
    house.simulator.enqueue(Scenario::events(sent.clone()));

    let (events, error) = stream(&house, request().into()).await;

    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, bytes_of(&sent));
    assert_eq!(house.record().chats().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn credentials_that_are_refused_are_left_for_the_next_and_the_last_word_is_the_upstreams() {
    let house = house(Topology::InProcess).await;
    house.simulator.enqueue(Scenario::refuse(Refusal::blocked()));

    let (_, error) = stream(&house, request().into()).await;
    assert!(error.is_none(), "{error:?}");

    house.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));
    let (events, error) = stream(&house, request().into()).await;
    let refused = Refused::from(&error.expect("none of them can serve"));
    assert!(events.is_empty());
    assert_eq!((refused.code, refused.reason), (Code::ResourceExhausted, "UPSTREAM_QUOTA_EXHAUSTED"));
    assert!(refused.wait);
    house.close().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_off_ends_with_an_error_after_its_events() {
    let house = house(Topology::InProcess).await;
    for cut in [Cut::Clean, Cut::Error] {
        let sent = begin();
        house.simulator.enqueue(Scenario::events(sent.clone()).cut_after(2, cut));

        let (events, error) = stream(&house, request().into()).await;

        let refused = Refused::from(&error.expect("it was cut off"));
        assert_eq!((refused.code, refused.reason), (Code::Unavailable, "UPSTREAM_INTERRUPTED"), "{cut:?}");
        assert_eq!(events, bytes_of(&sent), "{cut:?}");
    }
    house.close().await;
}
