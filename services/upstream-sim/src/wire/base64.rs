//! Base64 with the URL-safe alphabet, one direction only.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The length of `bytes` many bytes in padded base64.
pub(crate) const fn padded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends `bytes` to `out`, padded with `=` to whole groups of four.
pub(crate) fn encode_padded(bytes: &[u8], out: &mut Vec<u8>) {
    encode(bytes, out);
    for _ in 0..(3 - bytes.len() % 3) % 3 {
        out.push(b'=');
    }
}

/// Appends `bytes` to `out` without padding.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut groups = bytes.chunks_exact(3);
    for group in &mut groups {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        out.extend_from_slice(&[letter(bits, 18), letter(bits, 12), letter(bits, 6), letter(bits, 0)]);
    }
    match *groups.remainder() {
        [a] => {
            let bits = u32::from(a) << 16;
            out.extend_from_slice(&[letter(bits, 18), letter(bits, 12)]);
        }
        [a, b] => {
            let bits = u32::from(a) << 16 | u32::from(b) << 8;
            out.extend_from_slice(&[letter(bits, 18), letter(bits, 12), letter(bits, 6)]);
        }
        _ => {}
    }
}

fn letter(bits: u32, shift: u32) -> u8 {
    ALPHABET[(bits >> shift & 63) as usize]
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_usual_library(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut padded, mut bare) = (Vec::new(), Vec::new());
            encode_padded(&bytes, &mut padded);
            encode(&bytes, &mut bare);

            prop_assert_eq!(padded.len(), padded_len(bytes.len()));
            prop_assert_eq!(String::from_utf8(padded).unwrap(), URL_SAFE.encode(&bytes));
            prop_assert_eq!(String::from_utf8(bare).unwrap(), URL_SAFE_NO_PAD.encode(&bytes));
        }
    }
}
