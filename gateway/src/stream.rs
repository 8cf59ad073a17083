//! The body of a streamed answer: events of the chat in, server-sent events out.
//!
//! No task and no channel: the body is polled by the connection, polls the call, and writes what is ready into one
//! buffer. An event is never cut; events that are ready together go out together. Dropping the body ends the call,
//! and with it everything up to the upstream's socket.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame};
use tonic::{Response, Status, Streaming};
use warp2api_dialects::error::Problem;
use warp2api_dialects::{FieldNames, KeepAliveForm, Writer};
use warp2api_proto::warp_chat::v1::StreamChatResponse;
use warp2api_proto::warp_chat::v1::stream_chat_response::Event;
use warp2api_rpc::KeepAlive;
use warp2api_rpc::trace::Notes;

use crate::access::Permit;
use crate::config::GatewayConfig;
use crate::failure::problem_of;
use crate::routes::answer::{note_credential, note_start};

/// How much is written before the connection gets a say.
const ENOUGH_BYTES: usize = 32 * 1024;

/// A call of `StreamChat` that has not been answered yet.
pub(crate) type Call = BoxFuture<'static, Result<Response<Streaming<StreamChatResponse>>, Status>>;

/// The body of a streamed answer, in the dialect of its writer.
pub(crate) struct AnswerBody<W> {
    source: Source,
    writer: W,
    fields: FieldNames,
    buffer: BytesMut,
    keep_alive: Option<KeepAlive>,
    keep_alive_form: KeepAliveForm,
    /// Ends with the body.
    permit: Option<Arc<Permit>>,
    notes: Notes,
}

/// Where events come from.
pub(crate) enum Source {
    /// The head was sent before the upstream began to answer.
    Waiting(Call),
    /// The call is being answered.
    Answering(Box<Streaming<StreamChatResponse>>),
    /// Everything has been said.
    Over,
}

impl<W: Writer> AnswerBody<W> {
    pub(crate) fn new(
        source: Source,
        writer: W,
        fields: FieldNames,
        config: &GatewayConfig,
        permit: Option<Arc<Permit>>,
        notes: Notes,
    ) -> Self {
        let keep_alive = KeepAlive::new(config.keep_alive);
        let buffer = BytesMut::with_capacity(1024);
        let keep_alive_form = config.keep_alive_form;
        Self { source, writer, fields, buffer, keep_alive, keep_alive_form, permit, notes }
    }

    /// Writes an event that was read already.
    pub(crate) fn push(&mut self, event: &StreamChatResponse) {
        if let Some(permit) = &self.permit {
            permit.saw(event);
        }
        if let Err(problem) = self.writer.step(event, &mut self.buffer) {
            self.finish(Err(&problem));
        }
    }

    fn fail(&mut self, status: &Status) {
        if let Some(permit) = &self.permit {
            permit.failed();
        }
        let problem = problem_of(status, &self.fields);
        self.finish(Err(&problem));
    }

    fn finish(&mut self, outcome: Result<(), &Problem>) {
        if let Err(problem) = outcome {
            self.notes.note(|noted| noted.reason = Some(problem.reason));
        }
        self.writer.finish(outcome, &mut self.buffer);
        self.source = Source::Over;
        self.permit = None;
    }

    /// Reads one event. Pending when none is ready, `None` when there are no more.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match &mut self.source {
            Source::Waiting(call) => match ready!(call.as_mut().poll(cx)) {
                Ok(response) => {
                    note_credential(&self.notes, response.metadata());
                    self.source = Source::Answering(Box::new(response.into_inner()));
                }
                Err(status) => self.fail(&status),
            },
            Source::Answering(events) => match ready!(Pin::new(events).poll_next(cx)) {
                Some(Ok(event)) => {
                    if let Some(Event::Started(started)) = &event.event {
                        note_start(&self.notes, started);
                    }
                    self.push(&event);
                }
                Some(Err(status)) => self.fail(&status),
                None => self.finish(Ok(())),
            },
            Source::Over => return Poll::Ready(None),
        }
        Poll::Ready(Some(()))
    }
}

impl<W: Writer> Body for AnswerBody<W> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let over = loop {
            if this.buffer.len() >= ENOUGH_BYTES {
                break false;
            }
            match this.poll_event(cx) {
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
            this.writer.keep_alive(this.keep_alive_form, &mut this.buffer);
            // A dialect may have no sign of that form.
            if this.buffer.is_empty() {
                return Poll::Pending;
            }
        }
        if let Some(keep_alive) = &mut this.keep_alive {
            keep_alive.written();
        }
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))))
    }
}
