//! Bodies that come compressed: gzip, brotli, zstd, deflate. What they become is bounded, not only what was sent: a small
//! bomb is refused as soon as it has grown too large, and so is what asks for a larger window than its format has decoders
//! keep: 16 MiB of brotli, 8 MiB of zstd.

use std::io;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio_util::io::StreamReader;
use warp2api_proto::error::v1::ErrorReason;

use crate::body::told;
use crate::reason::Failure;

/// The largest window of zstd, as a power of two: what RFC 9659 has every decoder take.
const ZSTD_WINDOW: u32 = 23;
/// How a stream of brotli begins that asks for a window of up to a gigabyte: seven bits that RFC 7932 keeps for nothing,
/// and that the decoder would follow.
const LARGE_WINDOW: u8 = 0b001_0001;
/// How much is made out of it before others get a turn.
const STRIDE: usize = 1024 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Brotli,
    Zstd,
    Deflate,
}

impl Coding {
    /// What the headers say. `None` for a body that is as it is.
    ///
    /// # Errors
    /// UNSUPPORTED_MEDIA_TYPE for anything else, and for several of them.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let given = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| {
            let text = value.to_str().unwrap_or("?");
            text.split(',').map(|coding| coding.trim().to_ascii_lowercase()).collect::<Vec<_>>()
        });
        let mut codings = given.filter(|coding| !coding.is_empty() && coding != "identity");
        let Some(coding) = codings.next() else { return Ok(None) };
        match (coding.as_str(), codings.next()) {
            ("gzip" | "x-gzip", None) => Ok(Some(Self::Gzip)),
            ("br", None) => Ok(Some(Self::Brotli)),
            ("zstd", None) => Ok(Some(Self::Zstd)),
            ("deflate", None) => Ok(Some(Self::Deflate)),
            _ => {
                let words = "expected one of gzip, br, zstd, deflate";
                Err(Failure::new(ErrorReason::UnsupportedMediaType, format!("content-encoding: {words}"))
                    .with_field("content-encoding", words))
            }
        }
    }

    /// The body as it was before, if that is at most `limit` bytes.
    ///
    /// # Errors
    /// REQUEST_TOO_LARGE when it is larger, INVALID_FIELD when it is broken.
    pub(crate) async fn undo(self, body: Body, limit: usize) -> Result<Bytes, Failure> {
        let sent = Limited::new(body, limit).into_data_stream();
        let sent = BufReader::new(StreamReader::new(sent.map_err(io::Error::other)));
        match self {
            Self::Gzip => read(GzipDecoder::new(sent), limit).await,
            Self::Brotli => {
                let mut sent = sent;
                match sent.fill_buf().await {
                    Ok([first, ..]) if first & 0x7f == LARGE_WINDOW => Err(broken()),
                    Ok(_) => read(BrotliDecoder::new(sent), limit).await,
                    Err(error) => Err(failed(&error, limit)),
                }
            }
            Self::Deflate => read(ZlibDecoder::new(sent), limit).await,
            Self::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW)];
                read(ZstdDecoder::with_params(sent, &window), limit).await
            }
        }
    }
}

async fn read(decoder: impl AsyncRead, limit: usize) -> Result<Bytes, Failure> {
    let mut decoder = std::pin::pin!(decoder);
    let (mut whole, mut pause) = (BytesMut::new(), STRIDE);
    loop {
        if whole.capacity() - whole.len() < 4096 {
            whole.reserve(16 * 1024);
        }
        match decoder.read_buf(&mut whole).await {
            Ok(0) => return Ok(whole.freeze()),
            Ok(_) if whole.len() > limit => return Err(too_large(limit)),
            Ok(_) if whole.len() > pause => {
                pause = whole.len() + STRIDE;
                tokio::task::yield_now().await;
            }
            Ok(_) => {}
            Err(error) => return Err(failed(&error, limit)),
        }
    }
}

fn failed(error: &io::Error, limit: usize) -> Failure {
    let told = || error.get_ref().and_then(|inner| told(inner));
    if is_length(error) { too_large(limit) } else { told().unwrap_or_else(broken) }
}

fn broken() -> Failure {
    Failure::new(ErrorReason::InvalidField, "the request body is not what its content-encoding says")
}

