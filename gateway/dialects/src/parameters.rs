//! Every parameter of the references and what becomes of it, one table a dialect. docs/parameters.md is generated from
//! them, and a test sends every example through the mapping and holds the tables to what happens.

use std::fmt::Write as _;

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is passed on and has its effect.
    Honoured,
    /// The upstream does not know it; Warp2Api sees to it.
    Enforced,
    /// A request that asks for it is rejected, since silence would give a wrong answer.
    Refused,
    /// It has no effect, and the `x-warp2api-ignored` header names it.
    Ignored,
}

impl Treatment {
    /// The word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Enforced => "enforced",
            Self::Refused => "refused",
            Self::Ignored => "ignored",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// The name, below other parameters with dots. The `ignored` header uses the same.
    pub name: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// How, and in which cases.
    pub note: &'static str,
    /// What a request adds to ask for it: the text of a JSON object.
    pub example: &'static str,
}

/// It is passed on.
pub(crate) const fn honoured(name: &'static str, note: &'static str, example: &'static str) -> Parameter {
    Parameter { name, treatment: Treatment::Honoured, note, example }
}

/// It is seen to here.
pub(crate) const fn enforced(name: &'static str, note: &'static str, example: &'static str) -> Parameter {
    Parameter { name, treatment: Treatment::Enforced, note, example }
}

/// It is refused.
pub(crate) const fn refused(name: &'static str, note: &'static str, example: &'static str) -> Parameter {
    Parameter { name, treatment: Treatment::Refused, note, example }
}

/// It is named and has no effect.
pub(crate) const fn ignored(name: &'static str, note: &'static str, example: &'static str) -> Parameter {
    Parameter { name, treatment: Treatment::Ignored, note, example }
}

/// The tables as Markdown, for docs/parameters.md: a chapter a dialect.
pub fn parameters_markdown() -> String {
    let mut text = String::new();
    for Reference { path, parameters } in references() {
        writeln!(text, "## `POST {path}`\n").expect("writing to memory does not fail");
        text.push_str("| parameter | what becomes of it | when and how |\n| --- | --- | --- |\n");
        for Parameter { name, treatment, note, .. } in *parameters {
            let name = name.replace("[0]", "[]");
            writeln!(text, "| `{name}` | {} | {note} |", treatment.word())
                .expect("writing to memory does not fail");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len() + 1);
    text
}

/// The parameters of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// Where they are sent.
    pub path: &'static str,
    /// Every one, honoured ones first.
    pub parameters: &'static [Parameter],
}

/// The references of all dialects.
pub fn references() -> &'static [Reference] {
    &[
        Reference { path: "/v1/chat/completions", parameters: crate::chat::PARAMETERS },
        Reference { path: "/v1/responses", parameters: crate::responses::PARAMETERS },
        Reference { path: "/v1/completions", parameters: crate::completions::PARAMETERS },
        Reference { path: "/v1/messages", parameters: crate::messages::PARAMETERS },
    ]
}
