//! The tools of a request and the choice among them. Functions are passed on, tools that take text become functions of
//! one text, namespaces become part of the names. Tools that OpenAI's own servers run are left out and named.

use serde_json::value::RawValue;
use warp2api_proto::warp_chat::v1::ToolChoice as MappedChoice;
use warp2api_proto::warp_chat::v1::tool_choice::Mode;

use super::Offered;
use crate::checks::flag;
use crate::ignored::Ignored;
use crate::json::{List, Object, Text, TextOrObject, read};
use crate::rejection::Rejection;
use crate::responses::names::{Origin, Origins, TEXT_SCHEMA, flat};
use crate::responses::request::{AllowedTool, Fields, Format, Item, Tool, ToolChoice};
use crate::tools::{Function, Functions, choice, choice_of, forced};

/// The tools that the model may call, in their order: those of the request, then those that came with its items.
pub(super) fn tools(
    fields: &Fields<'_>,
    items: &[Item<'_>],
    ignored: &mut Ignored,
) -> Result<Offered, Rejection> {
    let mut adding = Adding { functions: Functions::default(), origins: Origins::default(), ignored };
    if let Some(raw) = fields.tools {
        let list = read::<List<&RawValue>>(raw.get().as_bytes());
        let List(list) = list.map_err(|error| Rejection::read("tools", error))?;
        adding.all(&list, "tools")?;
    }
    for (index, item) in items.iter().enumerate() {
        if let Item::Tools(list) = item {
            adding.all(list, &format!("input[{index}].tools"))?;
        }
    }
    Ok(Offered { tools: adding.functions.into_tools(), origins: adding.origins })
}

/// The namespace that tools are being read from.
#[derive(Debug, Clone, Copy)]
struct Namespace<'a> {
    name: &'a str,
    /// What is said of all its tools, until the first of them has said it.
    about: Option<&'a str>,
}

#[derive(Debug)]
struct Adding<'i> {
    functions: Functions,
    origins: Origins,
    ignored: &'i mut Ignored,
}

impl Adding<'_> {
    fn all(&mut self, list: &[&RawValue], path: &str) -> Result<(), Rejection> {
        for (index, raw) in list.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let tool = tool(raw, &path)?;
            if tool.kind.as_ref().map(Text::as_str) == Some("namespace") {
                self.namespace(&tool, &path)?;
            } else {
                self.tool(&tool, None, &path)?;
            }
        }
        Ok(())
    }

    fn namespace(&mut self, group: &Tool<'_>, path: &str) -> Result<(), Rejection> {
        let name = crate::checks::present(group.name.as_ref(), path, "name")?;
        let about = group.description.as_ref().map(Text::as_str).filter(|about| !about.is_empty());
        let mut namespace = Namespace { name, about };
        for (index, raw) in group.tools.iter().flat_map(|tools| &tools.0).enumerate() {
            let path = format!("{path}.tools[{index}]");
            self.tool(&tool(raw, &path)?, Some(namespace), &path)?;
            namespace.about = None;
        }
        Ok(())
    }

    fn tool(
        &mut self,
        tool: &Tool<'_>,
        namespace: Option<Namespace<'_>>,
        path: &str,
    ) -> Result<(), Rejection> {
        let custom = match tool.kind.as_ref().map(Text::as_str) {
            None | Some("function") => false,
            Some("custom") => true,
            Some(other) => {
                self.ignored.note(&format!("tools.{other}"));
                return Ok(());
            }
        };
        let name = tool.name.as_ref().map(Text::as_str).unwrap_or_default();
        let flat = if name.is_empty() { name.into() } else { flat(namespace.map(|group| group.name), name) };
        let schema = serde_json::from_str::<&RawValue>(TEXT_SCHEMA).ok();
        let function = Function {
            name: &flat,
            description: &self.description(tool, namespace, custom),
            parameters: if custom { schema } else { tool.parameters },
            parameters_key: "parameters",
        };
        self.functions.add(function, path)?;
        let namespace = namespace.map(|group| group.name.to_owned());
        self.origins.add(&flat, Origin { custom, namespace, name: name.to_owned() });
        self.ignored.note_if(flag(tool.strict), "tools.strict");
        Ok(())
    }

    /// The description, with what the upstream has no other place for.
    fn description(&mut self, tool: &Tool<'_>, namespace: Option<Namespace<'_>>, custom: bool) -> String {
        let mut description = String::new();
        if let Some(Namespace { name, about: Some(about) }) = namespace {
            let prefix = flat(Some(name), "");
            if !prefix.is_empty() {
                description = format!("About all tools whose names begin with {prefix}: {about}\n\n");
            }
        }
        description.push_str(tool.description.as_ref().map(Text::as_str).unwrap_or_default());
        let format = tool.format.as_ref().map(|Object(format)| format).filter(|_| custom);
        if let Some(Format { syntax, definition: Some(definition), .. }) = format {
            let syntax = syntax.as_ref().map(Text::as_str).unwrap_or("given");
            let definition = definition.as_str();
            description.push_str(&format!("\n\nThe input has to match this {syntax} grammar:\n{definition}"));
            self.ignored.note("tools.format");
        }
        description
    }
}

