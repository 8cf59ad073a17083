//! The commands for when something is wrong go on with settings that are: the doctor says what is wrong and where a start
//! would fail, the others do what they can.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::program::{Program, run, run_in, told};

const PORTS: [(&str, &str); 2] = [("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];

fn checks<'a>(found: &'a Value, name: &str) -> Vec<&'a Value> {
    found["checks"].as_array().unwrap().iter().filter(|check| check["name"] == name).collect()
}

#[cfg(unix)]
#[test]
fn a_typing_mistake_does_not_keep_from_looking_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("W2A_DATA_DIR", folder.path().to_str().unwrap());
    let program = Program::start(&[], &[data]);
    let edge = format!("http://{}", program.edge());
    std::fs::write(folder.path().join("w2a.toml"), "prot = 1\n").unwrap();
    std::fs::write(folder.path().join("broken.toml"), "port = \n").unwrap();

    for file in ["w2a.toml", "broken.toml"] {
        let file = folder.path().join(file);
        let settings = [data, ("W2A_CONFIG", file.to_str().unwrap()), ("W2A_HISTORY", "none")];
        for arguments in [&["status"][..], &["status", "--ready"], &["smoke", "--url", &edge]] {
            let ended = run(&[arguments, &["--json"]].concat(), &settings);
            assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
            assert!(ended.stdout.starts_with('{'), "{arguments:?}: {ended:?}");
            assert!(ended.stderr.contains(file.to_str().unwrap()), "{arguments:?}: {ended:?}");
            assert!(ended.stderr.contains("W2A_HISTORY"), "{arguments:?}: {ended:?}");
        }
        let (code, found) = told(&["doctor"], &[&settings[..], &PORTS].concat());
        assert_eq!(code, 1, "{found}");
        let wrong: Vec<_> = checks(&found, "settings");
        assert_eq!(wrong.iter().filter(|check| check["level"] == "fail").count(), 2, "{found}");
        assert!(wrong[0]["message"].as_str().unwrap().contains(file.to_str().unwrap()), "{found}");
        assert_eq!(checks(&found, "ready")[0]["level"], "ok", "it goes on: {found}");
    }
    let wrong = folder.path().join("w2a.toml");
    let stopped = run(&["stop"], &[data, ("W2A_CONFIG", wrong.to_str().unwrap())]);
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert!(stopped.stderr.contains("did you mean `port`?"), "{stopped:?}");
    assert_eq!(program.ended().status.code(), Some(0));
}

#[test]
fn what_is_called_like_a_setting_and_is_none_is_doubtful_to_the_doctor() {
    let settings = [&PORTS[..], &[("W2A_PROT", "1")]].concat();
    let (code, found) = told(&["doctor"], &settings);
    assert_eq!((code, &found["ok"]), (0, &true.into()), "{found}");
    assert!(checks(&found, "settings").iter().any(|check| check["level"] == "warn"), "{found}");

    let (code, found) = told(&["doctor", "--strict"], &settings);

    assert_eq!((code, &found["ok"]), (1, &false.into()), "{found}");
}

/// Each keeps a start from its store, as the start says itself.
#[test]
fn a_data_folder_that_cannot_be_written_to_is_found_before_the_start() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    for folder in [&file, &below] {
        let settings = [&PORTS[..], &[("W2A_DATA_DIR", folder.to_str().unwrap())]].concat();
        let started = run(&[], &settings);
        assert_eq!(started.status.code(), Some(1), "{started:?}");

        let (code, found) = told(&["doctor"], &settings);

        let check = checks(&found, "data folder")[0];
        assert_eq!((code, &check["level"]), (1, &"fail".into()), "{found}");
        assert!(check["message"].as_str().unwrap().contains("is no folder"), "{found}");
    }
    // A part without a store starts, and is only not found.
    let settings = [&PORTS[..], &[("W2A_DATA_DIR", file.to_str().unwrap())]].concat();
    let (code, found) = told(&["doctor", "--role", "codec"], &settings);
    assert_eq!((code, &checks(&found, "data folder")[0]["level"]), (0, &"warn".into()), "{found}");
}

