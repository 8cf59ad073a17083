//! `encode`, `decode` and `types` in a shell: pipes, files, streams that go on, readers that leave, mistakes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};

use serde_json::{Value, json};

use crate::program::PATIENCE;

/// `{"init": {"conversation_id": "c1", "request_id": "r1"}}`, as the upstream streams it.
const EVENT: &str = "event:data\ndata:CggKAmMxEgJyMQ==\n\n";
const INIT: &str = r#"{"init":{"conversation_id":"c1","request_id":"r1"}}"#;
/// A request with one query.
const QUERY: &str = r#"{"input":{"user_inputs":{"inputs":[{"user_query":{"query":"hi"}}]}},"metadata":{"conversation_id":"c"}}"#;
const QUERY_BASE64: &str = "EgoyCAoGCgQKAmhpIgMKAWM=";

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp2api"));
    // A setting that is wrong does not matter here.
    command.args(arguments).env("PORT", "no port");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn run(arguments: &[&str], input: impl Into<Vec<u8>>) -> Output {
    let mut child = start(arguments);
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // Who errs early does not read everything.
    let _written = writer.join().unwrap();
    output
}

/// What it wrote, when it did what was asked.
fn stdout(arguments: &[&str], input: impl Into<Vec<u8>>) -> String {
    let output = run(arguments, input);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {words}");
    assert_eq!(words, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// How it ended and what it said, when it could not.
fn refused(arguments: &[&str], input: &[u8]) -> (Option<i32>, String) {
    let output = run(arguments, input);
    assert!(!output.status.success(), "{arguments:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_message_goes_through_a_pipe_and_back_in_every_form() {
    for form in [None, Some("--base64"), Some("--hex"), Some("--raw")] {
        let encode: Vec<_> = ["encode"].into_iter().chain(form).collect();
        let decode: Vec<_> = ["decode"].into_iter().chain(form).collect();

        let data = run(&encode, QUERY).stdout;
        assert_eq!(stdout(&decode, data), format!("{QUERY}\n"), "{form:?}");
    }
    assert_eq!(stdout(&["encode"], QUERY), format!("{QUERY_BASE64}\n"));
    // The form is told from the bytes.
    let raw = run(&["encode", "--raw"], QUERY).stdout;
    assert_eq!(stdout(&["decode"], raw), format!("{QUERY}\n"));
}

#[test]
fn files_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("in.json"), INIT).unwrap();

    stdout(&["encode", "ResponseEvent", "-i", &path("in.json"), "--raw", "-o", &path("data")], "");
    let json = stdout(&["decode", "ResponseEvent", "--raw", "-i", &path("data"), "--camel"], "");

    assert_eq!(json, "{\"init\":{\"conversationId\":\"c1\",\"requestId\":\"r1\"}}\n");
}

#[test]
fn options_say_how() {
    let unknown = r#"{"@unknown":"oB8H"}"#;
    let data = stdout(&["encode", "Task"], unknown);
    assert_eq!(stdout(&["decode", "Task"], data.clone()), format!("{unknown}\n"));
    assert_eq!(stdout(&["decode", "Task", "--unknown", "ignore"], data.clone()), "{}\n");
    assert!(refused(&["decode", "Task", "--unknown", "refuse"], data.as_bytes()).1.contains("no such field"));
    assert_eq!(stdout(&["decode", "Task", "--pretty"], data), "{\n  \"@unknown\": \"oB8H\"\n}\n");
    let message = r#"{"server_message_data":{"uuid":"a"}}"#;
    let data = stdout(&["encode", "Message"], message);
    let shown = stdout(&["decode", "Message", "--server-message-data"], data);
    assert_eq!(shown, "{\"server_message_data\":{\"uuid\":\"a\",\"type\":\"UUID_ONLY\",\"raw\":\"CgFh\"}}\n");
}

#[test]
fn a_recorded_body_becomes_lines() {
    let body = format!("{EVENT}: ping\n\ndata:GgkSAFIFDQAAgD8=\n\ndata: [DONE]\n\n");

    let lines = stdout(&["decode"], body.clone());
    assert_eq!(lines.lines().next(), Some(INIT));
    assert_eq!(lines.lines().count(), 2);
    let lines = stdout(&["decode", "--stream", "--ranges"], body);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["start"], &lines[0]["end"]), (&json!(0), &json!(32)));
    assert_eq!(lines[0]["message"], serde_json::from_str::<Value>(INIT).unwrap());
    assert_eq!((&lines[1]["index"], &lines[1]["start"]), (&json!(1), &json!(42)));

    let delimited = [&[10][..], &[10, 8, 10, 2, b'c', b'1', 18, 2, b'r', b'1']].concat().repeat(2);
    assert_eq!(stdout(&["decode", "--stream"], delimited), format!("{INIT}\n{INIT}\n"));
}

