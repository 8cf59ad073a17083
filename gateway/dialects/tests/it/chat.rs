//! Chat completions.

mod properties;
mod refused;
mod requests;
mod rules;
pub(crate) mod strict;

use warp2api_dialects::chat::{AnswerHead, CallStyle, Collector, Plan};
use warp2api_dialects::{Accepted, Fold as _, Problem, Rejection};

use crate::support::script::Script;

/// Reads a body and takes it on, with nothing fetched.
fn accept(body: &str) -> Result<Accepted<Plan>, Rejection> {
    crate::support::accept::<warp2api_dialects::chat::ChatCompletions>(body)
}

/// The head of an answer in tests.
fn head() -> AnswerHead {
    AnswerHead {
        id: "chatcmpl-1".to_owned(),
        unique: "1".to_owned(),
        created: 1_700_000_000,
        model: "gpt-5".to_owned(),
        include_usage: false,
        call_style: CallStyle::Tools,
    }
}

/// What the collector makes of a script.
fn collect(script: &Script, head: AnswerHead) -> Result<Vec<u8>, Problem> {
    let mut collector = Collector::new(head);
    for event in &script.events {
        collector.step(&crate::support::script::response(event.clone()))?;
    }
    collector.finish(script.outcome.clone())
}
