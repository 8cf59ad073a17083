//! The guard at a listener: lets methods through for those whom they are for, and says who they are.
//!
//! With keys or tokens configured, one must come with the request. Without, only a listener that nobody else can reach
//! answers: loopback or a unix socket. On loopback a web page that a person looks at can reach it too, and so can
//! whoever uses a proxy of the machine: a request must then call the machine by its own name, be for no page but one of
//! the machine, and be nobody else's. A unix socket is reached by no browser.
//!
//! What is in front of a service of ours in the same process (the transcoder, the monitor) asks the same guard with
//! the headers it was sent.

use std::sync::Arc;

use http::{Extensions, HeaderMap, Uri};
use warp2api_proto::error::v1::ErrorReason;

use crate::admin_keys::{AdminKeys, has_key};
use crate::chat_tokens::ChatTokens;
use crate::listener::Address;
use crate::origin::{
    is_foreign_page, is_named_here, is_named_here_or_by_a_container, is_other_page, is_passed_on,
};
use crate::policy::{Access, access};
use crate::reason::Failure;
use crate::service_token::ServiceTokens;

mod guarded;

pub use guarded::Guarded;

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

#[derive(Debug, Clone)]
struct Rules {
    keys: AdminKeys,
    tokens: ServiceTokens,
    chat_tokens: ChatTokens,
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
        let (tokens, chat_tokens) = (ServiceTokens::default(), ChatTokens::default());
        Self(Arc::new(Rules { keys, tokens, chat_tokens, reach, open: false }))
    }

    /// The same, for a house whose services show these tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: ServiceTokens) -> Self {
        self.changed(|rules| rules.tokens = tokens)
    }

    /// The same, for a house with tokens that are for chats only.
    #[must_use]
    pub fn with_chat_tokens(self, tokens: ChatTokens) -> Self {
        self.changed(|rules| rules.chat_tokens = tokens)
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

    fn changed(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Whether a request may call the method at `path`, and who it is from. `uri` and `headers` are those of the
    /// request that came in.
    ///
    /// # Errors
    /// ADMIN_KEY_INVALID, ADMIN_NOT_ALLOWED, SERVICE_TOKEN_INVALID or SERVICE_NOT_ALLOWED, with the way out.
    pub fn check(&self, path: &str, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
        match access(path) {
            Some(Access::Admin) => self.admin(uri, headers),
            Some(Access::Service) => self.service(uri, headers),
            Some(Access::Chat) => self.chat(uri, headers),
            Some(Access::Open) => self.anybody(uri, headers),
            None => Ok(self.known(headers)),
        }
    }

    fn known(&self, headers: &HeaderMap) -> Caller {
        self.0.keys.name(headers).map_or_else(Caller::local, Caller::named)
    }

    fn anybody(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
        let Rules { keys, tokens, chat_tokens, reach, open } = &*self.0;
        let caller = keys.name(headers).or_else(|| chat_tokens.name(headers));
        let is_known = || caller.is_some() || tokens.admit(headers);
        // What a page may not have is this machine's work under a name that was made to point here; a page that names
        // it as it is does not get an answer to read, and its forms are no JSON and no gRPC.
        if *reach == Reach::Loopback && !open && !is_named_here_or_by_a_container(uri, headers) && !is_known()
        {
            return Err(not_from_here(Stranger::Name));
        }
        Ok(caller.map_or_else(Caller::local, Caller::named))
    }

    fn chat(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
        let Rules { keys, tokens, chat_tokens, reach, open } = &*self.0;
        if let Some(name) = keys.name(headers).or_else(|| chat_tokens.name(headers)) {
            return Ok(Caller::named(name));
        }
        let wants_token = !tokens.is_empty() || !chat_tokens.is_empty() && *reach != Reach::Certified;
        match reach {
            _ if wants_token && tokens.admit(headers) => Ok(Caller::local()),
            _ if wants_token => {
                let words = "chats want a token here: send one of W2A_CHAT_TOKEN as `authorization: Bearer`, or what \
                             W2A_SERVICE_TOKEN or W2A_ADMIN_KEY say";
                Err(Failure::new(ErrorReason::ServiceTokenInvalid, words))
            }
            // Whoever can reach it may use it; a browser reaches it for any page that its user looks at.
            _ if *open && is_foreign_page(headers) => Err(not_from_here(Stranger::Page)),
            _ if *open => Ok(Caller::local()),
            Reach::Loopback => {
                let named = is_named_here_or_by_a_container(uri, headers);
                stranger(named, headers).map_or_else(|| Ok(Caller::local()), |why| Err(not_from_here(why)))
            }
            Reach::UnixSocket | Reach::Certified => Ok(Caller::local()),
            Reach::Network => {
                let words = "others can reach this address: set W2A_CHAT_TOKEN for those who may chat, and \
                             W2A_SERVICE_TOKEN for services of the house";
                Err(Failure::new(ErrorReason::ServiceNotAllowed, words))
            }
        }
    }

    fn service(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Failure> {
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
            Reach::UnixSocket | Reach::Certified => Ok(self.known(headers)),
            Reach::Loopback => match stranger(is_named_here(uri, headers), headers) {
                None => Ok(self.known(headers)),
                Some(why) => Err(not_from_here(why)),
            },
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
        let refuse = |words: String| Err(Failure::new(ErrorReason::AdminNotAllowed, words));
        match reach {
            Reach::UnixSocket => Ok(Caller::local()),
            Reach::Loopback => match stranger(is_named_here(uri, headers), headers) {
                None => Ok(Caller::local()),
                Some(why) => refuse(format!(
                    "without an admin key only programs of this machine are answered, and {}: call 127.0.0.1, or set \
                     W2A_ADMIN_KEY",
                    why.words()
                )),
            },
            Reach::Certified | Reach::Network => refuse(
                "this address can be reached by others and no admin key is set: set W2A_ADMIN_KEY, or listen on loopback"
                    .to_owned(),
            ),
        }
    }
}

/// Why a request that came by loopback is not one of this machine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// It calls the machine by a name that anybody can have point here.
    Name,
    /// It is sent for a web page from elsewhere.
    Page,
    /// A proxy passes it on for somebody.
    Proxy,
}

impl Stranger {
    fn words(self) -> &'static str {
        match self {
            Self::Name => "this request calls it by another name",
            Self::Page => "this request is for a web page from elsewhere",
            Self::Proxy => "this request is passed on by a proxy, through which others can reach it",
        }
    }
}

/// Whether a request on a loopback connection, which calls the machine by its own name or does not, is a stranger's.
fn stranger(is_named_here: bool, headers: &HeaderMap) -> Option<Stranger> {
    match () {
        () if !is_named_here => Some(Stranger::Name),
        () if is_other_page(headers) => Some(Stranger::Page),
        () if is_passed_on(headers) => Some(Stranger::Proxy),
        () => None,
    }
}

fn not_from_here(why: Stranger) -> Failure {
    let words = format!(
        "without a token only programs of this machine are answered, and {}: call 127.0.0.1, or set W2A_SERVICE_TOKEN \
         and send it",
        why.words()
    );
    Failure::new(ErrorReason::ServiceNotAllowed, words)
}

#[cfg(test)]
mod tests;
