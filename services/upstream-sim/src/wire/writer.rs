//! Writes protobuf fields. Writes what it is told, also zero and empty values; the caller leaves out what is absent.

/// A message being written. Nested messages are written in place.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes of the message that `write` writes.
    pub(crate) fn build(write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self::default();
        write(&mut writer);
        writer.bytes
    }

    /// What has been written so far.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything written and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// An integer, a bool or an enum.
    pub(crate) fn uint(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    /// A float.
    pub(crate) fn float(&mut self, field: u32, value: f32) -> &mut Self {
        self.key(field, 5);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A double.
    pub(crate) fn double(&mut self, field: u32, value: f64) -> &mut Self {
        self.key(field, 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A string.
    pub(crate) fn string(&mut self, field: u32, value: &str) -> &mut Self {
        self.bytes(field, value.as_bytes())
    }

    /// A string, if it is not empty.
    pub(crate) fn string_if(&mut self, field: u32, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.string(field, value) }
    }

    /// Bytes, or a message that is already encoded.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    /// Fields that are already encoded.
    pub(crate) fn fields(&mut self, encoded: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(encoded);
        self
    }

    /// A nested message.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.key(field, 2);
        let at = self.bytes.len();
        self.bytes.push(0);
        write(self);
        let len = self.bytes.len() - at - 1;
        // One byte was kept for the length; longer messages move up to make room.
        let more = varint_len(len as u64) - 1;
        if more > 0 {
            self.bytes.resize(self.bytes.len() + more, 0);
            self.bytes.copy_within(at + 1..at + 1 + len, at + 1 + more);
        }
        put_varint(&mut self.bytes[at..], len as u64);
        self
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, value: u64) {
        let mut buffer = [0; 10];
        let len = put_varint(&mut buffer, value);
        self.bytes.extend_from_slice(&buffer[..len]);
    }
}

const fn varint_len(value: u64) -> usize {
    // One byte for each seven bits, at least one.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes `value` to the head of `out`, gives the number of bytes.
fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        out[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    out[len] = value as u8;
    len + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding;

    use super::*;

    proptest! {
        #[test]
        fn varints_agree_with_the_usual_library(value in any::<u64>(), shift in 0..64u32) {
            let value = value >> shift;
            let mut expected = Vec::new();
            encoding::encode_varint(value, &mut expected);
            let mut written = Writer::default();
            written.varint(value);

            prop_assert_eq!(varint_len(value), expected.len());
            prop_assert_eq!(written.as_slice(), &expected[..]);
        }

        #[test]
        fn nested_messages_of_any_size_have_the_right_length(len in 0..40_000usize, depth in 1..4usize) {
            let inner = vec![7; len];
            let expected = (0..depth).fold(inner.clone(), |inner, _| {
                let mut outer = Vec::new();
                encoding::bytes::encode(3, &inner, &mut outer);
                outer
            });
            let mut written = Writer::default();
            nest(&mut written, &inner, depth);

            prop_assert_eq!(written.as_slice(), &expected[..]);
        }
    }

    fn nest(writer: &mut Writer, inner: &[u8], depth: usize) {
        if depth == 0 {
            writer.fields(inner);
        } else {
            writer.message(3, |w| nest(w, inner, depth - 1));
        }
    }

    #[test]
    fn scalars_are_what_the_format_says() {
        let bytes = Writer::build(|w| {
            w.uint(1, 300).float(2, 1.0).double(3, -2.0).string(4, "ab").string_if(5, "").bytes(19, b"\0");
        });

        let expected = [
            &[0x08, 0xac, 0x02][..],
            &[0x15, 0, 0, 0x80, 0x3f],
            &[0x19, 0, 0, 0, 0, 0, 0, 0, 0xc0],
            &[0x22, 2, b'a', b'b'],
            &[0x9a, 0x01, 1, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }
}
