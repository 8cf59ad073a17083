use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use prost::Message as _;
use std::time::Duration;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::{CredentialTier, Lease};
use warp2api_proto::warp::multi_agent::v1::response_event::{StreamFinished, StreamInit, Type};
use warp2api_proto::warp::multi_agent::v1::{Request, ResponseEvent};
use warp2api_proto::warp_chat::v1::watch_exchanges_response::Event;
use warp2api_proto::warp_chat::v1::{
    ExchangeFilter, ExchangeKind, ExchangeState, ListExchangesRequest, Message, StreamChatRequest,
    WatchExchangesRequest, WatchExchangesResponse,
};
use warp2api_rpc::Failure;

use super::*;
use crate::error::TurnError;
use crate::told::{Begun, Told};

fn feed(config: FeedConfig) -> Feed {
    Feed::new(config)
}

fn about(request_id: &str) -> About {
    let chat = StreamChatRequest {
        model: "claude-4-sonnet".to_owned(),
        messages: vec![Message::default(), Message::default()],
        ..Default::default()
    };
    About::chat(&chat).along_with(request_id, "0123456789abcdef0123456789abcdef", "embedded")
}

fn lease(name: &str) -> Lease {
    Lease {
        credential: format!("credentials/{name}"),
        credential_display_name: format!("label of {name}"),
        tier: CredentialTier::Shared.into(),
        bearer: "planted-bearer".to_owned(),
        ..Default::default()
    }
}

fn request() -> Bytes {
    let mut request = Request::default();
    request.metadata.get_or_insert_default().conversation_id = "planted-prompt".to_owned();
    request.encode_to_vec().into()
}

