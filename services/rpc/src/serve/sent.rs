//! The body of a request while it comes in: how long it may be silent, and how much of all bodies is held at once.
//!
//! What has come in counts until the request is answered: by then it was read, or it never will be.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tower::BoxError;
use warp2api_proto::error::v1::ErrorReason;

use crate::body::late;
use crate::reason::Failure;

/// How much of bodies that are not answered is held at once, by all listeners that share it.
#[derive(Debug)]
pub struct BodyMemory {
    most: usize,
    held: AtomicUsize,
}

impl BodyMemory {
    /// At most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0) }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes `bytes` more, if they have room.
    fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What is known of a request's body besides the body.
#[derive(Debug)]
pub(crate) struct Sent {
    memory: Arc<BodyMemory>,
    bytes: AtomicUsize,
    answered: AtomicBool,
}

impl Sent {
    pub(crate) fn new(memory: Arc<BodyMemory>) -> Arc<Self> {
        Arc::new(Self { memory, bytes: AtomicUsize::new(0), answered: AtomicBool::new(false) })
    }

    /// The answer has begun: what was sent is held no longer, and what still comes is not gathered.
    pub(crate) fn answered(&self) {
        self.answered.store(true, Ordering::Release);
        self.memory.give_back(self.bytes.swap(0, Ordering::AcqRel));
    }

    fn take(&self, bytes: usize) -> bool {
        if self.answered.load(Ordering::Acquire) {
            return true;
        }
        let fits = self.memory.take(bytes);
        if fits {
            self.bytes.fetch_add(bytes, Ordering::AcqRel);
        }
        fits
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.memory.give_back(*self.bytes.get_mut());
    }
}

/// How long a body may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// Before the answer begins.
    pub(crate) before: Duration,
    /// After that, as of a client that streams.
    pub(crate) after: Duration,
}

pin_project! {
    /// The body of a request, within those bounds.
    #[derive(Debug)]
    pub(crate) struct SentBody<B = Incoming> {
        #[pin]
        inner: B,
        sent: Arc<Sent>,
        silence: Silence,
        waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    }
}

impl<B> SentBody<B> {
    pub(crate) fn new(inner: B, sent: Arc<Sent>, silence: Silence) -> Self {
        Self { inner, sent, silence, waiting: None }
    }
}

fn failed<T>(failure: Failure) -> Poll<Option<Result<T, BoxError>>> {
    // A status: what is gRPC takes it as it is, and the rest reads the failure in it.
    Poll::Ready(Some(Err(Status::from(failure).into())))
}

impl<B> HttpBody for SentBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.waiting = None;
            let length = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref().map(Bytes::len));
            if length.is_some_and(|length| !this.sent.take(length)) {
                let words = "as much is being sent as can be held at once: try again";
                return failed(
                    Failure::new(ErrorReason::Overloaded, words).with_retry_after(Duration::from_secs(1)),
                );
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let silence = *this.silence;
        let fresh = || (Instant::now(), Box::pin(sleep(silence.before)));
        let (since, timer) = this.waiting.get_or_insert_with(fresh);
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let end = *since + silence.after;
            if !this.sent.answered.load(Ordering::Acquire) || Instant::now() >= end {
                return failed(late());
            }
            timer.as_mut().reset(end);
        }
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
    use axum::body::Body;
    use http_body_util::BodyExt as _;

    use super::*;

    const SILENCE: Silence = Silence { before: Duration::from_secs(60), after: Duration::from_secs(600) };

    fn never() -> Body {
        Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>())
    }

    fn reason(error: &BoxError) -> ErrorReason {
        Failure::from(error.downcast_ref::<Status>().unwrap()).reason
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_ends_sooner_before_its_answer_than_after() {
        for (answered, patience) in [(false, 60), (true, 600)] {
            let sent = Sent::new(Arc::new(BodyMemory::new(10)));
            if answered {
                sent.answered();
            }
            let (mut body, start) = (SentBody::new(never(), sent, SILENCE), Instant::now());

            let error = body.frame().await.unwrap().unwrap_err();

            assert_eq!((reason(&error), start.elapsed().as_secs()), (ErrorReason::InvalidField, patience));
        }
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_until_they_are_answered() {
        let memory = Arc::new(BodyMemory::new(10));
        let read = async |text: &'static str| {
            let sent = Sent::new(memory.clone());
            let read = SentBody::new(Body::from(text), sent.clone(), SILENCE).collect().await;
            (sent, read.map(|read| read.to_bytes()).map_err(|error| reason(&error)))
        };
        let (first, whole) = read("six---").await;
        assert_eq!(whole.unwrap(), "six---");
        let (second, refused) = read("five-").await;
        assert_eq!(refused, Err(ErrorReason::Overloaded));
        drop(second);
        assert_eq!(memory.held(), 6);

        first.answered();

        let (third, whole) = read("all of ten").await;
        assert!(whole.is_ok());
        drop((first, third));
        assert_eq!(memory.held(), 0);
    }
}