#[test]
fn what_cannot_be_decoded_is_told_and_the_rest_goes_on() {
    let body = format!("{EVENT}data:?\n\n{EVENT}data:Cgg");

    let output = run(&["decode"], body.clone());
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{INIT}\n{INIT}\n"));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "frame 1 (bytes 34 to 40): the data of the event is not base64\n\
         frame 3 (bytes 76 to 84): the stream ends in the middle of the frame\n\
         warp2api: 2 of 4 frames could not be decoded\n"
    );

    let output = run(&["decode", "--stream", "--ranges", "--stop"], body);
    let lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let error = json!({"kind": "NOT_BASE64", "message": "the data of the event is not base64", "path": "", "position": null});
    assert_eq!(lines[1], json!({"index": 1, "start": 34, "end": 40, "error": error}));
}

#[test]
fn a_stream_is_shown_as_it_comes() {
    let mut child = start(&["decode"]);
    let mut stdin = child.stdin.take().unwrap();
    let (sender, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line).map_err(drop))
    });
    for _ in 0..3 {
        // In two pieces, the second after a moment, and nothing more until it is shown.
        stdin.write_all(&EVENT.as_bytes()[..7]).unwrap();
        stdin.flush().unwrap();
        stdin.write_all(&EVENT.as_bytes()[7..]).unwrap();
        stdin.flush().unwrap();
        assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), INIT);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(lines.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    reader.join().unwrap().unwrap();
}

/// As `warp2api decode | head -n 1` does.
#[test]
fn a_reader_that_leaves_is_no_mistake() {
    for arguments in [&["decode"][..], &["decode", "--stream", "--ranges"], &["types"]] {
        let mut child = start(arguments);
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            let events = EVENT.repeat(1000);
            // Until nobody reads any more.
            while stdin.write_all(events.as_bytes()).is_ok() {}
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();

        drop(stdout);

        assert!(child.wait().unwrap().success(), "{arguments:?}");
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        assert_eq!(words, "", "{arguments:?}");
        writer.join().unwrap();
    }
}

#[test]
fn types_are_listed_and_shown() {
    let names = stdout(&["types"], "");
    assert!(names.lines().any(|name| name == "warp.multi_agent.v1.Request"));
    assert!(names.lines().is_sorted());
    let text = stdout(&["types", "Request"], "");
    assert!(text.contains("message warp.multi_agent.v1.Request {"));
    let schema: Value =
        serde_json::from_str(&stdout(&["types", "Request", "--schema", "--camel"], "")).unwrap();
    assert_eq!(schema["title"], "warp.multi_agent.v1.Request");
    let request = &schema["$defs"]["warp.multi_agent.v1.Request"]["properties"];
    assert!(request.get("taskContext").is_some());
}

#[test]
fn mistakes_are_told_with_a_way_out() {
    for (arguments, input, code, words) in [
        (
            &["encode"][..],
            "{\"input\":\n 7}",
            65,
            "standard input: input at 2:2: expected an object; `warp2api types TYPE` shows",
        ),
        (&["encode"], "{\"inputs\":{}}", 65, "inputs at 1:2: there is no such field"),
        (&["encode"], " \n", 65, "standard input is empty; a message without content is `{}`"),
        (&["encode"], "\u{fffd}", 65, "not JSON"),
        (&["encode", "Reqest"], "{}", 64, "there is no message type `Reqest`; `warp2api types` lists all"),
        (&["decode", "response"], "", 64, "did you mean `warp.multi_agent.v1.ResponseEvent`"),
        (&["types", "no.Such"], "", 64, "there is no message type `no.Such`"),
        (&["decode", "-i", "/no/such/file"], "", 66, "cannot open /no/such/file: "),
        (&["decode"], "{\"input\":{}}", 65, "looks like JSON, which `warp2api encode` takes"),
        (&["decode", "--base64"], "?", 65, "standard input is not base64; --hex and --raw say"),
        (&["decode", "--hex"], "abc", 65, "standard input is not hexadecimal"),
        (&["decode", "--hex"], "0a05", 65, "task_context at 1: the bytes end in the middle of a field"),
        (
            &["decode", "--stream", "--framing", "sse"],
            "nothing like it\n\n",
            65,
            "there is no message in standard input",
        ),
        (
            &["decode", "--stream", "--framing", "length-delimited"],
            "\u{ff}\u{ff}",
            65,
            "1 of 1 frames could not be decoded",
        ),
        (&["decode", "--base64", "--hex"], "", 64, "cannot be used with"),
        (&["decode", "--framing", "sse"], "", 64, "--stream"),
        (&["types", "--schema"], "", 64, "<NAME>"),
    ] {
        let (status, said) = refused(arguments, input.as_bytes());

        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let (status, said) = refused(&["encode"], b"\xff");
    assert_eq!((status, said.contains("is not UTF-8")), (Some(65), true));
}
