use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;

const ADMIN: &str = "/warp2api.token_pool.v1.TokenPool/ListCredentials";
const ACQUIRE: &str = "/warp2api.token_pool.v1.TokenPool/AcquireCredential";
const CHAT: &str = "/warp2api.warp_chat.v1.WarpChat/StreamChat";
const OPEN: &str = "/warp2api.codec.v1.Codec/EncodeMessage";
const TOKEN: &str = "planted-0123456789";

fn guard(keys: &str, address: &str) -> Guard {
    Guard::new(AdminKeys::parse(keys), &address.parse().unwrap())
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn admin_methods_are_answered_as_the_table_says() {
    use ErrorReason::{AdminKeyInvalid, AdminNotAllowed};
    let (loopback, network, socket) = ("127.0.0.1:1", "0.0.0.0:1", "unix:/run/a.sock");
    for (keys, address, sent, expected) in [
        ("", loopback, &[][..], Ok("local")),
        ("", "[::1]:1", &[], Ok("local")),
        ("", socket, &[], Ok("local")),
        ("", network, &[], Err(AdminNotAllowed)),
        ("", network, &[("x-admin-key", "k")], Err(AdminNotAllowed)),
        ("ops=k", loopback, &[], Err(AdminKeyInvalid)),
        ("ops=k", socket, &[], Err(AdminKeyInvalid)),
        ("ops=k", network, &[("x-admin-key", "wrong")], Err(AdminKeyInvalid)),
        ("ops=k", network, &[("authorization", "Bearer k")], Ok("ops")),
        ("ops=k", network, &[("authorization", "Bearer k"), ("origin", "https://a.example")], Ok("ops")),
        ("", loopback, &[("host", "localhost:1")], Ok("local")),
        ("", loopback, &[("host", "127.0.0.1:1"), ("origin", "http://localhost:2")], Ok("local")),
        ("", loopback, &[("host", "rebound.example:1")], Err(AdminNotAllowed)),
        ("", loopback, &[("host", "127.0.0.1:1"), ("origin", "https://a.example")], Err(AdminNotAllowed)),
        ("", loopback, &[("host", "127.0.0.1:1"), ("origin", "null")], Err(AdminNotAllowed)),
        ("", socket, &[("host", "anything")], Ok("local")),
    ] {
        let checked = guard(keys, address).check(ADMIN, &Uri::from_static("/"), &headers(sent));
        let checked = checked.as_ref().map(Caller::name).map_err(|failure| failure.reason);
        assert_eq!(checked, expected, "{keys} {address} {sent:?}");
    }
}

#[test]
fn services_are_known_by_their_token_or_by_where_they_are() {
    use ErrorReason::{ServiceNotAllowed, ServiceTokenInvalid};
    let (loopback, network, socket) = ("127.0.0.1:1", "0.0.0.0:1", "unix:/run/a.sock");
    let right = [("x-warp2api-service-token", TOKEN)];
    let wrong = [("x-warp2api-service-token", "planted-guess-0123")];
    let admin = [("x-admin-key", "k")];
    for (tokens, address, sent, acquire, chat) in [
        ("", loopback, &[][..], None, None),
        ("", socket, &[], None, None),
        ("", network, &[], Some(ServiceNotAllowed), Some(ServiceNotAllowed)),
        ("", network, &right, Some(ServiceNotAllowed), Some(ServiceNotAllowed)),
        ("", network, &admin, Some(ServiceNotAllowed), None),
        (TOKEN, loopback, &[], Some(ServiceTokenInvalid), Some(ServiceTokenInvalid)),
        (TOKEN, socket, &[], Some(ServiceTokenInvalid), Some(ServiceTokenInvalid)),
        (TOKEN, network, &wrong, Some(ServiceTokenInvalid), Some(ServiceTokenInvalid)),
        (TOKEN, network, &admin, Some(ServiceTokenInvalid), None),
        (TOKEN, network, &right, None, None),
        (TOKEN, network, &[("authorization", "Bearer planted-0123456789")], None, None),
    ] {
        let guard = guard("k", address).with_tokens(tokens.parse().unwrap());
        for (path, expected) in [(ACQUIRE, acquire), (CHAT, chat)] {
            let refused = guard.check(path, &Uri::from_static("/"), &headers(sent)).err();
            let reason = refused.as_ref().map(|failure| failure.reason);
            assert_eq!(reason, expected, "{path} {tokens} {address} {sent:?}");
            assert!(!format!("{refused:?}").contains("planted"));
        }
    }
    let check = |guard: Guard, path| guard.check(path, &Uri::from_static("/"), &HeaderMap::new()).is_ok();
    assert!(check(guard("", network).certified(), ACQUIRE));
    assert!(!check(guard("", network).certified(), ADMIN), "a service is no admin");
    assert!(check(guard("", network).open(), CHAT) && !check(guard("", network).open(), ACQUIRE));
    let closed = guard("", network).open().with_tokens(TOKEN.parse().unwrap());
    assert!(!check(closed, CHAT), "a token closes what was open");
}

#[test]
fn the_authority_of_http_2_counts_as_the_host() {
    let uri = Uri::from_static("http://rebound.example:1/x");

    let checked = guard("", "127.0.0.1:1").check(ADMIN, &uri, &HeaderMap::new());

    assert_eq!(checked.unwrap_err().reason, ErrorReason::AdminNotAllowed);
}

#[test]
fn refusals_say_the_way_out_and_repeat_no_key() {
    for (keys, address) in [("planted", "127.0.0.1:1"), ("", "0.0.0.0:1")] {
        let sent = headers(&[("x-admin-key", "planted-guess")]);
        let failure = guard(keys, address).check(ADMIN, &Uri::from_static("/"), &sent).unwrap_err();
        assert!(failure.message.contains("W2A_ADMIN_KEY"), "{failure}");
        assert!(!format!("{failure:?}").contains("planted"), "{failure:?}");
    }
}

#[tokio::test]
async fn the_service_learns_who_calls_and_is_not_asked_when_refused() {
    let service = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(Caller::of(request.extensions()).name().to_owned()))
    });
    let guarded = guard("ops=k", "0.0.0.0:1").layer(service);

    let call = |path: &str, key: &str| {
        let request = Request::builder().uri(path).header("x-admin-key", key);
        guarded.clone().oneshot(request.header("content-type", "application/grpc").body(()).unwrap())
    };
    let (seen, refused) = (call(ADMIN, "k").await.unwrap(), call(ADMIN, "x").await.unwrap());
    let open = call(OPEN, "x").await.unwrap();

    assert_eq!(seen.body(), "ops");
    assert_eq!(open.body(), "local");
    assert_eq!((refused.headers()["grpc-status"].to_str().unwrap(), refused.body().as_str()), ("16", ""));
}

