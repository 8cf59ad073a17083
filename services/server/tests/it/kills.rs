//! Five processes under load, each killed without warning in turn and started again: clear errors for what it held and
//! for nothing else, and afterwards everything is as it was.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{PATIENCE, Program};

const STREAMS: usize = 12;
const ASKED: &str = "stream 30 chunks of 8 bytes every 100 ms";

/// The five, each on a port that it comes back to.
struct Five {
    programs: Vec<(&'static str, Option<Program>)>,
    ports: [String; 5],
    folder: tempfile::TempDir,
}

const ROLES: [&str; 5] = ["upstream", "token-pool", "codec", "warp-chat", "gateway"];

impl Five {
    fn start() -> Self {
        // Held together, so that they differ.
        let listeners: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |index: usize| listeners[index].local_addr().unwrap().to_string();
        let ports = [port(0), port(1), port(2), port(3), port(4)];
        drop(listeners);
        let folder = tempfile::tempdir().unwrap();
        let programs =
            ROLES.iter().enumerate().map(|(index, role)| (*role, Some(open(index, &ports, folder.path()))));
        Self { programs: programs.collect(), ports, folder }
    }

    fn kill(&mut self, victim: usize) {
        drop(self.programs[victim].1.take().unwrap().killed());
        self.programs[victim].1 = Some(open(victim, &self.ports, self.folder.path()));
    }

    fn gateway(&self) -> &Program {
        self.programs[4].1.as_ref().unwrap()
    }

    fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what}: it does not come");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The leases that are out.
    fn leases(&self) -> i64 {
        let answer = get(&self.ports[1], "/v1/poolStatus");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["inFlightCount"].as_i64().unwrap_or(0)
    }
}

fn open(index: usize, ports: &[String; 5], folder: &Path) -> Program {
    let (upstream, pool, chat) =
        (format!("http://{}", ports[0]), format!("http://{}", ports[1]), format!("http://{}", ports[3]));
    let folder = folder.join(ROLES[index]).display().to_string();
    let (_, port) = ports[index].rsplit_once(':').unwrap();
    let mut settings =
        vec![("W2A_DATA_DIR", folder.as_str()), ("W2A_GRPC_ADDR", &ports[index]), ("PORT", port)];
    settings.extend([("W2A_UPSTREAM_ADDR", ports[index].as_str()), ("W2A_MAX_IN_FLIGHT", "500")]);
    settings.push(("W2A_LEASE_LIFE", "3"));
    match ROLES[index] {
        "token-pool" => {
            settings.extend([("W2A_UPSTREAM", upstream.as_str()), ("WARP_API_KEY", "wk-embedded-upstream")])
        }
        "warp-chat" => settings.extend([("W2A_UPSTREAM", upstream.as_str()), ("W2A_TOKEN_POOL", &pool)]),
        "gateway" => settings.push(("W2A_WARP_CHAT", &chat)),
        _ => {}
    }
    Program::start(&[ROLES[index]], &settings)
}

fn get(address: &str, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut socket) = TcpStream::connect(address) {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        drop(socket.write_all(head.as_bytes()));
        drop(socket.read_to_string(&mut answer));
    }
    answer
}

/// Everything that comes, also if the connection breaks.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn each_of_five_is_killed_under_load_and_takes_down_only_what_it_held() {
    let mut five = Five::start();
    for (victim, role) in ROLES.into_iter().enumerate() {
        five.until("it can serve", |five| get(&five.ports[4], "/readyz").starts_with("HTTP/1.1 200 "));
        let mut streams: Vec<_> = (0..STREAMS).map(|_| five.gateway().begin_chat(ASKED, true)).collect();
        for stream in &mut streams {
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).unwrap() > 0, "{role}: it has begun");
        }

        five.kill(victim);

        for stream in streams {
            let text = rest(stream);
            let (whole, error) = (text.contains("[DONE]"), text.contains(r#"data: {"error""#));
            match role {
                // A turn in its middle needs neither of them.
                "token-pool" | "codec" => assert!(whole && !error, "{role}: {text}"),
                "upstream" => assert!(error && text.contains("\"code\":\"upstream_"), "{role}: {text}"),
                "warp-chat" => assert!(error && text.contains("service_unreachable"), "{role}: {text}"),
                // Who is gone says nothing, and nobody takes it for an end.
                _ => assert!(!whole && !error, "{role}: {text}"),
            }
        }
        five.until("it can serve again", |five| get(&five.ports[4], "/readyz").starts_with("HTTP/1.1 200 "));
        let answer = five.gateway().chat("say exactly: recovered");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("recovered"), "{role}: {answer}");
        // What a killed chat service had leased comes back when it is not heard of for so long; all else is given back.
        five.until("leases are given back", |five| five.leases() == 0);
    }
}

#[test]
fn a_lease_lasts_as_long_as_its_stream_and_not_much_longer_than_its_holder() {
    let mut five = Five::start();
    five.until("it can serve", |five| get(&five.ports[4], "/readyz").starts_with("HTTP/1.1 200 "));
    let mut stream = five.gateway().begin_chat("stream 150 chunks of 8 bytes every 100 ms", true);
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).unwrap() > 0, "it has begun");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(7) {
        assert_eq!(five.leases(), 1, "it is renewed");
        std::thread::sleep(Duration::from_millis(200));
    }

    five.kill(3);

    assert_eq!(five.leases(), 1, "nobody has said that it is over");
    five.until("its slot is free", |five| five.leases() == 0);
    assert!(rest(stream).contains("service_unreachable"));
}
