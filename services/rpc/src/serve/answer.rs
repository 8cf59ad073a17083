//! The body of an answer, which can be taken away while its reader does not ask for more of it.
//!
//! HTTP/2 holds back a body whose reader gives no window, and does not poll it: no clock of its own would ever ring,
//! and what it holds (a turn, a place, a lease) would be held for as long as the reader likes. So whoever watches the
//! connection looks at all bodies now and then. One that has something to say and was not asked between two looks, twice
//! in a row, is dropped.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower::BoxError;

/// After how many looks without a question a body is taken away.
const LOOKS: u8 = 2;

/// A body as its reader has it.
#[derive(Debug)]
pub(crate) struct AnswerBody<T>(Arc<Answer<T>>);

/// What is between a body's reader and who watches it. `T` goes with the body.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    // Nobody waits for it: the reader has it while it reads, and who watches passes it over then.
    held: Mutex<Held<T>>,
    says: Arc<Says>,
    waker: Waker,
}

#[derive(Debug)]
struct Held<T> {
    /// `None` once it was taken away.
    body: Option<(Body, T)>,
    /// How often it was looked at since it was last asked for more.
    looks: u8,
}

/// Whether the body has something to say that nobody has asked for.
#[derive(Debug, Default)]
struct Says {
    something: AtomicBool,
    reader: AtomicWaker,
}

impl Wake for Says {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.something.store(true, Ordering::Release);
        self.reader.wake();
    }
}

impl<T> AnswerBody<T> {
    /// A body, and what goes with it when it ends or is taken away.
    pub(crate) fn new(body: Body, with: T) -> Self {
        let says = Arc::new(Says { something: AtomicBool::new(true), reader: AtomicWaker::new() });
        let waker = Waker::from(says.clone());
        let held = Mutex::new(Held { body: Some((body, with)), looks: 0 });
        Self(Arc::new(Answer { held, says, waker }))
    }

    /// What is watched.
    pub(crate) fn watched(&self) -> Arc<Answer<T>> {
        self.0.clone()
    }
}

/// Something that can be watched.
pub(crate) trait Watched: Send + Sync + std::fmt::Debug {
    /// Looks at it. Returns whether it was taken away.
    fn look(&self) -> bool;
}

impl<T: Send + std::fmt::Debug> Watched for Answer<T> {
    fn look(&self) -> bool {
        let mut held = match self.held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            // It is being read.
            Err(TryLockError::WouldBlock) => return false,
        };
        if held.body.is_none() || !self.says.something.load(Ordering::Acquire) {
            return false;
        }
        if held.looks < LOOKS {
            held.looks += 1;
            return false;
        }
        let taken = held.body.take();
        drop(held);
        taken.is_some()
    }
}

impl<T> Answer<T> {
    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> HttpBody for AnswerBody<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let answer = &*self.0;
        answer.says.reader.register(cx.waker());
        answer.says.something.store(false, Ordering::Release);
        let mut held = answer.lock();
        held.looks = 0;
        let Some((body, _)) = &mut held.body else {
            return Poll::Ready(Some(Err("the answer was not read in time".into())));
        };
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(&answer.waker));
        if frame.is_ready() {
            // Whoever was given something is to ask for more.
            answer.says.something.store(true, Ordering::Release);
        }
        frame.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.as_ref().is_some_and(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.as_ref().map(|(body, _)| body.size_hint()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A body that says what is sent, and whether it is gone.
    fn body() -> (mpsc::Sender<&'static str>, AnswerBody<tokio_util::sync::DropGuard>, CancellationToken) {
        let (sender, receiver) = mpsc::channel(8);
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|text| (Ok::<_, std::io::Error>(text), receiver))
        });
        let gone = CancellationToken::new();
        (sender, AnswerBody::new(Body::from_stream(stream.boxed()), gone.clone().drop_guard()), gone)
    }

    fn looks(body: &AnswerBody<tokio_util::sync::DropGuard>) -> [bool; 3] {
        let watched = body.watched();
        [watched.look(), watched.look(), watched.look()]
    }

    #[tokio::test]
    async fn one_that_is_not_asked_at_all_is_taken_away() {
        let (_sender, mut body, gone) = body();

        assert_eq!(looks(&body), [false, false, true]);

        assert!(gone.is_cancelled() && !body.is_end_stream());
        assert!(body.frame().await.unwrap().is_err(), "it does not look whole");
    }

    #[tokio::test]
    async fn one_that_waits_for_its_source_stays_until_there_is_something_to_say() {
        let (sender, mut body, gone) = body();
        assert!(futures_util::poll!(Box::pin(body.frame())).is_pending());

        assert_eq!(looks(&body), [false; 3]);
        sender.try_send("a").unwrap();

        assert_eq!(looks(&body), [false, false, true]);
        assert!(gone.is_cancelled());
    }

    #[tokio::test]
    async fn one_that_is_asked_now_and_then_stays() {
        let (sender, mut body, gone) = body();
        for text in ["a", "b", "c"] {
            sender.try_send(text).unwrap();
            assert_eq!([body.watched().look(), body.watched().look()], [false; 2]);
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), text);
        }
        drop(sender);
        assert!(body.frame().await.is_none() && !gone.is_cancelled());
        drop(body);
        assert!(gone.is_cancelled());
    }
}
