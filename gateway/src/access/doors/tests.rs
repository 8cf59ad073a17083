use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Started, TextDelta, UsageReported};

use super::*;

fn limits(max_in_flight: usize, max_waiting: usize) -> AccessLimits {
    AccessLimits { max_in_flight, max_waiting, ..AccessLimits::default() }
}

fn own(requests: Option<u32>, tokens: Option<u32>, in_flight: Option<u32>) -> KeyLimits {
    KeyLimits { requests_per_minute: requests, tokens_per_minute: tokens, max_in_flight: in_flight }
}

fn key(name: &str) -> Arc<str> {
    name.into()
}

fn event(event: Event) -> StreamChatResponse {
    StreamChatResponse { event: Some(event) }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_in_order_and_no_more_than_may_run() {
    let (doors, limits) = (Doors::new(2), limits(2, 10));
    let order = Mutex::new(Vec::new());
    let running = AtomicU64::new(0);
    let turns = (0..8).map(|number| {
        let (doors, order, running) = (&doors, &order, &running);
        async move {
            let permit = doors.enter(&key("a"), KeyLimits::default(), &limits).await.unwrap();
            lock(order).push(number);
            assert!(running.fetch_add(1, Ordering::Relaxed) < 2);
            tokio::time::sleep(SOON).await;
            running.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        }
    });

    join_all(turns).await;

    assert_eq!(*lock(&order), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(doors.lock().line.lengths(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_line_refuses_at_once_and_a_long_one_after_its_time() {
    let (doors, limits) = (Doors::new(1), limits(1, 1));
    let free = KeyLimits::default();
    let first = doors.enter(&key("a"), free, &limits).await.unwrap();
    let a = key("a");
    let mut second = Box::pin(doors.enter(&a, free, &limits));
    assert!((&mut second).now_or_never().is_none(), "it waits");

    let third = doors.enter(&key("b"), free, &limits).now_or_never().expect("at once").unwrap_err();
    let began = Instant::now();
    let late = second.await.unwrap_err();

    assert_eq!((third.reason, third.retry_after), (ErrorReason::Overloaded, Some(SOON)));
    assert_eq!((late.reason, began.elapsed()), (ErrorReason::Overloaded, limits.wait));
    drop(first);
    doors.enter(&key("a"), free, &limits).now_or_never().expect("there is room").unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_or_is_called_and_gone_blocks_nobody() {
    let (doors, limits) = (Doors::new(1), limits(1, 10));
    let free = KeyLimits::default();
    let first = doors.enter(&key("a"), free, &limits).await.unwrap();
    let mut waiting: Vec<_> =
        (0..3).map(|_| Box::pin(async { doors.enter(&key("a"), free, &limits).await })).collect();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }

    drop(waiting.remove(1));
    drop(first);
    // The next one was called, and is gone before it noticed.
    drop(waiting.remove(0));
    let last = waiting.remove(0).now_or_never().expect("its turn has come").unwrap();

    drop(last);
    assert_eq!(doors.lock().line.lengths(), (0, 0));
    assert_eq!(doors.lock().of(&key("a"), 0).in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn each_key_has_requests_of_its_own() {
    let (doors, limits, own) = (Doors::new(10), limits(10, 0), own(Some(2), None, Some(2)));
    let enter = |name: &str| {
        let (doors, name) = (doors.clone(), key(name));
        async move { doors.enter(&name, own, &limits).await }
    };
    let (one, two) = (enter("a").await.unwrap(), enter("a").await.unwrap());
    assert_eq!(enter("a").await.unwrap_err().retry_after, Some(SOON), "two are under way");
    drop((one, two));

    let refused = enter("a").await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ApiKeyRateLimited);
    enter("b").await.unwrap();
    tokio::time::sleep(refused.retry_after.unwrap()).await;
    enter("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tokens_are_estimated_and_put_right_by_what_is_reported() {
    let (doors, limits, own) = (Doors::new(10), limits(10, 0), own(None, Some(100), None));
    let left = || doors.rates(&key("a"), own).tokens.unwrap().remaining;
    let turn = async |estimate, events: Vec<Event>| {
        let permit = doors.enter(&key("a"), own, &limits).await.unwrap();
        permit.reserve(estimate)?;
        events.into_iter().for_each(|said| permit.saw(&event(said)));
        Ok::<_, Problem>(())
    };
    let usage = |input, output| {
        let (input_tokens, output_tokens) = (Some(input), Some(output));
        Event::UsageReported(UsageReported { input_tokens, output_tokens, ..UsageReported::default() })
    };

    turn(30, vec![usage(10, 5)]).await.unwrap();
    assert_eq!(left(), 85, "as reported");
    turn(10, vec![Event::TextDelta(TextDelta { text: "12345".to_owned() })]).await.unwrap();
    assert_eq!(left(), 73, "estimated, since nothing was reported");
    turn(70, vec![usage(70, 40)]).await.unwrap();
    assert_eq!(left(), 0, "a turn under way may go over");
    let refused = turn(1, Vec::new()).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ApiKeyRateLimited);
    assert_eq!(turn(101, Vec::new()).await.unwrap_err().reason, ErrorReason::RequestTooLarge);
    tokio::time::sleep(refused.retry_after.unwrap()).await;
    turn(1, Vec::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_that_did_nothing_for_a_minute_are_forgotten() {
    let (doors, limits) = (Doors::new(10), limits(10, 0));
    for number in 0..MANY_KEYS {
        drop(doors.enter(&key(&number.to_string()), KeyLimits::default(), &limits).await.unwrap());
    }
    assert_eq!(doors.lock().used.len(), MANY_KEYS);
    tokio::time::sleep(Duration::from_secs(61)).await;

    drop(doors.enter(&key("one more"), KeyLimits::default(), &limits).await.unwrap());

    assert_eq!(doors.lock().used.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_want_of_room_has_used_no_request() {
    let (doors, limits, own) = (Doors::new(1), limits(1, 1), own(Some(10), None, None));
    let left = |name| doors.rates(&key(name), own).requests.unwrap().remaining;
    let first = doors.enter(&key("a"), own, &limits).await.unwrap();
    let b = key("b");
    let mut late = Box::pin(doors.enter(&b, own, &limits));
    assert!((&mut late).now_or_never().is_none(), "it waits");
    assert_eq!((left("a"), left("b")), (9, 9));

    let full = doors.enter(&key("c"), own, &limits).now_or_never().expect("at once").unwrap_err();
    let late = late.await.unwrap_err();

    assert_eq!((full.reason, late.reason), (ErrorReason::Overloaded, ErrorReason::Overloaded));
    assert_eq!((left("a"), left("b"), left("c")), (9, 10, 10));
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_fails_before_it_begins_upstream_has_used_no_tokens() {
    let (doors, limits, own) = (Doors::new(10), limits(10, 0), own(None, Some(100), None));
    let left = || doors.rates(&key("a"), own).tokens.unwrap().remaining;
    let started = || event(Event::Started(Started::default()));
    // Whether it was heard of, whether it failed, and what is left of a hundred when it is over.
    for (began, failed, expected) in
        [(false, true, 100), (false, false, 70), (true, true, 40), (true, false, 10)]
    {
        let permit = doors.enter(&key("a"), own, &limits).await.unwrap();
        permit.reserve(30).unwrap();
        if began {
            permit.saw(&started());
        }
        if failed {
            permit.failed();
        }
        drop(permit);
        assert_eq!(left(), expected, "began {began}, failed {failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_room_calls_those_in_line_and_less_lets_those_inside_finish() {
    let (doors, limits) = (Doors::new(1), limits(1, 10));
    let a = key("a");
    let enter = || Box::pin(doors.enter(&a, KeyLimits::default(), &limits));
    let first = enter().await.unwrap();
    let (mut second, mut third, mut fourth) = (enter(), enter(), enter());
    for waiting in [&mut second, &mut third, &mut fourth] {
        assert!(waiting.now_or_never().is_none());
    }

    doors.set_most(3);

    let second = second.now_or_never().expect("there is room").unwrap();
    let third = third.now_or_never().expect("there is room").unwrap();
    assert!((&mut fourth).now_or_never().is_none(), "three run");

    doors.set_most(1);
    drop((first, second));
    assert!((&mut fourth).now_or_never().is_none(), "one runs, as many as may now");
    drop(third);
    drop(fourth.now_or_never().expect("its turn has come").unwrap());
    assert_eq!(doors.lock().line.lengths(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_turn_counts_as_a_request_and_takes_no_room() {
    let (doors, limits, own) = (Doors::new(1), limits(1, 0), own(Some(2), None, Some(1)));
    let turn = doors.enter(&key("a"), own, &limits).await.unwrap();

    doors.count(&key("a"), own).unwrap();
    let refused = doors.count(&key("a"), own).unwrap_err();

    assert_eq!(refused.reason, ErrorReason::ApiKeyRateLimited);
    assert_eq!(doors.rates(&key("a"), own).requests.unwrap().remaining, 0);
    assert_eq!(doors.lock().line.lengths(), (1, 0));
    doors.count(&key("b"), own).unwrap();
    drop(turn);
}
