//! The phrases that tell the embedded upstream what to answer.
//!
//! The crate's documentation lists them. Where several stand in one text, the one that comes first counts.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;

/// The name of a tool and the arguments it shall be called with.
pub(crate) type WantedCall<'a> = (&'a str, Map<String, Value>);

/// What a text asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command<'a> {
    /// Calls of tools, in their order, whether offered or not.
    CallTools(Vec<WantedCall<'a>>),
    /// Just this text.
    SayExactly(&'a str),
    /// Just this text, slowly.
    SaySlowly(&'a str),
    /// A stream for measurements.
    Stream { chunks: u32, bytes: usize, every: Duration },
    /// Nothing special.
    Nothing,
}

/// The most chunks that `stream` gives.
const MAX_CHUNKS: u32 = 100_000;
/// The most bytes in a chunk.
const MAX_BYTES: usize = 65_536;
/// The longest time between chunks.
const MAX_EVERY: Duration = Duration::from_secs(60);

/// What `text` asks for.
pub(crate) fn command(text: &str) -> Command<'_> {
    // Lower case in ASCII only keeps every offset.
    let lower = text.to_ascii_lowercase();
    let (first_call, calls) = calls(text, &lower);
    let rest_after = |phrase: &str| lower.find(phrase).map(|at| (at, rest_of(&text[at + phrase.len()..])));
    [
        first_call.map(|at| (at, Command::CallTools(calls))),
        rest_after("say exactly:").map(|(at, rest)| (at, Command::SayExactly(rest))),
        rest_after("say slowly:").map(|(at, rest)| (at, Command::SaySlowly(rest))),
        stream(&lower),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|(at, _)| *at)
    .map_or(Command::Nothing, |(_, command)| command)
}

/// Whether `text` asks for reasoning before the answer.
pub(crate) fn wants_reasoning(text: &str) -> bool {
    text.to_ascii_lowercase().contains("think first")
}

/// The rest of the message, without the white space that parts it from the phrase.
fn rest_of(text: &str) -> &str {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix([' ', '\n'])).unwrap_or(text)
}

/// Each `call the tool NAME with {json}`, and where the first one begins.
fn calls<'a>(text: &'a str, lower: &str) -> (Option<usize>, Vec<WantedCall<'a>>) {
    const PHRASE: &str = "call the tool ";
    let (mut first, mut calls, mut from) = (None, Vec::new(), 0);
    while let Some(at) = lower[from..].find(PHRASE).map(|at| from + at) {
        from = at + PHRASE.len();
        if let Some((name, arguments, len)) = call(&text[from..]) {
            calls.push((name, arguments));
            first = first.or(Some(at));
            from += len;
        }
    }
    (first, calls)
}

/// Reads `NAME with {json}`; gives the length of what it read.
fn call(text: &str) -> Option<(&str, Map<String, Value>, usize)> {
    let name_start = text.len() - text.trim_start().len();
    let name_end = name_start + text[name_start..].find(char::is_whitespace)?;
    let after_name = text[name_end..].trim_start();
    let json = after_name.strip_prefix("with").filter(|rest| rest.starts_with([' ', '\n', '\t', '{']))?;
    let mut objects = serde_json::Deserializer::from_str(json).into_iter::<Map<String, Value>>();
    let arguments = objects.next()?.ok().filter(json::fits)?;
    let name = text[name_start..name_end].trim_matches(['`', '"', '\'']);
    (!name.is_empty()).then(|| (name, arguments, text.len() - json.len() + objects.byte_offset()))
}

/// Reads `stream CHUNKS chunks of BYTES bytes every MILLIS ms`.
fn stream(lower: &str) -> Option<(usize, Command<'static>)> {
    lower.match_indices("stream ").find_map(|(at, phrase)| {
        let mut words = lower[at + phrase.len()..].split_ascii_whitespace();
        let chunks = words.next()?.parse().ok().filter(|chunks| (1..=MAX_CHUNKS).contains(chunks))?;
        expect(&mut words, ["chunks", "of"])?;
        let bytes = words.next()?.parse().ok().filter(|bytes| (1..=MAX_BYTES).contains(bytes))?;
        expect(&mut words, ["bytes", "every"])?;
        let every = Duration::from_millis(words.next()?.parse().ok()?);
        let unit = words.next()?.trim_end_matches(|c: char| !c.is_alphanumeric());
        (unit == "ms" && every <= MAX_EVERY).then_some((at, Command::Stream { chunks, bytes, every }))
    })
}

fn expect<'a, const N: usize>(words: &mut impl Iterator<Item = &'a str>, expected: [&str; N]) -> Option<()> {
    expected.into_iter().all(|word| words.next() == Some(word)).then_some(())
}

