//! The program as a person starts it: what it prints, how it fails, how it stops.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// The program with these variables and no others, in a folder without `.env`.
fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp2api"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(arguments, variables).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A running program. It is killed when the test is over.
struct Running {
    child: Child,
    banner: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is as good.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Running {
    /// Starts it and reads its banner to the end.
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child =
            program(arguments, variables).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut banner = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                banner.push_str(&line);
                banner.push('\n');
                if send.send(banner.clone()).is_err() {
                    return;
                }
            }
        });
        let mut banner = String::new();
        // The banner ends with an empty line after its last words; what matters comes before them.
        while !banner.contains("Ctrl-C stops.") && !banner.contains("use it") && !banner.contains("health)") {
            banner = receive.recv_timeout(PATIENCE).expect("a banner");
        }
        while let Ok(more) = receive.recv_timeout(Duration::from_millis(100)) {
            banner = more;
        }
        Self { child, banner }
    }

    /// The address behind `before` in the banner.
    fn address(&self, before: &str) -> String {
        let rest =
            self.banner.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.banner)).1;
        let rest = rest.trim_start().trim_start_matches("http://");
        rest.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap().to_owned()
    }
}

/// A request over a socket of its own; the whole answer as text.
fn request(address: &str, text: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn chat(address: &str, question: &str) -> String {
    let body = format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"{question}"}}]}}"#);
    request(
        address,
        &format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

const FREE: [(&str, &str); 2] = [("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];

#[test]
fn the_banner_says_what_to_do_next_and_the_chat_works() {
    let running = Running::start(&[], &FREE);

    for words in ["base URL", "curl -N", "embedded", "any key is accepted", "gRPC"] {
        assert!(running.banner.contains(words), "{words} is missing in {}", running.banner);
    }
    let answer = chat(&running.address("base URL"), "say exactly: it works");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("it works"), "{answer}");
}

#[test]
fn the_banner_counts_credentials_and_shows_none() {
    let secrets = [
        ("WARP_API_KEY", "wk-planted-1"),
        ("WARP_SHARED_TOKENS", "planted-2,planted-3"),
        ("API_TOKEN", "planted-4"),
        ("W2A_UPSTREAM", "http://127.0.0.1:9"),
        ("W2A_LOG", "trace"),
    ];
    let mut running = Running::start(&[], &[&FREE[..], &secrets].concat());

    assert!(running.banner.contains("1 personal, 2 shared"), "{}", running.banner);
    chat(&running.address("base URL"), "hello");
    let _gone = running.child.kill();
    let mut log = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(!log.contains("planted") && !running.banner.contains("planted"), "{}{log}", running.banner);
}

#[test]
fn a_taken_port_is_an_error_that_names_it_and_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let (code, _, error) = output(&[], &[("PORT", &port), FREE[1]]);

    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("--port"), "{error}");
}

#[test]
fn every_bad_setting_is_told_at_once() {
    let (code, _, error) = output(
        &["--port", "eighty"],
        &[("W2A_HISTORY", "planted"), ("WARP_PERSONAL_TOKENS", "bad token planted")],
    );

    assert_eq!(code, Some(64));
    for name in ["PORT", "W2A_HISTORY", "WARP_PERSONAL_TOKENS"] {
        assert!(error.contains(name), "{name} is missing in {error}");
    }
    assert!(!error.contains("bad token"), "{error}");
}

#[test]
fn config_shows_what_would_be_used_and_hides_secrets() {
    let variables = [("API_TOKEN", "planted-1"), ("WARP_API_KEY", "wk-planted-2"), ("PORT", "1234")];

    let (code, shown, error) = output(&["config"], &variables);

    assert_eq!(code, Some(0), "{error}");
    assert!(shown.contains("1234") && shown.contains("app.warp.dev"), "{shown}");
    assert!(!shown.contains("planted"), "{shown}");
}

#[test]
fn the_embedded_upstream_serves_another_process() {
    let upstream = Running::start(&["upstream"], &[("W2A_UPSTREAM_ADDR", "127.0.0.1:0")]);
    let url = format!("http://{}", upstream.address("upstream"));
    let variables = [("W2A_UPSTREAM", url.as_str()), ("WARP_API_KEY", "wk-embedded-upstream")];
    let house = Running::start(&[], &[&FREE[..], &variables].concat());

    let answer = chat(&house.address("base URL"), "say exactly: through two");

    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("through two"), "{answer}");
    assert!(answer.contains("x-warp2api-upstream: embedded"), "{answer}");
}

#[cfg(unix)]
#[test]
fn sigterm_lets_a_stream_finish_and_exits_well() {
    let mut running = Running::start(&[], &FREE);
    let mut socket = TcpStream::connect(running.address("base URL")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let body =
        r#"{"stream":true,"messages":[{"role":"user","content":"say slowly: one two three four five six"}]}"#;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length:";
    socket.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    let mut reader = BufReader::new(socket);
    while !answer.contains("one ") {
        assert_ne!(reader.read_line(&mut answer).unwrap(), 0, "{answer}");
    }

    let pid = running.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());

    reader.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("six") && answer.contains("[DONE]"), "{answer}");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}
