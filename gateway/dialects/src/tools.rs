//! What dialects have in common about tools: functions with names of their own, the choice among them, and the
//! arguments of calls.

use std::collections::HashSet;

use serde_json::value::RawValue;
use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Tool, ToolChoice};

use crate::json::{ReadError, Text, read};
use crate::rejection::Rejection;

/// The functions so far.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    mapped: Vec<Tool>,
    names: HashSet<String>,
}

/// A function as a dialect reads it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    /// The JSON Schema of the arguments, to the byte.
    pub(crate) parameters: Option<&'a RawValue>,
    /// What the dialect calls the schema.
    pub(crate) parameters_key: &'static str,
}

impl Functions {
    /// Adds the function at `path`.
    ///
    /// # Errors
    /// When it has no name, one that is taken, or a schema that is no object.
    pub(crate) fn add(&mut self, function: Function<'_>, path: &str) -> Result<(), Rejection> {
        let Function { name, description, parameters, parameters_key } = function;
        if name.is_empty() {
            return Err(Rejection::invalid(format!("{path}.name"), "expected a string that is not empty"));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(Rejection::invalid(format!("{path}.name"), "another tool has the same name"));
        }
        let parameters_json = parameters.map_or("", |raw| raw.get());
        if !parameters_json.is_empty() && !parameters_json.starts_with('{') {
            return Err(Rejection::invalid(format!("{path}.{parameters_key}"), "expected an object"));
        }
        self.mapped.push(Tool {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters_json: parameters_json.to_owned(),
        });
        Ok(())
    }

    /// The functions in their order.
    pub(crate) fn into_tools(self) -> Vec<Tool> {
        self.mapped
    }
}

/// A choice among the tools.
pub(crate) fn choice(mode: Mode, tool_names: Vec<String>) -> ToolChoice {
    ToolChoice { mode: mode.into(), tool_names }
}

/// A choice of some of the tools. To the contract no names means all of them; here it means that none is allowed.
pub(crate) fn choice_of(tool_names: Vec<String>) -> ToolChoice {
    choice(if tool_names.is_empty() { Mode::None } else { Mode::Auto }, tool_names)
}

/// A choice that demands a call.
pub(crate) fn forced(path: &str) -> Rejection {
    Rejection::unsupported(path, "the upstream cannot be made to call a tool; use auto or none")
}

/// The text of a call's arguments as the caller wrote it: a string of JSON, or from some clients the object itself.
/// Nothing at all stands for no arguments.
pub(crate) fn arguments(raw: Option<&RawValue>, path: &str) -> Result<String, Rejection> {
    let Some(raw) = raw else { return Ok("{}".to_owned()) };
    if raw.get().starts_with('{') {
        return Ok(raw.get().to_owned());
    }
    let Text(text) = read(raw.get().as_bytes()).map_err(|error| Rejection::read(path, error))?;
    if text.trim().is_empty() {
        return Ok("{}".to_owned());
    }
    match read::<&RawValue>(text.as_bytes()) {
        Ok(object) if object.get().starts_with('{') => Ok(text.into_owned()),
        Ok(_) => Err(Rejection::invalid(path, "expected the text of a JSON object")),
        Err(ReadError::Syntax(what) | ReadError::Shape { message: what, .. }) => {
            Err(Rejection::invalid(path, format!("expected the text of a JSON object: {what}")))
        }
    }
}
