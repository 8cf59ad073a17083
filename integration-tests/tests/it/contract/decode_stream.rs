//! `DecodeStream` wherever Codec is: answers while bytes still come, and an end when they end.

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use warp2api_integration_tests::wait;
use warp2api_proto::codec::v1::codec_client::CodecClient;
use warp2api_proto::codec::v1::decode_stream_request::Part;
use warp2api_proto::codec::v1::decode_stream_response::Event;
use warp2api_proto::codec::v1::{
    DecodeStreamConfig, DecodeStreamRequest, DecodeStreamResponse, StreamFraming,
};
use warp2api_rpc::Failure;

use super::rig::{Rig, Way};

/// `{"init": {"conversation_id": "c1", "request_id": "r1"}}`, as the upstream sends it.
const INIT: &[u8] = b"event:data\ndata:CggKAmMxEgJyMQ==\n\n";

fn part(part: Part) -> DecodeStreamRequest {
    DecodeStreamRequest { part: Some(part) }
}

async fn next(answers: &mut Streaming<DecodeStreamResponse>) -> Option<Result<Event, Status>> {
    let answer = tokio::time::timeout(wait::PATIENCE, answers.next()).await.expect("an answer in time");
    answer.map(|answer| answer.map(|answer| answer.event.expect("an event")))
}

#[tokio::test]
async fn messages_are_answered_before_the_next_bytes_come() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        let (sender, receiver) = mpsc::channel(4);
        let requests =
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        sender.send(part(Part::Config(DecodeStreamConfig::default()))).await.expect("room");
        let mut client = CodecClient::new(rig.codec.clone());
        let mut answers = client.decode_stream(requests).await.expect("an answer").into_inner();

        for index in 0..3 {
            for piece in INIT.chunks(20) {
                sender.send(part(Part::Data(piece.to_vec().into()))).await.expect("room");
            }
            let Some(Ok(Event::Frame(frame))) = next(&mut answers).await else { panic!("{way:?}: a frame") };
            assert_eq!(
                (frame.index, &*frame.json),
                (index, r#"{"init":{"conversation_id":"c1","request_id":"r1"}}"#)
            );
        }
        drop(sender);

        let Some(Ok(Event::Ended(ended))) = next(&mut answers).await else { panic!("{way:?}: an end") };
        assert_eq!((ended.frame_count, ended.framing()), (3, StreamFraming::Sse), "{way:?}");
        assert!(next(&mut answers).await.is_none(), "{way:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_config_that_is_wrong_is_refused() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        let config = DecodeStreamConfig { name: "Request".to_owned(), ..DecodeStreamConfig::default() };
        let requests = stream::iter([part(Part::Config(config))]);

        let mut client = CodecClient::new(rig.codec.clone());
        let mut answers = client.decode_stream(requests).await.expect("an answer").into_inner();

        let status = next(&mut answers).await.expect("a status").expect_err("a refusal");
        let failure = Failure::from(&status);
        assert_eq!(
            (status.code(), &*failure.violations[0].field),
            (Code::InvalidArgument, "config.name"),
            "{way:?}"
        );
        rig.stop().await;
    }
}
