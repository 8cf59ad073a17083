//! The response object, whole at every stage: all keys of the reference, whether something is known of them or not.

use serde::Serialize;

use super::answer::Answer;
use super::item::{Stage, View};
use crate::error::{ErrorStyle, Problem};
use crate::usage::Tokens;

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// The response as JSON. `problem` is why it failed.
pub(super) fn json(answer: &Answer, status: Status, problem: Option<&Problem>) -> Vec<u8> {
    let message = problem.map(Problem::shown_message);
    let object = Object {
        id: &answer.id,
        object: "response",
        created_at: answer.created,
        status,
        background: false,
        error: problem
            .zip(message.as_deref())
            .map(|(problem, message)| Error { code: ErrorStyle::OpenAi.words(problem.reason).code, message }),
        incomplete_details: (status == Status::Incomplete)
            .then_some(IncompleteDetails { reason: "max_output_tokens" }),
        model: &answer.plan.model,
        output: output(answer, status),
        usage: answer.usage.filter(|_| status != Status::InProgress).map(Usage::from),
    };
    let mut json = serde_json::to_vec(&object).expect("writing to memory does not fail");
    // One object out of two: serde's own way of putting them together cannot pass JSON through.
    json.pop();
    json.push(b',');
    let echo = serde_json::to_vec(&answer.plan.echo).expect("writing to memory does not fail");
    json.extend_from_slice(&echo[1..]);
    json
}

/// The items of the response.
pub(super) fn output(answer: &Answer, status: Status) -> Vec<View<'_>> {
    let last = answer.items.len().saturating_sub(1);
    let output = answer.items.iter().enumerate().map(|(place, item)| {
        // What is still open when a turn fails stays as it is.
        let cut = place == last && (answer.cut || (status == Status::Failed && answer.is_open()));
        View(item, if cut { Stage::Cut } else { Stage::Done })
    });
    output.collect()
}

#[derive(Debug, Serialize)]
struct Object<'a> {
    id: &'a str,
    object: &'a str,
    created_at: i64,
    status: Status,
    background: bool,
    error: Option<Error<'a>>,
    incomplete_details: Option<IncompleteDetails<'a>>,
    model: &'a str,
    output: Vec<View<'a>>,
    usage: Option<Usage>,
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct IncompleteDetails<'a> {
    reason: &'a str,
}

/// Token counts. SDKs want every number, so details the upstream says nothing of are nothing.
#[derive(Debug, Serialize)]
struct Usage {
    input_tokens: i64,
    input_tokens_details: InputDetails,
    output_tokens: i64,
    output_tokens_details: OutputDetails,
    total_tokens: i64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: i64,
    cache_write_tokens: i64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: i64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.input,
            input_tokens_details: InputDetails {
                cached_tokens: tokens.cached.unwrap_or(0),
                cache_write_tokens: 0,
            },
            output_tokens: tokens.output,
            output_tokens_details: OutputDetails { reasoning_tokens: 0 },
            total_tokens: tokens.total(),
        }
    }
}
