use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use proptest::prelude::*;

use super::*;
use crate::schema::{MessageType, Schema};
use crate::transcode::Options;

/// `{"init": {"conversation_id": "c1", "request_id": "r1"}}`, and that message with one byte less.
const INIT: &[u8] = &[10, 8, 10, 2, b'c', b'1', 18, 2, b'r', b'1'];
const INIT_JSON: &str = r#"{"init":{"conversation_id":"c1","request_id":"r1"}}"#;
const LIMIT: usize = 100;

/// What a frame came to: its range, and its JSON or what was wrong.
type Outcome = ((u64, u64), Result<String, FaultKind>);

fn event_type() -> &'static MessageType {
    Schema::global().message_type("warp.multi_agent.v1.ResponseEvent").unwrap()
}

/// What becomes of the pieces, and the splitter at the end.
fn split<'a>(
    framing: Option<Framing>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Outcome>, Splitter) {
    let mut splitter = Splitter::with_limit(framing, LIMIT);
    let mut outcomes = Vec::new();
    let mut take = |frame: Frame| {
        assert_eq!(frame.index, outcomes.len() as u64);
        let decoded = frame.decode(event_type(), Options::default());
        let json = decoded.map(|decoded| decoded.json).map_err(|fault| fault.kind);
        outcomes.push(((frame.range.start, frame.range.end), json));
    };
    for mut piece in pieces {
        while let Some(frame) = splitter.next(&mut piece) {
            take(frame);
        }
        assert!(piece.is_empty() || splitter.is_lost());
    }
    while let Some(frame) = splitter.finish() {
        take(frame);
    }
    (outcomes, splitter)
}

fn outcomes(framing: Option<Framing>, bytes: &[u8]) -> Vec<Outcome> {
    split(framing, [bytes]).0
}

fn init() -> Result<String, FaultKind> {
    Ok(INIT_JSON.to_owned())
}

#[test]
fn events_are_found_in_any_legal_form() {
    let data = URL_SAFE.encode(INIT);
    let len = data.len() as u64;
    for (before, after, range) in [
        ("event:data\ndata:", "\n\n", (0, 16 + len)),
        ("data: ", "\r\n\r\n", (0, 6 + len)),
        ("data:\"", "\"\r\r", (0, 7 + len)),
        (": a comment\n\n: another\nid: 7\ndata:", "\n: and one\n\n", (23, 34 + len)),
        ("\n\n\ndata:", "\nretry: 5\n\n", (3, 17 + len)),
        ("\u{feff}data:", "\n\n", (0, 8 + len)),
        ("data:\ndata: ", "\ndata\n\n", (0, 17 + len)),
        // Without its blank line.
        ("data:", "\n", (0, 5 + len)),
        ("data:", "", (0, 5 + len)),
    ] {
        let text = format!("{before}{data}{after}");
        for framing in [None, Some(Framing::Sse)] {
            assert_eq!(outcomes(framing, text.as_bytes()), [(range, init())], "{text:?}");
        }
    }
}

#[test]
fn what_is_no_event_is_no_frame() {
    for text in [
        "",
        "\n\n",
        ": ping\n\n: ping\n\n",
        "event: x\n\nid: 5\n\n",
        "database: x\n\n",
        "data: [DONE]\n\n",
        "data:[DONE]",
    ] {
        let (outcomes, splitter) = split(Some(Framing::Sse), [text.as_bytes()]);

        assert_eq!(outcomes, [], "{text:?}");
        assert_eq!(splitter.saw_done_marker(), text.contains("DONE"));
        assert_eq!(splitter.bytes(), text.len() as u64);
    }
}

#[test]
fn a_frame_that_cannot_be_decoded_does_not_end_the_stream() {
    let good = URL_SAFE.encode(INIT);
    let cut = URL_SAFE.encode(&INIT[..9]);
    let long = "x".repeat(LIMIT);
    let text = format!("data:{good}\n\ndata:?\n\ndata:{cut}\n\ndata:{long}\n\ndata:{good}\n\ndata:{cut}");

    let kinds: Vec<_> = outcomes(None, text.as_bytes()).into_iter().map(|(_, outcome)| outcome).collect();

    let fault = |kind| Err(kind);
    assert_eq!(
        kinds,
        [
            init(),
            fault(FaultKind::NotBase64),
            fault(FaultKind::MalformedMessage),
            fault(FaultKind::TooLarge),
            init(),
            fault(FaultKind::Incomplete),
        ]
    );
}

#[test]
fn faults_say_where_in_the_message_they_are() {
    let mut splitter = Splitter::new(None);
    let frame = splitter.next(&mut &[5, 10, 3, 10, 9, b'c'][..]).unwrap();

    let fault = frame.decode(event_type(), Options::default()).unwrap_err();

    assert_eq!((fault.kind, fault.path()), (FaultKind::MalformedMessage, "init.conversation_id"));
    assert_eq!(fault.message_position(), Some(3));
    assert_eq!(fault.to_string(), "init.conversation_id at 3: the bytes end in the middle of a field");
}

