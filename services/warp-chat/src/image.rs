//! Images that the upstream takes: four formats, told by their first bytes, up to a size.

use bytes::Bytes;
use warp2api_proto::warp_chat::v1::Image;
use warp2api_rpc::Failure;

/// The largest image in bytes, before base64.
const MAX_BYTES: usize = 3_750_000;

/// An image that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckedImage {
    pub(crate) data: Bytes,
    pub(crate) mime_type: &'static str,
}

/// Looks at an image. What its bytes say counts, not what the caller calls it.
///
/// # Errors
/// When it is too large or of another format.
pub(crate) fn check(image: Image, path: &str) -> Result<CheckedImage, Failure> {
    if image.data.len() > MAX_BYTES {
        let size = image.data.len();
        return Err(Failure::invalid(
            format!("{path}.data"),
            format!("an image has at most {MAX_BYTES} bytes, this one has {size}"),
        ));
    }
    let mime_type = mime_type(&image.data)
        .ok_or_else(|| Failure::invalid(format!("{path}.data"), "must be a PNG, JPEG, GIF or WebP image"))?;
    Ok(CheckedImage { data: image.data, mime_type })
}

fn mime_type(data: &[u8]) -> Option<&'static str> {
    if data.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if data.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if data.starts_with(b"GIF87a") || data.starts_with(b"GIF89a") {
        Some("image/gif")
    } else if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[u8]) -> Result<&'static str, String> {
        let image = Image { data: Bytes::copy_from_slice(data), mime_type: "image/bmp".into() };
        check(image, "i").map(|image| image.mime_type).map_err(|failure| failure.message)
    }

    #[test]
    fn the_bytes_tell_the_format() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\nx"), Ok("image/png"));
        assert_eq!(of(b"\xff\xd8\xff\xe0"), Ok("image/jpeg"));
        assert_eq!(of(b"GIF89a"), Ok("image/gif"));
        assert_eq!(of(b"RIFF\0\0\0\0WEBPVP8 "), Ok("image/webp"));
    }

    #[test]
    fn other_formats_and_large_images_are_refused_by_path() {
        assert!(of(b"BM").unwrap_err().starts_with("i.data: must be a PNG"));
        assert!(of(&[0; MAX_BYTES + 1]).unwrap_err().starts_with("i.data: an image has at most"));
    }
}
