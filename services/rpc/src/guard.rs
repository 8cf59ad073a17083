//! The guard at a listener: lets admin methods through for admins, and says who they are.
//!
//! With admin keys configured, one must come with the request. Without, only a listener that nobody else can reach
//! answers: loopback or a unix socket. On loopback a web page that a person looks at can reach it too, so a request
//! must then name the machine itself as its host, and a page of the machine as its origin.
//!
//! What is in front of a service of ours in the same process (the transcoder, the monitor) asks the same guard with
//! the headers it was sent.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::{HOST, ORIGIN};
use http::{Extensions, HeaderMap, Request, Response, Uri};
use tonic::Status;
use tower::{Layer, Service};
use warp2api_proto::error::v1::ErrorReason;

use crate::admin_keys::{AdminKeys, has_key};
use crate::listener::Address;
use crate::origin::is_this_machine;
use crate::policy::{Access, access};
use crate::reason::Failure;
use crate::service_token::ServiceTokens;

/// Who calls, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Arc<str>);

impl Caller {
    /// Somebody on this machine, where no key is needed.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// Somebody known by a name.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whoever the guard saw; somebody on this machine if there was none.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::local)
    }
}

/// Decides who may call what at one listener.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    keys: AdminKeys,
    tokens: ServiceTokens,
    reach: Reach,
    /// Whether chats are for everybody who can reach the listener.
    open: bool,
}

/// Who can reach the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Whoever the file system lets.
    UnixSocket,
    /// Programs of this machine, web pages in its browsers included.
    Loopback,
    /// Those whose certificate was looked at.
    Certified,
    /// Others.
    Network,
}

impl Guard {
    /// The guard of a listener at `address`.
    pub fn new(keys: AdminKeys, address: &Address) -> Self {
        let reach = match address {
            Address::Unix(_) => Reach::UnixSocket,
            Address::Tcp(_) if address.is_loopback() => Reach::Loopback,
            Address::Tcp(_) => Reach::Network,
        };
        Self(Arc::new(Rules { keys, tokens: ServiceTokens::default(), reach, open: false }))
    }

    /// The same, for a house whose services show these tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: ServiceTokens) -> Self {
        self.changed(|rules| rules.tokens = tokens)
    }

    /// The same, for a listener that lets in only those with a certificate of the house.
    #[must_use]
    pub fn certified(self) -> Self {
        self.changed(|rules| rules.reach = Reach::Certified)
    }

    /// The same, but chats are for everybody.
    #[must_use]
    pub fn open(self) -> Self {
        self.changed(|rules| rules.open = true)
    }

    fn changed(self, change: impl FnOnce(&mut Rules)) -> Self {
        let Rules { keys, tokens, reach, open } = &*self.0;
        let (keys, tokens, reach, open) = (keys.clone(), tokens.clone(), *reach, *open);
        let mut rules = Rules { keys, tokens, reach, open };
        change(&mut rules);
        Self(Arc::new(rules))
    }

    /// Whether a request may call the method at `path`, and who it is from. `uri` and `headers` are those of the
    /// request that came in.
    ///
    /// # Errors
    /// ADMIN_KEY_INVALID, ADMIN_NOT_ALLOWED, SERVICE_TOKEN_INVALID or SERVICE_NOT_ALLOWED, with the way out.
    pub fn check(&self, path: &str, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
        match access(path) {
            Some(Access::Admin) => self.admin(uri, headers),
            Some(Access::Service) => self.service(headers),
            Some(Access::Chat) => match self.0.keys.name(headers) {
                Some(name) => Ok(Caller::named(name)),
                None if self.0.open && self.0.tokens.is_empty() => Ok(Caller::local()),
                None => self.service(headers),
            },
            Some(Access::Open) | None => Ok(self.known(headers)),
        }
    }

    fn known(&self, headers: &HeaderMap) -> Caller {
        self.0.keys.name(headers).map_or_else(Caller::local, Caller::named)
    }

    fn service(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        let Rules { tokens, reach, .. } = &*self.0;
        if !tokens.is_empty() {
            if tokens.admit(headers) {
                return Ok(self.known(headers));
            }
            let words = "this is for services of the house: send the token of W2A_SERVICE_TOKEN as \
                         `x-warp2api-service-token`";
            return Err(Failure::new(ErrorReason::ServiceTokenInvalid, words));
        }
        match reach {
            Reach::UnixSocket | Reach::Loopback | Reach::Certified => Ok(self.known(headers)),
            Reach::Network => {
                let words = "this is for services of the house, and others can reach this address: set \
                             W2A_SERVICE_TOKEN for all of them, or W2A_GRPC_CLIENT_CA, or listen on loopback";
                Err(Failure::new(ErrorReason::ServiceNotAllowed, words))
            }
        }
    }

    fn admin(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
        let Rules { keys, reach, .. } = &*self.0;
        if !keys.is_empty() {
            return keys.name(headers).map(Caller::named).ok_or_else(|| {
                let wrong =
                    if has_key(headers) { "the admin key is wrong" } else { "an admin key is needed" };
                let way_out = "send one of W2A_ADMIN_KEY as `authorization: Bearer` or `x-admin-key`";
                Failure::new(ErrorReason::AdminKeyInvalid, format!("{wrong}: {way_out}"))
            });
        }
        let refuse = |words: &str| Err(Failure::new(ErrorReason::AdminNotAllowed, words));
        match reach {
            Reach::UnixSocket => Ok(Caller::local()),
            Reach::Loopback if is_from_here(uri, headers) => Ok(Caller::local()),
            Reach::Loopback => refuse(
                "without an admin key only programs of this machine are answered: call 127.0.0.1, or set W2A_ADMIN_KEY",
            ),
            Reach::Certified | Reach::Network => refuse(
                "this address can be reached by others and no admin key is set: set W2A_ADMIN_KEY, or listen on loopback",
            ),
        }
    }
}

/// Whether a request on a loopback connection is one of this machine's own, and not of a web page from elsewhere,
/// perhaps under a name that was made to point here.
fn is_from_here(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let named = uri.authority().map(http::uri::Authority::as_str);
    let host = named.or_else(|| text(HOST)).is_none_or(is_this_machine);
    let origin = text(ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| is_this_machine(authority))
    });
    host && origin
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// gRPC services behind a [`Guard`]. The [`Caller`] is an extension of the requests that get through.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, A, B> Service<Request<A>> for Guarded<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<B>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        match self.guard.check(request.uri().path(), request.uri(), request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(failure) => Either::Right(ready(Ok(Status::from(failure).into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    const ADMIN: &str = "/warp2api.token_pool.v1.TokenPool/ListCredentials";

    fn guard(keys: &str, address: &str) -> Guard {
        Guard::new(AdminKeys::parse(keys), &address.parse().unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
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
        const ACQUIRE: &str = "/warp2api.token_pool.v1.TokenPool/AcquireCredential";
        const CHAT: &str = "/warp2api.warp_chat.v1.WarpChat/StreamChat";
        const TOKEN: &str = "planted-0123456789";
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
            let request = Request::builder().uri(path).header("x-admin-key", key).body(()).unwrap();
            guarded.clone().oneshot(request)
        };
        let (seen, refused) = (call(ADMIN, "k").await.unwrap(), call(ADMIN, "x").await.unwrap());
        let open = call("/warp2api.codec.v1.Codec/EncodeMessage", "x").await.unwrap();

        assert_eq!(seen.body(), "ops");
        assert_eq!(open.body(), "local");
        assert_eq!((refused.headers()["grpc-status"].to_str().unwrap(), refused.body().as_str()), ("16", ""));
    }
}