/// Whether more was sent than is read. The layers between wrap the error once more each.
fn is_length(error: &io::Error) -> bool {
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// What a body that is larger than `limit` is told.
pub(crate) fn too_large(limit: usize) -> Failure {
    Failure::new(ErrorReason::RequestTooLarge, format!("the request body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use async_compression::Level;
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn compress(coding: Coding, text: &[u8]) -> Vec<u8> {
        macro_rules! with {
            ($encoder:ident) => {{
                let mut encoder = $encoder::with_quality(Vec::new(), Level::Fastest);
                encoder.write_all(text).await.unwrap();
                encoder.shutdown().await.unwrap();
                encoder.into_inner()
            }};
        }
        match coding {
            Coding::Gzip => with!(GzipEncoder),
            Coding::Brotli => with!(BrotliEncoder),
            Coding::Zstd => with!(ZstdEncoder),
            Coding::Deflate => with!(ZlibEncoder),
        }
    }

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];

    #[tokio::test]
    async fn every_coding_is_undone_within_the_bound_of_what_comes_out() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for coding in ALL {
            let small = compress(coding, &text).await;

            assert_eq!(coding.undo(Body::from(small.clone()), text.len()).await.unwrap(), text);
            let refused = coding.undo(Body::from(small), text.len() - 1).await.unwrap_err();
            assert_eq!(refused.reason, ErrorReason::RequestTooLarge, "{coding:?}");
        }
    }

    #[tokio::test]
    async fn a_bomb_is_refused_and_so_is_what_is_broken_or_cut() {
        for coding in ALL {
            let bomb = compress(coding, &vec![0; 16 * 1024 * 1024]).await;
            assert!(bomb.len() < 256 * 1024, "{coding:?}: {}", bomb.len());
            let refused = coding.undo(Body::from(bomb), 1024 * 1024).await.unwrap_err();
            assert_eq!(refused.reason, ErrorReason::RequestTooLarge, "{coding:?}");

            let whole = compress(coding, b"a text that is not so short").await;
            let cut = whole[..whole.len() / 2].to_vec();
            for broken in [cut, b"not compressed at all, not at all".to_vec()] {
                let refused = coding.undo(Body::from(broken), 1024).await.unwrap_err();
                assert_eq!(refused.reason, ErrorReason::InvalidField, "{coding:?}");
            }
        }
    }

    #[tokio::test]
    async fn brotli_with_a_large_window_is_not_followed() {
        // Nothing at all, in a window of 2^30 bytes.
        let large = [LARGE_WINDOW, 0b1101_1110];
        let mut made = Vec::new();
        let decoded = BrotliDecoder::new(&large[..]).read_to_end(&mut made).await;
        assert!(decoded.is_ok() && made.is_empty(), "the decoder follows it");

        let refused = Coding::Brotli.undo(Body::from(large.to_vec()), 1024).await.unwrap_err();

        assert_eq!(refused.reason, ErrorReason::InvalidField);
        for quality in [Level::Fastest, Level::Best] {
            // The largest that there is otherwise.
            let mut encoder = BrotliEncoder::with_quality(Vec::new(), quality);
            encoder.write_all(&[7; 100]).await.unwrap();
            encoder.shutdown().await.unwrap();
            let read = Coding::Brotli.undo(Body::from(encoder.into_inner()), 1024).await.unwrap();
            assert_eq!(read, [7; 100][..]);
        }
        let empty = Coding::Brotli.undo(Body::empty(), 1024).await;
        assert_eq!(empty.unwrap_err().reason, ErrorReason::InvalidField);
    }

    #[tokio::test]
    async fn more_than_the_limit_is_not_read_even_if_it_would_shrink() {
        // Literals that do not compress: what is sent is longer than what may be.
        let refused = Coding::Gzip.undo(Body::from(vec![0x1f; 10_000]), 100).await.unwrap_err();
        assert!(matches!(refused.reason, ErrorReason::RequestTooLarge | ErrorReason::InvalidField));
    }

    #[test]
    fn one_coding_is_read_and_others_are_named() {
        let of = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            for given in given {
                headers.append(CONTENT_ENCODING, given.parse().unwrap());
            }
            Coding::of(&headers).map_err(|failure| failure.reason)
        };
        let unsupported = Err(ErrorReason::UnsupportedMediaType);
        for (given, expected) in [
            (&[][..], Ok(None)),
            (&["identity"], Ok(None)),
            (&["GZIP"], Ok(Some(Coding::Gzip))),
            (&["identity, br"], Ok(Some(Coding::Brotli))),
            (&["zstd"], Ok(Some(Coding::Zstd))),
            (&["deflate"], Ok(Some(Coding::Deflate))),
            (&["gzip, gzip"], unsupported),
            (&["gzip", "br"], unsupported),
            (&["compress"], unsupported),
        ] {
            assert_eq!(of(given), expected, "{given:?}");
        }
    }
}
