//! What was found, a line each: how it is, and what cures it.

use serde_json::{Value, json};

use super::Output;
use crate::say::answer;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) words: String,
    /// What to do about it.
    pub(super) cure: Option<String>,
}

impl Line {
    pub(super) fn ok(name: &'static str, words: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, words: words.into(), cure: None }
    }

    pub(super) fn warn(name: &'static str, words: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, level: Level::Warn, words: words.into(), cure: Some(cure.into()) }
    }

    pub(super) fn fail(name: &'static str, words: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, level: Level::Fail, words: words.into(), cure: Some(cure.into()) }
    }
}

/// Says what was found. Returns whether nothing failed, the saying neither.
pub(super) fn say(lines: &[Line], output: Output) -> bool {
    let well = lines.iter().all(|line| line.level != Level::Fail);
    let words = if output.json { format!("{}\n", as_json(lines, well)) } else { as_text(lines) };
    answer(words) && well
}

fn as_json(lines: &[Line], well: bool) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({ "name": line.name, "level": line.level.name(), "message": line.words, "cure": line.cure })
        })
        .collect();
    json!({ "ok": well, "checks": lines })
}

fn as_text(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let cure = line.cure.as_ref().map(|cure| format!("{:19}-> {cure}\n", "")).unwrap_or_default();
        format!("{:<5} {:<12} {}\n{cure}", line.level.name(), line.name, line.words)
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs_are_told_the_same() {
        let lines = [Line::ok("codec", "as ever"), Line::fail("store", "it is sealed", "give the key")];

        assert_eq!(
            as_text(&lines),
            "ok    codec        as ever\nfail  store        it is sealed\n                   -> give the key\n"
        );
        let told = as_json(&lines, false);
        assert_eq!(told["ok"], false);
        assert_eq!(told["checks"][1]["cure"], "give the key");
        assert_eq!(told["checks"][0]["level"], "ok");
    }
}
