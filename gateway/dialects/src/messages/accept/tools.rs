//! The tools of a request and the choice among them. Tools that the caller describes are passed on; those that Anthropic
//! defines, by a type of their own, mean nothing to the upstream: they are left out and named.

use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::{Tool as Mapped, ToolChoice as MappedChoice};

use crate::checks::flag;
use crate::ignored::Ignored;
use crate::json::{Object, Text, read};
use crate::messages::request::{MessagesRequest, Tool};
use crate::rejection::Rejection;
use crate::tools::{self, Function, Functions, forced};

/// The caller's tools in their order.
pub(super) fn tools(request: &MessagesRequest<'_>, ignored: &mut Ignored) -> Result<Vec<Mapped>, Rejection> {
    let mut functions = Functions::default();
    for (index, raw) in request.tools.iter().flat_map(|tools| &tools.0).enumerate() {
        let path = format!("tools[{index}]");
        let tool = read::<Object<Tool<'_>>>(raw.get().as_bytes());
        let Object(tool) = tool.map_err(|error| Rejection::read(&path, error))?;
        match tool.kind.as_ref().map(Text::as_str) {
            None | Some("custom") => {
                let function = Function {
                    name: tool.name.as_ref().map(Text::as_str).unwrap_or_default(),
                    description: tool.description.as_ref().map(Text::as_str).unwrap_or_default(),
                    parameters: tool.input_schema,
                    parameters_key: "input_schema",
                };
                functions.add(function, &path)?;
                ignored.note_if(flag(tool.strict), "tools.strict");
                ignored.note_if(flag(tool.defer_loading), "tools.defer_loading");
                ignored.note_if(tool.cache_control.is_some(), "cache_control");
            }
            Some(other) => ignored.note(&format!("tools.{other}")),
        }
    }
    Ok(functions.into_tools())
}

/// The choice among the tools, and whether several may be called at once.
pub(super) fn choice(
    request: &MessagesRequest<'_>,
) -> Result<(Option<MappedChoice>, Option<bool>), Rejection> {
    let Some(Object(choice)) = &request.tool_choice else { return Ok((None, None)) };
    let parallel = choice.disable_parallel_tool_use.map(|disable| !disable.0);
    let mode = match choice.kind.as_ref().map(Text::as_str) {
        Some("auto") => Mode::Auto,
        Some("none") => Mode::None,
        Some("any" | "tool") => return Err(forced("tool_choice")),
        Some(_) => return Err(Rejection::invalid("tool_choice.type", "expected auto, any, tool or none")),
        None => return Err(Rejection::invalid("tool_choice.type", "expected a string")),
    };
    Ok((Some(tools::choice(mode, Vec::new())), parallel))
}
