//! The body of an answer: walks a script, waits where it says so and spreads the bytes over writes.
//!
//! Frames are made when they are asked for, so that a slow reader costs no memory. Whoever drops the body before its
//! end has left, and the record says so.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::event::write_append;
use crate::ids::Ids;
use crate::phrase::piece_len;
use crate::record::Running;
use crate::scenario::{Cut, Delivery, Interruption};
use crate::script::{Append, Script, Step};
use crate::wire::writer::Writer;

/// A connection that breaks because a scenario says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulated connection broke")]
pub struct Broken;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    script: Script,
    /// Events given out so far.
    events: usize,
    /// Bytes that wait to become a write of the wanted size.
    buffer: BytesMut,
    timer: Option<Pin<Box<Sleep>>>,
    /// When the last piece of the step was due, and whether the wait for the next one is over.
    due: Option<Instant>,
    waited: bool,
    /// Whether the reader had a turn to pass on what it has, before the connection breaks.
    flushed: bool,
    scratch: Writer,
    random: Ids,
    /// The size, where the whole body is known.
    size: Option<u64>,
    running: Running,
}

/// What comes next.
enum Next {
    Frame(Bytes),
    Wait(Instant),
    Stall,
    Fail,
    End,
}

impl AnswerBody {
    /// The stream that `script` describes.
    pub(crate) fn stream(script: Script, running: Running) -> Self {
        let seed = match script.delivery {
            Delivery::Random { seed, .. } => seed,
            Delivery::Events | Delivery::Bytes(_) | Delivery::Drip(..) | Delivery::Together(_) => 0,
        };
        let body = Self {
            script,
            events: 0,
            buffer: BytesMut::new(),
            timer: None,
            due: None,
            waited: false,
            flushed: false,
            scratch: Writer::default(),
            random: Ids::new(seed, 0),
            size: None,
            running,
        };
        body.note_end();
        body
    }

    /// A body that is complete.
    pub(crate) fn whole(text: String, running: Running) -> Self {
        let size = text.len() as u64;
        let steps = if text.is_empty() { None } else { Some(Step::Frame(text.into())) };
        let script =
            Script { steps: steps.into_iter().collect(), interruption: None, delivery: Delivery::Events };
        Self { size: Some(size), ..Self::stream(script, running) }
    }

    /// The next step. Asked again it says the same, unless it gave a frame.
    fn next(&mut self) -> Next {
        match self.interruption() {
            Some(Interruption::Cut(Cut::Clean)) => return Next::End,
            Some(Interruption::Cut(Cut::Error)) => return Next::Fail,
            Some(Interruption::Stall) => return Next::Stall,
            None => {}
        }
        loop {
            let wait = match self.script.steps.front() {
                Some(Step::Append(Append { every, .. }) | Step::Repeat { every, .. }) => *every,
                Some(Step::Pause(pause)) => *pause,
                Some(Step::Frame(_) | Step::Stall | Step::Fail) | None => Duration::ZERO,
            };
            if !wait.is_zero() && !self.waited {
                // The schedule is kept to, not the gap: a late piece does not delay those after it.
                let due = *self.due.get_or_insert_with(Instant::now) + wait;
                self.due = Some(due);
                self.waited = true;
                return Next::Wait(due);
            }
            self.waited = false;
            let (frame, used_up) = match self.script.steps.front_mut() {
                None => return Next::End,
                Some(Step::Stall) => return Next::Stall,
                Some(Step::Fail) => return Next::Fail,
                Some(Step::Pause(_)) => (None, true),
                Some(Step::Frame(frame)) => (Some(std::mem::take(frame)), true),
                Some(Step::Repeat { frame, left, .. }) => {
                    *left = left.saturating_sub(1);
                    (Some(frame.clone()), *left == 0)
                }
                Some(Step::Append(append)) => {
                    let frame = next_piece(append, &mut self.scratch);
                    (Some(frame), append.sent == append.text.len())
                }
            };
            if used_up {
                self.script.steps.pop_front();
                self.due = None;
            }
            if let Some(frame) = frame {
                self.events += 1;
                return Next::Frame(frame);
            }
        }
    }

