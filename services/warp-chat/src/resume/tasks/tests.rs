use proptest::prelude::*;
use prost::Message as _;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp::multi_agent::v1::client_action::{self as act, Action};
use warp2api_proto::warp::multi_agent::v1::request::TaskContext;
use warp2api_proto::warp::multi_agent::v1::{
    Attachment, ResponseEvent, attachment, message::Message as Kind,
};

use super::*;
use crate::resume::testing::*;

fn built(actions: impl IntoIterator<Item = Action>) -> Tasks {
    let mut tasks = Tasks::default();
    tasks.apply(&init("conversation")).unwrap();
    tasks.apply(&event(actions)).unwrap();
    tasks
}

fn context(tasks: &Tasks) -> TaskContext {
    TaskContext::decode(tasks.context(None).unwrap().unwrap()).unwrap()
}

fn texts(tasks: &Tasks) -> Vec<String> {
    let tasks = context(tasks).tasks;
    let messages = tasks.into_iter().flat_map(|task| task.messages);
    messages
        .map(|message| match message.message {
            Some(Kind::AgentOutput(output)) => format!("{}:{}", message.id, output.text),
            _ => message.id,
        })
        .collect()
}

#[test]
fn a_recorded_turn_becomes_the_task_of_the_next_request() {
    let mut echo = query("m3", "hi");
    echo.task_id = "root".into();
    let mut with_data = echo.clone();
    with_data.server_message_data = "data".into();
    let events = [
        init("conversation"),
        event([create(task("root", "", vec![server_call("m1")]))]),
        event([add("root", message("m2", Kind::ServerEvent(Default::default())))]),
        event([add("root", echo)]),
        event([update("root", with_data.clone(), "server_message_data")]),
        event([begin()]),
        event([add("root", output("m4", "Hel"))]),
        event([append("root", output("m4", "lo "), "agent_output.text")]),
        event([append("root", output("m4", "there"), "agent_output.text")]),
        event([commit()]),
        event([Action::UpdateTaskDescription(act::UpdateTaskDescription {
            task_id: "root".into(),
            description: "A greeting".into(),
        })]),
        finished(),
    ];
    let mut tasks = Tasks::default();
    for event in &events {
        tasks.apply(event).unwrap();
    }

    let expected = warp::Task {
        description: "A greeting".into(),
        ..task(
            "root",
            "",
            vec![
                server_call("m1"),
                message("m2", Kind::ServerEvent(Default::default())),
                with_data,
                output("m4", "Hello there"),
            ],
        )
    };
    let expected = TaskContext { tasks: vec![expected], ..Default::default() };
    assert_eq!(tasks.context(None).unwrap().unwrap(), expected.encode_to_vec());
    assert_eq!((tasks.conversation_id(), tasks.is_finished()), ("conversation", true));
    assert_eq!(tasks.open_calls(), Ok(vec![]));
}

