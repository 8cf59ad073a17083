//! The names of tools. Tools of a namespace and tools that take text are functions to the upstream, under one name
//! each; calls of them go back as what they are.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

/// The namespace that tools without one are in.
const NO_NAMESPACE: &str = "functions";

/// The name that the model calls a tool by.
pub(super) fn flat<'n>(namespace: Option<&str>, name: &'n str) -> Cow<'n, str> {
    match namespace.map(|namespace| namespace.trim_end_matches('_')) {
        None | Some("" | NO_NAMESPACE) => name.into(),
        Some(namespace) => format!("{namespace}__{name}").into(),
    }
}

/// A tool as the caller offered it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origin {
    /// Whether it takes text rather than arguments.
    pub(super) custom: bool,
    /// The namespace it is in, as the caller wrote it.
    pub(super) namespace: Option<String>,
    /// Its name there.
    pub(super) name: String,
}

/// The tools, by the name that the model calls them by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origins(HashMap<String, Origin>);

impl Origins {
    pub(super) fn add(&mut self, flat: &str, origin: Origin) {
        self.0.insert(flat.to_owned(), origin);
    }

    /// The tool that the model means. Some models leave the namespace out; where only one tool can be meant, it is.
    pub(super) fn called(&self, flat: &str) -> Origin {
        let mut bare = self.0.values().filter(|origin| origin.name == flat);
        let only = || bare.next().filter(|_| bare.next().is_none());
        let known = self.0.get(flat).or_else(only).cloned();
        known.unwrap_or_else(|| Origin { name: flat.to_owned(), ..Origin::default() })
    }
}

/// The JSON Schema of what a tool that takes text is called with.
pub(super) const TEXT_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"input":{"type":"string","description":"The input of the tool, as it is."}},"#,
    r#""required":["input"],"additionalProperties":false}"#
);

/// A text as arguments.
pub(super) fn arguments_of_text(text: &str) -> String {
    serde_json::json!({ "input": text }).to_string()
}

/// The text that a tool was called with. Arguments of another shape are the text themselves.
pub(super) fn text_of_arguments(arguments_json: &str) -> String {
    match serde_json::from_str(arguments_json) {
        Ok(Value::Object(mut object)) if object.len() == 1 => match object.remove("input") {
            Some(Value::String(text)) => text,
            _ => arguments_json.to_owned(),
        },
        _ => arguments_json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_put_before_names() {
        let cases = [
            (None, "run"),
            (Some("functions"), "run"),
            (Some("__"), "run"),
            (Some("mcp__files"), "mcp__files__run"),
            (Some("mcp__files__"), "mcp__files__run"),
        ];
        for (namespace, expected) in cases {
            assert_eq!(flat(namespace, "run"), expected, "{namespace:?}");
        }
    }

    #[test]
    fn a_called_tool_is_the_one_that_was_offered() {
        let origin = |custom, namespace: Option<&str>, name: &str| Origin {
            custom,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let offered =
            [origin(true, None, "patch"), origin(false, Some("a"), "run"), origin(false, Some("b"), "run")];
        let offered = [&offered[..], &[origin(true, Some("b"), "stop")]].concat();
        let mut origins = Origins::default();
        for origin in &offered {
            origins.add(&flat(origin.namespace.as_deref(), &origin.name), origin.clone());
        }

        for origin in &offered {
            assert_eq!(origins.called(&flat(origin.namespace.as_deref(), &origin.name)), *origin);
        }
        assert_eq!(origins.called("stop"), offered[3], "only one can be meant");
        assert_eq!(origins.called("run"), origin(false, None, "run"), "two can be meant");
        origins.add("run", origin(false, None, "run"));
        origins.add("stop", origin(false, None, "stop"));
        assert_eq!(origins.called("stop"), origin(false, None, "stop"), "it was offered as such");
        assert_eq!(origins.called("other"), origin(false, None, "other"));
    }

    #[test]
    fn text_goes_in_and_comes_out_to_the_byte() {
        let text = "*** Begin \"Patch\"\n\\ \u{0} é";

        assert_eq!(text_of_arguments(&arguments_of_text(text)), text);
        for other in ["", "{}", "[1]", "{\"input\":1}", "{\"input\":\"a\",\"more\":1}", "not JSON"] {
            assert_eq!(text_of_arguments(other), other);
        }
    }
}
