//! What signals mean: told twice within a moment is told once, early is not too early, and a terminal that is gone is a stop.

use std::io::Read as _;
use std::net::TcpListener;

use crate::program::{Program, run};

/// As `timeout` of the coreutils does: the process, and then its group with the process in it.
#[test]
fn a_doubled_signal_is_one_word() {
    for signals in [["TERM", "TERM"], ["INT", "TERM"]] {
        let program = Program::start(&[], &[]);
        let mut stream = program.begin_chat("say slowly: one two three four five six", true);
        stream.read_exact(&mut [0; 12]).unwrap();

        signals.iter().for_each(|name| program.signal(name));
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();

        assert!(rest.contains("six") && rest.contains("[DONE]"), "{signals:?}: {rest}");
        let ended = program.ended();
        assert!(!ended.stderr.contains("stopped before"), "{signals:?}: {ended:?}");
    }
}

/// The second command comes so late that its signal would be a word to hurry.
#[test]
fn a_second_plain_stop_waits_as_the_first_one_did() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let program = Program::start(&[], &data);
    let mut stream = program.begin_chat("stream 30 chunks of 8 bytes every 100 ms", true);
    stream.read_exact(&mut [0; 12]).unwrap();

    let first = run(&["stop", "--timeout", "1.2"], &data);
    assert_eq!(first.status.code(), Some(1), "the stream goes on: {first:?}");
    let second = run(&["stop"], &data);

    assert_eq!(second.status.code(), Some(0), "{second:?}");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("[DONE]") && !rest.contains("shutting_down"), "{rest}");
    assert!(!program.ended().stderr.contains("stopped before"));
}

#[test]
fn signals_that_come_before_the_house_is_built_are_heard() {
    // A database that takes the connection and says nothing: whoever waits for it has begun to build.
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:p@{}/d", database.local_addr().unwrap());
    let key = "ab".repeat(32);
    let program = Program::start_unready(&[("W2A_DATABASE_URL", &url), ("W2A_STORE_KEY", &key)]);
    let _connection = database.accept().unwrap();

    program.signal("HUP");
    program.signal("TERM");

    let ended = program.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("stopped before it had started"), "{ended:?}");
}

#[test]
fn a_terminal_that_is_gone_is_a_stop_that_loses_no_stream() {
    let (program, _terminal) = Program::start_in_terminal();
    let mut stream = program.begin_chat("say slowly: one two three four five six", true);
    stream.read_exact(&mut [0; 12]).unwrap();

    program.signal("HUP");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();

    assert!(rest.contains("six") && rest.contains("[DONE]"), "{rest}");
    let ended = program.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("stopped before"), "{ended:?}");
}
