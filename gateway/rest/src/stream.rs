//! The body of an answer that streams: server-sent events, or lines of JSON.
//!
//! No task and no channel: the body is polled by the connection, polls the call, and writes what is ready into one
//! buffer. Dropping it ends the call. An error is the last event, as the object that an answer that failed has.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio::time::{Instant, Sleep};
use tonic::Streaming;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::{Failure, KeepAlive};

use crate::{failure, json};

/// How much is written before the connection gets a say.
const ENOUGH_BYTES: usize = 32 * 1024;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Server-sent events: one `data:` line for each, comments as signs of life.
    Events,
    /// A line of JSON for each. Silence stays silence.
    Lines,
}

impl Form {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream; charset=utf-8",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// A call that has not been answered yet.
pub(crate) type Call = BoxFuture<'static, Result<Streaming<Bytes>, Failure>>;

/// Where messages come from.
pub(crate) enum Source {
    /// The head was sent before the call was answered.
    Waiting(Call),
    /// The call is being answered.
    Answering(Box<Streaming<Bytes>>),
    /// Everything has been said.
    Over,
}

/// The body of a streamed answer.
pub(crate) struct StreamBody {
    source: Source,
    form: Form,
    message: MessageDescriptor,
    buffer: BytesMut,
    /// When the caller stops waiting.
    deadline: Option<Pin<Box<Sleep>>>,
    keep_alive: Option<KeepAlive>,
}

impl StreamBody {
    /// A body of messages of this type. Without a sign of life for longer than `keep_alive` it gives one.
    pub(crate) fn new(
        source: Source,
        form: Form,
        message: MessageDescriptor,
        deadline: Option<Instant>,
        keep_alive: Duration,
    ) -> Self {
        Self {
            source,
            form,
            message,
            buffer: BytesMut::new(),
            deadline: deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline))),
            keep_alive: (form == Form::Events).then(|| KeepAlive::new(keep_alive)).flatten(),
        }
    }

    fn write(&mut self, json: &[u8]) {
        let (before, after): (&[u8], &[u8]) = match self.form {
            Form::Events => (b"data: ", b"\n\n"),
            Form::Lines => (b"", b"\n"),
        };
        for part in [before, json, after] {
            self.buffer.extend_from_slice(part);
        }
    }

    fn message(&mut self, message: Bytes) {
        let decoded = DynamicMessage::decode(self.message.clone(), message);
        let written = decoded.map_err(|_| Failure::bug("internal error")).and_then(|m| json::write(&m));
        match written {
            Ok(json) => self.write(&json),
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.write(&failure::body(failure));
        self.source = Source::Over;
    }

    /// Reads one message. Pending when none is ready, `None` when there are no more.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match &mut self.source {
            Source::Waiting(call) => match ready!(call.as_mut().poll(cx)) {
                Ok(messages) => self.source = Source::Answering(Box::new(messages)),
                Err(failure) => self.fail(&failure),
            },
            Source::Answering(messages) => match ready!(Pin::new(messages).poll_next(cx)) {
                Some(Ok(message)) => self.message(message),
                Some(Err(status)) => self.fail(&Failure::from(&status)),
                None => self.source = Source::Over,
            },
            Source::Over => return Poll::Ready(None),
        }
        Poll::Ready(Some(()))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if !matches!(this.source, Source::Over)
            && this.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
        {
            this.fail(&Failure::new(ErrorReason::DeadlinePassed, "the deadline of the call passed"));
        }
        let over = loop {
            if this.buffer.len() >= ENOUGH_BYTES {
                break false;
            }
            match this.poll_message(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        if this.buffer.is_empty() {
            if over {
                return Poll::Ready(None);
            }
            let Some(keep_alive) = &mut this.keep_alive else { return Poll::Pending };
            ready!(keep_alive.poll(cx));
            this.buffer.extend_from_slice(b": keep-alive\n\n");
        }
        if let Some(keep_alive) = &mut this.keep_alive {
            keep_alive.written();
        }
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))))
    }
}
