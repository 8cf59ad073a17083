//! The tools of a request and the choice among them. Functions are passed on; tools of other types are run by
//! OpenAI's own servers, so there is nothing here to run them, and agents send them to anyone: they are left out and
//! named.

use std::collections::HashSet;

use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Tool as Mapped, ToolChoice as MappedChoice};

use super::ignored::Ignored;
use crate::chat::request::{AllowedTools, ChatCompletionRequest, Function, Named, Tool, ToolChoice};
use crate::json::{Object, Text, TextOrObject, read};
use crate::rejection::Rejection;

/// The functions among the tools, in their order, then those of the older `functions`.
pub(super) fn tools(
    request: &ChatCompletionRequest<'_>,
    ignored: &mut Ignored,
) -> Result<Vec<Mapped>, Rejection> {
    let mut functions = Functions::default();
    for (index, raw) in request.tools.iter().flat_map(|tools| &tools.0).enumerate() {
        let path = format!("tools[{index}]");
        let tool = read::<Object<Tool<'_>>>(raw.get().as_bytes());
        let Object(tool) = tool.map_err(|error| Rejection::read(&path, error))?;
        match tool.kind.as_ref().map(Text::as_str) {
            None | Some("function") => {
                // Some clients leave out the level of `function`.
                let (raw, inner) = match tool.function {
                    Some(function) => (function, format!("{path}.function")),
                    None => (*raw, path.clone()),
                };
                let function = read::<Object<Function<'_>>>(raw.get().as_bytes());
                let Object(function) = function.map_err(|error| Rejection::read(&inner, error))?;
                if tool.function.is_none() && function.name.is_none() {
                    return Err(Rejection::invalid(format!("{path}.function"), "expected an object"));
                }
                functions.add(&function, &inner, ignored)?;
            }
            Some(other) => ignored.note(&format!("tools.{other}")),
        }
    }
    for (index, Object(function)) in request.functions.iter().flat_map(|all| &all.0).enumerate() {
        functions.add(function, &format!("functions[{index}]"), ignored)?;
    }
    Ok(functions.mapped)
}

/// The functions so far.
#[derive(Debug, Default)]
struct Functions {
    mapped: Vec<Mapped>,
    names: HashSet<String>,
}

impl Functions {
    fn add(&mut self, function: &Function<'_>, path: &str, ignored: &mut Ignored) -> Result<(), Rejection> {
        let name = function.name.as_ref().map(Text::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(Rejection::invalid(format!("{path}.name"), "expected a string that is not empty"));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(Rejection::invalid(format!("{path}.name"), "another tool has the same name"));
        }
        let parameters_json = function.parameters.map_or("", |raw| raw.get());
        if !parameters_json.is_empty() && !parameters_json.starts_with('{') {
            return Err(Rejection::invalid(format!("{path}.parameters"), "expected an object"));
        }
        ignored.note_if(function.strict.is_some_and(|strict| strict.0), "tools.function.strict");
        let description = function.description.as_ref().map(Text::as_str).unwrap_or_default();
        self.mapped.push(Mapped {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters_json: parameters_json.to_owned(),
        });
        Ok(())
    }
}

/// The choice among the tools, `tool_choice` before the older `function_call`.
pub(super) fn tool_choice(
    request: &ChatCompletionRequest<'_>,
    tools: &[Mapped],
) -> Result<Option<MappedChoice>, Rejection> {
    match (&request.tool_choice, &request.function_call) {
        (Some(TextOrObject::Text(word)), _) => choice_word(word, "tool_choice").map(Some),
        (Some(TextOrObject::Object(choice)), _) => choice_object(choice, tools).map(Some),
        (None, Some(TextOrObject::Text(word))) => choice_word(word, "function_call").map(Some),
        (None, Some(TextOrObject::Object(Named { .. }))) => Err(forced("function_call")),
        (None, None) => Ok(None),
    }
}

fn choice_word(word: &str, path: &str) -> Result<MappedChoice, Rejection> {
    match word {
        "none" => Ok(choice(Mode::None, Vec::new())),
        "auto" => Ok(choice(Mode::Auto, Vec::new())),
        "required" | "any" => Err(forced(path)),
        _ => Err(Rejection::invalid(path, "expected none, auto, required or an object")),
    }
}

fn choice_object(object: &ToolChoice<'_>, tools: &[Mapped]) -> Result<MappedChoice, Rejection> {
    match object.kind.as_ref().map(Text::as_str) {
        Some("allowed_tools") => match &object.allowed_tools {
            Some(Object(allowed)) => allowed_tools(allowed, "tool_choice.allowed_tools", tools),
            None => allowed_tools(&object.flat, "tool_choice", tools),
        },
        Some(word @ ("none" | "auto" | "required" | "any")) => choice_word(word, "tool_choice"),
        Some(_) => Err(forced("tool_choice")),
        None => Err(Rejection::invalid("tool_choice.type", "expected a string")),
    }
}

fn allowed_tools(
    allowed: &AllowedTools<'_>,
    path: &str,
    tools: &[Mapped],
) -> Result<MappedChoice, Rejection> {
    match allowed.mode.as_ref().map(Text::as_str) {
        None | Some("auto") => {}
        Some("required") => return Err(forced("tool_choice")),
        Some(_) => return Err(Rejection::invalid(format!("{path}.mode"), "expected auto or required")),
    }
    let Some(list) = &allowed.tools else {
        return Err(Rejection::invalid(format!("{path}.tools"), "expected an array"));
    };
    let known: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut names = Vec::new();
    for (index, Object(tool)) in list.0.iter().enumerate() {
        // Tools of other types were left out already.
        if tool.kind.as_ref().is_some_and(|kind| kind.as_str() != "function") {
            continue;
        }
        let nested = tool.function.as_ref().and_then(|function| function.0.name.as_ref());
        let name = nested.or(tool.name.as_ref()).map(Text::as_str).unwrap_or_default();
        if !known.contains(name) {
            let path = format!("{path}.tools[{index}]");
            return Err(Rejection::invalid(path, "expected the name of one of the tools"));
        }
        names.push(name.to_owned());
    }
    // To the contract no names means all tools; here it means that none is allowed.
    let mode = if names.is_empty() { Mode::None } else { Mode::Auto };
    Ok(choice(mode, names))
}

fn choice(mode: Mode, tool_names: Vec<String>) -> MappedChoice {
    MappedChoice { mode: mode.into(), tool_names }
}

fn forced(path: &str) -> Rejection {
    Rejection::unsupported(path, "the upstream cannot be made to call a tool; use auto or none")
}
