//! Whether a streamed reply is whole: every chunk a chunk, the text complete to the byte, one reason of the end, then
//! `[DONE]`, then nothing.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

#[derive(Deserialize)]
struct Chunk<'a> {
    object: &'a str,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
    finish_reason: Option<&'a str>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

/// Checks the body of a reply that must say `text`.
///
/// # Errors
/// What is missing or wrong.
pub(crate) fn check(body: &[u8], text: &str) -> Result<(), String> {
    let body = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut missing = text;
    let (mut finished, mut done) = (false, false);
    let Some(frames) = body.strip_suffix("\n\n") else { return Err("the last frame is cut".to_owned()) };
    for frame in frames.split("\n\n") {
        let Some(data) = frame.strip_prefix("data: ") else { return Err(format!("no frame: {frame}")) };
        if done {
            return Err(format!("after the end: {frame}"));
        }
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|error| format!("{error}: {data}"))?;
        let [choice] = &chunk.choices[..] else { return Err(format!("not one choice: {data}")) };
        if chunk.object != "chat.completion.chunk" || finished {
            return Err(format!("out of place: {data}"));
        }
        let content = choice.delta.content.as_deref().unwrap_or_default();
        missing = missing.strip_prefix(content).ok_or_else(|| format!("wrong text: {data}"))?;
        match choice.finish_reason {
            None => {}
            Some("stop") => finished = true,
            Some(other) => return Err(format!("ended for {other}")),
        }
    }
    match (missing.is_empty(), finished, done) {
        (true, true, true) => Ok(()),
        (false, ..) => Err(format!("{} of {} bytes of text are missing", missing.len(), text.len())),
        _ => Err("the end is missing".to_owned()),
    }
}

/// Whether the beginning of a body holds some text already.
pub(crate) fn has_text(body: &[u8]) -> bool {
    const KEY: &[u8] = br#""content":""#;
    memmem::find_iter(body, KEY).any(|at| body.get(at + KEY.len()).is_some_and(|next| *next != b'"'))
}

/// A check that lets everything pass would make every measurement look good.
pub(crate) fn prove_the_check() {
    let chunk = |content: &str, reason: &str| {
        format!(
            "data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}},\
             \"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let done = "data: [DONE]\n\n".to_owned();
    let whole = [chunk("", "null"), chunk("a b", "null"), chunk("c", "null"), chunk("", "\"stop\""), done];
    assert_eq!(check(whole.concat().as_bytes(), "a bc"), Ok(()));
    for lost in 1..whole.len() {
        let rest: String =
            whole.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, s)| &**s).collect();
        assert!(check(rest.as_bytes(), "a bc").is_err(), "frame {lost} is lost and nobody noticed");
    }
    assert!(check(whole.concat().trim_end().as_bytes(), "a bc").is_err());
    assert!(check(whole.concat().as_bytes(), "a bcd").is_err());
    assert!(check(format!("{}{}", whole.concat(), whole[1]).as_bytes(), "a bc").is_err());
    assert!(!has_text(whole[0].as_bytes()) && has_text(whole[..2].concat().as_bytes()));
}
