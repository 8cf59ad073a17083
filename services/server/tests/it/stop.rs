//! How it ends when it is told to.

use std::io::Read as _;

use crate::program::Program;

/// At once in the middle of a stop.
const STREAMS: usize = 300;

/// Reads until the text is there, so that the stream is known to be in its middle.
fn read_until(socket: &mut impl std::io::Read, text: &str) -> String {
    let mut read = String::new();
    let mut buffer = [0; 4096];
    while !read.contains(text) {
        let length = socket.read(&mut buffer).unwrap();
        assert!(length > 0, "it ended before {text}: {read}");
        read.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    read
}

#[test]
fn a_stop_lets_a_stream_finish_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let program = Program::start(&[], &[]);
        let mut stream = program.begin_chat("say slowly: one two three four five six", true);
        read_until(&mut stream, "one");

        program.signal(signal);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();

        assert!(rest.contains("six") && rest.contains("[DONE]"), "{signal}: {rest}");
        let ended = program.ended();
        assert_eq!(ended.status.code(), Some(0), "{signal}: {ended:?}");
        assert!(!ended.stderr.contains("stopped before"), "{signal}: {ended:?}");
    }
}

/// A log on a full disk, or piped to a program that is gone.
#[cfg(target_os = "linux")]
#[test]
fn a_stop_that_nobody_hears_of_loses_no_stream() {
    let program = Program::start_unheard();
    let mut stream = program.begin_chat("say slowly: one two three four five six", true);
    read_until(&mut stream, "one");

    program.signal("TERM");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();

    assert!(rest.contains("six") && rest.contains("[DONE]"), "{rest}");
    assert_eq!(program.ended().status.code(), Some(0));
}

/// As with `warp2api | true`: who started it reads no banner, or no more than its first line.
#[test]
fn a_command_whose_answer_nobody_reads_to_its_end_ends_well() {
    for arguments in [&["config"][..], &["doctor"], &["types"], &["keys", "list"], &["tokens", "check"]] {
        let ended = crate::program::run_unread(arguments);

        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
        assert!(
            !ended.stderr.contains("panicked") && !ended.stderr.contains("ipe"),
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn a_second_stop_does_not_wait() {
    let mut program = Program::start(&[], &[("W2A_DRAIN_TIMEOUT", "3600")]);
    let mut stream = program.begin_chat("stream 1000 chunks of 8 bytes every 1000 ms", true);
    read_until(&mut stream, "data: ");

    program.signal("TERM");
    // Its word that it has heard comes on standard error, which is read at the end; a refused connection says the
    // same.
    let end = std::time::Instant::now() + crate::program::PATIENCE;
    while std::net::TcpStream::connect(program.edge()).is_ok() {
        assert!(std::time::Instant::now() < end, "it does not close its door");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // What comes within a moment is the same word.
    program.signal_until_it_ends("TERM");

    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("shutting_down") && !rest.contains("[DONE]"), "its last word is an error: {rest}");
    let ended = program.ended();
    assert!(ended.stderr.contains("stopped before everything had finished"), "{ended:?}");
}

/// As many as a small service has on a busy day, and none of them is told anything but its answer.
#[test]
fn a_stop_in_the_middle_of_many_streams_loses_none() {
    let words = "say slowly: one two three four five six seven eight nine ten eleven twelve";
    let program = Program::start(&[], &[("W2A_MAX_IN_FLIGHT", "1000")]);
    let streams: Vec<_> = (0..STREAMS).map(|_| program.begin_chat(words, true)).collect();
    // On a busy machine the first may be at their end before the last has begun.
    let streams: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let read = read_until(&mut stream, "data: ");
            (stream, read)
        })
        .collect();

    program.signal("TERM");

    for (number, (mut stream, mut read)) in streams.into_iter().enumerate() {
        stream.read_to_string(&mut read).unwrap();
        assert!(read.contains("twelve") && read.contains("[DONE]"), "{number}: {read}");
    }
    let ended = program.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("stopped before"), "{ended:?}");
}

#[test]
fn a_drain_timeout_is_kept() {
    let program = Program::start(&[], &[("W2A_DRAIN_TIMEOUT", "0.2")]);
    let mut stream = program.begin_chat("stream 1000 chunks of 8 bytes every 1000 ms", true);
    read_until(&mut stream, "data: ");

    program.signal("TERM");

    assert!(program.ended().stderr.contains("stopped before everything had finished"));
}

/// Sockets are files; a stop leaves none behind.
#[test]
fn a_unix_socket_goes_with_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codec.sock");
    let address = format!("unix:{}", path.display());
    let program = Program::start(&["codec"], &[("W2A_GRPC_ADDR", &address)]);
    assert!(path.exists());

    program.signal("TERM");

    assert_eq!(program.ended().status.code(), Some(0));
    assert!(!path.exists());
}