fn tool<'a>(raw: &'a RawValue, path: &str) -> Result<Tool<'a>, Rejection> {
    let tool = read::<Object<Tool<'_>>>(raw.get().as_bytes());
    tool.map(|Object(tool)| tool).map_err(|error| Rejection::read(path, error))
}

/// The choice among the tools.
pub(super) fn tool_choice(fields: &Fields<'_>, offered: &Offered) -> Result<Option<MappedChoice>, Rejection> {
    let Some(raw) = fields.tool_choice else { return Ok(None) };
    let given = read::<TextOrObject<'_, ToolChoice<'_>>>(raw.get().as_bytes());
    match given.map_err(|error| Rejection::read("tool_choice", error))? {
        TextOrObject::Text(word) => choice_word(&word).map(Some),
        TextOrObject::Object(object) => match object.kind.as_ref().map(Text::as_str) {
            Some("allowed_tools") => allowed_tools(&object, offered).map(Some),
            Some(word @ ("none" | "auto")) => choice_word(word).map(Some),
            Some(_) => Err(forced("tool_choice")),
            None => Err(Rejection::invalid("tool_choice.type", "expected a string")),
        },
    }
}

fn choice_word(word: &str) -> Result<MappedChoice, Rejection> {
    match word {
        "none" => Ok(choice(Mode::None, Vec::new())),
        "auto" => Ok(choice(Mode::Auto, Vec::new())),
        "required" => Err(forced("tool_choice")),
        _ => Err(Rejection::invalid("tool_choice", "expected none, auto, required or an object")),
    }
}

fn allowed_tools(allowed: &ToolChoice<'_>, offered: &Offered) -> Result<MappedChoice, Rejection> {
    match allowed.mode.as_ref().map(Text::as_str) {
        None | Some("auto") => {}
        Some("required") => return Err(forced("tool_choice")),
        Some(_) => return Err(Rejection::invalid("tool_choice.mode", "expected auto or required")),
    }
    let Some(list) = &allowed.tools else {
        return Err(Rejection::invalid("tool_choice.tools", "expected an array"));
    };
    let mut names = Vec::new();
    for (index, Object(AllowedTool { kind, namespace, name })) in list.0.iter().enumerate() {
        // Tools of other types were left out already.
        if !matches!(kind.as_ref().map(Text::as_str), None | Some("function" | "custom")) {
            continue;
        }
        let name = name.as_ref().map(Text::as_str).unwrap_or_default();
        let name = flat(namespace.as_ref().map(Text::as_str), name);
        if !offered.tools.iter().any(|tool| tool.name == name) {
            let path = format!("tool_choice.tools[{index}]");
            return Err(Rejection::invalid(path, "expected the name of one of the tools"));
        }
        names.push(name.into_owned());
    }
    Ok(choice_of(names))
}
