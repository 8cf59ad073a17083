//! What holds for any script of the upstream's.

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = ResponseEvent> {
    let id = prop::sample::select(vec!["a", "b", "c"]);
    let text = prop::sample::select(vec!["", "x", "xy", "yes", "é"]);
    let path = prop::sample::select(vec![
        TEXT,
        "agent_output",
        "agent_reasoning.reasoning",
        "tool_call",
        "tool_call.call_mcp_tool.args",
        "server_message_data",
        "future",
    ]);
    let message = (id, text, 0..3).prop_map(|(id, text, kind)| match kind {
        0 => output(&format!("text-{id}"), text),
        1 => reasoning(&format!("reasoning-{id}"), text),
        _ => call(&format!("call-{id}"), id, Some(r#"{"k":1}"#)),
    });
    (0..9, message, path).prop_map(|(kind, message, path)| match kind {
        0 => begin(),
        1 => commit(),
        2 => rollback(),
        3 => create_subtask("t2"),
        4 => add_to("t2", message),
        5 => update(message, path),
        6 => append(message, path),
        _ => add(message),
    })
}

fn event_action(event: &ResponseEvent) -> &Action {
    match &event.r#type {
        Some(Type::ClientActions(actions)) => actions.actions[0].action.as_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn text_of(events: &[Event]) -> String {
    let deltas = events.iter().filter_map(|event| match event {
        Event::TextDelta(delta) => Some(delta.text.as_str()),
        _ => None,
    });
    deltas.collect()
}

proptest! {
    #[test]
    fn any_script_is_told_in_order_or_ends_in_an_error(script in prop::collection::vec(any_event(), 0..30)) {
        let script = || [init()].into_iter().chain(script.clone()).chain([done()]);

        let (events, failed) = run(Delivery::Live, script());

        let starts = events.iter().filter(|e| matches!(e, Event::Started(_))).count();
        let ends = events.iter().filter(|e| matches!(e, Event::Finished(_))).count();
        prop_assert_eq!(starts, 1);
        prop_assert!(matches!(events.first(), Some(Event::Started(_))));
        prop_assert_eq!(ends, usize::from(failed.is_none()));
        prop_assert_eq!(matches!(events.last(), Some(Event::Finished(_))), failed.is_none());
    }

    #[test]
    fn live_and_committed_agree_where_nothing_is_taken_back(
        script in prop::collection::vec(any_event(), 0..30)
    ) {
        // Updates correct, and an append to another kind of message switches the kind: both take text back.
        let keeps = |event: &ResponseEvent| match event_action(event) {
            Action::RollbackTransaction(_) | Action::UpdateTaskMessage(_) => false,
            Action::AppendToMessageContent(append) => {
                let path = append.mask.as_ref().map(|mask| mask.paths[0].as_str());
                let text = matches!(append.message.as_ref().unwrap().message, Some(Kind::AgentOutput(_)));
                path == Some("server_message_data") || (text && path == Some(TEXT))
            }
            _ => true,
        };
        // A message added twice replaces itself, which is a correction too.
        let mut seen = HashSet::new();
        let script: Vec<_> = script.into_iter().filter(|event| keeps(event)).filter(|event| match event_action(event) {
            Action::AddMessagesToTask(add) => seen.insert(add.messages[0].id.clone()),
            _ => true,
        }).collect();
        let script = || [init()].into_iter().chain(script.clone()).chain([done()]);

        let (live, live_failed) = run(Delivery::Live, script());
        let (committed, committed_failed) = run(Delivery::Committed, script());

        prop_assert_eq!(live_failed.clone().map(|e| e.reason), committed_failed.map(|e| e.reason));
        if live_failed.is_none() {
            let sorted = |text: String| { let mut c: Vec<_> = text.chars().collect(); c.sort_unstable(); c };
            prop_assert_eq!(sorted(text_of(&live)), sorted(text_of(&committed)));
        }
    }
}