#[test]
fn what_no_schema_knows_is_kept() {
    // {"z":1,"a":2} in an order of its own, and fields 1001 of a message and 1002 of a task.
    let mut raw = mcp_call("m1", "c1", r#"{"z":1,"a":2}"#).encode_to_vec();
    raw.extend([0xc8, 0x3e, 0x07]);
    let mut created = Vec::new();
    wire::put(&mut created, 1, b"root");
    wire::put(&mut created, 5, &raw);
    created.extend([0xd0, 0x3e, 0x07]);
    let mut member = Vec::new();
    wire::put(&mut member, 1, &created);
    let mut action = Vec::new();
    wire::put(&mut action, 1, &member);
    let mut actions = Vec::new();
    wire::put(&mut actions, 1, &action);
    let mut event = Vec::new();
    wire::put(&mut event, 2, &actions);
    let mut tasks = Tasks::default();

    tasks.apply(&event).unwrap();
    tasks.apply(&[0x7a, 0]).unwrap();

    let mut expected = Vec::new();
    wire::put(&mut expected, 1, &created);
    assert_eq!(tasks.context(None).unwrap().unwrap(), expected);
    assert_eq!(tasks.open_calls(), Ok(vec!["c1".to_owned()]));
}

#[test]
fn edits_do_what_the_table_says() {
    let root = || create(task("root", "", vec![output("a", "A"), output("b", "B"), output("c", "C")]));
    let moved = |first: &str, last: &str, count| {
        Action::MoveMessagesToNewTask(act::MoveMessagesToNewTask {
            source_task_id: "root".into(),
            new_task: Some(task("sub", "root", vec![output("s", "S")])),
            first_message_id: first.into(),
            last_message_id: last.into(),
            expected_message_count: count,
            replacement_messages: vec![output("r", "R"), subagent("call", "x", "sub")],
        })
    };
    for (name, action, expected) in [
        ("add", add("root", output("d", "D")), Ok(vec!["a:A", "b:B", "c:C", "d:D"])),
        ("add again", add("root", output("b", "D")), Ok(vec!["a:A", "b:D", "c:C"])),
        ("append", append("root", output("b", "!"), "agent_output.text"), Ok(vec!["a:A", "b:B!", "c:C"])),
        ("update", update("root", output("b", ""), "agent_output.text"), Ok(vec!["a:A", "b:", "c:C"])),
        ("unknown path", update("root", output("b", "D"), "agent_output.x"), Ok(vec!["a:A", "b:B", "c:C"])),
        (
            "update of an unknown message",
            update("root", output("d", "D"), "server_message_data"),
            Ok(vec!["a:A", "b:B", "c:C", "d:D"]),
        ),
        ("move", moved("b", "c", 2), Ok(vec!["a:A", "r:R", "call", "s:S", "b:B", "c:C"])),
        ("move of one", moved("a", "a", 1), Ok(vec!["r:R", "call", "b:B", "c:C", "s:S", "a:A"])),
        ("move of too many", moved("b", "c", 3), Err(StateError::Range)),
        ("move backwards", moved("c", "b", 2), Err(StateError::Range)),
        ("move of nothing", moved("b", "d", 2), Err(StateError::UnknownMessage)),
        (
            "append to nothing",
            append("root", output("d", "!"), "agent_output.text"),
            Err(StateError::UnknownMessage),
        ),
        (
            "append to no text",
            append("root", output("b", "!"), "agent_output"),
            Err(MaskError::NotText.into()),
        ),
        ("unknown task", add("other", output("d", "D")), Err(StateError::UnknownTask)),
        ("no id", add("root", output("", "D")), Err(StateError::NoId)),
        ("elsewhere", Action::StartNewConversation(Default::default()), Err(StateError::Forked)),
        ("rollback of nothing", rollback(), Ok(vec!["a:A", "b:B", "c:C"])),
    ] {
        let mut tasks = built([root()]);

        let applied = tasks.apply(&event([action]));

        let expected = expected.map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(applied.map(|()| texts(&tasks)), expected, "{name}");
    }
}

#[test]
fn moved_messages_belong_to_their_new_task() {
    let tasks = built([
        create(task("root", "", vec![output("a", "A")])),
        Action::MoveMessagesToNewTask(act::MoveMessagesToNewTask {
            source_task_id: "root".into(),
            new_task: Some(task("sub", "root", vec![])),
            first_message_id: "a".into(),
            last_message_id: "a".into(),
            expected_message_count: 1,
            replacement_messages: vec![subagent("call", "x", "sub")],
        }),
    ]);

    let sub = context(&tasks).tasks.remove(1);

    assert_eq!((&*sub.id, &*sub.messages[0].task_id), ("sub", "sub"));
}

#[test]
fn only_the_root_and_unfinished_work_are_sent() {
    let tasks = built([
        create(task(
            "root",
            "",
            vec![subagent("m1", "x", "done"), subagent("m2", "y", "under-way"), result("m3", "x")],
        )),
        create(task("done", "root", vec![output("d", "D")])),
        create(task("under-way", "root", vec![subagent("m4", "z", "deeper"), mcp_call("m5", "open", "{}")])),
        create(task("deeper", "under-way", vec![subagent("m6", "q", "root")])),
        create(task("never-called", "root", vec![])),
    ]);

    let sent: Vec<_> = context(&tasks).tasks.into_iter().map(|task| task.id).collect();

    assert_eq!(sent, ["root", "under-way", "deeper"]);
    assert_eq!(tasks.open_calls(), Ok(vec!["open".to_owned()]));
}

#[test]
fn instructions_go_on_the_last_question_and_only_if_they_are_not_there() {
    let wanted = |text: &str| {
        let value = Some(attachment::Value::PlainText(text.into()));
        let attachments = [("SYSTEM_PROMPT".to_owned(), Attachment { value })].into();
        UserQuery { referenced_attachments: attachments, ..Default::default() }
    };
    let mut asked = query("b", "again");
    let Some(Kind::UserQuery(question)) = &mut asked.message else { panic!() };
    question.referenced_attachments = wanted("Be brief.").referenced_attachments;
    let tasks = built([create(task("root", "", vec![query("a", "hi"), asked.clone(), output("c", "C")]))]);
    let sent = |instructions: Option<&UserQuery>| tasks.context(instructions).unwrap();

    assert_eq!(sent(Some(&wanted("Be brief."))), sent(None));

    let changed = TaskContext::decode(sent(Some(&wanted("Be long."))).unwrap()).unwrap();
    let Some(Kind::UserQuery(question)) = &mut asked.message else { panic!() };
    question.referenced_attachments = wanted("Be long.").referenced_attachments;
    assert_eq!(changed.tasks[0].messages, [query("a", "hi"), asked, output("c", "C")]);
    assert_eq!(built([create(task("root", "", vec![]))]).context(Some(&wanted("x"))), Ok(None));
}

#[test]
fn nothing_happens_after_the_end() {
    let mut tasks = built([create(task("root", "", vec![]))]);
    tasks.apply(&finished()).unwrap();

    tasks.apply(&event([add("nowhere", output("a", "A"))])).unwrap();

    assert_eq!(texts(&tasks), Vec::<String>::new());
}

/// An action that fits two tasks with up to five messages each.
fn action() -> impl Strategy<Value = Action> {
    let task = || prop::sample::select(&["root", "sub"][..]);
    let id = || prop::sample::select(&["a", "b", "c", "d", "e"][..]);
    prop_oneof![
        4 => (task(), id(), "[a-z]{0,3}").prop_map(|(task, id, text)| add(task, output(id, &text))),
        6 => (task(), id(), "[a-z]{0,3}")
            .prop_map(|(task, id, text)| append(task, output(id, &text), "agent_output.text")),
        3 => (task(), id(), "[a-z]{0,3}")
            .prop_map(|(task, id, text)| update(task, output(id, &text), "agent_output.text")),
        1 => (task(), id(), "[a-z]{0,3}").prop_map(|(to, id, text)| {
            let mut message = output(id, "");
            message.server_message_data = text;
            append(to, message, "server_message_data")
        }),
        1 => (task(), "[a-z]{0,3}").prop_map(|(task, text)| {
            let (task_id, server_data) = (task.to_owned(), text);
            Action::UpdateTaskServerData(act::UpdateTaskServerData { task_id, server_data })
        }),
    ]
}

fn two_tasks() -> Tasks {
    built([
        create(task("root", "", vec![output("a", "A"), subagent("call", "x", "sub")])),
        create(task("sub", "root", vec![output("b", "B")])),
    ])
}

proptest! {
    #[test]
    fn actions_do_the_same_together_and_apart(actions in prop::collection::vec(action(), 0..20)) {
        let (mut together, mut apart) = (two_tasks(), two_tasks());

        let one = together.apply(&event(actions.clone()));
        let many = actions.iter().try_for_each(|action| apart.apply(&event([action.clone()])));

        prop_assert_eq!(one, many);
        prop_assert_eq!(together.context(None), apart.context(None));
        prop_assert_eq!(together.size(), apart.size());
    }

    #[test]
    fn a_rollback_restores_and_a_commit_keeps(
        before in prop::collection::vec(action(), 0..8),
        inside in prop::collection::vec(action(), 0..8),
    ) {
        let mut tasks = two_tasks();
        for action in before {
            let _one_that_does_not_fit = tasks.apply(&event([action]));
        }
        let start = tasks.context(None).unwrap();
        let mut kept = tasks.clone();
        let mut plain = tasks.clone();
        for tasks in [&mut tasks, &mut kept] {
            tasks.apply(&event([begin()])).unwrap();
            tasks.apply(&event([create(task("new", "root", vec![])), begin()])).unwrap();
        }
        plain.apply(&event([create(task("new", "root", vec![]))])).unwrap();
        for action in inside {
            for tasks in [&mut tasks, &mut kept, &mut plain] {
                let _one_that_does_not_fit = tasks.apply(&event([action.clone()]));
            }
        }

        tasks.apply(&event([rollback(), rollback()])).unwrap();
        kept.apply(&event([commit(), rollback()])).unwrap();

        prop_assert_eq!(tasks.context(None).unwrap(), start);
        prop_assert_eq!(tasks.apply(&event([add("new", output("n", "N"))])), Err(StateError::UnknownTask));
        prop_assert_eq!(kept.context(None), plain.context(None));
    }

    #[test]
    fn any_bytes_are_applied_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ignored = two_tasks().apply(&bytes);
    }

    #[test]
    fn tasks_read_back_are_the_tasks_that_were_sent(actions in prop::collection::vec(action(), 0..12)) {
        let mut tasks = two_tasks();
        for action in actions {
            let _one_that_does_not_fit = tasks.apply(&event([action]));
        }

        let sent = tasks.context(None).unwrap().unwrap();

        prop_assert_eq!(Tasks::of_context(&sent).unwrap().context(None).unwrap().unwrap(), sent);
    }
}

#[test]
fn a_transaction_that_is_open_at_the_end_is_kept() {
    let mut tasks = built([create(task("root", "", vec![])), begin(), add("root", output("a", "A"))]);

    tasks.apply(&finished()).unwrap();

    assert_eq!(texts(&tasks.begin_turn()), ["a:A"]);
    assert!(ResponseEvent::decode(&*finished()).is_ok());
}
