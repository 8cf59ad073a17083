//! What the simulator answers, event by event.

use std::time::Duration;

use serde_json::Map;
use tokio::time::Instant;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_upstream_sim::{Message, Part, Scenario, Tokens, UsageForm};

use crate::client::{
    SERVER_ID, answer, ask, bytes, events, next_turn, offering, post, query, request, request_with, result,
    simulator,
};

const CALL: &str =
    r#"Pages of context. call the tool get_weather with {"z":"Paris","a":{"n":5,"e":[]},"t":"  x"}"#;

#[tokio::test]
async fn a_first_turn_is_as_recorded() {
    let response = post(&simulator(), &request("say exactly: Hello there, world")).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream;charset=utf-8");
    assert_eq!(header("cache-control"), "no-cache");
    assert_eq!(header("x-warp2api-upstream"), "embedded");
    let answer = crate::client::Answer(events(&bytes(response).await));

    assert_eq!(
        answer.kinds(),
        [
            "init",
            "create_task",
            "server_event",
            "user_query",
            "update",
            "begin",
            "agent_output",
            "append",
            "append",
            "commit",
            "title",
            "finished",
        ]
    );
    assert_eq!(answer.pieces(), ["Hello ", "there, ", "world"]);
}

#[tokio::test]
async fn bookkeeping_is_as_recorded() {
    use warp::client_action::Action;
    let answer = ask(&simulator(), "hi").await;

    let actions = answer.actions();
    let Action::CreateTask(create) = actions[0] else { panic!("{:?}", actions[0]) };
    let task = create.task.as_ref().unwrap();
    let Some(warp::message::Message::ToolCall(call)) = &task.messages[0].message else { panic!("{task:?}") };
    let server = warp::message::tool_call::Server { payload: "IgA=".to_owned() };
    assert_eq!(call.tool, Some(warp::message::tool_call::Tool::Server(server)));
    let Action::UpdateTaskMessage(update) = actions[3] else { panic!("{:?}", actions[3]) };
    assert_eq!(update.mask.as_ref().unwrap().paths, ["server_message_data"]);
    assert_eq!(update.message.as_ref().unwrap().message, answer.added()[2].message);
    for message in answer.added() {
        assert_eq!(message.task_id, task.id);
        assert_eq!(message.request_id, answer.init().request_id);
        assert!(message.timestamp.is_some() && !message.server_message_data.is_empty());
    }
    for action in &actions {
        if let Action::AppendToMessageContent(append) = action {
            assert_eq!(append.task_id, task.id);
            assert_eq!(append.mask.as_ref().unwrap().paths, ["agent_output.text"]);
            assert_eq!(append.message.as_ref().unwrap().id, answer.added()[3].id);
        }
    }
}

#[tokio::test]
async fn the_input_is_echoed_whole() {
    let mut request = request("hi");
    let Some(warp::request::input::Type::UserInputs(inputs)) = &mut request.input.as_mut().unwrap().r#type
    else {
        panic!("no inputs");
    };
    let Some(warp::request::input::user_inputs::user_input::Input::UserQuery(query)) =
        &mut inputs.inputs[0].input
    else {
        panic!("no query");
    };
    let attachment =
        warp::Attachment { value: Some(warp::attachment::Value::PlainText("be brief".to_owned())) };
    query.referenced_attachments.insert("SYSTEM_PROMPT".to_owned(), attachment.clone());

    let answer = answer(&simulator(), &request).await;

    let Some(warp::message::Message::UserQuery(echo)) = &answer.added()[2].message else { panic!("no echo") };
    assert_eq!(echo.query, "hi");
    assert_eq!(echo.context, request.input.unwrap().context);
    assert_eq!(echo.referenced_attachments["SYSTEM_PROMPT"], attachment);
    assert_eq!((echo.mode.is_some(), echo.intended_agent), (true, 1));
}

