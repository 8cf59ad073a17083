//! One stream beneath all dialects: the same conversation reaches the upstream as the same request, and answers,
//! failures, limits and leaving are the same but for their words.

mod alike;
mod completions;
mod kept;
mod limits;
pub(crate) mod messages;
mod responses;
mod speaker;
mod talk;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use warp2api_integration_tests::{House, received};

use self::speaker::conversing;
use self::talk::{Said, Talk, Turn, any_talk};

/// How many talks are tried.
const TALKS: usize = 64;

/// The lines of a talk as the upstream is to receive it, as far as text goes.
fn texts(talk: &Talk) -> Vec<String> {
    let mut lines = Vec::new();
    for turn in &talk.turns {
        match turn {
            Turn::User(said) => {
                let texts = said.iter().filter_map(|said| match said {
                    Said::Text(text) => Some(text.as_str()),
                    Said::Image(_) => None,
                });
                lines.push(format!("user {:?}", texts.collect::<Vec<_>>().join("\n")));
            }
            Turn::Assistant { text, calls } => {
                lines.extend((!text.is_empty()).then(|| format!("assistant {text:?}")));
                lines.extend(calls.iter().map(|call| format!("call {} {}", call.id, call.name)));
            }
            Turn::Results(results) => {
                lines.extend(results.iter().map(|result| {
                    let texts: Vec<_> = result.texts.iter().map(|text| format!("{text:?}")).collect();
                    format!("result {} {}", result.id, texts.join(" "))
                }));
            }
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn the_same_talk_reaches_the_upstream_as_the_same_request_in_every_dialect() {
    let house = House::start().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..TALKS {
        let talk = any_talk().new_tree(&mut runner).unwrap().current();
        let mut first = None;
        for speaker in conversing() {
            let body = (speaker.say)(&talk);
            let response = speaker.post(&house, &body).await;
            assert_eq!(response.status(), 200, "{}: {:?} to {body}", speaker.name, response.text().await);
            let request = house.last_request();
            let mut lines = received::conversation(&request);
            for line in &mut lines {
                *line = line.trim_start_matches("=> ").to_owned();
            }
            lines.sort();
            let expected = texts(&talk);
            assert_eq!(lines.len(), expected.len(), "{}: {lines:#?}\n{talk:#?}", speaker.name);
            for (line, expected) in lines.iter().zip(&expected) {
                assert!(line.starts_with(expected), "{}: {line} for {expected}", speaker.name);
            }
            let request = received::without_ids(request);
            let first = first.get_or_insert_with(|| request.clone());
            assert_eq!(*first, request, "{} says something else: {talk:#?}", speaker.name);
        }
    }
    house.close().await;
}
