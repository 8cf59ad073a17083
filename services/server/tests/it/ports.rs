//! A port that is taken is said at once, with the way out.

use std::net::TcpListener;

use crate::program::run;

#[test]
fn a_taken_port_is_named_with_the_option_that_chooses_another() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let port = other.local_addr().unwrap().port().to_string();
    let free = ("W2A_GRPC_ADDR", "127.0.0.1:0");
    for (command, settings, option) in [
        (&[][..], [("PORT", port.as_str()), free], "--port"),
        (&["--port", &port], [("PORT", "0"), free], "--port"),
        (&[], [("PORT", "0"), ("W2A_GRPC_ADDR", address.as_str())], "--grpc-addr"),
        (&["codec"], [("PORT", "0"), ("W2A_GRPC_ADDR", address.as_str())], "--grpc-addr"),
        (&["upstream"], [("W2A_UPSTREAM_ADDR", address.as_str()), free], "--upstream-addr"),
    ] {
        let ended = run(command, &settings);

        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&address) && ended.stderr.contains(option), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "one line, no backtrace: {ended:?}");
        assert_eq!(ended.stdout, "", "no banner before the ports are there");
    }
}

#[test]
fn an_address_of_another_machine_is_said_as_that() {
    let ended = run(&["codec"], &[("W2A_GRPC_ADDR", "192.0.2.1:0")]);

    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot listen on 192.0.2.1:0: "), "{ended:?}");
}
