//! Whether a connection is in use: from a request until the end of its answer. Tells when there was none for a while;
//! what to do about it is the accept loop's to decide. Pings are no use.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::Service;

/// The requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    asked: bool,
    open: usize,
    /// When the last answer ended.
    ended: Instant,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { asked: false, open: 0, ended: Instant::now() })))
    }

    /// Whether there was a request.
    pub(crate) fn was_asked(&self) -> bool {
        self.lock().asked
    }

    /// Waits until there was no request and no answer under way for this long.
    pub(crate) async fn idle(&self, span: Duration) {
        loop {
            let (open, ended) = {
                let state = self.lock();
                (state.open, state.ended)
            };
            let now = Instant::now();
            // One that is in use now cannot be idle any sooner.
            let since = if open > 0 { now } else { ended };
            match since.checked_add(span) {
                Some(end) if open == 0 && end <= now => return,
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Counts a request until what is returned is dropped.
    fn begin(&self) -> Use {
        let mut state = self.lock();
        state.asked = true;
        state.open += 1;
        Use(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered to the end.
#[derive(Debug)]
pub(crate) struct Use(Activity);

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open = state.open.saturating_sub(1);
        state.ended = Instant::now();
    }
}

/// A service whose requests are noted.
#[derive(Debug, Clone)]
pub(crate) struct Noted<S> {
    pub(crate) inner: S,
    pub(crate) activity: Activity,
}

impl<S, B> Service<Request<Incoming>> for Noted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<NotedBody<B>>;
    type Error = S::Error;
    type Future = NotedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let begun = Some(self.activity.begin());
        NotedFuture { inner: self.inner.call(request), begun }
    }
}

pin_project! {
    /// The answer to a request that is noted.
    pub(crate) struct NotedFuture<F> {
        #[pin]
        inner: F,
        begun: Option<Use>,
    }
}

impl<F, B, E> Future for NotedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<NotedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        let begun = this.begun.take();
        Poll::Ready(response.map(|response| response.map(|inner| NotedBody { inner, begun })))
    }
}

pin_project! {
    /// The body of an answer that is noted.
    pub(crate) struct NotedBody<B> {
        #[pin]
        inner: B,
        begun: Option<Use>,
    }
}

impl<B: Body> Body for NotedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn it_is_idle_as_long_after_the_last_of_its_requests_as_was_said() {
        let activity = Activity::new();
        let start = Instant::now();
        let (short, long) = (activity.begin(), activity.begin());
        let uses = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(short);
            tokio::time::sleep(Duration::from_secs(5000)).await;
            drop(long);
            tokio::time::sleep(Duration::from_secs(599)).await;
            drop(activity.begin());
        };

        let idle = async {
            activity.idle(SPAN).await;
            start.elapsed().as_secs()
        };

        assert_eq!(tokio::join!(uses, idle).1, 5 + 5000 + 599 + 600);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_never_asked_is_idle_from_its_beginning() {
        let (activity, start) = (Activity::new(), Instant::now());

        activity.idle(SPAN).await;

        assert_eq!((start.elapsed(), activity.was_asked()), (SPAN, false));
    }
}