#[test]
fn what_comes_by_loopback_is_let_in_only_if_it_is_of_this_machine_or_shows_something() {
    use ErrorReason::{AdminNotAllowed, ServiceNotAllowed};
    let (service, admin) = (Some(ServiceNotAllowed), Some(AdminNotAllowed));
    let here = ("host", "127.0.0.1:28888");
    let rebound = ("host", "evil.example:28888");
    for (sent, expected) in [
        // For services, for chats, for admins, for all.
        (vec![here], [None; 4]),
        (vec![("host", "localhost:28888")], [None; 4]),
        (vec![("host", "[::1]:28888")], [None; 4]),
        (vec![here, ("origin", "http://localhost:3000")], [None; 4]),
        (vec![rebound], [service, service, admin, service]),
        (vec![rebound, ("origin", "http://evil.example:28888")], [service, service, admin, service]),
        (vec![here, rebound], [service, service, admin, service]),
        (vec![here, ("origin", "https://evil.example")], [service, service, admin, None]),
        (vec![here, ("origin", "null")], [service, service, admin, None]),
        (vec![here, ("origin", "vscode-webview://a")], [service, service, admin, None]),
        (vec![here, ("x-forwarded-for", "10.0.0.5")], [service, service, admin, None]),
        (vec![here, ("forwarded", "for=10.0.0.5")], [service, service, admin, None]),
        (vec![("host", "host.docker.internal:28888")], [service, None, admin, None]),
    ] {
        let sent: HeaderMap = sent.iter().fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(*name, value.parse().unwrap());
            all
        });
        let reasons = |guard: &Guard, sent: &HeaderMap| {
            [ACQUIRE, CHAT, ADMIN, OPEN].map(|path| {
                guard.check(path, &Uri::from_static("/"), sent).err().map(|failure| failure.reason)
            })
        };
        assert_eq!(reasons(&guard("", "127.0.0.1:1"), &sent), expected, "{sent:?}");
        assert_eq!(
            reasons(&guard("", "unix:/run/a.sock"), &sent),
            [None; 4],
            "no browser comes here: {sent:?}"
        );

        // Who has what it takes may come by whatever name.
        let closed = guard("k", "127.0.0.1:1").with_tokens(TOKEN.parse().unwrap());
        let mut shows = sent.clone();
        shows.extend(headers(&[("x-admin-key", "k"), ("x-warp2api-service-token", TOKEN)]));
        assert_eq!(reasons(&closed, &shows), [None; 4], "{sent:?}");
        // An admin key opens what is for admins, and is no token.
        let mut admins = sent.clone();
        admins.extend(headers(&[("x-admin-key", "k")]));
        assert_eq!(reasons(&guard("k", "127.0.0.1:1"), &admins), [expected[0], None, None, None], "{sent:?}");
    }
}

