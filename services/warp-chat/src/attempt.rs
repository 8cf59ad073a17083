//! One attempt at a turn: the body of one answer of the upstream, read as it comes and watched by three clocks.
//!
//! Reads only when polled and holds nothing back but an unfinished event, so a slow caller slows the upstream.
//! Dropping an attempt ends the upstream's request.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body as _;
use tokio::time::{Instant, Sleep};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_rpc::HttpBody;
use warp2api_rpc::meter::Reader;

use crate::config::{Clocks, after};
use crate::error::TurnError;
use crate::exchange::Observer;
use crate::projection::Projection;
use crate::sse::{SseDecoder, TooLarge};
use crate::tally::Pace;
use crate::told::Told;
use crate::warp::payload;

/// An answer of the upstream being read.
pub(crate) struct Attempt<P: Projection> {
    body: HttpBody,
    decoder: SseDecoder,
    /// The bytes of one event. Kept for its memory.
    event: Vec<u8>,
    projection: P,
    observer: Observer,
    out: VecDeque<P::Item>,
    watch: Watch,
    pace: Pace,
    body_ended: bool,
    /// What went wrong after the items that are still to be handed out.
    failed: Option<TurnError>,
}

impl<P: Projection> Attempt<P> {
    /// Reads `body`, whose request was sent at `sent`.
    pub(crate) fn new(
        body: HttpBody,
        projection: P,
        observer: Observer,
        sent: Instant,
        clocks: Clocks,
        max_event_bytes: usize,
        reader: Reader,
    ) -> Self {
        Self {
            body,
            decoder: SseDecoder::new(max_event_bytes),
            event: Vec::new(),
            projection,
            observer,
            out: VecDeque::new(),
            watch: Watch::new(sent, clocks),
            pace: Pace::began(sent.elapsed(), reader),
            body_ended: false,
            failed: None,
        }
    }

    /// Waits until the caller can be shown something.
    pub(crate) async fn until_useful(&mut self) -> Result<(), TurnError> {
        while !self.projection.is_useful(&self.out) {
            std::future::poll_fn(|cx| self.poll_read(cx)).await?;
        }
        Ok(())
    }

    /// What the caller was told, or is about to be.
    pub(crate) fn told(&self) -> &Told {
        self.projection.told()
    }

    /// How the answer came in until now.
    pub(crate) fn pace(&self, now: Instant) -> Pace {
        let mut pace = self.pace.clone();
        pace.ended(now);
        pace
    }

    /// The next item. `None` when the turn ended well.
    pub(crate) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<P::Item, TurnError>>> {
        loop {
            if let Some(item) = self.out.pop_front() {
                self.projection.hand_over(&item);
                return Poll::Ready(Some(Ok(item)));
            }
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.projection.is_over() {
                return Poll::Ready(None);
            }
            // An error is told after the items that were read before it.
            self.failed = ready!(self.poll_read(cx)).err();
        }
    }

    /// Reads one piece of the body.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TurnError>> {
        if self.body_ended {
            return Poll::Ready(Err(interrupted()));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                self.pace.waits();
                return self.watch.poll(cx).map(Err);
            }
        };
        let read = match frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(bytes) => self.take(|decoder, on_data| decoder.push(bytes, on_data)),
                None => Ok(()),
            },
            Some(Err(error)) => {
                tracing::debug!(%error, "the upstream's stream broke");
                Err(interrupted())
            }
            None => {
                self.body_ended = true;
                self.take(|decoder, on_data| decoder.finish(on_data))
            }
        };
        let now = Instant::now();
        self.watch.progressed(now);
        self.pace.read(now);
        if self.projection.is_over() {
            // Its end lets the connection be used again.
            let _end = Pin::new(&mut self.body).poll_frame(cx);
        }
        Poll::Ready(read)
    }

    fn take(
        &mut self,
        decode: impl FnOnce(
            &mut SseDecoder,
            &mut dyn FnMut(&[u8]) -> Result<(), TurnError>,
        ) -> Result<(), TurnError>,
    ) -> Result<(), TurnError> {
        let Self { decoder, event, projection, observer, out, .. } = self;
        decode(decoder, &mut |data| {
            if projection.is_over() {
                return Ok(());
            }
            payload::decode(data, event).map_err(|_| {
                observer.malformed(data);
                TurnError::malformed("the upstream sent an event that is not base64")
            })?;
            observer.event(event);
            projection.apply(event, out)
        })
    }
}

