//! What an event of the upstream is called, and what it says. Pure, over its decoded JSON with names as in the schema.

use serde_json::Value;

/// The name of an event: `INITIALIZATION`, `CLIENT_ACTIONS(..)` with what its actions do, `CLIENT_ACTIONS_EMPTY`,
/// `FINISHED` or `UNKNOWN_EVENT`.
pub(crate) fn event_type(event: &Value) -> String {
    if event.get("init").is_some() {
        return "INITIALIZATION".to_owned();
    }
    if event.get("finished").is_some() {
        return "FINISHED".to_owned();
    }
    if event.get("client_actions").is_none() {
        return "UNKNOWN_EVENT".to_owned();
    }
    let names: Vec<_> = actions(event).map(action_type).collect();
    if names.is_empty() {
        "CLIENT_ACTIONS_EMPTY".to_owned()
    } else {
        format!("CLIENT_ACTIONS({})", names.join(", "))
    }
}

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

fn action_type(action: &Value) -> &'static str {
    let Some((name, body)) = action.as_object().and_then(|action| action.iter().next()) else {
        return "UNKNOWN_ACTION";
    };
    let has = |key: &str| {
        let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
        messages.chain(body.get("message")).any(|message| message.get(key).is_some())
    };
    match name.as_str() {
        "add_messages_to_task" if has("tool_call") => "TOOL_CALL",
        "add_messages_to_task" if has("tool_call_result") => "TOOL_RESPONSE",
        "add_messages_to_task" => "ADD_MESSAGE",
        "append_to_message_content" => "APPEND_CONTENT",
        "update_task_message" => "UPDATE_MESSAGE",
        "create_task" => "CREATE_TASK",
        "update_task_status" => "UPDATE_TASK_STATUS",
        "update_task_summary" => "UPDATE_TASK_SUMMARY",
        "update_task_description" => "UPDATE_TASK_DESCRIPTION",
        "show_suggestions" => "SHOW_SUGGESTIONS",
        "begin_transaction" => "BEGIN_TRANSACTION",
        "commit_transaction" => "COMMIT_TRANSACTION",
        "rollback_transaction" => "ROLLBACK_TRANSACTION",
        "start_new_conversation" => "START_NEW_CONVERSATION",
        _ => "UNKNOWN_ACTION",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_named_as_the_table_says() {
        let added = |message: Value| json!({"client_actions": {"actions": [{"add_messages_to_task": {"task_id": "t", "messages": [message]}}]}});
        for (event, name) in [
            (json!({"init": {"conversation_id": "c"}}), "INITIALIZATION"),
            (json!({"finished": {"done": {}}}), "FINISHED"),
            (json!({"client_actions": {}}), "CLIENT_ACTIONS_EMPTY"),
            (json!({}), "UNKNOWN_EVENT"),
            (added(json!({"agent_output": {"text": "a"}})), "CLIENT_ACTIONS(ADD_MESSAGE)"),
            (added(json!({"tool_call": {}})), "CLIENT_ACTIONS(TOOL_CALL)"),
            (added(json!({"tool_call_result": {}})), "CLIENT_ACTIONS(TOOL_RESPONSE)"),
            (
                json!({"client_actions": {"actions": [{"create_task": {"task": {"id": "t"}}}, {"append_to_message_content": {}}, {}]}}),
                "CLIENT_ACTIONS(CREATE_TASK, APPEND_CONTENT, UNKNOWN_ACTION)",
            ),
        ] {
            assert_eq!(event_type(&event), name, "{event}");
        }
    }

    #[test]
    fn ids_are_found_where_they_first_stand() {
        let event = json!({"client_actions": {"actions": [{"begin_transaction": {}}, {"create_task": {"task": {"id": "t1"}}}]}});

        assert_eq!(task_id(&event), Some("t1"));
        assert_eq!(conversation_id(&json!({"init": {"conversation_id": "c1"}})), Some("c1"));
    }
}
