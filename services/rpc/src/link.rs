//! How services of the house reach each other over a network: the token they show, and TLS where an address is `https`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tower::{BoxError, Service};

use crate::chat_tokens::ChatTokens;
use crate::service_token::ServiceTokens;
use crate::tls::ClientTls;

/// What a service shows to those it calls, and what it wants to see of them.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// The token of the house.
    pub tokens: ServiceTokens,
    /// What an edge shows that has no token of the house: it opens chats and nothing else.
    pub chat_tokens: ChatTokens,
    /// For `https` addresses.
    pub tls: Option<ClientTls>,
}

/// Connects over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Secured(pub(crate) ClientTls);

impl Service<Uri> for Secured {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = TlsConnector::from(self.0.get());
        Box::pin(async move {
            let host = uri.host().ok_or("the address has no host")?;
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(ServerName::try_from(host)?, stream).await?))
        })
    }
}

/// A service whose calls carry a token: that of the house, or without one the one for chats.
#[derive(Debug, Clone)]
pub(crate) struct Signed<S> {
    pub(crate) inner: S,
    pub(crate) tokens: ServiceTokens,
    pub(crate) chat_tokens: ChatTokens,
}

impl<S, B> Service<Request<Body>> for Signed<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        if self.tokens.is_empty() {
            self.chat_tokens.sign(request.headers_mut());
        } else {
            self.tokens.sign(request.headers_mut());
        }
        self.inner.call(request)
    }
}
