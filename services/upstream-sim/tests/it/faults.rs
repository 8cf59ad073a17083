//! Scripted faults: before the stream, in it and at its end.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, timeout};
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_upstream_sim::{
    Cut, EmbeddedCredential, Event, Fate, Finish, Framing, Message, Part, Refusal, Scenario, ToolCall,
};

use crate::client::{
    SOON, answer, ask, bytes, chat_request, events, offering, post, post_as, request, simulator, text, writes,
};

#[tokio::test]
async fn refusals_are_answered_as_the_real_ones() {
    for (refusal, status, header, body) in [
        (Refusal::out_of_credits(), 429, Some("OUT_OF_CREDITS"), "userDisplayMessage"),
        (Refusal::no_requests_left(), 429, None, "No remaining quota: No AI requests remaining"),
        (Refusal::overloaded(), 429, None, "Rate exceeded"),
        (Refusal::blocked(), 403, None, "blocked from using AI features"),
        (Refusal::model_not_allowed("gpt-9"), 400, None, "requested base model \"gpt-9\" is not allowed"),
        (Refusal::unauthorized("token has expired"), 401, None, "expired"),
        (Refusal::internal(), 500, None, "Internal Server Error"),
        (Refusal::unavailable(), 503, None, "<html>"),
        (Refusal::page(429, "429 Too Many Requests"), 429, None, "<h1>429 Too Many Requests</h1>"),
        (Refusal::new(502, ""), 502, None, ""),
    ] {
        let simulator = simulator();
        simulator.enqueue(Scenario::refuse(refusal));

        let response = post(&simulator, &request("hi")).await;

        assert_eq!(response.status().as_u16(), status);
        let code = response.headers().get("x-warp-error-code").map(|code| code.to_str().unwrap());
        assert_eq!(code, header);
        assert!(text(response).await.contains(body));
        let record = simulator.record();
        assert_eq!((record.running(), record.finished(), record.abandoned()), (0, 1, 0), "{status}");
        assert_eq!(record.last_chat().unwrap().status, Some(status));
    }
}

#[tokio::test]
async fn scenarios_are_used_in_their_order_and_by_bearer() {
    let simulator = simulator();
    simulator.accept_bearer("other");
    simulator.on_bearer("other", Scenario::refuse(Refusal::blocked()));
    simulator.enqueue(Scenario::text("first"));
    simulator.enqueue_times(2, &Scenario::text("second"));
    assert_eq!(simulator.queued(), 3);

    assert_eq!(ask(&simulator, "hi").await.text(), "first");
    assert_eq!(ask(&simulator, "hi").await.text(), "second");
    assert_eq!(post_as(&simulator, "other", &request("hi")).await.status(), 200);
    for _ in 0..2 {
        assert_eq!(post_as(&simulator, "other", &request("hi")).await.status(), 403);
    }
    assert_eq!(post(&simulator, &request("hi")).await.status(), 200);
    simulator.clear_bearer("other");
    assert_eq!(post_as(&simulator, "other", &request("hi")).await.status(), 200);
}

#[tokio::test]
async fn a_refused_conversation_uses_up_no_scenario() {
    let simulator = simulator();
    simulator.enqueue(Scenario::text("kept"));

    let response = post(&simulator, &crate::client::request_with(vec![])).await;

    assert_eq!((response.status(), simulator.queued()), (StatusCode::BAD_REQUEST, 1));
}

