//! `warp2api types`: what message types there are, and what is in one.

use std::fmt::Write as _;

use prost_reflect::{EnumDescriptor, Kind};
use warp2api_codec::{Field, MessageType, Naming, Schema, json_schema};

use super::failure::Failure;
use super::names::resolve;
use super::{line, output};

/// Lists the message types of the upstream's schema, or shows one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warp2api types | grep -i toolcall
  warp2api types Request.Settings
  warp2api types ResponseEvent --schema > response_event.schema.json")]
pub struct TypesArgs {
    /// The type to show: its full name, or as much of its end as tells it from others.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Show the JSON Schema of the type instead of its fields.
    #[arg(long, requires = "name")]
    schema: bool,
    /// In the JSON Schema, write names in camelCase.
    #[arg(long, requires = "schema")]
    camel: bool,
}

pub(super) fn run(args: &TypesArgs) -> Result<(), Failure> {
    let text = match &args.name {
        None => {
            let names = Schema::global().message_types().map(MessageType::full_name);
            names.collect::<Vec<_>>().join("\n")
        }
        Some(name) if args.schema => {
            let naming = if args.camel { Naming::Camel } else { Naming::Snake };
            format!("{:#}", json_schema::of(resolve(name)?, naming))
        }
        Some(name) => description(resolve(name)?),
    };
    let mut out = output::open(None)?;
    line(&mut out, &text)?;
    out.flush().map_err(Failure::Write)
}

/// The type as the schema language would write it, with the enums that its fields have.
fn description(message_type: &MessageType) -> String {
    let mut out = comment(&message_type.description(), "");
    let _written = writeln!(out, "message {} {{", message_type.full_name());
    let fields = message_type.fields();
    let mut shown = Vec::new();
    for field in &fields {
        match &field.oneof {
            None => out.push_str(&declaration(field, "  ")),
            Some(oneof) if shown.contains(&oneof) => {}
            // All members stand where the first one does.
            Some(oneof) => {
                shown.push(oneof);
                let members = fields.iter().filter(|member| member.oneof.as_ref() == Some(oneof));
                let members: String = members.map(|member| declaration(member, "    ")).collect();
                let _written = write!(out, "  oneof {oneof} {{\n{members}  }}\n");
            }
        }
    }
    out.push('}');
    for enumeration in enums(message_type) {
        let _written = write!(out, "\n\nenum {} {{\n", enumeration.full_name());
        for value in enumeration.values() {
            let _written = writeln!(out, "  {} = {};", value.name(), value.number());
        }
        out.push('}');
    }
    out
}

fn declaration(field: &Field, indent: &str) -> String {
    let Field { name, type_name, number, description, .. } = field;
    let repeated = if field.repeated { "repeated " } else { "" };
    let deprecated = if field.deprecated { " [deprecated = true]" } else { "" };
    format!("{}{indent}{repeated}{type_name} {name} = {number}{deprecated};\n", comment(description, indent))
}

fn comment(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{}\n", format!("{indent}// {line}").trim_end())).collect()
}

/// The enums of a type's fields, each once, in the order of the fields.
fn enums(message_type: &MessageType) -> Vec<EnumDescriptor> {
    let mut found: Vec<EnumDescriptor> = Vec::new();
    for field in message_type.descriptor().fields() {
        if let Kind::Enum(enumeration) = field.kind()
            && !found.contains(&enumeration)
        {
            found.push(enumeration);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_shown_as_the_schema_has_it() {
        let text = description(resolve("Request.Input").unwrap());

        assert!(text.contains("message warp.multi_agent.v1.Request.Input {\n"));
        assert!(text.contains(
            "  // The surroundings of the input.\n  warp.multi_agent.v1.InputContext context = 1;\n"
        ));
        assert!(text.contains("  oneof type {\n    // An older direct form of a query.\n"));
        assert!(text.contains(" user_query = 2 [deprecated = true];\n"));
        assert_eq!(text.matches("oneof type").count(), 1);
        assert!(text.ends_with('}'));
    }

    #[test]
    fn the_values_of_its_enums_are_shown_too() {
        let text = description(resolve("Request.Settings").unwrap());

        assert_eq!(
            text.matches("enum warp.multi_agent.v1.ToolType {\n  RUN_SHELL_COMMAND = 0;\n").count(),
            1
        );
    }

    #[test]
    fn every_type_can_be_shown() {
        for message_type in Schema::global().message_types() {
            let text = description(message_type);
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
            for field in message_type.fields() {
                assert!(text.contains(&format!(" {} = {}", field.name, field.number)));
            }
        }
    }
}
