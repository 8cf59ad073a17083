//! Where a system says something to somebody: a row for each. Adding one is adding a row.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;

use super::{KEYS, Told};
use crate::program::{PATIENCE, Program, http, run_in};

/// What the collector got.
pub(crate) const SPANS: &str = "spans";

/// What has to be heard where: a surface that says nothing shows nothing.
pub(crate) const HEARD: &[(&str, &str)] = &[
    (SPANS, "chat auto"),
    (SPANS, "\"refresh\""),
    (SPANS, "cancelled"),
    ("metrics by OTLP", "warp2api.pool.rotations"),
    ("stdout", "base URL"),
    ("stderr", "credential cools down"),
    ("stderr", "/v1/chat/completions"),
    ("stderr", "new settings are in use"),
    ("stderr", "the old ones stay in use"),
    ("stderr", "TRACE"),
    ("heads of answers", "400 Bad Request"),
    ("heads of answers", "traceparent"),
    ("errors of chat_completions", "shutting_down"),
    ("errors of responses", "upstream"),
    ("errors of messages", "upstream"),
    ("errors of completions", "upstream"),
    ("gRPC", "Ok("),
    ("gRPC", "Err("),
    ("files", "pool.db"),
    ("files", "keys.json"),
    ("Edge /openapi.json", "/v1/chat/completions"),
    ("Edge /v1/models", "auto"),
    ("Services /metrics", "gen_ai_client_operation_duration_seconds"),
    ("Metrics /metrics", "gen_ai_client_operation_duration_seconds"),
    ("Services /v1/credentials", "CREDENTIAL_KIND_STATIC_JWT"),
    ("Services /v1/auditEvents", "recover"),
    ("Services /v1/exchanges", "EXCHANGE_STATE_FAILED"),
    ("Services /v1/exchanges/1", "EXCHANGE_STATE_SUCCEEDED"),
    ("Services /api/packets/history", "warp_request"),
    ("Services /ui/settings.json", "{"),
    ("/ws", "exchange_failed_over"),
    ("/v1/exchanges:watch", "exchangeFinished"),
    ("/v1/credentials:watch", "credential"),
    ("config", "(hidden)"),
    ("status", "6 of 6"),
    ("doctor", "ok"),
    ("smoke --yes", "pieces"),
    ("smoke --yes", "401"),
    ("tokens list", "mine"),
    ("tokens check", "mine"),
    ("tokens show", "mine"),
    ("keys list", "made"),
];

/// Which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Edge,
    Services,
    Metrics,
}

/// What can be asked for.
pub(crate) const ASKED: &[(Port, &str)] = &[
    (Port::Edge, "/"),
    (Port::Edge, "/healthz"),
    (Port::Edge, "/livez"),
    (Port::Edge, "/readyz"),
    (Port::Edge, "/openapi.json"),
    (Port::Edge, "/docs"),
    (Port::Edge, "/ui"),
    (Port::Edge, "/v1/models"),
    (Port::Edge, "/v1/models/auto"),
    (Port::Edge, "/v1/responses/resp_nowhere"),
    (Port::Edge, "/nowhere?key=planted-query"),
    (Port::Services, "/"),
    (Port::Services, "/healthz"),
    (Port::Services, "/livez"),
    (Port::Services, "/readyz"),
    (Port::Services, "/metrics"),
    (Port::Services, "/openapi.json"),
    (Port::Services, "/docs"),
    (Port::Services, "/ui"),
    (Port::Services, "/ui/settings.json"),
    (Port::Services, "/ui/main.js"),
    (Port::Services, "/v1/credentials"),
    (Port::Services, "/v1/credentials?pageSize=2"),
    (Port::Services, "/v1/poolStatus"),
    (Port::Services, "/v1/auditEvents"),
    (Port::Services, "/v1/exchanges"),
    (Port::Services, "/v1/exchanges/1"),
    (Port::Services, "/v1/exchanges/2"),
    (Port::Services, "/v1/chatModels"),
    (Port::Services, "/v1/messageTypes?pageSize=3"),
    (Port::Services, "/api/packets/history?limit=200"),
    (Port::Services, "/api/auth/status"),
    (Port::Services, "/nowhere?key=planted-query"),
    (Port::Metrics, "/metrics"),
    (Port::Metrics, "/readyz"),
];