#[test]
fn chats_that_are_for_everybody_are_for_no_page_from_elsewhere() {
    for address in ["127.0.0.1:1", "0.0.0.0:1"] {
        let open = guard("", address).open();
        for (sent, let_in) in [
            (&[("host", "chat.example"), ("x-forwarded-for", "10.0.0.5")][..], true),
            (&[("host", "evil.example"), ("origin", "http://evil.example")], false),
            (&[("host", "127.0.0.1"), ("origin", "null")], false),
        ] {
            let checked = open.check(CHAT, &Uri::from_static("/"), &headers(sent));
            assert_eq!(checked.is_ok(), let_in, "{address} {sent:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_not_looked_at() {
    let service =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("called".to_owned())) });
    let guarded = guard("", "127.0.0.1:1").layer(service);
    for (content_type, served) in [
        (Some("application/grpc"), true),
        (Some("application/grpc+proto"), true),
        (Some("text/plain"), false),
        (Some("application/json"), false),
        (None, false),
    ] {
        let request = Request::builder().uri(ACQUIRE).header("host", "127.0.0.1:28888");
        let request = content_type.into_iter().fold(request, |r, value| r.header("content-type", value));
        let answer = guarded.clone().oneshot(request.body(()).unwrap()).await.unwrap();

        assert_eq!(answer.status().as_u16(), if served { 200 } else { 415 }, "{content_type:?}");
        assert_eq!(answer.body() == "called", served, "{content_type:?}");
    }
}

#[test]
fn a_token_for_chats_opens_chats_and_nothing_else() {
    use ErrorReason::{AdminKeyInvalid, ServiceNotAllowed, ServiceTokenInvalid};
    const CHATS: &str = "app=planted-of-an-app-0123";
    let right = [("authorization", "Bearer planted-of-an-app-0123")];
    let wrong = [("authorization", "Bearer planted-of-an-app-0124")];
    let service = [("x-warp2api-service-token", TOKEN)];
    let none: [(&str, &str); 0] = [];
    let (loopback, network, socket) = ("127.0.0.1:1", "0.0.0.0:1", "unix:/run/a.sock");
    for (tokens, address, sent, acquire, chat) in [
        (TOKEN, network, &right[..], Some(ServiceTokenInvalid), Ok("app")),
        (TOKEN, network, &wrong, Some(ServiceTokenInvalid), Err(ServiceTokenInvalid)),
        (TOKEN, network, &service, None, Ok("local")),
        (TOKEN, loopback, &right, Some(ServiceTokenInvalid), Ok("app")),
        ("", network, &right, Some(ServiceNotAllowed), Ok("app")),
        ("", network, &none, Some(ServiceNotAllowed), Err(ServiceTokenInvalid)),
        // It closes what was open, and only that.
        ("", loopback, &none, None, Err(ServiceTokenInvalid)),
        ("", socket, &none, None, Err(ServiceTokenInvalid)),
        ("", socket, &right, None, Ok("app")),
    ] {
        let guard = guard("k", address).with_tokens(tokens.parse().unwrap());
        for guard in [guard.clone(), guard.open()] {
            let guard = guard.with_chat_tokens(CHATS.parse().unwrap());
            let check = |path| guard.check(path, &Uri::from_static("/"), &headers(sent));
            let what = format!("{tokens} {address} {sent:?}");
            assert_eq!(check(ACQUIRE).err().map(|failure| failure.reason), acquire, "{what}");
            let may = check(CHAT);
            assert_eq!(may.as_ref().map(Caller::name).map_err(|failure| failure.reason), chat, "{what}");
            assert!(!format!("{may:?}").contains("planted"));
            assert_eq!(check(ADMIN).unwrap_err().reason, AdminKeyInvalid, "{what}");
            assert!(check(OPEN).is_ok(), "{what}");
        }
    }
    let certified = guard("", network).certified().with_chat_tokens(CHATS.parse().unwrap());
    assert!(
        certified.check(CHAT, &Uri::from_static("/"), &HeaderMap::new()).is_ok(),
        "a certificate is one, too"
    );
}
