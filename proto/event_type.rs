//! What an event of the upstream is called where people watch it: one vocabulary for the monitor and for every route
//! that tells events.

use std::fmt::Write as _;

use crate::warp::multi_agent::v1::client_action::Action;
use crate::warp::multi_agent::v1::message::Message as Kind;
use crate::warp::multi_agent::v1::response_event::Type;
use crate::warp::multi_agent::v1::{ClientAction, Message, ResponseEvent};

/// The name of an event that is not of the upstream's schema.
pub const MALFORMED: &str = "MALFORMED";

/// How many actions of one event are named; of the rest only the number is told.
const MOST_ACTIONS: usize = 16;

/// What `event` is: `INITIALIZATION`, `CLIENT_ACTIONS(CREATE_TASK, ADD_MESSAGE)` with the names of its actions,
/// `CLIENT_ACTIONS_EMPTY`, `FINISHED`, or `UNKNOWN_EVENT` for one of the future.
pub fn of(event: &ResponseEvent) -> String {
    match &event.r#type {
        Some(Type::Init(_)) => "INITIALIZATION".to_owned(),
        Some(Type::ClientActions(actions)) if actions.actions.is_empty() => "CLIENT_ACTIONS_EMPTY".to_owned(),
        Some(Type::ClientActions(actions)) => actions_name(&actions.actions),
        Some(Type::Finished(_)) => "FINISHED".to_owned(),
        None => "UNKNOWN_EVENT".to_owned(),
    }
}

fn actions_name(actions: &[ClientAction]) -> String {
    let mut name = "CLIENT_ACTIONS(".to_owned();
    for (index, action) in actions.iter().take(MOST_ACTIONS).enumerate() {
        name.push_str(if index > 0 { ", " } else { "" });
        name.push_str(action_name(action));
    }
    if let Some(more) = actions.len().checked_sub(MOST_ACTIONS).filter(|more| *more > 0) {
        write!(name, ", {more} more").expect("writing to memory does not fail");
    }
    name.push(')');
    name
}

fn action_name(action: &ClientAction) -> &'static str {
    #[expect(deprecated, reason = "peers of 2025 send it")]
    match &action.action {
        Some(Action::CreateTask(_)) => "CREATE_TASK",
        Some(Action::UpdateTaskStatus(_)) => "UPDATE_TASK_STATUS",
        Some(Action::AddMessagesToTask(add)) => added(&add.messages),
        Some(Action::UpdateTaskMessage(_)) => "UPDATE_MESSAGE",
        Some(Action::AppendToMessageContent(_)) => "APPEND_CONTENT",
        Some(Action::ShowSuggestions(_)) => "SHOW_SUGGESTIONS",
        Some(Action::UpdateTaskSummary(_)) => "UPDATE_TASK_SUMMARY",
        Some(Action::UpdateTaskDescription(_)) => "UPDATE_TASK_DESCRIPTION",
        Some(Action::BeginTransaction(_)) => "BEGIN_TRANSACTION",
        Some(Action::CommitTransaction(_)) => "COMMIT_TRANSACTION",
        Some(Action::RollbackTransaction(_)) => "ROLLBACK_TRANSACTION",
        Some(Action::StartNewConversation(_)) => "START_NEW_CONVERSATION",
        Some(Action::UpdateTaskServerData(_)) => "UPDATE_TASK_SERVER_DATA",
        Some(Action::MoveMessagesToNewTask(_)) => "MOVE_MESSAGES",
        None => "UNKNOWN_ACTION",
    }
}

fn added(messages: &[Message]) -> &'static str {
    let any = |is: fn(&Kind) -> bool| messages.iter().filter_map(|message| message.message.as_ref()).any(is);
    if any(|kind| matches!(kind, Kind::ToolCall(_))) {
        "TOOL_CALL"
    } else if any(|kind| matches!(kind, Kind::ToolCallResult(_))) {
        "TOOL_RESPONSE"
    } else {
        "ADD_MESSAGE"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warp::multi_agent::v1::client_action::{AddMessagesToTask, BeginTransaction};
    use crate::warp::multi_agent::v1::message::{AgentOutput, ToolCall};
    use crate::warp::multi_agent::v1::response_event::{ClientActions, StreamFinished, StreamInit};

    fn event(kind: impl Into<Option<Type>>) -> ResponseEvent {
        ResponseEvent { r#type: kind.into() }
    }

    fn actions(actions: Vec<Option<Action>>) -> ResponseEvent {
        let actions = actions.into_iter().map(|action| ClientAction { action }).collect();
        event(Type::ClientActions(ClientActions { actions }))
    }

    fn add(kind: Kind) -> Option<Action> {
        let messages = vec![Message { message: Some(kind), ..Default::default() }];
        Some(Action::AddMessagesToTask(AddMessagesToTask { messages, ..Default::default() }))
    }

    #[test]
    fn events_are_called_by_what_they_are() {
        let text = || add(Kind::AgentOutput(AgentOutput::default()));
        let call = add(Kind::ToolCall(ToolCall::default()));
        for (event, name) in [
            (event(Type::Init(StreamInit::default())), "INITIALIZATION"),
            (event(Type::Finished(StreamFinished::default())), "FINISHED"),
            (event(None), "UNKNOWN_EVENT"),
            (actions(vec![]), "CLIENT_ACTIONS_EMPTY"),
            (actions(vec![None]), "CLIENT_ACTIONS(UNKNOWN_ACTION)"),
            (
                actions(vec![Some(Action::BeginTransaction(BeginTransaction::default())), text(), call]),
                "CLIENT_ACTIONS(BEGIN_TRANSACTION, ADD_MESSAGE, TOOL_CALL)",
            ),
        ] {
            assert_eq!(of(&event), name);
        }
    }

    #[test]
    fn an_event_of_very_many_actions_has_a_short_name() {
        let name = of(&actions(vec![None; 100_000]));

        assert!(name.ends_with(", 99984 more)") && name.len() < 400, "{name}");
    }
}
