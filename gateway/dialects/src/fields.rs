//! What a caller calls the fields of the contract, so that what a service says of one names the caller's own.

/// The names of a dialect. Messages of the contract come from the items of a list of the caller's in their order, but
/// for some that stand before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames {
    /// The list the messages come from.
    pub messages: &'static str,
    /// How many messages come from elsewhere and stand first.
    pub before: usize,
    /// Where those come from.
    pub before_from: &'static str,
    /// The item that each message after those comes from. Empty where they are one to one.
    pub items: Vec<usize>,
    /// The limit of tokens.
    pub max_output_tokens: &'static str,
    /// The texts that end an answer.
    pub stop_sequences: &'static str,
}

impl FieldNames {
    /// The contract's own names.
    pub const CONTRACT: Self = Self {
        messages: "messages",
        before: 0,
        before_from: "messages",
        items: Vec::new(),
        max_output_tokens: "limits.max_output_tokens",
        stop_sequences: "limits.stop_sequences",
    };

    /// The caller's name for a field of the contract. Fields that the caller cannot have meant keep their name.
    pub fn param(&self, field: &str) -> String {
        match field {
            "limits.max_output_tokens" => return self.max_output_tokens.to_owned(),
            "messages" => return self.messages.to_owned(),
            _ if field.starts_with("limits.stop_sequences") => return self.stop_sequences.to_owned(),
            // Tools that are not functions are left out, so the numbers may differ.
            _ if field.starts_with("tools") => return "tools".to_owned(),
            _ if field.starts_with("tool_choice") => return "tool_choice".to_owned(),
            _ => {}
        }
        // Messages are one to one; their insides are not.
        let index = field.strip_prefix("messages[").and_then(|rest| rest.split_once(']')?.0.parse().ok());
        match index.map(|index: usize| index.checked_sub(self.before)) {
            Some(Some(index)) => {
                let item = self.items.get(index).copied().unwrap_or(index);
                format!("{}[{item}]", self.messages)
            }
            Some(None) => self.before_from.to_owned(),
            None => field.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: FieldNames = FieldNames {
        messages: "input",
        before: 0,
        before_from: "instructions",
        items: Vec::new(),
        max_output_tokens: "max_completion_tokens",
        stop_sequences: "stop",
    };

    #[test]
    fn fields_of_the_contract_get_the_callers_names() {
        let cases = [
            ("messages[2].parts[0].image", "input[2]"),
            ("messages", "input"),
            ("messages[x]", "messages[x]"),
            ("tools[1].parameters_json", "tools"),
            ("tool_choice.mode", "tool_choice"),
            ("limits.max_output_tokens", "max_completion_tokens"),
            ("limits.stop_sequences[0]", "stop"),
            ("model", "model"),
        ];
        for (field, param) in cases {
            assert_eq!(NAMES.param(field), param);
        }
    }

    #[test]
    fn messages_that_come_from_elsewhere_are_not_counted() {
        let names = FieldNames { before: 1, ..NAMES };

        assert_eq!(names.param("messages[0].parts[0]"), "instructions");
        assert_eq!(names.param("messages[1].parts[0]"), "input[0]");
    }

    #[test]
    fn messages_of_one_item_have_its_name() {
        let names = FieldNames { before: 1, items: vec![0, 1, 1, 2], ..NAMES };

        let named = (0..5).map(|message| names.param(&format!("messages[{message}].parts[0]")));

        assert_eq!(
            named.collect::<Vec<_>>(),
            ["instructions", "input[0]", "input[1]", "input[1]", "input[2]"]
        );
    }
}