/// What tells as it happens.
pub(crate) const FOLLOWED: &[&str] =
    &["/ws?stream_events=true&credentials=true", "/v1/exchanges:watch", "/v1/credentials:watch"];

/// What commands say.
pub(crate) const COMMANDS: &[&[&str]] = &[
    &["config"],
    &["config", "--check"],
    &["status"],
    &["status", "--json"],
    &["doctor"],
    &["doctor", "--json"],
    &["smoke", "--yes", "--key", "planted-client-key"],
    &["smoke", "--yes", "--key", "planted-wrong-key", "--json"],
    &["tokens", "list"],
    &["tokens", "list", "--json"],
    &["tokens", "check"],
    &["tokens", "show", "mine"],
    &["keys", "list"],
    &["--help"],
    &["tokens", "--help"],
];

/// Asks for everything on every port, with the keys of an operator and without.
pub(crate) async fn ask(told: &mut Told, program: &Program, client_key: &str) {
    let admin_key = key("W2A_ADMIN_KEY");
    for (port, path) in ASKED {
        let root = match port {
            Port::Edge => program.edge(),
            Port::Services => program.shown("gRPC"),
            Port::Metrics => {
                program.shown("metrics").trim_start_matches("http://").trim_end_matches("/metrics")
            }
        };
        for with_key in [true, false] {
            let request = http().get(format!("http://{root}{path}"));
            let request = match (with_key, port) {
                (true, Port::Edge) => request.bearer_auth(client_key),
                (true, Port::Services | Port::Metrics) => request.header("x-admin-key", admin_key),
                (false, _) => request,
            };
            let answer = request.send().await.unwrap();
            let head = format!("{} {:?}", answer.status(), answer.headers());
            let path = path.split('?').next().unwrap();
            told.add(&format!("{port:?} {path}"), format!("{head} {}", answer.text().await.unwrap()));
        }
    }
}

/// Reads what tells as it happens until it ends.
pub(crate) fn follow(services: &str) -> Vec<(&'static str, JoinHandle<Vec<u8>>)> {
    let begin = |path: &'static str| {
        let mut socket = TcpStream::connect(services).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let upgrade = if path.starts_with("/ws") { upgrade } else { "" };
        let admin_key = key("W2A_ADMIN_KEY");
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: {services}\r\nx-admin-key: {admin_key}\r\n{upgrade}\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        // Whoever follows is there before anything happens.
        let mut read = vec![0; 12];
        socket.read_exact(&mut read).unwrap();
        let reading = std::thread::spawn(move || {
            // However it ends.
            drop(socket.read_to_end(&mut read));
            read
        });
        (path, reading)
    };
    FOLLOWED.iter().map(|path| begin(path)).collect()
}

/// Runs every command as the operator of a system with these settings.
pub(crate) fn command(told: &mut Told, folder: &tempfile::TempDir, settings: &[(&str, &str)]) {
    for arguments in COMMANDS {
        let ended = run_in(folder, arguments, settings);
        told.add(&arguments[..arguments.len().min(2)].join(" "), ended.output());
    }
}

/// What is in the files of a folder.
pub(crate) fn files(told: &mut Told, folder: &std::path::Path) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            told.add("files", path.file_name().unwrap().as_encoded_bytes());
            told.add("files", std::fs::read(&path).unwrap());
        }
    }
}

/// A key that was planted.
pub(crate) fn key(name: &str) -> &'static str {
    KEYS.iter().find(|(known, _)| *known == name).unwrap().1
}