fn init(conversation_id: &str) -> Vec<u8> {
    let init = StreamInit { conversation_id: conversation_id.to_owned(), ..Default::default() };
    ResponseEvent { r#type: Some(Type::Init(init)) }.encode_to_vec()
}

fn finished() -> Vec<u8> {
    ResponseEvent { r#type: Some(Type::Finished(StreamFinished::default())) }.encode_to_vec()
}

/// A whole turn that goes well at the second credential.
fn turn(exchange: &Exchange) {
    exchange.leased(&lease("a"), Duration::ZERO);
    exchange.sent(&request());
    exchange.attempt_failed(&TurnError::upstream_fault(ErrorReason::UpstreamRateLimited, "slow down"));
    exchange.leasing_again();
    exchange.leased(&lease("b"), Duration::ZERO);
    exchange.sent(&request());
    let observer = exchange.observer();
    observer.event(&init("planted-answer"));
    let begun = Begun { conversation_id: "c-1".to_owned(), ..Begun::default() };
    let told = Told { started: Some(begun), characters: 5, ..Told::default() };
    exchange.answering(&told);
    observer.malformed(b"?!");
    observer.event(&finished());
    exchange.succeeded(&told);
}

fn wish(change: impl FnOnce(&mut WatchExchangesRequest)) -> Wish {
    let mut request = WatchExchangesRequest { history_size: 1000, ..Default::default() };
    change(&mut request);
    Wish::parse(request).unwrap()
}

/// What a watcher is told without waiting, and a little later.
async fn read(watch: &mut Watch) -> Vec<WatchExchangesResponse> {
    let mut told = Vec::new();
    while let Ok(Some(next)) = tokio::time::timeout(Duration::from_millis(50), watch.next()).await {
        told.push(next.unwrap());
    }
    told
}

fn kinds(told: &[WatchExchangesResponse]) -> Vec<&'static str> {
    told.iter()
        .map(|told| match told.event.as_ref().unwrap() {
            Event::Recalled(_) => "recalled",
            Event::CaughtUp(_) => "caught_up",
            Event::ExchangeStarted(_) => "started",
            Event::LeaseAcquired(_) => "leased",
            Event::AttemptStarted(_) => "sent",
            Event::AttemptFailed(_) => "attempt_failed",
            Event::FirstEventReceived(_) => "first_event",
            Event::Progressed(_) => "progressed",
            Event::StreamEventReceived(_) => "event",
            Event::ExchangeFinished(_) => "finished",
            Event::Lagged(_) => "lagged",
            Event::Heartbeat(_) => "heartbeat",
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_everything_in_order_and_no_content() {
    let feed = feed(FeedConfig::default());
    let mut watch = feed.watch(wish(|wish| wish.stream_events = true)).unwrap();

    turn(&feed.begin(about("r-1")));

    let told = read(&mut watch).await;
    let expected =
        "caught_up started leased sent attempt_failed leased sent event first_event event event finished";
    assert_eq!(kinds(&told).join(" "), expected);
    assert!(told[1..].iter().all(|told| told.exchange == "exchanges/1" && told.request_id == "r-1"));
    assert_eq!(told.last().unwrap().conversation_id, "c-1");
    let Some(Event::ExchangeFinished(end)) = &told.last().unwrap().event else { panic!() };
    let end = end.exchange.as_ref().unwrap();
    assert_eq!(end.state(), ExchangeState::Succeeded);
    assert_eq!(end.progress.as_ref().unwrap().event_count, 3);
    assert_eq!(end.credentials[0].error_reason(), ErrorReason::UpstreamRateLimited);
    assert_eq!(end.credentials[1].display_name, "label of b");
    let types: Vec<_> = told
        .iter()
        .filter_map(|told| match &told.event {
            Some(Event::StreamEventReceived(event)) => {
                event.stream_event.as_ref().map(|e| e.event_type.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(types, ["INITIALIZATION", "MALFORMED", "FINISHED"]);
    let all: Vec<u8> = told.iter().flat_map(|told| told.encode_to_vec()).collect();
    assert!(!String::from_utf8_lossy(&all).contains("planted"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn contents_are_told_while_capture_is_on_unless_they_are_not_wanted() {
    let feed = feed(FeedConfig { capture: true, ..FeedConfig::default() });
    let mut all = feed.watch(wish(|wish| wish.stream_events = true)).unwrap();
    let mut free = feed
        .watch(wish(|wish| {
            wish.stream_events = true;
            wish.without_content = true;
        }))
        .unwrap();

    turn(&feed.begin(about("r-1")));

    let texts = [read(&mut all).await, read(&mut free).await]
        .map(|told| told.iter().flat_map(|told| told.encode_to_vec()).collect::<Vec<u8>>())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(texts[0].contains("planted-prompt") && texts[0].contains("planted-answer"));
    assert!(!texts[0].contains("planted-bearer"));
    assert!(!texts[1].contains("planted"));
    let kept = get(&feed, "exchanges/1").unwrap().exchange.unwrap();
    assert_eq!(kept.upstream_request.unwrap().bytes, request());
    let events: Vec<_> = kept.stream_events.iter().map(|event| event.event_number).collect();
    assert_eq!((events, kept.stream_events_dropped), (vec![1, 2, 3], false));
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_learns_how_much_it_missed_and_goes_on() {
    let feed = feed(FeedConfig { bytes: 64 * 1024, ..FeedConfig::default() });
    let mut watch = feed.watch(wish(|wish| wish.stream_events = true)).unwrap();
    assert_eq!(kinds(&read(&mut watch).await), ["caught_up"]);
    let exchange = feed.begin(about("r"));
    for _ in 0..10_000 {
        exchange.observer().event(&init("c"));
    }
    exchange.succeeded(&Told::default());

    let told = read(&mut watch).await;

    let Some(Event::Lagged(lagged)) = &told[0].event else { panic!("{:?}", told[0]) };
    assert_eq!(
        lagged.dropped_count + told.len() as i64 - 1,
        10_002,
        "what was missed and what was told is all"
    );
    assert_eq!(kinds(&told).last(), Some(&"finished"));
    turn(&feed.begin(about("r-2")));
    assert_eq!(kinds(&read(&mut watch).await)[0], "started", "and it goes on");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded_whatever_happens() {
    for capture in [false, true] {
        let bytes = 128 * 1024;
        let feed = feed(FeedConfig { capture, bytes, exchanges: 50, watchers: 60 });
        let mut stalled = Vec::new();
        for _ in 0..50 {
            let mut watch = feed.watch(wish(|wish| wish.stream_events = true)).unwrap();
            // It has begun to read, and stops.
            assert!(watch.next().now_or_never().is_some());
            stalled.push(watch);
        }
        for round in 0..2000 {
            let exchange = feed.begin(about(&"r".repeat(round)));
            exchange.leased(&lease(&"n".repeat(round % 100)), Duration::ZERO);
            exchange.sent(&Bytes::from(vec![0; round * 7]));
            for _ in 0..10 {
                exchange.observer().event(&init(&"c".repeat(round % 300)));
            }
            exchange.failed(&Failure::new(ErrorReason::UpstreamFailed, "w".repeat(round)));
            assert!(feed.health().held_bytes <= bytes);
        }
        assert_eq!(feed.health().under_way, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_end_is_kept_while_nobody_watches() {
    let feed = feed(FeedConfig::default());
    turn(&feed.begin(about("r-1")));
    let ended_only = feed.health().held_bytes;

    let mut watch = feed.watch(wish(|_| {})).unwrap();
    assert_eq!(kinds(&read(&mut watch).await), ["recalled", "caught_up"]);
    turn(&feed.begin(about("r-2")));
    assert!(feed.health().held_bytes > 2 * ended_only);
    drop(watch);

    assert!(feed.health().held_bytes < 3 * ended_only, "what nobody will read is gone");
    assert_eq!(feed.health().watchers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_was_cancelled() {
    let feed = feed(FeedConfig::default());
    let exchange = feed.begin(about("r-1"));
    exchange.leased(&lease("a"), Duration::ZERO);
    drop(exchange);

    let kept = get(&feed, "exchanges/1").unwrap().exchange.unwrap();
    assert_eq!(kept.state(), ExchangeState::Cancelled);
    assert!(kept.end_time.is_some());
    assert_eq!(feed.health().under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn exchanges_under_way_are_recalled_and_their_progress_is_told_from_time_to_time() {
    let feed = feed(FeedConfig::default());
    let exchange = feed.begin(about("r-1"));
    exchange.observer().event(&init("c"));
    let mut watch = feed.watch(wish(|wish| wish.history_size = 0)).unwrap();

    assert_eq!(kinds(&read(&mut watch).await), ["recalled", "caught_up"]);
    for _ in 0..100 {
        exchange.observer().event(&init("c"));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let told = read(&mut watch).await;
    assert_eq!(kinds(&told), ["progressed"], "once, however much came");
    let Some(Event::Progressed(progressed)) = &told[0].event else { panic!() };
    assert_eq!(progressed.progress.as_ref().unwrap().event_count, 101);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(kinds(&read(&mut watch).await), [""; 0], "nothing new, nothing told");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(kinds(&read(&mut watch).await), ["heartbeat"]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_ends_by_itself() {
    let feed = feed(FeedConfig::default());
    turn(&feed.begin(about("r-1")));

    let watch = feed.watch(wish(|wish| wish.snapshot_only = true)).unwrap();
    let told: Vec<_> = watch.map(Result::unwrap).collect().await;

    assert_eq!(kinds(&told), ["recalled", "caught_up"]);
}

#[tokio::test(start_paused = true)]
async fn filters_choose_exchanges() {
    type Change = fn(&mut ExchangeFilter);
    let table: &[(&str, Change, &str)] = &[
        ("all", |_| {}, "started leased sent attempt_failed leased sent first_event finished"),
        ("model", |f| f.model = "other".into(), ""),
        (
            "this model",
            |f| f.model = "claude-4-sonnet".into(),
            "started leased sent attempt_failed leased sent first_event finished",
        ),
        ("request id", |f| f.request_id = "r-2".into(), ""),
        (
            "trace id",
            |f| f.trace_id = "0123456789abcdef0123456789abcdef".into(),
            "started leased sent attempt_failed leased sent first_event finished",
        ),
        ("kind", |f| f.set_kind(ExchangeKind::Warp), ""),
        ("outcome", |f| f.set_state(ExchangeState::Succeeded), "finished"),
        ("other outcome", |f| f.set_state(ExchangeState::Failed), ""),
        ("credential", |f| f.credential = "label of c".into(), ""),
        ("state", |f| f.set_state(ExchangeState::Leasing), "started leased leased"),
    ];
    for (name, change, expected) in table {
        let feed = feed(FeedConfig::default());
        let mut filter = ExchangeFilter::default();
        change(&mut filter);
        let mut watch = feed.watch(wish(|wish| wish.filter = Some(filter.clone()))).unwrap();
        assert_eq!(kinds(&read(&mut watch).await), ["caught_up"]);

        turn(&feed.begin(about("r-1")));

        assert_eq!(kinds(&read(&mut watch).await).join(" "), *expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_from_the_latest_on_and_pages_do_not_shift() {
    let feed = feed(FeedConfig::default());
    let under_way: Vec<_> = (0..5).map(|number| feed.begin(about(&number.to_string()))).collect();
    turn(&under_way[1]);
    let page = |token: &str| {
        let request =
            ListExchangesRequest { page_size: 2, page_token: token.to_owned(), ..Default::default() };
        let page = list(&feed, request).unwrap();
        let names: Vec<_> =
            page.exchanges.iter().map(|e| e.name.trim_start_matches("exchanges/").to_owned()).collect();
        (names.join(" "), page.next_page_token)
    };

    let (first, token) = page("");
    let _later = feed.begin(about("later"));
    let (second, token) = page(&token);
    let (third, end) = page(&token);

    assert_eq!([first, second, third], ["5 4", "3 2", "1"]);
    assert_eq!(end, "");
}

#[tokio::test(start_paused = true)]
async fn bad_requests_name_their_field() {
    let failing =
        |request: WatchExchangesRequest| Wish::parse(request).unwrap_err().violations[0].field.clone();
    let base = WatchExchangesRequest::default;
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let filter = |filter| Some(filter);
    for (request, field) in [
        (WatchExchangesRequest { history_size: 1001, ..base() }, "history_size"),
        (WatchExchangesRequest { history_size: -1, ..base() }, "history_size"),
        (WatchExchangesRequest { progress_interval: seconds(0), ..base() }, "progress_interval"),
        (WatchExchangesRequest { progress_interval: seconds(-1), ..base() }, "progress_interval"),
        (WatchExchangesRequest { heartbeat_interval: seconds(3600), ..base() }, "heartbeat_interval"),
        (
            WatchExchangesRequest {
                filter: filter(ExchangeFilter { state: 99, ..Default::default() }),
                ..base()
            },
            "filter.state",
        ),
        (
            WatchExchangesRequest {
                filter: filter(ExchangeFilter { kind: 99, ..Default::default() }),
                ..base()
            },
            "filter.kind",
        ),
    ] {
        assert_eq!(failing(request), field);
    }
    let feed = feed(FeedConfig::default());
    for (token, size) in [("p3", 0), ("below-", 0), ("", -1)] {
        let request =
            ListExchangesRequest { page_token: token.into(), page_size: size, ..Default::default() };
        assert_eq!(list(&feed, request).unwrap_err().reason, ErrorReason::InvalidField);
    }
    for name in ["exchanges/7", "exchanges/x", "exchanges/"] {
        assert_eq!(get(&feed, name).unwrap_err().reason, ErrorReason::ExchangeNotFound);
    }
    assert_eq!(get(&feed, "7").unwrap_err().reason, ErrorReason::InvalidField);
}

#[tokio::test(start_paused = true)]
async fn watchers_are_limited_and_end_when_the_service_stops() {
    let feed = feed(FeedConfig { watchers: 1, ..FeedConfig::default() });
    let mut watch = feed.watch(wish(|_| {})).unwrap();
    assert_eq!(feed.watch(wish(|_| {})).unwrap_err().reason, ErrorReason::Overloaded);
    assert_eq!(kinds(&read(&mut watch).await), ["caught_up"]);

    feed.close();

    let end = watch.next().await.unwrap().unwrap_err();
    assert_eq!(Failure::from(&end).reason, ErrorReason::ShuttingDown);
    assert!(watch.next().await.is_none());
    drop(watch);
    assert!(feed.watch(wish(|_| {})).is_ok());
}
