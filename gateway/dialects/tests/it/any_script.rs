//! What holds for any script of events in every dialect.

use proptest::prelude::*;
use serde_json::Value;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;

use crate::dialects::{Tested, for_each_dialect};
use crate::support::script::any_script;

fn run<D: Tested>(check: impl Fn(crate::support::script::Script, D::Plan) -> Result<(), TestCaseError>) {
    let mut runner = proptest::test_runner::TestRunner::default();
    let strategy = (any_script(), D::any_plan());
    runner
        .run(&strategy, |(script, plan)| check(script, plan))
        .unwrap_or_else(|error| panic!("{}: {error}", D::FILES));
}

fn any_script_gives_a_valid_stream<D: Tested>() {
    run::<D>(|script, plan| {
        let bytes = script.stream::<D>(plan.clone());
        let (_, end) = D::read_stream(&bytes, &plan).map_err(TestCaseError::fail)?;

        let finished = script.events.iter().any(|event| matches!(event, Event::Finished(_)));
        prop_assert_eq!(end.is_ok(), finished && script.outcome.is_ok());
        Ok(())
    });
}

fn a_stream_and_the_whole_are_the_same_answer<D: Tested>() {
    run::<D>(|script, plan| {
        let telling = D::telling_all(plan.clone());
        let streamed = script.stream::<D>(telling.clone());
        let (streamed, end) = D::read_stream(&streamed, &telling).map_err(TestCaseError::fail)?;

        match script.collect::<D>(plan.clone()) {
            Ok(whole) => {
                prop_assert_eq!(end, Ok(()));
                prop_assert_eq!(streamed, D::read_whole(&whole, &plan).map_err(TestCaseError::fail)?);
            }
            Err(problem) => {
                let body: Value = serde_json::from_slice(&problem.body(D::ERRORS)).unwrap();
                prop_assert_eq!(&end.unwrap_err()["message"], &body["error"]["message"]);
            }
        }
        Ok(())
    });
}

#[test]
fn streams_of_all_dialects_are_valid() {
    for_each_dialect!(any_script_gives_a_valid_stream());
}

#[test]
fn what_is_streamed_is_what_comes_whole_in_all_dialects() {
    for_each_dialect!(a_stream_and_the_whole_are_the_same_answer());
}
