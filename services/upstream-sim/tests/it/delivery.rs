//! However the bytes are spread over writes, they stay the same.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;
use warp2api_upstream_sim::{Delivery, Scenario, Simulator};

use crate::client::{post, request, simulator, writes};

async fn deliver(simulator: &Simulator, scenario: Scenario) -> Vec<Bytes> {
    simulator.enqueue(scenario);
    let (writes, clean) = writes(post(simulator, &request("hi")).await).await;
    assert!(clean);
    writes
}

fn scenario() -> Scenario {
    Scenario::text("some words that make events")
}

/// The bytes of a fresh simulator's first answer, apart from the time in them.
async fn delivered(delivery: Delivery) -> Vec<usize> {
    let writes = deliver(&simulator(), scenario().delivered(delivery)).await;
    assert_eq!(crate::client::events(&writes.concat()).len(), 14);
    writes.iter().map(Bytes::len).collect()
}

#[tokio::test]
async fn each_event_is_a_write_by_default() {
    let writes = deliver(&simulator(), scenario()).await;

    assert_eq!(writes.len(), 14);
    assert!(writes.iter().all(|write| write.starts_with(b"event:data\n") && write.ends_with(b"\n\n")));
}

#[tokio::test]
async fn writes_have_the_size_asked_for() {
    for size in [1, 7, 64, 1_000_000] {
        let writes = delivered(Delivery::Bytes(size)).await;
        let (last, others) = writes.split_last().unwrap();
        assert!(others.iter().all(|len| *len == size) && *last <= size);
    }
}

#[tokio::test]
async fn random_writes_follow_the_seed() {
    let random = |seed| delivered(Delivery::Random { seed, longest: 9 });
    let writes = random(1).await;

    assert!(writes.iter().all(|len| (1..=9).contains(len)) && writes.contains(&1) && writes.contains(&9));
    let head = |writes: &[usize]| writes[..50].to_vec();
    assert_eq!(head(&writes), head(&random(1).await));
    assert_ne!(head(&writes), head(&random(2).await));
}

#[tokio::test]
async fn events_can_share_a_write() {
    let writes = deliver(&simulator(), scenario().delivered(Delivery::Together(4))).await;

    let counts: Vec<_> = writes.iter().map(|write| crate::client::events(write).len()).collect();
    assert_eq!(counts, [4, 4, 4, 2]);
}

#[tokio::test(start_paused = true)]
async fn events_that_must_be_waited_for_hold_nothing_back() {
    let chunks = Scenario::chunks(3, "x ", Duration::from_secs(1)).delivered(Delivery::Together(100));

    let counts: Vec<_> =
        deliver(&simulator(), chunks).await.iter().map(|write| crate::client::events(write).len()).collect();

    assert_eq!(counts, [7, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_drip_takes_its_time() {
    let started = Instant::now();
    let writes = delivered(Delivery::Drip(100, Duration::from_millis(10))).await;

    let took = started.elapsed().as_millis();
    let gaps = writes.len() as u128 - 1;
    assert!((gaps * 10..gaps * 12 + 10).contains(&took), "{took} ms for {gaps} gaps");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_delivery_gives_the_same_events(
        choice in 0..3, size in 1..500usize, seed in any::<u64>(), text in "[a-z ]{0,100}"
    ) {
        let delivery = match choice {
            0 => Delivery::Bytes(size),
            1 => Delivery::Random { seed, longest: size },
            _ => Delivery::Together(size),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let writes = runtime.block_on(deliver(&simulator(), Scenario::text(&text).delivered(delivery)));

        let answer = crate::client::Answer(crate::client::events(&writes.concat()));
        prop_assert_eq!(answer.text(), text);
        prop_assert!(answer.kinds().ends_with(&["finished"]));
    }
}
