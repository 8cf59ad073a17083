//! Which part of a house in several processes holds which token: the edge, which clients reach, needs none that opens leases.

use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::AcquireCredentialRequest;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_rpc::{Failure, Link, endpoint};

use crate::program::Program;

const SERVICE: &str = "planted-service-0123456789";
const CHAT: &str = "planted-chat-0123456789";

#[test]
fn an_edge_with_a_token_for_chats_alone_serves_and_can_lease_nothing() {
    let upstream = Program::start(&["upstream"], &[]);
    let url = upstream.shown("upstream").to_owned();
    let tokens = [("W2A_SERVICE_TOKEN", SERVICE), ("W2A_UPSTREAM", url.as_str())];
    let pool =
        Program::start(&["token-pool"], &[&tokens[..], &[("WARP_API_KEY", "wk-embedded-upstream")]].concat());
    let place = format!("http://{}", pool.shown("gRPC"));
    let chat = [("W2A_TOKEN_POOL", place.as_str()), ("W2A_CHAT_TOKEN", CHAT)];
    let chat = Program::start(&["warp-chat"], &[&tokens[..], &chat].concat());
    let place = format!("http://{}", chat.shown("gRPC"));
    let edge = |more: &[(&str, &str)]| {
        let settings = [&[("W2A_WARP_CHAT", place.as_str())], more].concat();
        Program::start(&["gateway"], &settings)
    };

    for (token, serves) in [
        (&[("W2A_CHAT_TOKEN", CHAT)][..], true),
        (&[("W2A_SERVICE_TOKEN", SERVICE)], true),
        (&[("W2A_CHAT_TOKEN", "planted-other-0123456789")], false),
        (&[], false),
    ] {
        let edge = edge(token);
        let answer = edge.chat("say exactly: hello");

        assert_eq!(answer.starts_with("HTTP/1.1 200 "), serves, "{token:?}: {answer}");
        // It is no fault of the caller's; the operator finds in the log what it is.
        assert!(serves || answer.contains("service_unreachable"), "{token:?}: {answer}");
        let said = edge.killed().output();
        assert!(serves || said.contains("a service of the house refuses this one"), "{token:?}: {said}");
        assert!(!answer.contains("planted") && !said.contains("planted"), "{answer} {said}");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (link, leases) in [
        (Link { chat_tokens: CHAT.parse().unwrap(), ..Link::default() }, false),
        (Link { tokens: SERVICE.parse().unwrap(), ..Link::default() }, true),
    ] {
        let place = format!("http://{}", pool.shown("gRPC")).parse().unwrap();
        let leased = runtime.block_on(async {
            let mut pool = TokenPoolClient::new(endpoint::linked(&place, &link).unwrap());
            pool.acquire_credential(AcquireCredentialRequest::default()).await
        });
        let reason = leased.as_ref().err().map(|status| Failure::from(status).reason);
        let refused = (!leases).then_some(ErrorReason::ServiceTokenInvalid);
        assert_eq!(reason, refused, "what the edge has opens nothing at the pool");
    }
    for program in [upstream, pool, chat] {
        assert!(!program.killed().output().contains("planted"));
    }
}
