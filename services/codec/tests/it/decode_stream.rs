//! `DecodeStream` as a client meets it. What becomes of which bytes is held where frames are found.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{Stream, StreamExt as _, stream};
use tonic::{Code, Status, Streaming};
use warp2api_codec::CodecService;
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::codec_server::CodecServer;
use warp2api_proto::codec::v1::decode_stream_request::Part;
use warp2api_proto::codec::v1::decode_stream_response::{DecodedFrame, Ended, Event, FrameFault};
use warp2api_proto::codec::v1::{
    ByteRange, DecodeStreamConfig, DecodeStreamRequest, DecodeStreamResponse, FaultPolicy, FieldNaming,
    FrameFaultKind, StreamFraming, UnknownFields,
};
use warp2api_rpc::Failure;

const PATIENCE: Duration = Duration::from_secs(20);
/// `{"init": {"conversation_id": "c1"}}`.
const INIT: &[u8] = &[10, 4, 10, 2, b'c', b'1'];
const JSON: &str = r#"{"init":{"conversation_id":"c1"}}"#;

fn config(config: DecodeStreamConfig) -> DecodeStreamRequest {
    DecodeStreamRequest { part: Some(Part::Config(config)) }
}

fn data(bytes: &[u8]) -> DecodeStreamRequest {
    DecodeStreamRequest { part: Some(Part::Data(bytes.to_vec().into())) }
}

async fn call(
    requests: impl Stream<Item = DecodeStreamRequest> + Send + 'static,
) -> Streaming<DecodeStreamResponse> {
    let mut client = CodecClient::new(CodecServer::new(CodecService::new()));
    client.decode_stream(requests).await.unwrap().into_inner()
}

async fn next(answers: &mut Streaming<DecodeStreamResponse>) -> Option<Result<Event, Status>> {
    let answer = tokio::time::timeout(PATIENCE, answers.next()).await.unwrap();
    answer.map(|answer| answer.map(|answer| answer.event.unwrap()))
}

async fn events(requests: Vec<DecodeStreamRequest>) -> Result<Vec<Event>, Status> {
    let mut answers = call(stream::iter(requests)).await;
    let mut events = Vec::new();
    while let Some(event) = next(&mut answers).await {
        events.push(event?);
    }
    Ok(events)
}

fn frame(index: i64, start: i64, end: i64, json: &str) -> Event {
    Event::Frame(DecodedFrame {
        index,
        range: Some(ByteRange { start, end }),
        message_size: INIT.len() as i64,
        json: json.to_owned(),
        unterminated: false,
    })
}

fn sse(message: &[u8]) -> String {
    format!("event:data\ndata:{}\n\n", URL_SAFE.encode(message))
}

#[tokio::test]
async fn events_are_answered_as_they_come_and_then_the_end() {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let requests =
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let mut answers = call(requests).await;
    sender.send(config(DecodeStreamConfig::default())).await.unwrap();
    let text = sse(INIT);
    let len = text.len() as i64;

    for index in 0..3 {
        sender.send(data(&text.as_bytes()[..5])).await.unwrap();
        sender.send(data(&text.as_bytes()[5..])).await.unwrap();
        // The next piece has not been sent.
        let (start, end) = (index * len, (index + 1) * len - 2);
        assert_eq!(next(&mut answers).await.unwrap().unwrap(), frame(index, start, end, JSON));
    }
    drop(sender);

    let ended =
        Ended { frame_count: 3, byte_count: 3 * len, framing: StreamFraming::Sse.into(), ..Ended::default() };
    assert_eq!(next(&mut answers).await.unwrap().unwrap(), Event::Ended(ended));
    assert!(next(&mut answers).await.is_none());
}

#[tokio::test]
async fn messages_with_lengths_of_any_type_are_decoded_as_asked() {
    let settings = DecodeStreamConfig {
        name: "messageTypes/warp.multi_agent.v1.Task".to_owned(),
        framing: StreamFraming::LengthDelimited.into(),
        field_naming: FieldNaming::CamelCase.into(),
        unknown_fields: UnknownFields::Ignore.into(),
        show_server_message_data: true,
        ..DecodeStreamConfig::default()
    };
    // A message with a UUID "a" in its opaque data, and an unknown field.
    let message = b"\x0e\x2a\x09\x3a\x04CgFh\x82\x01\x00\xa0\x1f\x07";

    let events = events(vec![config(settings), data(message)]).await.unwrap();

    let Event::Frame(frame) = &events[0] else { panic!("{events:?}") };
    assert_eq!(
        frame.json,
        r#"{"messages":[{"serverMessageData":{"uuid":"a","type":"UUID_ONLY","raw":"CgFh"},"summarization":{}}]}"#
    );
}

