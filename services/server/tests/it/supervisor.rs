//! What systemd is told, by a socket of this test's.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;

use crate::program::{PATIENCE, Program};

/// The next message that is no sign of life.
fn next(socket: &UnixDatagram) -> String {
    loop {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).expect("a message");
        let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if message != "WATCHDOG=1\n" {
            return message;
        }
    }
}

#[test]
fn a_process_manager_hears_when_it_serves_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Known beforehand, so that nothing else has to be waited for.
    let ports = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [edge, grpc] = ports.map(|port| port.local_addr().unwrap());
    let settings = [
        ("NOTIFY_SOCKET", path.display().to_string()),
        ("PORT", edge.port().to_string()),
        ("W2A_GRPC_ADDR", grpc.to_string()),
        ("WATCHDOG_USEC", "300000".to_owned()),
        ("W2A_DATA_DIR", folder.path().join("data").display().to_string()),
    ];
    let starting = std::thread::spawn(move || {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Program::start(&[], &settings)
    });

    assert_eq!(next(&socket), "READY=1\n");
    for port in [edge, grpc] {
        TcpStream::connect(port).unwrap_or_else(|error| panic!("{port} does not listen yet: {error}"));
    }
    let program = starting.join().unwrap();
    program.signal("HUP");
    assert!(next(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(&socket), "READY=1\n");
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"WATCHDOG=1\n");
    program.signal("TERM");
    assert_eq!(next(&socket), "STOPPING=1\n");
    assert_eq!(program.ended().status.code(), Some(0));
}

#[test]
fn a_socket_that_nobody_listens_to_keeps_no_process_from_serving() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody").display().to_string();

    let program = Program::start(&[], &[("NOTIFY_SOCKET", &path)]);

    assert!(program.chat("say exactly: served").contains("served"));
    let ended = program.killed();
    assert!(ended.stderr.contains("the process manager cannot be told"), "{ended:?}");
}
