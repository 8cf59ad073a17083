//! Bounds, scopes and chains of kept responses.

use warp2api_proto::warp_chat::v1::{Part, part};

use super::*;

fn shelf(count: usize, bytes: usize) -> Shelf {
    Shelf::new(KeptLimits { count, bytes, time: Duration::from_secs(60) })
}

fn said(text: &str) -> Vec<warp2api_proto::warp_chat::v1::Message> {
    let part = Part { content: Some(part::Content::Text(text.to_owned())) };
    vec![warp2api_proto::warp_chat::v1::Message { role: 3, parts: vec![part] }]
}

fn told(id: &str, said: Vec<warp2api_proto::warp_chat::v1::Message>) -> Told {
    // Any JSON will do; it cannot be made here.
    let body = br#"{"input":"hi"}"#;
    let json = warp2api_dialects::responses::ResponsesRequest::parse(body).unwrap().input();
    Told { id: id.to_owned(), input: json.clone(), output: json, said }
}

fn keep(shelf: &Shelf, scope: &str, id: &str, before: Option<&str>, now: Instant) {
    let before = before.and_then(|before| shelf.find(scope, before, now)).map(|kept| kept.turn.clone());
    let turn = shelf.turn(before, told(id, said(id)));
    shelf.keep(scope, id, Bytes::from(format!("body of {id}")), turn, now);
}

fn texts(kept: &Kept) -> Vec<String> {
    let messages = kept.turn.messages();
    let texts = messages.iter().flat_map(|message| &message.parts).map(|part| match &part.content {
        Some(part::Content::Text(text)) => text.clone(),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

#[test]
fn the_oldest_goes_when_there_are_too_many() {
    let (shelf, now) = (shelf(2, usize::MAX), Instant::now());
    for id in ["a", "b", "c"] {
        keep(&shelf, "s", id, None, now);
    }

    assert!(shelf.find("s", "a", now).is_none());
    assert_eq!(shelf.find("s", "b", now).unwrap().body, "body of b");
    assert!(shelf.find("s", "c", now).is_some());
}

#[test]
fn each_scope_sees_its_own() {
    let (shelf, now) = (shelf(9, usize::MAX), Instant::now());
    keep(&shelf, "one", "a", None, now);

    assert!(shelf.find("two", "a", now).is_none());
    assert!(!shelf.forget("two", "a", now));
    assert!(shelf.find("one", "a", now).is_some());
}

#[test]
fn time_passes() {
    let (shelf, now) = (shelf(9, usize::MAX), Instant::now());
    keep(&shelf, "s", "a", None, now);
    let later = now + Duration::from_secs(30);
    keep(&shelf, "s", "b", None, later);

    assert!(shelf.find("s", "a", now + Duration::from_secs(59)).is_some());
    assert!(shelf.find("s", "a", now + Duration::from_secs(60)).is_none());
    assert!(shelf.find("s", "b", now + Duration::from_secs(60)).is_some());
    assert!(!shelf.forget("s", "b", later + Duration::from_secs(60)));
}

#[test]
fn a_conversation_goes_on_after_what_was_forgotten() {
    let (shelf, now) = (shelf(2, usize::MAX), Instant::now());
    keep(&shelf, "s", "a", None, now);
    keep(&shelf, "s", "b", Some("a"), now);
    assert!(shelf.forget("s", "a", now));
    assert!(!shelf.forget("s", "a", now));
    keep(&shelf, "s", "c", Some("b"), now);
    keep(&shelf, "s", "d", Some("b"), now);

    assert_eq!(texts(&shelf.find("s", "c", now).unwrap()), ["a", "b", "c"]);
    assert_eq!(texts(&shelf.find("s", "d", now).unwrap()), ["a", "b", "d"]);
    assert!(shelf.find("s", "b", now).is_none());
}

#[test]
fn bytes_are_bounded_with_all_that_is_held() {
    let now = Instant::now();
    let room = shelf(usize::MAX, 100_000);
    let mut last = None;
    for number in 0..10_000 {
        let id = format!("{number:05}");
        keep(&room, "s", &id, last.as_deref(), now);
        // When the conversation no longer fits it begins anew.
        last = room.find("s", &id, now).map(|_| id);
        assert!(room.held.load(Ordering::Relaxed) <= 100_000);
    }
    keep(&room, "s", "new", None, now);
    assert!(room.find("s", "new", now).is_some());
    while room.entries().forget_oldest() {}
    assert_eq!(room.held.load(Ordering::Relaxed), 0, "all of it is given back");

    let tiny = shelf(9, 10);
    keep(&tiny, "s", "a", None, now);
    assert!(tiny.find("s", "a", now).is_none(), "what is too large is not kept");
    assert_eq!(tiny.held.load(Ordering::Relaxed), 0);
}

#[test]
fn a_long_conversation_can_be_dropped() {
    let shelf = shelf(9, usize::MAX);
    let mut turn = None;
    for _ in 0..200_000 {
        turn = Some(shelf.turn(turn, told("a", Vec::new())));
    }

    drop(turn);

    assert_eq!(shelf.held.load(Ordering::Relaxed), 0);
}

#[test]
fn nothing_is_kept_where_a_limit_is_zero() {
    assert!(KeptLimits::default().any());
    for limits in [
        KeptLimits { count: 0, ..KeptLimits::default() },
        KeptLimits { bytes: 0, ..KeptLimits::default() },
        KeptLimits { time: Duration::ZERO, ..KeptLimits::default() },
    ] {
        assert!(!Shelf::new(limits).keeps());
    }
}