/// Whoever may do everything is refused nothing.
#[cfg(unix)]
#[test]
fn a_data_folder_of_another_user_is_found_before_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let settings = [&PORTS[..], &[("W2A_DATA_DIR", folder.path().to_str().unwrap())]].concat();

    let (code, found) = told(&["doctor"], &settings);
    assert_eq!((code, &checks(&found, "data folder")[0]["level"]), (1, &"fail".into()), "{found}");
    let stopped = run(&["stop"], &settings);
    assert!(stopped.stderr.contains("ask as the user it runs as"), "{stopped:?}");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_healthy_upstream_of_its_own_is_well_and_its_port_has_probes() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("W2A_DATA_DIR", folder.path().to_str().unwrap());
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let upstream = Program::start(&["upstream"], &[data, ("W2A_METRICS_ADDR", &metrics)]);
    let url = upstream.shown("upstream").to_owned();
    let address = url.strip_prefix("http://").unwrap();

    let settings = [data, ("W2A_UPSTREAM_ADDR", address), ("W2A_METRICS_ADDR", &metrics)];
    for arguments in [&["doctor", "--role", "upstream"][..], &["doctor"], &["status", "--ready"]] {
        let (code, found) = told(arguments, &settings);
        assert_eq!(code, 0, "{arguments:?}: {found}");
        if arguments[0] == "doctor" {
            for name in ["upstream port", "metrics port"] {
                let words = checks(&found, name)[0]["message"].as_str().unwrap();
                assert!(words.contains("in use by the process that runs"), "{found}");
            }
            assert_eq!(checks(&found, "ready")[0]["level"], "ok", "{found}");
        }
    }
    for path in ["/livez", "/readyz"] {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    // Its root has no page, which is no reason to doubt it.
    let of_house = [&PORTS[..], &[("W2A_UPSTREAM", &url), ("WARP_API_KEY", "wk-embedded-upstream")]].concat();
    let (_, found) = told(&["doctor"], &of_house);
    assert_eq!(checks(&found, "upstream")[0]["level"], "ok", "{found}");
    let nowhere = format!("{url}/nothing");
    let taken =
        [("PORT", address.rsplit(':').next().unwrap()), PORTS[1], ("W2A_WARP_CHAT", nowhere.as_str())];
    let (_, found) = told(&["doctor", "--role", "gateway"], &taken);
    let words = checks(&found, "edge port")[0].to_string();
    assert!(words.contains("choose another port here (PORT)"), "{found}");
}

#[test]
fn what_was_typed_wrong_has_one_exit_code() {
    for arguments in [&["--prot", "1"][..], &["sevre"], &["tokens"], &["doctor", "--role", "no"]] {
        let ended = run(arguments, &[]);
        assert_eq!(ended.status.code(), Some(64), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("Usage") || ended.stderr.contains("--help"), "{ended:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["stop", "--help"]] {
        let ended = run(arguments, &[]);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let serve = run_in(&folder, &["config", "--check", "--role", "serve"], &PORTS);
    assert_eq!(serve.status.code(), Some(0), "{serve:?}");
}

#[test]
fn a_check_says_that_nobody_has_written_where_the_services_are() {
    for (role, setting) in [("gateway", "W2A_WARP_CHAT"), ("warp-chat", "W2A_TOKEN_POOL")] {
        let check = |settings: &[(&str, &str)]| {
            run(&["config", "--check", "--role", role], &[settings, &[("W2A_UPSTREAM", "embedded")]].concat())
        };
        let ended = check(&[]);
        assert_eq!(ended.status.code(), Some(64), "{ended:?}");
        assert!(ended.stderr.contains(setting), "{ended:?}");
        assert_eq!(check(&[(setting, "http://127.0.0.1:4003")]).status.code(), Some(0));
    }
}

/// A proxy that gives an answer on when it has all of it.
fn buffering(edge: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let edge = edge.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                let (mut request, mut buffer) = (String::new(), [0; 65536]);
                loop {
                    let length = client.read(&mut buffer)?;
                    request.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
                    let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if length == 0 || body.len() >= wanted.map_or(0, |length| length.parse().unwrap()) {
                        break;
                    }
                }
                let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                let mut server = TcpStream::connect(edge)?;
                server.write_all(request.as_bytes())?;
                let mut answer = Vec::new();
                server.read_to_end(&mut answer)?;
                client.write_all(&answer)
            });
        }
    });
    url
}

#[test]
fn a_stream_that_is_held_back_is_a_failure_to_those_who_are_strict() {
    let program = Program::start(&[], &[]);
    let url = buffering(program.edge().to_owned());

    for (command, code) in [(&["smoke"][..], 0), (&["smoke", "--strict"], 1), (&["doctor", "--strict"], 1)] {
        let (ended, told) = told(&[command, &["--url", &url]].concat(), &PORTS);
        assert_eq!((ended, &checks(&told, "stream")[0]["level"]), (code, &"warn".into()), "{told}");
    }
}
