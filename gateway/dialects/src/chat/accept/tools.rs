//! The tools of a request and the choice among them. Functions are passed on; tools of other types are run by
//! OpenAI's own servers, so there is nothing here to run them, and agents send them to anyone: they are left out and
//! named.

use std::collections::HashSet;

use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Tool as Mapped, ToolChoice as MappedChoice};

use crate::chat::request::{AllowedTools, ChatCompletionRequest, Function, Named, Tool, ToolChoice};
use crate::checks::flag;
use crate::ignored::Ignored;
use crate::json::{Object, Text, TextOrObject, read};
use crate::rejection::Rejection;
use crate::tools::{self, Functions, choice, choice_of, forced};

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
                add(&mut functions, &function, &inner, ignored)?;
            }
            Some(other) => ignored.note(&format!("tools.{other}")),
        }
    }
    for (index, Object(function)) in request.functions.iter().flat_map(|all| &all.0).enumerate() {
        add(&mut functions, function, &format!("functions[{index}]"), ignored)?;
    }
    Ok(functions.into_tools())
}

fn add(
    functions: &mut Functions,
    function: &Function<'_>,
    path: &str,
    ignored: &mut Ignored,
) -> Result<(), Rejection> {
    let read = tools::Function {
        name: function.name.as_ref().map(Text::as_str).unwrap_or_default(),
        description: function.description.as_ref().map(Text::as_str).unwrap_or_default(),
        parameters: function.parameters,
        parameters_key: "parameters",
    };
    functions.add(read, path)?;
    ignored.note_if(flag(function.strict), "tools.function.strict");
    Ok(())
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
    Ok(choice_of(names))
}