#[tokio::test]
async fn every_finish_reason_is_sent() {
    use warp::response_event::stream_finished::Reason;
    let simulator = simulator();
    for finish in Finish::all() {
        for scenario in
            [Scenario::finish(finish.clone()), Scenario::text("some text ").finishing(finish.clone())]
        {
            simulator.enqueue(scenario);
            let answer = ask(&simulator, "hi").await;

            let expected = match &finish {
                Finish::Done => Some("Done"),
                Finish::Unset => None,
                Finish::Other => Some("Other"),
                Finish::MaxTokenLimit => Some("MaxTokenLimit"),
                Finish::QuotaLimit => Some("QuotaLimit"),
                Finish::ContextWindowExceeded => Some("ContextWindowExceeded"),
                Finish::LlmUnavailable => Some("LlmUnavailable"),
                Finish::InternalError(_) => Some("InternalError"),
                Finish::InvalidApiKey { .. } => Some("InvalidApiKey"),
            };
            let reason = answer.finished().reason.as_ref();
            let name = reason.map(|reason| format!("{reason:?}").split('(').next().unwrap().to_owned());
            assert_eq!(name.as_deref(), expected);
            match (reason, &finish) {
                (Some(Reason::InternalError(error)), Finish::InternalError(message)) => {
                    assert_eq!(&error.message, message);
                }
                (Some(Reason::InvalidApiKey(key)), Finish::InvalidApiKey { provider, model }) => {
                    assert_eq!((key.provider, &key.model_name), (i32::try_from(*provider).unwrap(), model));
                }
                _ => {}
            }
        }
    }
    assert_eq!(simulator.record().finished(), 18);
}

