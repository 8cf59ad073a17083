//! The plain checks of single fields.

use std::ops::RangeInclusive;

use crate::json::{Flag, Integer, Real, Text, TextOrList};
use crate::rejection::Rejection;

/// Whether a flag is there and set.
pub(crate) fn flag(flag: Option<Flag>) -> bool {
    flag.is_some_and(|flag| flag.0)
}

/// That an integer, if there is one, is in its range.
pub(crate) fn integer(
    value: Option<Integer>,
    param: &str,
    range: RangeInclusive<i64>,
) -> Result<(), Rejection> {
    let Some(Integer(value)) = value.filter(|value| !range.contains(&value.0)) else { return Ok(()) };
    let (least, most) = range.into_inner();
    Err(Rejection::invalid(
        param,
        if value < least { format!("expected at least {least}") } else { format!("expected at most {most}") },
    ))
}

/// That a number, if there is one, is in its range.
pub(crate) fn real(value: Option<Real>, param: &str, range: RangeInclusive<f64>) -> Result<(), Rejection> {
    if value.is_none_or(|value| range.contains(&value.0)) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Rejection::invalid(param, format!("expected a number from {least} to {most}")))
}

/// Whether a number asks for something other than what is usual.
pub(crate) fn other(real: Option<Real>, usual: f64) -> bool {
    real.is_some_and(|real| real.0 != usual)
}

/// Whether a word asks for something other than what is usual.
pub(crate) fn word(text: &Option<Text<'_>>, usual: &[&str]) -> bool {
    text.as_ref().is_some_and(|text| !usual.contains(&text.as_str()))
}

/// A text that has to be there and say something.
pub(crate) fn present<'t>(text: Option<&'t Text<'_>>, path: &str, key: &str) -> Result<&'t str, Rejection> {
    let text = text.map(Text::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Rejection::invalid(format!("{path}.{key}"), "expected a string that is not empty"))
}

const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// How hard the model is to think, as the contract says it; empty where nothing is asked for.
pub(crate) fn effort<'t>(effort: Option<&'t Text<'_>>, param: &str) -> Result<&'t str, Rejection> {
    let word = effort.map(Text::as_str).unwrap_or_default();
    if effort.is_some() && !EFFORTS.contains(&word) {
        return Err(Rejection::invalid(param, format!("expected one of {}", EFFORTS.join(", "))));
    }
    Ok(word)
}

/// The model as the caller named it, or the one the contract takes an empty name for.
pub(crate) fn named_model<'t>(model: Option<&'t Text<'_>>) -> &'t str {
    model.map(Text::as_str).filter(|model| !model.is_empty()).unwrap_or("auto")
}

/// OpenAI's own bound.
const MAX_STOP_SEQUENCES: usize = 4;

/// The texts that end an answer, one or a few.
pub(crate) fn stop_sequences(stop: Option<&TextOrList<'_, Text<'_>>>) -> Result<Vec<String>, Rejection> {
    let texts: Vec<String> = match stop {
        None => Vec::new(),
        Some(TextOrList::Text(text)) => vec![text.to_string()],
        Some(TextOrList::List(texts)) => texts.iter().map(|text| text.as_str().to_owned()).collect(),
    };
    if texts.len() > MAX_STOP_SEQUENCES {
        return Err(Rejection::invalid("stop", format!("expected at most {MAX_STOP_SEQUENCES} strings")));
    }
    if texts.iter().any(String::is_empty) {
        return Err(Rejection::invalid("stop", "expected strings that are not empty"));
    }
    Ok(texts)
}
