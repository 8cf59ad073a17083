//! A request and its answer on a connection: its body comes in within bounds, its answer is watched, and the connection
//! is in use meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;

use super::Secured;
use super::activity::{Activity, Use};
use super::answer::AnswerBody;
use super::sent::{BodyMemory, Sent, SentBody, Silence};

/// A service whose requests are noted.
#[derive(Debug, Clone)]
pub(crate) struct Noted<S> {
    pub(crate) inner: S,
    pub(crate) activity: Activity,
    pub(crate) memory: Arc<BodyMemory>,
    pub(crate) silence: Silence,
    /// Whether the connection is TLS.
    pub(crate) is_secured: bool,
}

impl<S> Service<Request<Incoming>> for Noted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<AnswerBody<Use>>;
    type Error = S::Error;
    type Future = NotedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let begun = Some(self.activity.begin());
        let (mut head, body) = request.into_parts();
        if self.is_secured {
            head.extensions.insert(Secured);
        }
        let mut sent = None;
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            let sent = sent.insert(Sent::new(self.memory.clone()));
            Body::new(SentBody::new(body, sent.clone(), self.silence))
        };
        let inner = self.inner.call(Request::from_parts(head, body));
        NotedFuture { inner, begun, sent, activity: self.activity.clone() }
    }
}

pin_project! {
    /// The answer to a request that is noted.
    pub(crate) struct NotedFuture<F> {
        #[pin]
        inner: F,
        begun: Option<Use>,
        sent: Option<Arc<Sent>>,
        activity: Activity,
    }
}

impl<F, E> Future for NotedFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<AnswerBody<Use>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        if let Some(sent) = this.sent.take() {
            sent.answered();
        }
        let Some(begun) = this.begun.take() else { return Poll::Pending };
        Poll::Ready(response.map(|response| {
            let is_whole = response.body().is_end_stream();
            response.map(|body| {
                let body = AnswerBody::new(body, begun);
                if !is_whole {
                    this.activity.watch(body.watched());
                }
                body
            })
        }))
    }
}
