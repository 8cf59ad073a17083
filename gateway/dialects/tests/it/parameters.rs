//! The tables of parameters say what happens.

use std::collections::HashSet;

use serde_json::{Map, Value};
use warp2api_dialects::parameters::{Parameter, Reference, Treatment, references};
use warp2api_dialects::{Accepted, Rejection, parameters_markdown};
use warp2api_proto::error::v1::ErrorReason;

use crate::dialects::{Tested, for_each_dialect};
use crate::support;

/// The plain request, with these fields put in.
fn accept<D: Tested>(example: &str) -> Result<Accepted<D::Plan>, Rejection> {
    let mut body: Map<String, Value> = serde_json::from_str(D::PLAIN).unwrap();
    let example: Map<String, Value> = serde_json::from_str(example).unwrap();
    body.extend(example);
    support::accept::<D>(&Value::Object(body).to_string())
}

fn table<D: Tested>() -> &'static [Parameter] {
    references().iter().find(|reference| reference.path == D::PATH).unwrap().parameters
}

fn treated_as_the_table_says<D: Tested>() {
    let plain = accept::<D>("{}").unwrap();
    for parameter in table::<D>() {
        let (name, result) = (parameter.name, accept::<D>(parameter.example));
        match parameter.treatment {
            Treatment::Honoured | Treatment::Enforced => {
                let accepted = result.unwrap();
                assert!(accepted.ignored.is_empty(), "{name} of {}", D::FILES);
                assert_ne!(format!("{accepted:?}"), format!("{plain:?}"), "{name} changes nothing");
            }
            Treatment::Refused => {
                let rejection = result.unwrap_err();
                assert_eq!(rejection.param.as_deref(), Some(name));
                assert_eq!(rejection.reason, ErrorReason::UnsupportedField, "{name}");
            }
            Treatment::Ignored => {
                let accepted = result.unwrap();
                assert_eq!(accepted.ignored, [name]);
                assert_eq!(accepted.ignored_header().unwrap(), name);
            }
        }
    }
}

#[test]
fn every_parameter_is_treated_as_the_table_says() {
    for_each_dialect!(treated_as_the_table_says());
}

fn takes_null<D: Tested>() {
    let plain: Map<String, Value> = serde_json::from_str(D::PLAIN).unwrap();
    let names: HashSet<&str> = table::<D>().iter().map(|parameter| first_segment(parameter.name)).collect();
    for name in names.into_iter().filter(|name| !plain.contains_key(*name)) {
        let accepted = accept::<D>(&format!(r#"{{"{name}":null}}"#)).unwrap();
        assert!(accepted.ignored.is_empty(), "{name} of {}", D::FILES);
    }
}

#[test]
fn null_is_taken_for_every_parameter_that_is_not_required() {
    for_each_dialect!(takes_null());
}

fn defaults_are_not_named<D: Tested>() {
    assert_eq!(accept::<D>(D::DEFAULTS).unwrap().ignored_header(), None, "{}", D::FILES);
}

#[test]
fn what_is_asked_for_by_default_is_not_named() {
    for_each_dialect!(defaults_are_not_named());
}

fn has_every_row<D: Tested>() {
    let names: HashSet<&str> = table::<D>().iter().map(|parameter| first_segment(parameter.name)).collect();
    for name in D::REFERENCE.split_whitespace() {
        assert!(names.contains(name), "{name} of {}", D::FILES);
    }
}

#[test]
fn every_parameter_of_the_references_has_a_row() {
    for_each_dialect!(has_every_row());
}

#[test]
fn the_markdown_has_a_line_for_every_row() {
    let markdown = parameters_markdown();

    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    let expected: usize = references().iter().map(|reference| reference.parameters.len() + 2).sum();
    assert_eq!(rows.len(), expected);
    assert!(markdown.contains("| `messages[].content[]` | refused |"), "{markdown}");
    for line in rows {
        assert_eq!(line.matches('|').count(), 4, "{line}");
    }
    for Reference { path, .. } in references() {
        assert!(markdown.contains(&format!("## `POST {path}`")), "{path}");
    }
}

fn first_segment(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap()
}