#[tokio::test]
async fn a_fault_is_an_event_and_the_stream_goes_on_or_ends() {
    let text = [sse(INIT), sse(&INIT[..5]), sse(INIT)].concat();
    let len = sse(INIT).len() as i64;
    let fault = Event::Fault(FrameFault {
        index: 1,
        range: Some(ByteRange { start: len, end: 2 * len - 2 }),
        kind: FrameFaultKind::MalformedMessage.into(),
        message: "init at 1: the bytes end in the middle of a field".to_owned(),
        path: "init".to_owned(),
        message_position: Some(1),
    });
    for (policy, expected) in [
        (
            FaultPolicy::Unspecified,
            vec![frame(0, 0, len - 2, JSON), fault.clone(), frame(2, 2 * len, 3 * len - 2, JSON)],
        ),
        (FaultPolicy::Stop, vec![frame(0, 0, len - 2, JSON), fault]),
    ] {
        let settings = DecodeStreamConfig { fault_policy: policy.into(), ..DecodeStreamConfig::default() };

        let mut events = events(vec![config(settings), data(text.as_bytes())]).await.unwrap();

        let Some(Event::Ended(ended)) = events.pop() else { panic!("{events:?}") };
        assert_eq!(events, expected);
        assert_eq!((ended.frame_count, ended.fault_count), (expected.len() as i64, 1));
        assert_eq!(ended.stopped, policy == FaultPolicy::Stop);
    }
}

#[tokio::test]
async fn what_is_left_at_the_end_is_reported() {
    let start = || config(DecodeStreamConfig::default());
    for (bytes, kind, framing) in [
        (&b"data:CgQ"[..], FrameFaultKind::Incomplete, StreamFraming::Sse),
        (&[6, 10], FrameFaultKind::Incomplete, StreamFraming::LengthDelimited),
        (&[0xff; 12], FrameFaultKind::FramingLost, StreamFraming::LengthDelimited),
    ] {
        let events = events(vec![start(), data(bytes)]).await.unwrap();

        let [Event::Fault(fault), Event::Ended(ended)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((fault.kind(), ended.framing()), (kind, framing));
        assert_eq!(ended.stopped, kind == FrameFaultKind::FramingLost);
    }
    let nothing = vec![Event::Ended(Ended::default())];
    assert_eq!(events(vec![start()]).await.unwrap(), nothing);
    assert_eq!(events(vec![start(), data(b""), data(b"")]).await.unwrap(), nothing);
}

#[tokio::test]
async fn a_request_that_is_not_as_it_should_be_is_refused() {
    let wrong = |change: fn(&mut DecodeStreamConfig)| {
        let mut settings = DecodeStreamConfig::default();
        change(&mut settings);
        vec![config(settings)]
    };
    for (requests, field) in [
        (vec![], "config"),
        (vec![data(b"")], "config"),
        (vec![config(DecodeStreamConfig::default()), config(DecodeStreamConfig::default())], "config"),
        (vec![config(DecodeStreamConfig::default()), DecodeStreamRequest { part: None }], "part"),
        (wrong(|config| config.name = "Request".to_owned()), "config.name"),
        (wrong(|config| config.framing = 9), "config.framing"),
        (wrong(|config| config.field_naming = 9), "config.field_naming"),
        (wrong(|config| config.unknown_fields = 9), "config.unknown_fields"),
        (wrong(|config| config.fault_policy = 9), "config.fault_policy"),
    ] {
        let status = events(requests).await.unwrap_err();

        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(Failure::from(&status).violations[0].field, field);
    }
    let unknown = wrong(|config| config.name = "messageTypes/no.Such".to_owned());
    assert_eq!(events(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn it_reads_on_only_as_its_answers_are_taken() {
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&read);
    let pieces = stream::iter(0..1_000_000).map(move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        data(sse(INIT).as_bytes())
    });
    let requests = stream::once(async { config(DecodeStreamConfig::default()) }).chain(pieces);
    let mut answers = call(requests).await;

    for _ in 0..10 {
        next(&mut answers).await.unwrap().unwrap();
    }

    // What was read and not answered fits into the buffers of a call, tens of kilobytes.
    let read = read.load(std::sync::atomic::Ordering::Relaxed);
    assert!(read < 5_000, "{read}");
}

#[tokio::test]
async fn who_leaves_ends_the_call() {
    let dropped = tokio_util_drop();
    let guard = dropped.0;
    let requests = stream::once(async { config(DecodeStreamConfig::default()) }).chain(stream::pending());
    let requests = requests.map(move |request| {
        let _held = &guard;
        request
    });
    let mut answers = call(requests).await;
    let waiting = tokio::time::timeout(Duration::from_millis(10), answers.next()).await;
    assert!(waiting.is_err());

    drop(answers);

    tokio::time::timeout(PATIENCE, dropped.1).await.unwrap().unwrap_err();
}

/// A guard, and what fails once it is dropped.
fn tokio_util_drop() -> (tokio::sync::oneshot::Sender<()>, tokio::sync::oneshot::Receiver<()>) {
    tokio::sync::oneshot::channel()
}

#[tokio::test]
async fn large_messages_are_decoded_off_the_workers_thread() {
    let text = "x".repeat(1_000_000);
    let json = format!(r#"{{"init":{{"conversation_id":"{text}"}}}}"#);
    let message_type =
        warp2api_codec::Schema::global().message_type("warp.multi_agent.v1.ResponseEvent").unwrap();
    let message =
        warp2api_codec::transcode::to_bytes(message_type, &json, warp2api_codec::Unknown::Refuse).unwrap();

    let requests = vec![config(DecodeStreamConfig::default()), data(sse(&message).as_bytes())];
    let events = events(requests).await.unwrap();

    let Event::Frame(frame) = &events[0] else { panic!() };
    assert_eq!((frame.message_size, frame.json.len()), (message.len() as i64, json.len()));
}
