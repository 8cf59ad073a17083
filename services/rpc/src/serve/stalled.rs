//! A connection whose other side does not read: writing to it fails once nothing could be written for long.
//!
//! The timer exists only while a write waits, so that a connection that goes well pays nothing for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

pin_project! {
    /// An IO with an end to its patience.
    #[derive(Debug)]
    pub(super) struct Stalling<IO> {
        #[pin]
        inner: IO,
        patience: Duration,
        waiting: Option<Pin<Box<Sleep>>>,
    }
}

impl<IO> Stalling<IO> {
    /// `inner`, which may take nothing for as long as `patience`.
    pub(super) fn new(inner: IO, patience: Duration) -> Self {
        Self { inner, patience, waiting: None }
    }
}

/// What came of a write, or that it has waited too long.
fn bounded<T>(
    written: Poll<io::Result<T>>,
    waiting: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *waiting = None;
        return written;
    }
    let waited = waiting.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx);
    waited.map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")))
}

impl<IO: AsyncRead> AsyncRead for Stalling<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite> AsyncWrite for Stalling<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        bounded(this.inner.poll_write(cx, bytes), this.waiting, *this.patience, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        bounded(this.inner.poll_write_vectored(cx, buffers), this.waiting, *this.patience, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        bounded(this.inner.poll_flush(cx), this.waiting, *this.patience, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        bounded(this.inner.poll_shutdown(cx), this.waiting, *this.patience, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_waited_for_so_long_and_who_reads_slowly_for_ever() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Stalling::new(near, PATIENCE);
        let start = Instant::now();
        let reading = async {
            for _ in 0..5 {
                sleep(PATIENCE / 2).await;
                far.read_exact(&mut [0; 4]).await.unwrap();
            }
            far
        };

        let (written, _far) = tokio::join!(near.write_all(&[7; 64]), reading);

        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), PATIENCE * 5 / 2 + PATIENCE);
    }
}