/// The length of the first piece of `text`: a word with the white space after it, or so many characters of one that
/// does not end.
pub(crate) fn piece_len(text: &str) -> usize {
    const LONGEST_WORD: usize = 16;
    let mut in_space = false;
    for (count, (at, character)) in text.char_indices().enumerate() {
        if (in_space && !character.is_whitespace()) || (!in_space && count == LONGEST_WORD) {
            return at;
        }
        in_space = character.is_whitespace();
    }
    text.len()
}

/// The pieces that [`piece_len`] cuts `text` into.
pub(crate) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(piece_len(text));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn calls_of(text: &str) -> Vec<(String, Value)> {
        match command(text) {
            Command::CallTools(calls) => {
                calls.into_iter().map(|(name, object)| (name.to_owned(), Value::Object(object))).collect()
            }
            Command::SayExactly(_) | Command::SaySlowly(_) | Command::Stream { .. } | Command::Nothing => {
                vec![]
            }
        }
    }

    #[test]
    fn calls_are_found_anywhere_in_the_text() {
        let weather = ("get_weather".to_owned(), json!({"city": "Paris"}));
        for (text, expected) in [
            (r#"call the tool get_weather with {"city":"Paris"}"#, vec![weather.clone()]),
            (
                "Pages of context.\n\nPlease call the tool get_weather with\n{\n \"city\": \"Paris\"\n}.\n",
                vec![weather.clone()],
            ),
            (r#"Call the tool `get_weather` with {"city":"Paris"} now"#, vec![weather.clone()]),
            (
                r#"call the tool a with {} and call the tool get_weather with {"city":"Paris"}"#,
                vec![("a".to_owned(), json!({})), weather],
            ),
            (
                r#"call the tool w with {"t":"} \" call the tool x with {}"}"#,
                vec![("w".to_owned(), json!({"t": "} \" call the tool x with {}"}))],
            ),
            ("call the tool NAME with {json}", vec![]),
            ("call the tool w with [1]", vec![]),
            ("call the tool w without {}", vec![]),
            ("call the tool w with {\"a\":", vec![]),
            ("call the tool ", vec![]),
        ] {
            assert_eq!(calls_of(text), expected, "{text}");
        }
    }

    #[test]
    fn arguments_keep_the_order_of_their_keys() {
        let Command::CallTools(calls) = command(r#"call the tool w with {"z":1,"a":2}"#) else {
            panic!("no call");
        };

        assert_eq!(serde_json::to_string(&calls[0].1).unwrap(), r#"{"z":1,"a":2}"#);
    }

    #[test]
    fn the_first_phrase_counts() {
        for (text, expected) in [
            ("context\nsay exactly: two\nlines ", Command::SayExactly("two\nlines ")),
            ("say exactly:\n  indented", Command::SayExactly("  indented")),
            ("Say exactly: call the tool a with {}", Command::SayExactly("call the tool a with {}")),
            ("say exactly:", Command::SayExactly("")),
            ("say slowly: a say exactly: b", Command::SaySlowly("a say exactly: b")),
            ("hello", Command::Nothing),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
        assert_eq!(calls_of(r#"call the tool a with {"q":"say exactly: b"}"#).len(), 1);
    }

    #[test]
    fn streams_for_measurements_have_limits() {
        let stream =
            |chunks, bytes, millis| Command::Stream { chunks, bytes, every: Duration::from_millis(millis) };
        for (text, expected) in [
            ("stream 100 chunks of 5 bytes every 0 ms", stream(100, 5, 0)),
            (
                "Please stream a reply: stream 3 chunks of 65536 bytes every 60000 ms.",
                stream(3, 65_536, 60_000),
            ),
            ("stream 0 chunks of 5 bytes every 0 ms", Command::Nothing),
            ("stream 1 chunks of 65537 bytes every 0 ms", Command::Nothing),
            ("stream 1 chunks of 5 bytes every 60001 ms", Command::Nothing),
            ("stream 1000000 chunks of 5 bytes every 1 ms", Command::Nothing),
            ("stream 5 chunks", Command::Nothing),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
    }

    #[test]
    fn pieces_are_words() {
        for (text, expected) in [
            ("one two  three", vec!["one ", "two  ", "three"]),
            ("  lead\n", vec!["  ", "lead\n"]),
            ("", vec![]),
            ("这是一个没有空格的很长很长很长的句子吧", vec!["这是一个没有空格的很长很长很长的", "句子吧"]),
        ] {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_loss(text in ".{0,200}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }

        #[test]
        fn any_text_is_understood(text in "(call the tool |say exactly:|stream | with |[{}\"a1 ]|.){0,20}") {
            command(&text);
        }
    }
}