impl From<TooLarge> for TurnError {
    fn from(error: TooLarge) -> Self {
        Self::malformed(format!("the upstream sent an event larger than {} bytes", error.0))
    }
}

/// A body that ends before the upstream has said so was cut off, however clean its end looks.
fn interrupted() -> TurnError {
    TurnError::upstream_fault(
        ErrorReason::UpstreamInterrupted,
        "the upstream's stream was cut off before it had finished",
    )
}

/// The clocks of a stream. One timer, moved only when it goes off: progress costs no more than reading the time.
struct Watch {
    sent: Instant,
    last_progress: Option<Instant>,
    clocks: Clocks,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    fn new(sent: Instant, clocks: Clocks) -> Self {
        let first = after(sent, clocks.first_event.min(clocks.lifetime));
        Self { sent, last_progress: None, clocks, timer: Box::pin(tokio::time::sleep_until(first)) }
    }

    fn progressed(&mut self, now: Instant) {
        self.last_progress = Some(now);
    }

    /// When the stream has been silent for too long, and what to say then.
    fn limit(&self) -> (Instant, &'static str) {
        let silence = match self.last_progress {
            None => (after(self.sent, self.clocks.first_event), "the upstream did not answer in time"),
            Some(last) => {
                (after(last, self.clocks.gap), "the upstream fell silent in the middle of its answer")
            }
        };
        let lifetime = (after(self.sent, self.clocks.lifetime), "the turn took longer than a turn may take");
        if lifetime.0 < silence.0 { lifetime } else { silence }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TurnError> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let (limit, message) = self.limit();
            if Instant::now() >= limit {
                return Poll::Ready(TurnError::upstream_fault(ErrorReason::UpstreamTimeout, message));
            }
            self.timer.as_mut().reset(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::{FutureExt as _, StreamExt as _};
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use warp2api_rpc::TransportError;

    use super::*;
    use crate::exchange::{About, Feed, FeedConfig};
    use crate::projection::WarpProjection;

    #[tokio::test]
    async fn clocks_without_end_break_nothing() {
        let ever = Duration::MAX;
        let clocks = Clocks { first_event: ever, gap: ever, lifetime: ever };
        let read =
            Bytes::from_static(b"data:CggKAmMxEgJyMQ==\n\ndata:EhkKFxoVCgJ0MRIPCgJtMRoFCgNIZWxaAnQx\n\n");
        let silent = futures_util::stream::pending();
        let frames = futures_util::stream::iter([Ok::<_, TransportError>(Frame::data(read))]).chain(silent);
        let body = StreamBody::new(frames).boxed_unsync();
        let exchange = Feed::new(FeedConfig::default()).begin(About::warp(None, 0));
        let (projection, observer) = (WarpProjection::default(), exchange.observer());
        let (sent, reader) = (Instant::now(), Reader::default());
        let mut attempt = Attempt::new(body, projection, observer, sent, clocks, 1 << 20, reader);

        attempt.until_useful().await.unwrap();
        let mut item = || std::future::poll_fn(|cx| attempt.poll_item(cx)).now_or_never();

        assert!(item().is_some() && item().is_some());
        assert!(item().is_none(), "and it waits");
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_read_with_it() {
        let reads = [
            "data:CggKAmMxEgJyMQ==\n\ndata:EhkKFxoVCgJ0MRIPCgJtMRoFCgNIZWxaAnQx\n\n",
            "data:Ei0KKyopCg4KAm0xGgQKAmxvWgJ0MRITChFhZ2VudF9vdXRwdXQudGV4dBoCdDE=\n\ndata:?!\n\n",
        ];
        let frames =
            reads.map(|read| Ok::<_, TransportError>(Frame::data(Bytes::from_static(read.as_bytes()))));
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let exchange = Feed::new(FeedConfig::default()).begin(About::warp(None, 0));
        let (projection, observer) = (WarpProjection::default(), exchange.observer());
        let (sent, reader) = (Instant::now(), Reader::default());
        let mut attempt = Attempt::new(body, projection, observer, sent, Clocks::default(), 1 << 20, reader);

        attempt.until_useful().await.unwrap();
        let mut items = 0;
        let error = loop {
            match std::future::poll_fn(|cx| attempt.poll_item(cx)).await {
                Some(Ok(_)) => items += 1,
                Some(Err(error)) => break error,
                None => panic!("it did not end well"),
            }
        };

        assert_eq!((items, error.reason), (3, ErrorReason::UpstreamMalformed));
    }
}
