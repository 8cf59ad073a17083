//! What holds for any body of a request in every dialect.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use warp2api_dialects::Dialect;
use warp2api_proto::error::v1::ErrorReason;

use crate::dialects::{Tested, for_each_dialect};
use crate::support::accept;
use crate::support::json::any_json;

const KEYS: &[&str] = &["type", "role", "content", "text", "name", "mode", "tools", "function", "model"];
const WORDS: &[&str] = &["user", "text", "auto", "none", "function", "{}", "{", ""];

fn run<D: Dialect, S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::default();
    runner.run(strategy, check).unwrap_or_else(|error| panic!("{}: {error}", std::any::type_name::<D>()));
}

/// Holds a mapping to what every body has to come to: a request that asks something, or a reason.
pub(crate) fn mapped_or_rejected<D: Dialect>(body: &Value) -> Result<(), TestCaseError> {
    match accept::<D>(&body.to_string()) {
        Ok(accepted) => prop_assert!(!accepted.request.messages.is_empty()),
        Err(rejection) => {
            let reasons = [ErrorReason::InvalidField, ErrorReason::UnsupportedField];
            prop_assert!(reasons.contains(&rejection.reason), "{rejection}");
        }
    }
    Ok(())
}

fn any_value_may_stand_for_any_parameter<D: Tested>() {
    let names: Vec<&str> = D::REFERENCE.split_whitespace().collect();
    run::<D, _>(&(prop::sample::select(names), any_json(KEYS, WORDS)), |(name, value)| {
        let mut body: Value = serde_json::from_str(D::PLAIN).unwrap();
        body[name] = value;
        if let Err(rejection) = accept::<D>(&body.to_string()) {
            let param = rejection.param.unwrap();
            prop_assert!(param.starts_with(name), "{param} for {name}");
        }
        Ok(())
    });
}

fn any_bytes_are_read_or_rejected<D: Tested>() {
    run::<D, _>(&vec(any::<u8>(), 0..200), |bytes| {
        if let Err(rejection) = D::parse(&bytes) {
            prop_assert_eq!(rejection.reason, ErrorReason::InvalidField);
        }
        Ok(())
    });
}

fn a_body_that_was_cut_off_is_rejected<D: Tested>() {
    run::<D, _>(&(".*", any::<prop::sample::Index>()), |(text, cut)| {
        let mut body: Value = serde_json::from_str(D::PLAIN).unwrap();
        body["metadata"] = text.into();
        let body = body.to_string().into_bytes();

        let rejection = D::parse(&body[..cut.index(body.len())]).err().unwrap();

        prop_assert_eq!(rejection.reason, ErrorReason::InvalidField);
        Ok(())
    });
}

#[test]
fn a_parameter_of_any_value_is_taken_or_named() {
    for_each_dialect!(any_value_may_stand_for_any_parameter());
}

#[test]
fn bytes_of_any_kind_are_read_or_rejected() {
    for_each_dialect!(any_bytes_are_read_or_rejected());
}

#[test]
fn what_was_cut_off_is_rejected() {
    for_each_dialect!(a_body_that_was_cut_off_is_rejected());
}
