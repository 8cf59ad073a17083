//! Clients that leave: what they left ends up to the upstream's socket, and nobody else notices.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, Topology, ask, json_of, wait};
use warp2api_upstream_sim::{Cut, Scenario};

/// Thirty pieces over three seconds: long enough that leaving falls into the middle.
const LONG: &str = "stream 30 chunks of 8 bytes every 100 ms";
const LONG_TEXT_BYTES: usize = 30 * 8;
/// Ten minutes: it ends in time only if leaving ends it.
const ENDLESS: &str = "stream 6000 chunks of 8 bytes every 100 ms";

async fn half_of_them_leave(house: House, chats: usize) {
    let house = Arc::new(house);
    let mut leavers = JoinSet::new();
    let mut stayers = JoinSet::new();
    for number in 0..chats {
        let (streamed, leaves) = (number % 2 == 0, number % 4 < 2);
        let house = house.clone();
        let chat = async move {
            let mut body = ask(if leaves { ENDLESS } else { LONG });
            body["stream"] = json!(streamed);
            let response = house.post(&body).await;
            if streamed {
                let mut live = Live::new(response);
                let first = live.first_text().await;
                first.len() + live.rest().await.text().len()
            } else {
                let answer = json_of(response).await;
                answer["choices"][0]["message"]["content"].as_str().map_or(0, str::len)
            }
        };
        if leaves {
            leavers.spawn(chat)
        } else {
            stayers.spawn(chat)
        };
    }
    let (record, half) = (house.record().clone(), chats as u64 / 2);
    wait::until("all chats began", || record.received() == chats as u64).await;

    leavers.shutdown().await;

    wait::until("the upstream sees that they left", || record.abandoned() == half).await;
    while let Some(bytes) = stayers.join_next().await {
        assert_eq!(bytes.unwrap(), LONG_TEXT_BYTES, "a chat that stayed is whole");
    }
    assert_eq!((record.finished(), record.abandoned()), (half, half));
    Arc::into_inner(house).expect("nobody holds the house").close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_200_leave_and_the_others_do_not_notice() {
    half_of_them_leave(House::start().await, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_reaches_the_upstream_through_five_processes() {
    half_of_them_leave(House::builder().topology(Topology::Tcp).start().await, 40).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_upstream_answers_ends_the_request() {
    let house = House::start().await;
    for streamed in [true, false] {
        house.simulator.enqueue(Scenario::stall_before_headers());
        let mut body = ask("hello");
        body["stream"] = json!(streamed);
        let before = house.record().abandoned();

        {
            let waiting = house.post(&body);
            tokio::pin!(waiting);
            tokio::select! {
                _ = &mut waiting => panic!("the upstream does not answer"),
                () = wait::until("the upstream has the request", || house.record().running() == 1) => {}
            }
        }

        wait::until("the upstream sees it leave", || house.record().abandoned() == before + 1).await;
        house.settle().await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_for_a_credential_leaves_nothing_behind() {
    let house = House::builder()
        .settings(|settings| {
            settings.warp_api_key = Some("wk-embedded-upstream".to_owned());
            settings.max_in_flight = Some("1".to_owned());
        })
        .remote_upstream()
        .start()
        .await;
    let mut body = ask(LONG);
    body["stream"] = json!(true);
    let mut first = Live::new(house.post(&body).await);
    first.first_text().await;

    {
        let waiting = house.post(&body);
        tokio::pin!(waiting);
        // It has no slot to run in; whatever it does, the upstream hears nothing of it.
        let patience = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, &mut waiting).await.is_err());
    }
    assert_eq!(first.rest().await.finish_reason(), Some("stop"));

    assert_eq!(house.record().received(), 1);
    let (status, _) = house.chat(&ask("say exactly: next")).await;
    assert_eq!(status, 200, "the slot is free again");
    house.close().await;
}

#[tokio::test]
async fn leaving_is_not_held_against_the_credential() {
    let house = House::start().await;
    for _ in 0..5 {
        let mut body = ask(LONG);
        body["stream"] = json!(true);
        Live::new(house.post(&body).await).first_text().await;
    }
    house.settle().await;

    let (status, answer) = house.chat(&ask("say exactly: still here")).await;

    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("still here")));
    house.close().await;
}

#[tokio::test]
async fn a_stream_that_breaks_gives_its_lease_back() {
    let house = House::start().await;
    house.simulator.enqueue(Scenario::text("some words of an answer").cut_after(9, Cut::Error));

    let frames = house.stream(&ask("hello")).await;

    assert!(frames.error().is_some() && !frames.done, "{frames:?}");
    house.close().await;
}
