//! Upstream messages that pass through a method of ours untouched, as the bytes they came in.
//!
//! On the wire they are what the contract says, `warp.multi_agent.v1.Request` and `ResponseEvent`; here they are not
//! taken apart, so fields that our schema does not know survive. Whoever needs to look inside decodes `bytes` as the
//! typed message.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, encode_key, encode_varint};
use prost::{DecodeError, Message};

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name {
            /// The encoded message.
            pub bytes: Bytes,
        }

        impl std::fmt::Debug for $name {
            /// Shows the size only: the content is a conversation.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("len", &self.bytes.len()).finish()
            }
        }

        impl From<Bytes> for $name {
            fn from(bytes: Bytes) -> Self {
                Self { bytes }
            }
        }

        impl Message for $name {
            fn encode_raw(&self, buf: &mut impl BufMut) {
                buf.put_slice(&self.bytes);
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: WireType,
                buf: &mut impl Buf,
                ctx: DecodeContext,
            ) -> Result<(), DecodeError> {
                self.bytes = append_field(&self.bytes, tag, wire_type, buf, ctx)?;
                Ok(())
            }

            /// Takes the rest of `buf` as it is. Does not look whether it is a valid message.
            fn merge(&mut self, mut buf: impl Buf) -> Result<(), DecodeError> {
                let rest = buf.copy_to_bytes(buf.remaining());
                self.bytes = if self.bytes.is_empty() { rest } else { [&self.bytes[..], &rest[..]].concat().into() };
                Ok(())
            }

            fn encoded_len(&self) -> usize {
                self.bytes.len()
            }

            fn clear(&mut self) {
                self.bytes.clear();
            }
        }
    };
}

opaque! {
    /// A `warp.multi_agent.v1.Request` as its bytes.
    Request
}

opaque! {
    /// A `warp.multi_agent.v1.ResponseEvent` as its bytes.
    ResponseEvent
}

/// `so_far` with one more field, copied from `buf`. Only for a message nested in another, which no method has today.
fn append_field(
    so_far: &Bytes,
    tag: u32,
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<Bytes, DecodeError> {
    let mut bytes = so_far.to_vec();
    encode_key(tag, wire_type, &mut bytes);
    match wire_type {
        WireType::Varint => encode_varint(prost::encoding::decode_varint(buf)?, &mut bytes),
        WireType::SixtyFourBit => {
            let mut value = 0u64;
            prost::encoding::fixed64::merge(wire_type, &mut value, buf, ctx)?;
            bytes.put_u64_le(value);
        }
        WireType::ThirtyTwoBit => {
            let mut value = 0u32;
            prost::encoding::fixed32::merge(wire_type, &mut value, buf, ctx)?;
            bytes.put_u32_le(value);
        }
        WireType::LengthDelimited | WireType::StartGroup | WireType::EndGroup => {
            let mut value = Bytes::new();
            prost::encoding::bytes::merge(wire_type, &mut value, buf, ctx)?;
            encode_varint(value.len() as u64, &mut bytes);
            bytes.put_slice(&value);
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_pass_through_unchanged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let message = ResponseEvent::decode(&bytes[..]).unwrap();

            prop_assert_eq!(message.encode_to_vec(), bytes);
        }
    }

    #[test]
    fn debug_shows_no_content() {
        let request = Request::from(Bytes::from_static(b"planted-secret"));

        assert_eq!(format!("{request:?}"), "Request { len: 14 }");
    }
}
