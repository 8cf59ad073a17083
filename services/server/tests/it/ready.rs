//! `status --ready`, as a health check of a container asks, and what `status` says of a house that is another one's or behind
//! unix sockets.

use serde_json::Value;

use crate::program::{Program, run, told};

/// Asks until the answer is this, with what was said last.
fn until(settings: &[(&str, &str)], ready: bool) -> String {
    let end = std::time::Instant::now() + crate::program::PATIENCE;
    loop {
        let ended = run(&["status", "--ready"], settings);
        if ended.status.code() == Some(if ready { 0 } else { 1 }) {
            return ended.stdout;
        }
        assert!(std::time::Instant::now() < end, "{ended:?}");
    }
}

#[test]
fn a_health_check_asks_the_process_of_the_folder_and_leaves_no_line_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let nobody = run(&["status", "--ready"], &data);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(nobody.stdout.starts_with("not ready: nothing runs on "), "{nobody:?}");
    let program = Program::start(&[], &data);

    let said = until(&data, true);

    assert!(said.starts_with("ready: serve (process ") && said.lines().count() == 1, "{said}");
    let (code, told) = told(&["status", "--ready"], &data);
    assert_eq!((code, &told["ready"], &told["processes"][0]["role"]), (0, &true.into(), &"serve".into()));
    assert!(run(&["status"], &data).stdout.contains("1 of 1 can be leased"), "nor does the longer one");
    let ended = program.killed();
    assert!(!ended.stderr.contains("method="), "it logs a line for a request: {ended:?}");
    assert_eq!(run(&["status", "--ready"], &data).status.code(), Some(1));
}

#[test]
fn a_process_that_cannot_serve_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let _gateway = Program::start(&["gateway", "--warp-chat", "http://127.0.0.1:9"], &data);

    let end = std::time::Instant::now() + crate::program::PATIENCE;
    loop {
        let said = until(&data, false);
        if said.contains("a service this one needs cannot be reached") {
            assert!(said.starts_with("not ready: gateway (process "), "{said}");
            return;
        }
        assert!(std::time::Instant::now() < end, "{said}");
    }
}

#[test]
fn a_part_without_a_pool_is_not_asked_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = [("W2A_DATA_DIR", folder.path().to_str().unwrap())];
    let codec = Program::start(&["codec"], &data);

    let (_, status) = told(&["status"], &data);

    assert_eq!(
        (&status["services"]["not_ready"], &status["services"]["pool_error"]),
        (&Value::Null, &Value::Null)
    );
    let ended = codec.killed();
    assert!(!ended.stderr.contains("poolStatus"), "{ended:?}");
}

#[cfg(unix)]
#[test]
fn services_behind_a_unix_socket_are_asked_as_those_on_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("grpc.sock").display());
    let settings =
        [("W2A_DATA_DIR", folder.path().to_str().unwrap()), ("W2A_GRPC_ADDR", &socket), ("PORT", "0")];
    let program = Program::start(&[], &settings);

    let (code, status) = told(&["status"], &settings);
    assert_eq!((code, &status["services"]["url"]), (0, &socket.as_str().into()), "{status}");
    assert_eq!(status["services"]["pool"]["activeCount"], 1, "{status}");
    assert!(run(&["status"], &settings).stdout.contains("1 of 1 can be leased"), "{status}");
    program.killed();
    let codec = Program::start(&["codec"], &settings);
    let said = until(&settings, true);
    assert!(said.starts_with("ready: codec"), "{said}");

    // The next one looks through the socket, too, and sees a file that nobody is behind any more.
    let of_gateway = [("W2A_WARP_CHAT", socket.as_str()), ("PORT", "0")];
    let (_, found) = told(&["doctor", "--role", "gateway"], &of_gateway);
    assert!(found.to_string().contains("answers and can serve"), "{found}");
    codec.killed();
    let (code, found) = told(&["doctor", "--role", "gateway"], &of_gateway);
    assert_eq!(code, 1, "{found}");
    assert!(found.to_string().contains("cannot be reached: "), "{found}");
}

#[test]
fn a_house_of_another_folder_is_not_taken_for_this_ones() {
    let folders = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let [own, other] = [&folders[0], &folders[1]].map(|folder| folder.path().to_str().unwrap());
    let house = Program::start(&[], &[("W2A_DATA_DIR", other)]);
    let (port, grpc) = (house.edge().rsplit(':').next().unwrap(), house.shown("gRPC"));
    let settings = [("W2A_DATA_DIR", own), ("PORT", port), ("W2A_GRPC_ADDR", grpc)];

    let said = run(&["status"], &settings).stdout;
    assert_eq!(said.matches("not of this data folder").count(), 2, "{said}");
    let (_, status) = told(&["status"], &settings);
    assert_eq!(
        (&status["edge"]["of_this_folder"], &status["ready"]),
        (&false.into(), &true.into()),
        "{status}"
    );
    let (code, found) = told(&["doctor"], &settings);

    assert_eq!(code, 1, "a start would fail: {found}");
    for name in ["edge port", "grpc port"] {
        let checks = found["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["level"], "fail", "{found}");
        assert!(check["message"].as_str().unwrap().contains("not of this data folder"), "{found}");
    }
    let (_, asked) = told(&["status", "--ready"], &settings);
    assert_eq!(asked["ready"], false, "{asked}");
}
