//! The body of a gRPC answer, watched to its end: whoever tells of the call learns how it ended, once. Nothing is done for a
//! message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};

use crate::reason::{Failure, reason_name};

/// What learns how a call ended. Dropped before, its caller has left.
pub trait Ending {
    /// The call ended with `code`; one that failed for a known reason did so for `reason`. Only the first word counts.
    fn end(&mut self, code: Code, reason: Option<&'static str>);

    /// Tells it what headers, or trailers, say of the end. Whether they say anything.
    fn told(&mut self, headers: &HeaderMap) -> bool {
        let Some(status) = Status::from_header_map(headers) else { return false };
        self.of(&status);
        true
    }

    /// Tells it the status with which the call ended.
    fn of(&mut self, status: &Status) {
        let reason = (status.code() != Code::Ok).then(|| reason_name(Failure::from(status).reason));
        self.end(status.code(), reason);
    }
}

/// The body of an answer whose end is told.
#[derive(Debug)]
pub struct EndingBody<B, E> {
    inner: Pin<Box<B>>,
    ending: E,
}

impl<B, E> EndingBody<B, E> {
    pub(super) fn new(inner: B, ending: E) -> Self {
        Self { inner: Box::pin(inner), ending }
    }
}

impl<B: HttpBody<Data = Bytes>, E: Ending + Unpin> HttpBody for EndingBody<B, E> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.ending.told(trailers);
                }
            }
            Some(Err(_)) => this.ending.end(Code::Unavailable, None),
            None => this.ending.end(Code::Unknown, None),
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
