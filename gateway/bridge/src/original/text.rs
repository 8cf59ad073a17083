//! The text of an answer, folded from its events: what the model said, without what it took back. Pure, over decoded
//! JSON with names as in the schema.

use serde_json::Value;

/// The text so far.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// What each message of the model says, in the order in which they came.
    messages: Vec<(String, String)>,
    /// How it was when the transaction under way began.
    before: Option<Vec<(String, String)>>,
}

impl Text {
    /// Takes in what an event changes.
    pub(crate) fn apply(&mut self, event: &Value) {
        let actions = event.get("client_actions").and_then(|actions| actions.get("actions")?.as_array());
        for action in actions.into_iter().flatten() {
            let Some((name, body)) = action.as_object().and_then(|action| action.iter().next()) else {
                continue;
            };
            match name.as_str() {
                "add_messages_to_task" => {
                    let messages = body.get("messages").and_then(Value::as_array);
                    messages.into_iter().flatten().for_each(|message| self.set(message));
                }
                "update_task_message" => {
                    body.get("message").into_iter().for_each(|message| self.set(message))
                }
                "append_to_message_content" => {
                    body.get("message").into_iter().for_each(|message| self.append(message));
                }
                "begin_transaction" => self.before = Some(self.messages.clone()),
                "commit_transaction" => self.before = None,
                "rollback_transaction" => self.messages = self.before.take().unwrap_or_default(),
                _ => {}
            }
        }
    }

    /// The whole of it.
    pub(crate) fn whole(&self) -> String {
        self.messages.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn set(&mut self, message: &Value) {
        let Some((id, text)) = said(message) else { return };
        match self.messages.iter_mut().find(|(known, _)| known == id) {
            Some((_, known)) => text.clone_into(known),
            None => self.messages.push((id.to_owned(), text.to_owned())),
        }
    }

    fn append(&mut self, message: &Value) {
        let Some((id, text)) = said(message) else { return };
        match self.messages.iter_mut().find(|(known, _)| known == id) {
            Some((_, known)) => known.push_str(text),
            None => self.messages.push((id.to_owned(), text.to_owned())),
        }
    }
}

/// The id of a message of the model's, and its text.
fn said(message: &Value) -> Option<(&str, &str)> {
    let text = message.get("agent_output")?.get("text")?.as_str()?;
    Some((message.get("id").and_then(Value::as_str).unwrap_or_default(), text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(id: &str, text: &str) -> Value {
        json!({"id": id, "agent_output": {"text": text}})
    }

    fn fold(actions: &[Value]) -> String {
        let mut text = Text::default();
        actions.iter().for_each(|action| text.apply(&json!({"client_actions": {"actions": [action]}})));
        text.whole()
    }

    #[test]
    fn what_is_added_appended_and_corrected_is_the_text() {
        let text = fold(&[
            json!({"add_messages_to_task": {"messages": [{"id": "q", "user_query": {"query": "hi"}}, message("a", "Hel")]}}),
            json!({"append_to_message_content": {"message": message("a", "lo")}}),
            json!({"append_to_message_content": {"message": message("b", " you")}}),
            json!({"update_task_message": {"message": message("b", " there")}}),
        ]);

        assert_eq!(text, "Hello there");
    }

    #[test]
    fn what_was_rolled_back_was_not_said() {
        let text = fold(&[
            json!({"append_to_message_content": {"message": message("a", "kept ")}}),
            json!({"begin_transaction": {}}),
            json!({"append_to_message_content": {"message": message("a", "draft")}}),
            json!({"rollback_transaction": {}}),
            json!({"begin_transaction": {}}),
            json!({"append_to_message_content": {"message": message("a", "final")}}),
            json!({"commit_transaction": {}}),
        ]);

        assert_eq!(text, "kept final");
    }
}
