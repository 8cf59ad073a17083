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
    /// The process it is about, where there are several.
    pub(super) part: Option<String>,
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) words: String,
    /// What to do about it.
    pub(super) cure: Option<String>,
}

impl Line {
    /// The same about the process `part`.
    pub(super) fn of(self, part: &str) -> Self {
        Self { part: Some(part.to_owned()), ..self }
    }

    pub(super) fn ok(name: &'static str, words: impl Into<String>) -> Self {
        Self { part: None, name, level: Level::Ok, words: words.into(), cure: None }
    }

    pub(super) fn warn(name: &'static str, words: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { part: None, name, level: Level::Warn, words: words.into(), cure: Some(cure.into()) }
    }

    pub(super) fn fail(name: &'static str, words: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { part: None, name, level: Level::Fail, words: words.into(), cure: Some(cure.into()) }
    }
}

/// Says what was found. Returns whether nothing failed, the saying neither; if `strict`, a warning is a failure.
pub(super) fn say(lines: &[Line], output: Output, strict: bool) -> bool {
    let well = is_well(lines, strict);
    let words = if output.json { format!("{}\n", as_json(lines, well)) } else { as_text(lines) };
    answer(words) && well
}

fn is_well(lines: &[Line], strict: bool) -> bool {
    lines.iter().all(|line| match line.level {
        Level::Ok => true,
        Level::Warn => !strict,
        Level::Fail => false,
    })
}

fn as_json(lines: &[Line], well: bool) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "part": line.part,
                "name": line.name,
                "level": line.level.name(),
                "message": line.words,
                "cure": line.cure,
            })
        })
        .collect();
    json!({ "ok": well, "checks": lines })
}

fn as_text(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let cure = line.cure.as_ref().map(|cure| format!("{:19}-> {cure}\n", "")).unwrap_or_default();
        let part = line.part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
        format!("{:<5} {:<12} {part}{}\n{cure}", line.level.name(), line.name, line.words)
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
        let of_one = [Line::ok("ready", "it is").of("gateway")];
        assert_eq!(as_text(&of_one), "ok    ready        gateway: it is\n");
    }

    #[test]
    fn what_is_doubtful_is_wrong_to_those_who_are_strict() {
        for (line, loose, strict) in [
            (Line::ok("a", "b"), true, true),
            (Line::warn("a", "b", "c"), true, false),
            (Line::fail("a", "b", "c"), false, false),
        ] {
            let lines = [line];
            assert_eq!((is_well(&lines, false), is_well(&lines, true)), (loose, strict));
        }
    }
}