#[tokio::test]
async fn a_stream_can_end_before_finished() {
    let cases = [
        (Scenario::text("a b").without_finished(Cut::Clean), 8, true),
        (Scenario::text("a b").without_finished(Cut::Error), 8, false),
        (Scenario::text("a b").cut_after(7, Cut::Clean), 7, true),
        (Scenario::text("a b").cut_after(7, Cut::Error), 7, false),
        (Scenario::usual().cut_after(0, Cut::Clean), 0, true),
        (Scenario::usual().cut_after(0, Cut::Error), 0, false),
    ];
    for (scenario, count, clean) in cases {
        let simulator = simulator();
        simulator.enqueue(scenario);

        let (writes, ended_clean) = writes(post(&simulator, &request("hi")).await).await;

        assert_eq!((events(&writes.concat()).len(), ended_clean), (count, clean));
        assert_eq!(simulator.record().finished(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_stall_anywhere() {
    let long = Duration::from_secs(3600);
    let simulator = simulator();
    simulator.enqueue(Scenario::stall_before_headers());
    assert!(timeout(long, post(&simulator, &request("hi"))).await.is_err());
    assert_eq!(simulator.record().abandoned(), 1);
    assert_eq!(simulator.record().last_chat().unwrap().status, None);

    for (scenario, count) in [
        (Scenario::usual().stall_after(0), 0),
        (Scenario::usual().stall_after(3), 3),
        (Scenario::parts([Part::Text("a ".to_owned()), Part::Stall]), 7),
    ] {
        simulator.enqueue(scenario);
        let abandoned = simulator.record().abandoned();
        let response = post(&simulator, &request("hi")).await;
        let mut body = response.into_body();
        let mut seen = 0;
        while let Ok(frame) = timeout(long, http_body_util::BodyExt::frame(&mut body)).await {
            assert!(frame.is_some_and(|frame| frame.is_ok()));
            seen += 1;
        }
        assert_eq!((seen, simulator.record().running()), (count, 1));
        drop(body);
        assert_eq!(simulator.record().abandoned(), abandoned + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_can_be_late() {
    let simulator = simulator();
    let wait = Duration::from_secs(7);
    for scenario in [Scenario::usual().delayed(wait), Scenario::refuse(Refusal::unavailable()).delayed(wait)]
    {
        simulator.enqueue(scenario);
        let started = Instant::now();
        post(&simulator, &request("hi")).await;
        assert_eq!(started.elapsed().as_secs(), 7);
    }
}

#[tokio::test]
async fn a_rollback_takes_text_back() {
    let simulator = simulator();
    simulator
        .enqueue(Scenario::parts([Part::RolledBack("draft".to_owned()), Part::Text("final".to_owned())]));

    let answer = ask(&simulator, "hi").await;

    let tail: Vec<_> = answer.kinds().split_off(5);
    assert_eq!(
        tail,
        ["begin", "agent_output", "rollback", "begin", "agent_output", "commit", "title", "finished"]
    );
    assert_eq!(answer.pieces(), ["draft", "final"]);
    assert_ne!(answer.added()[3].id, answer.added()[4].id);
}

#[tokio::test]
async fn an_update_corrects_text() {
    use warp::client_action::Action;
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([Part::Corrected {
        draft: "one to".to_owned(),
        text: "one two".to_owned(),
    }]));

    let answer = ask(&simulator, "hi").await;

    assert_eq!(answer.text(), "one to");
    let update = answer.actions().into_iter().rev().find_map(|action| match action {
        Action::UpdateTaskMessage(update) => Some(update),
        _ => None,
    });
    let update = update.unwrap();
    assert_eq!(update.mask.as_ref().unwrap().paths, ["agent_output.text"]);
    let message = update.message.as_ref().unwrap();
    assert_eq!(message.id, answer.added()[3].id);
    let Some(warp::message::Message::AgentOutput(output)) = &message.message else { panic!("{message:?}") };
    assert_eq!(output.text, "one two");
}

#[tokio::test]
async fn text_of_a_subtask_names_its_task() {
    use warp::client_action::Action;
    let simulator = simulator();
    simulator
        .enqueue(Scenario::parts([Part::SubtaskText("inner".to_owned()), Part::Text("outer".to_owned())]));

    let answer = ask(&simulator, "hi").await;

    let root = &answer.added()[0].task_id;
    let subtask = answer.actions().into_iter().rev().find_map(|action| match action {
        Action::CreateTask(create) => create.task.as_ref(),
        _ => None,
    });
    let subtask = subtask.unwrap();
    assert_eq!(&subtask.dependencies.as_ref().unwrap().parent_task_id, root);
    let added = answer.added();
    let [.., inner, outer] = &added[..] else { panic!("{added:?}") };
    assert_eq!((&inner.task_id, &outer.task_id), (&subtask.id, root));
}

#[tokio::test]
async fn arguments_of_a_call_can_come_late() {
    use warp::client_action::Action;
    use warp::message::tool_call::Tool;
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([Part::LateToolCall(ToolCall::new("f", json!({"n": 1})))]));

    let answer = answer(&simulator, &offering(request("hi"), &["f"])).await;

    let Some(Tool::CallMcpTool(early)) = &answer.calls()[0].tool else { panic!("no call") };
    assert_eq!((early.name.as_str(), &early.args), ("f", &None));
    let late = answer.actions().into_iter().rev().find_map(|action| match action {
        Action::UpdateTaskMessage(update) => update.message.as_ref(),
        _ => None,
    });
    let Some(warp::message::Message::ToolCall(late)) = &late.unwrap().message else { panic!("{late:?}") };
    let Some(Tool::CallMcpTool(call)) = &late.tool else { panic!("{late:?}") };
    assert_eq!(
        (&late.tool_call_id, call.server_id.as_str()),
        (&answer.calls()[0].tool_call_id, crate::client::SERVER_ID)
    );
    assert!(call.args.is_some());
}

#[tokio::test]
async fn a_call_of_a_tool_nobody_offered_is_sent() {
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([Part::ShellCall("ls".to_owned())]));

    let answer = ask(&simulator, "hi").await;

    assert!(matches!(
        &answer.calls()[0].tool,
        Some(warp::message::tool_call::Tool::RunShellCommand(call)) if call.command == "ls"
    ));
}

#[tokio::test]
async fn what_no_schema_knows_is_sent() {
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([Part::Unknown, Part::Text("text".to_owned())]));

    let answer = ask(&simulator, "hi").await;

    assert_eq!(answer.text(), "text");
    assert!(answer.kinds().contains(&"unknown"));
    let empty = answer.added().into_iter().filter(|message| message.message.is_none()).count();
    assert_eq!(empty, 1);
}

#[tokio::test]
async fn events_that_nobody_can_read_are_sent() {
    let simulator = simulator();
    simulator.enqueue(Scenario::parts([
        Part::Payload("not base64!".to_owned()),
        Part::Event(Event::raw(&[0x0a, 0x7f][..])),
        Part::Bytes(b": a comment\n\n".to_vec()),
    ]));

    let body = text(post(&simulator, &request("hi")).await).await;

    assert!(body.contains("\n\nevent:data\ndata:not base64!\n\nevent:data\ndata:Cn8=\n\n: a comment\n\n"));
}

#[tokio::test]
async fn an_event_can_be_huge() {
    let simulator = simulator();
    let huge = "huge ".repeat(1_000_000);
    simulator.enqueue(Scenario::parts([Part::WholeText(huge.clone())]));

    assert_eq!(ask(&simulator, "hi").await.pieces(), [huge]);
}

#[tokio::test]
async fn events_can_be_scripted_one_by_one() {
    let simulator = simulator();
    let script = [
        Event::init("c", "r"),
        Event::create_task("t", "", &[]),
        Event::together(&[
            Event::begin(),
            Event::add_messages("t", &[Message::agent_output("m", "hi").in_task("t")]),
            Event::commit(),
        ]),
        Event::finished(&Finish::Done),
    ];
    simulator.enqueue(Scenario::events(script.clone()));

    let body = bytes(post(&simulator, &request("hi")).await).await;

    let expected: String =
        script.iter().map(|event| format!("event:data\ndata:{}\n\n", event.payload())).collect();
    assert_eq!(body, expected);
}

#[tokio::test]
async fn frames_can_be_spelled_otherwise() {
    let simulator = simulator();
    let framing = Framing { crlf: true, quoted: true, ..Framing::default() };
    simulator.enqueue(Scenario::text("a b").framed(framing));

    let body = text(post(&simulator, &request("hi")).await).await;

    assert!(body.starts_with("event:data\r\ndata:\""));
    assert_eq!(body.matches("\"\r\n\r\n").count(), 11);
    assert!(body.ends_with("\"\r\n\r\n"));
}

#[tokio::test]
async fn expired_and_revoked_bearers_are_refused() {
    let simulator = simulator();
    let status = async |bearer: &str| {
        let response = post_as(&simulator, bearer, &request("hi")).await;
        (response.status().as_u16(), text(response).await)
    };

    simulator.expire_bearer(EmbeddedCredential::API_KEY);
    assert_eq!(
        status(EmbeddedCredential::API_KEY).await,
        (401, "Unauthorized: token has expired".to_owned())
    );
    simulator.revoke_bearer(EmbeddedCredential::API_KEY);
    assert_eq!(status(EmbeddedCredential::API_KEY).await, (401, "Unauthorized: invalid token".to_owned()));
    simulator.accept_bearer(EmbeddedCredential::API_KEY);
    assert_eq!(status(EmbeddedCredential::API_KEY).await.0, 200);
}

#[tokio::test]
async fn an_answer_that_is_left_counts_as_abandoned() {
    let simulator = simulator();
    let response = post(&simulator, &request("stream 10 chunks of 5 bytes every 1000 ms")).await;
    assert_eq!(simulator.record().running(), 1);

    drop(response);

    simulator.record().wait_until(|record| record.abandoned() == 1, SOON).await.unwrap();
    assert_eq!(simulator.record().last_chat().unwrap().fate(), Fate::Abandoned);
}

#[tokio::test]
async fn a_request_that_is_left_while_it_waits_counts_as_abandoned() {
    let simulator = simulator();
    simulator.enqueue(Scenario::usual().delayed(Duration::from_secs(3600)));
    let router = simulator.router();
    let body = prost::Message::encode_to_vec(&request("hi"));
    let mut call =
        Box::pin(tower::ServiceExt::oneshot(router, chat_request(EmbeddedCredential::API_KEY, body)));
    let waited = simulator.record().wait_until(|record| record.running() == 1, SOON);

    tokio::select! {
        _ = &mut call => panic!("answered"),
        waited = waited => waited.unwrap(),
    }
    drop(call);

    assert_eq!(simulator.record().abandoned(), 1);
}