#[tokio::test]
async fn a_tool_round_calls_once_and_quotes_the_result() {
    let simulator = simulator();
    let first = answer(&simulator, &offering(request(CALL), &["get_weather"])).await;

    let calls = first.calls();
    assert_eq!((calls.len(), first.text()), (1, String::new()));
    let Some(warp::message::tool_call::Tool::CallMcpTool(call)) = &calls[0].tool else { panic!("{calls:?}") };
    assert_eq!((call.name.as_str(), call.server_id.as_str()), ("get_weather", SERVER_ID));
    let arguments = serde_json::to_string(&Map::from(call.args.clone().unwrap())).unwrap();
    assert_eq!(arguments, r#"{"z":"Paris","a":{"n":5,"e":[]},"t":"  x"}"#);

    let results = vec![result(&calls[0].tool_call_id, "sunny, 24 degrees")];
    let second = answer(&simulator, &offering(next_turn(&first, results), &["get_weather"])).await;
    assert_eq!(second.text(), "The tool get_weather answered: sunny, 24 degrees");
    assert!(second.calls().is_empty());
    assert!(!second.kinds().contains(&"create_task"));
    assert_eq!(second.init().conversation_id, first.init().conversation_id);
    let Some(warp::message::Message::ToolCallResult(echo)) = &second.added()[1].message else {
        panic!("no echo")
    };
    assert_eq!(echo.tool_call_id, calls[0].tool_call_id);
    assert!(matches!(echo.result, Some(warp::message::tool_call_result::Result::CallMcpTool(_))));
    assert!(echo.context.is_some());
}

#[tokio::test]
async fn several_calls_and_their_results_share_a_turn() {
    let simulator = simulator();
    let text = r#"call the tool a with {"n":1} and call the tool b with {}"#;
    let first = answer(&simulator, &offering(request(text), &["a", "b"])).await;
    let ids: Vec<_> = first.calls().iter().map(|call| call.tool_call_id.clone()).collect();
    assert_eq!(ids.len(), 2);

    let results = vec![result(&ids[0], "one"), result(&ids[1], "two")];
    let second = answer(&simulator, &next_turn(&first, results)).await;

    assert_eq!(second.text(), "The tool a answered: one\n\nThe tool b answered: two");
}

#[tokio::test]
async fn an_answer_sent_back_is_a_good_history() {
    let simulator = simulator();
    let first = ask(&simulator, "think first, then say exactly: one two three").await;

    let second = answer(&simulator, &next_turn(&first, vec![query("hello")])).await;

    assert!(second.text().ends_with("ends with: hello"));
    let ids: std::collections::HashSet<_> =
        first.added().into_iter().chain(second.added()).map(|message| &message.id).collect();
    assert_eq!(ids.len(), first.added().len() + second.added().len());
}

#[tokio::test]
async fn reasoning_comes_before_the_answer_with_its_end() {
    use warp::client_action::Action;
    let answer = ask(&simulator(), "think first, then say exactly: done").await;

    let kinds = answer.kinds();
    let at = |kind| kinds.iter().position(|other| *other == kind).unwrap();
    assert!(at("agent_reasoning") < at("agent_output"));
    let masks: Vec<_> = answer
        .actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::AppendToMessageContent(append) => append.mask.as_ref(),
            Action::UpdateTaskMessage(update) => update.mask.as_ref(),
            _ => None,
        })
        .map(|mask| mask.paths[0].as_str())
        .collect();
    assert!(masks.contains(&"agent_reasoning.reasoning"));
    assert_eq!(masks.last(), Some(&"agent_reasoning.finished_duration"));
    assert_eq!(answer.text(), "done");

    let mut without = request("think first");
    without.settings.as_mut().unwrap().supports_reasoning_message = false;
    let answer = crate::client::answer(&simulator(), &without).await;
    assert!(!answer.kinds().contains(&"agent_reasoning"));
}

