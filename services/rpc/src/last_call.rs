//! Lets answers that are cut short end with a word: when the time to finish is up, what still runs gets a status of ours
//! instead of a broken connection, so that every dialect can write its last frame.
//!
//! Applied where gRPC is answered and where a service is called. An answer ends between two messages, never inside one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Layer, Service};
use warp2api_proto::error::v1::ErrorReason;

use crate::reason::Failure;

/// Ends calls with SHUTTING_DOWN once its token is cancelled.
#[derive(Debug, Clone)]
pub struct LastCallLayer(pub CancellationToken);

impl<S> Layer<S> for LastCallLayer {
    type Service = LastCall<S>;

    fn layer(&self, inner: S) -> LastCall<S> {
        LastCall { inner, end: self.0.clone() }
    }
}

/// A service behind a [`LastCallLayer`].
#[derive(Debug, Clone)]
pub struct LastCall<S> {
    inner: S,
    end: CancellationToken,
}

impl<S, A, B> Service<Request<A>> for LastCall<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let response = self.inner.call(request);
        let end = self.end.clone();
        Box::pin(async move {
            let response = tokio::select! {
                response = response => response?,
                () = end.cancelled() => return Ok(ended().into_http()),
            };
            Ok(response.map(|body| {
                let waiting = Box::pin(end.clone().cancelled_owned());
                Body::new(Ending { inner: Some(Box::pin(body)), place: Place::default(), end, waiting })
            }))
        })
    }
}

fn ended() -> Status {
    let words = "the service is shutting down and ended this answer: try again";
    Failure::new(ErrorReason::ShuttingDown, words).into()
}

/// The body of an answer that may have to end early.
struct Ending<B> {
    /// `None` once it was ended; dropping it ends the call.
    inner: Option<Pin<Box<B>>>,
    place: Place,
    end: CancellationToken,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<B> Ending<B> {
    fn finish<E>(&mut self) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.inner = None;
        let mut trailers = HeaderMap::new();
        // A status of ours fits into headers.
        drop(ended().add_header(&mut trailers));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Ending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.place.is_between() && this.end.is_cancelled() && this.inner.is_some() {
            return this.finish();
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let Poll::Ready(frame) = inner.as_mut().poll_frame(cx) else {
            ready!(this.waiting.as_mut().poll(cx));
            // The rest of the message comes at once, or the connection is cut.
            return if this.place.is_between() { this.finish() } else { Poll::Pending };
        };
        if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
            data.into_iter().for_each(|data| this.place.pass(data));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.is_end_stream())
    }
}

/// Where in a stream of gRPC messages one is: each begins with a byte of flags and its length in four.
#[derive(Debug, Default)]
struct Place {
    prefix: [u8; 5],
    read: usize,
    left: usize,
}

impl Place {
    fn is_between(&self) -> bool {
        self.read == 0 && self.left == 0
    }

    fn pass(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(data.len());
                self.left -= passed;
                data = &data[passed..];
            } else {
                self.prefix[self.read] = data[0];
                self.read += 1;
                data = &data[1..];
                if self.read == self.prefix.len() {
                    let [_, length @ ..] = self.prefix;
                    (self.read, self.left) = (0, u32::from_be_bytes(length) as usize);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn frame(bytes: &'static [u8]) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(bytes)))
    }

    async fn reason(body: &mut Body) -> Option<Failure> {
        let trailers = body.frame().await?.unwrap().into_trailers().ok()?;
        Status::from_header_map(&trailers).as_ref().map(Failure::from)
    }

    #[tokio::test]
    async fn an_answer_ends_with_a_reason_and_between_two_messages() {
        let end = CancellationToken::new();
        // A message in two frames, then silence.
        let (sender, frames) = tokio::sync::mpsc::channel(2);
        let dropped = CancellationToken::new();
        let guard = dropped.clone().drop_guard();
        let frames = stream::unfold((frames, guard), |(mut frames, guard)| async {
            frames.recv().await.map(|frame| (frame, (frames, guard)))
        });
        let body = std::sync::Mutex::new(Some(StreamBody::new(frames.boxed())));
        let service = service_fn(move |_: Request<()>| {
            let body = body.lock().unwrap().take().unwrap();
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        let answer = LastCallLayer(end.clone()).layer(service).oneshot(Request::new(())).await.unwrap();
        let mut body = answer.into_body();
        sender.try_send(frame(&[0, 0, 0, 0, 3, b'a'])).unwrap();
        assert!(body.frame().await.unwrap().unwrap().is_data());

        end.cancel();
        assert!(futures_util::poll!(Box::pin(body.frame())).is_pending(), "it is inside a message");
        sender.try_send(frame(b"bc")).unwrap();
        assert!(body.frame().await.unwrap().unwrap().is_data());

        assert_eq!(reason(&mut body).await.map(|failure| failure.reason), Some(ErrorReason::ShuttingDown));
        assert!(dropped.is_cancelled(), "the call is over");
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }

    #[tokio::test]
    async fn a_call_without_an_answer_yet_is_answered() {
        let end = CancellationToken::new();
        let service =
            service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>());
        let answer = LastCallLayer(end.clone()).layer(service).oneshot(Request::new(()));
        end.cancel();

        let answer = answer.await.unwrap();

        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(Failure::from(&status).reason, ErrorReason::ShuttingDown);
    }

    #[tokio::test]
    async fn what_ends_by_itself_is_left_as_it_is() {
        let service = service_fn(|_: Request<()>| async {
            let frames = stream::iter([frame(&[0, 0, 0, 0, 0]), frame(&[0, 0, 0, 0, 1, 7])]);
            Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
        });
        let answer = LastCallLayer(CancellationToken::new()).layer(service).oneshot(Request::new(())).await;

        let body = answer.unwrap().into_body().collect().await.unwrap().to_bytes();

        assert_eq!(body[..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
    }
}
