//! Images: `data:` URLs to bytes, and remote URLs to what a caller of this crate fetched for them.
//!
//! The media type is read off the bytes, never off what the URL claims.

use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use warp2api_proto::warp_chat::v1::{Image, Part, part};

use crate::rejection::Rejection;

/// The largest image the upstream takes, in bytes before any encoding.
pub const MAX_IMAGE_BYTES: usize = 3_750_000;
/// The most images in one message.
const MAX_IMAGES_IN_MESSAGE: usize = 20;
/// The most images in a conversation.
pub(crate) const MAX_IMAGES: usize = 200;

/// An image that a request names by an `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteImage {
    /// The path of the URL in the request, for example `messages[0].content[1].image_url.url`.
    pub param: String,
    /// The URL as the caller wrote it.
    pub url: String,
}

/// Images that were fetched for a request, by the URL as the caller wrote it. Empty where nothing is fetched: remote
/// URLs are then rejected.
#[derive(Debug, Clone, Default)]
pub struct FetchedImages(HashMap<String, Bytes>);

impl FetchedImages {
    /// A stand-in for each image, to find out what else is wrong with a request before anything is fetched.
    pub fn stand_ins(images: &[RemoteImage]) -> Self {
        let images = images.iter().map(|image| (image.url.clone(), Bytes::from_static(STAND_IN)));
        Self(images.collect())
    }

    /// Adds the body of a URL. It is checked like an inline image when the request is accepted.
    pub fn insert(&mut self, url: impl Into<String>, body: Bytes) {
        self.0.insert(url.into(), body);
    }

    /// The body of a URL as the caller wrote it.
    pub fn get(&self, url: &str) -> Option<&Bytes> {
        self.0.get(url)
    }
}

/// Takes the images of a conversation, as many as it may hold.
#[derive(Debug)]
pub(crate) struct Images<'a> {
    fetched: &'a FetchedImages,
    count: usize,
}

impl<'a> Images<'a> {
    /// No image yet.
    pub(crate) fn new(fetched: &'a FetchedImages) -> Self {
        Self { fetched, count: 0 }
    }

    /// The image a URL stands for, as a part. `param` is the path of the URL.
    pub(crate) fn at_url(&mut self, url: &str, param: &str) -> Result<Part, Rejection> {
        self.count(param)?;
        let image = image(url, param, self.fetched)?;
        Ok(Part { content: Some(part::Content::Image(image)) })
    }

    /// An image in base64, as a part. `param` is the path of the text.
    pub(crate) fn in_base64(&mut self, encoded: &str, param: &str) -> Result<Part, Rejection> {
        self.count(param)?;
        let image = checked(decoded(encoded, param)?, param)?;
        Ok(Part { content: Some(part::Content::Image(image)) })
    }

    /// Counts an image of the conversation before it is decoded.
    fn count(&mut self, param: &str) -> Result<(), Rejection> {
        self.count += 1;
        if self.count > MAX_IMAGES {
            let words = format!("more than {MAX_IMAGES} images in the conversation");
            return Err(Rejection::invalid(param, words));
        }
        Ok(())
    }
}

/// That the parts of a message hold as many images as a message may. `param` is the path of the parts.
pub(crate) fn check_message(parts: &[Part], param: &str) -> Result<(), Rejection> {
    let images = parts.iter().filter(|part| matches!(part.content, Some(part::Content::Image(_)))).count();
    if images > MAX_IMAGES_IN_MESSAGE {
        let words = format!("more than {MAX_IMAGES_IN_MESSAGE} images in one message");
        return Err(Rejection::invalid(param, words));
    }
    Ok(())
}

/// Whether the URL names a place on the network.
pub(crate) fn is_remote(url: &str) -> bool {
    has_scheme(url, "http://") || has_scheme(url, "https://")
}

/// The image a URL stands for. `param` is the path of the URL.
fn image(url: &str, param: &str, fetched: &FetchedImages) -> Result<Image, Rejection> {
    let data = if has_scheme(url, "data:") {
        inline(url, param)?
    } else if let Some(body) = fetched.get(url) {
        body.clone()
    } else if is_remote(url) {
        return Err(Rejection::unsupported(
            param,
            "images are not fetched from the network unless the operator sets W2A_FETCH_IMAGES=true; send the image \
             itself as a data: URL in base64",
        ));
    } else {
        return Err(Rejection::invalid(param, "expected a data: URL with an image in base64"));
    };
    checked(data, param)
}

/// The media type is read off the bytes.
fn checked(data: Bytes, param: &str) -> Result<Image, Rejection> {
    if data.len() > MAX_IMAGE_BYTES {
        return Err(too_large(param));
    }
    let Some(mime_type) = media_type(&data) else {
        return Err(Rejection::invalid(param, "expected a PNG, JPEG, GIF or WebP image"));
    };
    Ok(Image { data, mime_type: mime_type.to_owned() })
}