    /// The interruption, if it is due.
    fn interruption(&self) -> Option<Interruption> {
        self.script
            .interruption
            .filter(|(after, _)| *after <= self.events)
            .map(|(_, interruption)| interruption)
    }

    fn is_over(&self) -> bool {
        let script_is_over = match self.interruption() {
            Some(interruption) => interruption == Interruption::Cut(Cut::Clean),
            None => self.script.steps.is_empty(),
        };
        script_is_over && self.buffer.is_empty()
    }

    /// Tells the record as soon as nothing is left, since nobody may ask again.
    fn note_end(&self) {
        if self.is_over() {
            self.running.finish();
        }
    }

    /// Whether the buffer holds enough for a write. `wanted` is in bytes, or in events for [`Delivery::Together`].
    fn poll_buffered(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<Bytes, Broken>>> {
        let by_events = matches!(self.script.delivery, Delivery::Together(_));
        let mut events = 0;
        while if by_events { events < wanted } else { self.buffer.len() < wanted } {
            match self.next() {
                Next::Frame(frame) => {
                    self.buffer.extend_from_slice(&frame);
                    events += 1;
                }
                Next::Wait(due) if self.buffer.is_empty() => ready!(self.poll_until(cx, due)),
                Next::Stall if self.buffer.is_empty() => return Poll::Pending,
                Next::End if self.buffer.is_empty() => return Poll::Ready(None),
                Next::Fail if self.buffer.is_empty() => return self.poll_break(cx),
                Next::Wait(due) => {
                    self.timer = Some(Box::pin(tokio::time::sleep_until(due)));
                    break;
                }
                Next::Stall | Next::End | Next::Fail => break,
            }
        }
        let len = if by_events { self.buffer.len() } else { wanted.min(self.buffer.len()) };
        Poll::Ready(Some(Ok(self.buffer.split_to(len).freeze())))
    }

    /// Breaks the connection. An HTTP server that sees the error throws away what it has not written yet, so it gets a
    /// turn to write first.
    fn poll_break(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if !std::mem::replace(&mut self.flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken)))
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        self.timer = Some(Box::pin(tokio::time::sleep_until(due)));
        self.poll_timer(cx)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        Poll::Ready(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        ready!(self.poll_timer(cx));
        match self.script.delivery {
            Delivery::Events => loop {
                match self.next() {
                    Next::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                    Next::Wait(due) => ready!(self.poll_until(cx, due)),
                    Next::Stall => return Poll::Pending,
                    Next::Fail => return self.poll_break(cx),
                    Next::End => return Poll::Ready(None),
                }
            },
            Delivery::Bytes(wanted) | Delivery::Together(wanted) => self.poll_buffered(cx, wanted.max(1)),
            Delivery::Random { longest, .. } => {
                let wanted = 1 + (self.random.number() % longest.max(1) as u64) as usize;
                self.poll_buffered(cx, wanted)
            }
            Delivery::Drip(wanted, every) => {
                let write = ready!(self.poll_buffered(cx, wanted.max(1)));
                if self.timer.is_none() {
                    self.timer = Some(Box::pin(tokio::time::sleep(every)));
                }
                Poll::Ready(write)
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let write = ready!(self.poll_write(cx));
        match &write {
            Some(Ok(_)) => self.note_end(),
            Some(Err(Broken)) | None => self.running.finish(),
        }
        Poll::Ready(write.map(|write| write.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.filter(|_| self.events == 0).map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The frame of the next piece of a text.
fn next_piece(append: &mut Append, scratch: &mut Writer) -> Bytes {
    let rest = &append.text[append.sent..];
    let piece = &rest[..piece_len(rest)];
    scratch.clear();
    write_append(scratch, &append.task_id, &append.message_id, append.field, piece);
    append.sent += piece.len();
    append.framing.frame(scratch.as_slice())
}