#[tokio::test(start_paused = true)]
async fn slow_text_takes_two_seconds() {
    let started = Instant::now();
    let answer = ask(&simulator(), "say slowly: one two three four").await;

    assert_eq!(answer.pieces(), ["one ", "two ", "three ", "four"]);
    let took = started.elapsed();
    assert!((1900..2100).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_for_measurements_keep_their_schedule() {
    for (millis, expected) in [(0, 0), (20, 980)] {
        let started = Instant::now();
        let answer = ask(&simulator(), &format!("stream 50 chunks of 7 bytes every {millis} ms")).await;

        assert_eq!(answer.pieces(), vec!["xxxxxx "; 50]);
        let took = started.elapsed().as_millis();
        assert!((expected..expected + 20).contains(&took), "{took}");
    }
}

#[tokio::test]
#[expect(deprecated, reason = "still sent, and the only place where credits stand")]
async fn usage_is_reported_in_the_form_asked_for() {
    let simulator = simulator();
    let request = request("say exactly: one two three");
    let usual = answer(&simulator, &request).await;
    let finished = usual.finished();
    assert_eq!(finished.request_cost.as_ref().unwrap().exact, 1.0);
    let counts = token_counts(finished);
    assert_eq!((counts.input, counts.output, counts.input_cache_read), (5, 3, 0));
    let totals = finished.conversation_usage_metadata.as_ref().unwrap();
    assert_eq!((totals.total_input_tokens, totals.warp_token_usage["gpt-5"].total_tokens), (5, 8));

    let tokens = Tokens { input: 100, output: 20, cache_read: 30, cache_write: 4 };
    simulator.enqueue(Scenario::usual().using(tokens).reporting(UsageForm::Internal));
    let internal = answer(&simulator, &request).await;
    let usage = &internal.finished().token_usage[0];
    assert_eq!((usage.total_input, usage.output, usage.input_cache_read), (134, 20, 30));
    assert_eq!(token_counts(internal.finished()).input_cache_write, 4);

    simulator.enqueue(Scenario::usual().reporting(UsageForm::Totals));
    let totals = answer(&simulator, &request).await;
    assert!(totals.finished().request_charges.is_none() && totals.finished().request_cost.is_some());

    simulator.enqueue(Scenario::usual().reporting(UsageForm::Absent).refreshing_models());
    let absent = answer(&simulator, &request).await;
    assert!(
        absent.finished().conversation_usage_metadata.is_none() && absent.finished().request_cost.is_none()
    );
    assert!(absent.finished().should_refresh_model_config);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answer() {
    let ids = async || {
        let answer = ask(&simulator(), "hi").await;
        (answer.init().clone(), answer.added().iter().map(|message| message.id.clone()).collect::<Vec<_>>())
    };

    assert_eq!(ids().await, ids().await);
}

#[tokio::test]
async fn the_phrases_stand_in_text_wherever_it_is() {
    let simulator = simulator();
    let first = answer(&simulator, &offering(request(CALL), &["get_weather"])).await;
    let id = first.calls()[0].tool_call_id.clone();

    let both = request_with(vec![result(&id, "sunny"), query("say exactly: thanks")]);
    let mut next = next_turn(&first, vec![]);
    next.input = both.input;

    assert_eq!(answer(&simulator, &next).await.text(), "thanks");
}

#[tokio::test(start_paused = true)]
async fn paced_parts_take_their_time() {
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([
        Part::Pause(Duration::from_secs(3)),
        Part::PacedText("a b ".to_owned(), Duration::from_secs(4)),
    ]));
    let started = Instant::now();

    assert_eq!(ask(&simulator, "hi").await.text(), "a b ");

    assert_eq!(started.elapsed().as_secs(), 7);
}

#[test]
fn the_generated_types_read_what_a_message_says() {
    use prost::Message as _;
    let event =
        warp2api_upstream_sim::Event::add_messages("t", &[Message::agent_output("m", "x").in_task("t")]);

    let read = warp::ResponseEvent::decode(event.bytes().clone()).unwrap();

    assert_eq!(read.encode_to_vec(), event.bytes()[..]);
}

fn token_counts(
    finished: &warp::response_event::StreamFinished,
) -> &warp::response_event::stream_finished::TokenCount {
    let charges = finished.request_charges.as_ref().unwrap();
    let usage = &charges.usage_by_category["primary_agent"].direct_api_inference_usage["gpt-5"];
    usage.token_count.as_ref().unwrap()
}
