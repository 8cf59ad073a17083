//! Measures gRPC calls that come in over a socket, and whether those who called read the answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::{Reader, get};
use crate::policy::METHODS;
use crate::trace::code_name;

/// The layer that measures.
#[derive(Debug, Clone, Copy)]
pub struct CallMeter;

impl<S> Layer<S> for CallMeter {
    type Service = MeteredCalls<S>;

    fn layer(&self, inner: S) -> MeteredCalls<S> {
        MeteredCalls(inner)
    }
}

/// A service behind a [`CallMeter`].
#[derive(Debug, Clone)]
pub struct MeteredCalls<S>(S);

impl<S, A, B> Service<Request<A>> for MeteredCalls<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: HttpBody<Data = Bytes>,
{
    type Response = Response<MeteredBody<B>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let path = request.uri().path();
        let method = path.starts_with("/warp2api.").then(|| known(path));
        // Whoever is further out counts already.
        let reader = request.extensions().get::<Reader>().is_none().then(Reader::default);
        if let Some(reader) = &reader {
            request.extensions_mut().insert(reader.clone());
        }
        let began = Instant::now();
        let call = self.0.call(request);
        Box::pin(async move {
            let mut open = Open { method, began };
            let response = call.await?;
            open.told(response.headers());
            Ok(response.map(|inner| MeteredBody { inner: Box::pin(inner), open, reader, handed: None }))
        })
    }
}

/// A call that goes on. Dropped before it has ended, its caller has left.
#[derive(Debug)]
struct Open {
    /// `None` if it was told, and of health and reflection, which are asked all the time.
    method: Option<&'static str>,
    began: Instant,
}

impl Open {
    fn told(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end(status.code());
        }
    }

    fn end(&mut self, code: Code) {
        if let Some(method) = self.method.take() {
            get().call_ended(method, code_name(code), self.began.elapsed());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// What callers make up has no series of its own.
fn known(path: &str) -> &'static str {
    METHODS
        .iter()
        .find(|(known, _)| *known == path)
        .map_or("_OTHER", |(known, _)| known.trim_start_matches('/'))
}

/// The body of an answer that is measured.
#[derive(Debug)]
pub struct MeteredBody<B> {
    inner: Pin<Box<B>>,
    open: Open,
    reader: Option<Reader>,
    /// When the caller was given something to read.
    handed: Option<Instant>,
}

impl<B: HttpBody<Data = Bytes>> HttpBody for MeteredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let (Some(reader), Some(handed)) = (&this.reader, this.handed.take()) {
            reader.paused(handed.elapsed());
        }
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.open.told(trailers);
                }
                this.handed = this.reader.is_some().then(Instant::now);
            }
            Some(Err(_)) => this.open.end(Code::Unavailable),
            None => this.open.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