fn inline(url: &str, param: &str) -> Result<Bytes, Rejection> {
    let parts = url["data:".len()..].split_once(',');
    let Some((_, encoded)) = parts.filter(|(kind, _)| has_suffix(kind, ";base64")) else {
        return Err(Rejection::invalid(param, "expected data:image/...;base64, and the image in base64"));
    };
    decoded(encoded, param)
}

fn decoded(encoded: &str, param: &str) -> Result<Bytes, Rejection> {
    if encoded.len() > MAX_ENCODED_BYTES {
        return Err(too_large(param));
    }
    let data = BASE64.decode(encoded).or_else(|_| BASE64.decode(plain_spelling(encoded)));
    data.map(Bytes::from).map_err(|_| Rejection::invalid(param, "the image is not valid base64"))
}

/// Base64 without the line breaks and the alphabet for URLs that some clients use.
fn plain_spelling(encoded: &str) -> Vec<u8> {
    let characters = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let plain = characters.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    plain.collect()
}

fn too_large(param: &str) -> Rejection {
    Rejection::invalid(param, format!("the image is larger than {MAX_IMAGE_BYTES} bytes"))
}

/// The beginning of a GIF is enough to pass for one.
const STAND_IN: &[u8] = b"GIF89a";

/// Four characters hold three bytes; a tenth more leaves room for line breaks.
const MAX_ENCODED_BYTES: usize = MAX_IMAGE_BYTES / 3 * 4 / 10 * 11;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn has_suffix(text: &str, suffix: &str) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

fn media_type(data: &[u8]) -> Option<&'static str> {
    match data {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp2api_proto::error::v1::ErrorReason;

    const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00";

    fn load(url: &str) -> Result<Image, Rejection> {
        image(url, "url", &FetchedImages::default())
    }

    #[test]
    fn the_media_type_comes_from_the_bytes() {
        let cases: [(&[u8], &str); 5] = [
            (b"\x89PNG\r\n\x1a\nrest", "image/png"),
            (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
            (b"GIF87arest", "image/gif"),
            (GIF, "image/gif"),
            (b"RIFF\x00\x00\x00\x00WEBPrest", "image/webp"),
        ];
        for (data, mime_type) in cases {
            let url = format!("data:text/plain;base64,{}", BASE64.encode(data));
            let expected = Image { data: Bytes::copy_from_slice(data), mime_type: mime_type.to_owned() };
            assert_eq!(load(&url).unwrap(), expected);
        }
    }

    #[test]
    fn base64_is_taken_in_all_its_spellings() {
        // Bytes whose encoding has `+` and `/`, and a length that needs padding.
        let data = [GIF, b"\xfb\xff\xfb\xef\xbe\xfb"].concat();
        let encoded = BASE64.encode(&data);
        assert!(encoded.contains('+') && encoded.contains('/') && encoded.ends_with('='));
        let spellings = [
            encoded.clone(),
            encoded.trim_end_matches('=').to_owned(),
            encoded.replace('+', "-").replace('/', "_"),
            format!("{}\r\n {}", &encoded[..4], &encoded[4..]),
        ];
        for spelling in spellings {
            for start in ["data:image/gif;base64,", "DATA:image/gif;charset=x;BASE64,", "data:;base64,"] {
                assert_eq!(load(&format!("{start}{spelling}")).unwrap().data, data, "{start}{spelling}");
            }
        }
    }

    #[test]
    fn what_is_no_image_is_invalid() {
        let cases = [
            ("", "expected a data: URL with an image in base64"),
            ("file:///etc/passwd", "expected a data: URL with an image in base64"),
            ("data:image/png", "expected data:image/...;base64, and the image in base64"),
            ("data:image/png,abc", "expected data:image/...;base64, and the image in base64"),
            ("data:image/png;base64,@@@@", "the image is not valid base64"),
            ("data:image/png;base64,", "expected a PNG, JPEG, GIF or WebP image"),
            ("data:image/png;base64,aGVsbG8=", "expected a PNG, JPEG, GIF or WebP image"),
        ];
        for (url, description) in cases {
            assert_eq!(load(url).unwrap_err(), Rejection::invalid("url", description), "{url}");
        }
    }

    #[test]
    fn an_image_may_have_the_largest_size_and_not_a_byte_more() {
        let mut data = GIF.to_vec();
        data.resize(MAX_IMAGE_BYTES, 0);
        assert!(load(&format!("data:;base64,{}", BASE64.encode(&data))).is_ok());
        for more in [1, 2, 3, 4, 1000, 1_000_000] {
            data.resize(MAX_IMAGE_BYTES + more, 0);
            let rejection = load(&format!("data:;base64,{}", BASE64.encode(&data))).unwrap_err();
            assert_eq!(rejection.description, "the image is larger than 3750000 bytes");
        }
    }

    #[test]
    fn a_remote_image_needs_to_be_fetched_first() {
        let url = "https://example.com/a.gif";
        assert_eq!(load(url).unwrap_err().reason, ErrorReason::UnsupportedField);

        let mut fetched = FetchedImages::default();
        fetched.insert(url, Bytes::from_static(GIF));

        assert_eq!(image(url, "url", &fetched).unwrap().mime_type, "image/gif");
    }
}
