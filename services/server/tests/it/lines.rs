//! One line in the log for each request and each call over a socket, with the id of its trace: what one looks for at night,
//! in a house whose traces nobody collects.

use serde_json::Value;
use tonic::transport::Endpoint;
use warp2api_proto::warp_chat::v1::part::Content;
use warp2api_proto::warp_chat::v1::warp_chat_client::WarpChatClient;
use warp2api_proto::warp_chat::v1::{GetChatModelRequest, Message, Part, Role, StreamChatRequest};

use crate::pool_client::Upstream;
use crate::program::Program;

const STREAM_CHAT: &str = "warp2api.warp_chat.v1.WarpChat/StreamChat";

/// The lines of requests and calls in what a process said, in their order.
fn lines(said: &str) -> Vec<Value> {
    // What is said before the log begins is no JSON.
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "warp2api::request").collect()
}

/// The lines of calls of that method.
fn of<'a>(lines: &'a [Value], method: &str) -> Vec<&'a Value> {
    lines.iter().map(|line| &line["fields"]).filter(|fields| fields["method"] == method).collect()
}

fn stopped(program: Program) -> Vec<Value> {
    program.signal("TERM");
    let ended = program.ended();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!ended.output().contains("planted"), "{ended:?}");
    lines(&ended.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_split_house_has_its_line_and_all_lines_of_a_request_its_trace() {
    let upstream = Upstream::start(&["planted-refresh"]).await;
    let json = ("W2A_LOG_FORMAT", "json");
    let pool = Program::start(
        &["token-pool", "--upstream", &upstream.url],
        &[
            json,
            ("W2A_LOG", "info,warp2api::request=debug"),
            ("WARP_REFRESH_TOKEN", "planted-refresh"),
            ("WARP_FIREBASE_API_KEY", "planted-web-key"),
        ],
    );
    let at = |program: &Program| format!("http://{}", program.shown("gRPC"));
    let chat =
        Program::start(&["warp-chat", "--token-pool", &at(&pool), "--upstream", &upstream.url], &[json]);
    let gateway = Program::start(&["gateway", "--warp-chat", &at(&chat)], &[json]);

    let answer = gateway.chat("say exactly: planted-answer");
    // One that is refused, and one whose caller leaves.
    let channel = Endpoint::from_shared(at(&chat)).unwrap().connect().await.unwrap();
    let mut client = WarpChatClient::new(channel);
    let unknown = GetChatModelRequest { name: "chatModels/planted".to_owned() };
    let refused = client.get_chat_model(unknown).await.unwrap_err();
    let text = Part { content: Some(Content::Text("stream 6000 chunks of 8 bytes every 20 ms".to_owned())) };
    let message = Message { role: Role::User.into(), parts: vec![text] };
    let mut begun = client
        .stream_chat(StreamChatRequest { messages: vec![message], ..StreamChatRequest::default() })
        .await
        .unwrap()
        .into_inner();
    begun.message().await.unwrap();
    drop((begun, client));

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let header = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let (parent, request_id) = (header("traceparent: "), header("x-request-id: "));
    let trace_id = &parent[3..35];
    assert!(parent.starts_with("00-") && parent.ends_with("-00"), "nobody records it: {parent}");
    let (of_gateway, of_chat) = (stopped(gateway), stopped(chat));
    let of_pool = stopped(pool);
    let ours =
        |fields: &&Value| fields["trace_id"] == trace_id && fields["request_id"] == request_id.as_str();

    assert_eq!(of_gateway.len(), 1, "{of_gateway:?}");
    assert!(ours(&&of_gateway[0]["fields"]), "{of_gateway:?}");
    let chats = of(&of_chat, STREAM_CHAT);
    assert_eq!(chats.len(), 2, "{of_chat:?}");
    let [chat] = chats.iter().copied().filter(ours).collect::<Vec<_>>()[..] else { panic!("{of_chat:?}") };
    assert_eq!((&chat["status"], &chat["reason"]), (&"OK".into(), &Value::Null));
    assert!(chat["total_ms"].is_u64(), "{chat}");
    let [left] = chats.into_iter().filter(|fields| !ours(fields)).collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((&left["status"], &left["reason"]), (&"CANCELLED".into(), &"cancelled".into()));
    let [model] = of(&of_chat, "warp2api.warp_chat.v1.WarpChat/GetChatModel")[..] else {
        panic!("{of_chat:?}")
    };
    assert_eq!((&model["status"], &model["reason"]), (&"NOT_FOUND".into(), &"MODEL_NOT_FOUND".into()));
    // Who sent no ids has some all the same, and is told by which to ask.
    let told = refused.metadata().get("x-request-id").unwrap().to_str().unwrap();
    assert_eq!(model["request_id"], told);
    for line in &of_chat {
        let id = line["fields"]["trace_id"].as_str().unwrap_or_default();
        assert_eq!(id.len(), 32, "{line}");
    }

    // Leases are told of to those who want to hear it.
    for method in ["AcquireCredential", "ReportCredentialOutcome"] {
        let leases = of(&of_pool, &format!("warp2api.token_pool.v1.TokenPool/{method}"));
        assert_eq!(leases.len(), 2, "{of_pool:?}");
        assert_eq!(leases.into_iter().filter(ours).count(), 1, "{of_pool:?}");
    }
    assert!(of_pool.iter().all(|line| line["level"] == "DEBUG"), "{of_pool:?}");
}

#[test]
fn a_request_that_is_answered_in_one_process_has_one_line() {
    let settings = [("W2A_UPSTREAM", "embedded"), ("W2A_LOG_FORMAT", "json"), ("W2A_LOG", "debug")];
    let program = Program::start(&[], &settings);

    assert!(program.chat("say exactly: fine").starts_with("HTTP/1.1 200 "));

    let told = stopped(program);
    let chats: Vec<_> = told.iter().filter(|line| line["fields"]["trace_id"].is_string()).collect();
    assert_eq!(chats.len(), 1, "{told:?}");
    assert_eq!(chats[0]["fields"]["route"], "/v1/chat/completions");
}
