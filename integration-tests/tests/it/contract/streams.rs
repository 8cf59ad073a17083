//! What belongs to a call besides its answer, the same wherever the service is: leaving ends it, deadlines hold.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tonic::Code;
use tonic::metadata::MetadataMap;
use warp2api_integration_tests::wait;
use warp2api_upstream_sim::{Fate, Scenario};

use super::rig::{Rig, Way};
use crate::dynamic::{self, Refusal};

const STREAM_CHAT: &str = "warp_chat.v1.WarpChat/StreamChat";

async fn in_flight(rig: &Rig) -> u64 {
    let status = dynamic::call(&rig.token_pool, "token_pool.v1.TokenPool/GetPoolStatus", &json!({})).await;
    status.messages[0]["inFlightCount"].as_u64().unwrap_or(0)
}

/// Waits until neither the upstream nor the pool has anything of a call left.
async fn settle(rig: &Rig) {
    wait::until("the upstream has nothing under way", || rig.simulator.record().running() == 0).await;
    let given_back = async {
        while in_flight(rig).await > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(wait::PATIENCE, given_back).await.expect("a lease was left behind");
}

#[tokio::test]
async fn leaving_a_stream_ends_it_up_to_the_upstream() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        rig.simulator.enqueue(Scenario::chunks(1000, "word ", Duration::from_millis(20)));
        let hi = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]});
        let mut stream =
            dynamic::open(&rig.warp_chat, STREAM_CHAT, &hi, MetadataMap::new()).await.expect("an answer");
        for _ in 0..3 {
            stream.next().await.expect("it goes on").expect("it goes well");
        }
        assert_eq!(in_flight(&rig).await, 1, "{way:?}");

        drop(stream);

        settle(&rig).await;
        let chat = rig.simulator.record().last_chat().expect("it was asked");
        assert_eq!(chat.fate(), Fate::Abandoned, "{way:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_waits() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        rig.simulator.enqueue(Scenario::stall_before_headers());
        let hi = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]});
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "150m".parse().expect("a header"));

        let refused = dynamic::open(&rig.warp_chat, STREAM_CHAT, &hi, metadata).await.map(|_| ());

        let refusal = Refusal::from(&refused.expect_err("the upstream never answers"));
        assert_eq!((refusal.code, refusal.reason), (Code::DeadlineExceeded, "DEADLINE_PASSED"), "{way:?}");
        settle(&rig).await;
        let chat = rig.simulator.record().last_chat().expect("it was asked");
        assert_eq!(chat.fate(), Fate::Abandoned, "{way:?}");
        rig.stop().await;
    }
}

/// The deadline is for the beginning of a stream; what comes after has clocks of its own.
#[tokio::test]
async fn a_stream_that_has_begun_outlives_the_deadline() {
    for way in Way::ALL {
        let rig = Rig::start(*way).await;
        rig.simulator.enqueue(Scenario::chunks(8, "word ", Duration::from_millis(100)));
        let hi = json!({"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]});
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "400m".parse().expect("a header"));

        let stream = dynamic::open(&rig.warp_chat, STREAM_CHAT, &hi, metadata).await.expect("an answer");
        let messages: Vec<_> = stream.collect().await;

        assert!(messages.iter().all(Result::is_ok), "{way:?}");
        assert!(messages.len() >= 8, "{way:?}");
        rig.stop().await;
    }
}
