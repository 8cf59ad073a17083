//! The ids that an event of the upstream tells. Pure, over its decoded JSON with names as in the schema.

use serde_json::Value;

/// The id the upstream gave the conversation, if the event tells it.
pub(crate) fn conversation_id(event: &Value) -> Option<&str> {
    event.get("init")?.get("conversation_id")?.as_str()
}

/// The id of the first task that the event is about.
pub(crate) fn task_id(event: &Value) -> Option<&str> {
    actions(event).find_map(|action| {
        let action = action.as_object()?.values().next()?;
        let direct = action.get("task_id").and_then(Value::as_str);
        direct.or_else(|| action.get("task")?.get("id")?.as_str()).filter(|id| !id.is_empty())
    })
}

fn actions(event: &Value) -> impl Iterator<Item = &Value> {
    let actions = event.get("client_actions").and_then(|actions| actions.get("actions")?.as_array());
    actions.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_found_where_they_first_stand() {
        let event = json!({"client_actions": {"actions": [{"begin_transaction": {}}, {"create_task": {"task": {"id": "t1"}}}]}});

        assert_eq!(task_id(&event), Some("t1"));
        assert_eq!(conversation_id(&json!({"init": {"conversation_id": "c1"}})), Some("c1"));
    }
}