#[test]
fn messages_with_lengths_are_found() {
    let bytes = [&[10][..], INIT, &[0], &[10], INIT].concat();

    let (outcomes, splitter) = split(None, [&bytes[..]]);

    assert_eq!(outcomes, [((0, 11), init()), ((11, 12), Ok("{}".to_owned())), ((12, 23), init())]);
    assert_eq!((splitter.frames(), splitter.bytes()), (3, 23));
    assert_eq!(splitter.framing(), Some(Framing::LengthDelimited));
}

#[test]
fn a_length_that_cannot_be_met_is_a_fault() {
    use FaultKind::{FramingLost, Incomplete, TooLarge};
    let too_large = [&[101][..], &[0; 101], &[10], INIT].concat();
    let never_there = [&[0xff; 9][..], &[1, 0, 0]].concat();
    for (bytes, expected) in [
        (&too_large[..], vec![((0, 102), Err(TooLarge)), ((102, 113), init())]),
        (&never_there, vec![((0, i64::MAX as u64), Err(TooLarge))]),
        (&[10, 10, 8], vec![((0, 3), Err(Incomplete))]),
        (&[0x8a], vec![((0, 1), Err(Incomplete))]),
        (
            &[10, 10, 8, 10, 2, b'c', b'1', 18, 2, b'r', b'1', 3],
            vec![((0, 11), init()), ((11, 12), Err(Incomplete))],
        ),
        (&[0xff; 40], vec![((0, 9), Err(FramingLost))]),
    ] {
        assert_eq!(outcomes(Some(Framing::LengthDelimited), bytes), expected);
    }
    assert!(split(None, [&[0xff; 40][..]]).1.is_lost());
}

#[test]
fn comments_do_not_count_towards_the_size_of_an_event() {
    let text = format!(": {}\ndata:{}\n: {}\n\n", "x".repeat(500), URL_SAFE.encode(INIT), "y".repeat(90));

    let found = outcomes(Some(Framing::Sse), text.as_bytes());

    assert_eq!(found, [((503, 524), init())]);
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut splitter = Splitter::with_limit(Some(Framing::Sse), LIMIT);
    for _ in 0..10_000 {
        assert!(splitter.next(&mut &b"data:xxxxxxxxxxxxxxxxxxxx"[..]).is_none());
        assert!(format!("{splitter:?}").len() < 2_000);
    }
    // An announced length takes no room before its bytes are there.
    let mut splitter = Splitter::new(Some(Framing::LengthDelimited));
    let announced = [0x80, 0x80, 0x80, 0x08, 1, 2, 3];
    assert!(splitter.next(&mut &announced[..]).is_none());
    let Some(Reader::Delimited(delimited)) = splitter.reader else { panic!() };
    assert!(delimited.room() <= 64 * 1024);
}

/// Parts of a stream of events, good and bad.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let data = URL_SAFE.encode(INIT);
    let parts: Vec<Vec<u8>> = vec![
        format!("data:{data}").into_bytes(),
        format!("event:data\ndata: {data}").into_bytes(),
        b"data:[DONE]".to_vec(),
        b"data:".to_vec(),
        b"data: ?".to_vec(),
        b": comment".to_vec(),
        b":".repeat(120),
        b"x".repeat(60),
        b"data:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:xxxxxx".to_vec(),
        b"id: 1".to_vec(),
        b"\xef\xbb\xbf".to_vec(),
        vec![0xff],
        [&[10][..], INIT].concat(),
        vec![101],
        vec![0],
    ];
    let end = prop::sample::select(vec!["", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\r\r", "\n\r\n"]);
    (prop::sample::select(parts), end).prop_map(|(part, end)| [&part[..], end.as_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_the_bytes_gives_the_same_frames(
        parts in prop::collection::vec(part(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        framing in prop::sample::select(vec![None, Some(Framing::Sse), Some(Framing::LengthDelimited)]),
    ) {
        let bytes = parts.concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (expected, whole) = split(framing, [&bytes[..]]);

        let (in_pieces, pieces) = split(framing, cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]));
        let (one_by_one, ones) = split(framing, bytes.chunks(1));

        prop_assert_eq!(&in_pieces, &expected);
        prop_assert_eq!(&one_by_one, &expected);
        for other in [pieces, ones] {
            prop_assert_eq!(other.framing(), whole.framing());
            prop_assert_eq!(other.saw_done_marker(), whole.saw_done_marker());
            prop_assert_eq!(other.bytes(), whole.bytes());
        }
        // Frames stand one behind the other.
        let ends: Vec<_> = expected.iter().flat_map(|((start, end), _)| [*start, *end]).collect();
        prop_assert!(ends.is_sorted(), "{ends:?}");
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for framing in [None, Some(Framing::Sse), Some(Framing::LengthDelimited)] {
            let (outcomes, _) = split(framing, [&bytes[..]]);
            prop_assert!(outcomes.len() <= bytes.len());
        }
    }
}
