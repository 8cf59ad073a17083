//! Reads protobuf fields one after the other, without a schema.

/// The bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("proto: cannot parse invalid wire-format data")]
pub(crate) struct Malformed;

/// A field with its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    /// The number.
    pub(crate) number: u32,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// The value of a field, as far as the wire tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// An integer, a bool or an enum.
    Varint(u64),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field.
    pub(crate) const fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed32(_) | Value::Fixed64(_) => Err(Malformed),
        }
    }

    /// The text of a string field.
    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// The value of an integer, bool or enum field.
    pub(crate) const fn uint(&self) -> Result<u64, Malformed> {
        match self.value {
            Value::Varint(value) => Ok(value),
            Value::Fixed32(_) | Value::Fixed64(_) | Value::Bytes(_) => Err(Malformed),
        }
    }

    /// The numbers of a repeated enum field, packed or not.
    pub(crate) fn uints(&self) -> Result<Vec<u64>, Malformed> {
        if let Value::Varint(value) = self.value {
            return Ok(vec![value]);
        }
        let mut rest = self.bytes()?;
        let mut values = Vec::new();
        while !rest.is_empty() {
            values.push(varint(&mut rest)?);
        }
        Ok(values)
    }
}

/// The fields of a message in the order of the wire.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the fields of `message`.
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let key = varint(&mut self.rest)?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(fixed(&mut self.rest)?),
            2 => {
                let len = usize::try_from(varint(&mut self.rest)?).map_err(|_| Malformed)?;
                let (value, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(value)
            }
            5 => Value::Fixed32(fixed(&mut self.rest)?),
            _ => return Err(Malformed),
        };
        Ok(Field { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for (index, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (value, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::writer::Writer;
    use super::*;

    #[test]
    fn what_the_writer_wrote_is_read_back() {
        let bytes = Writer::build(|w| {
            w.uint(1, 300).float(2, 1.0).double(3, 2.0).string(400, "ab");
        });

        let fields: Vec<_> = Fields::of(&bytes).map(Result::unwrap).collect();

        assert_eq!(fields.len(), 4);
        assert_eq!(fields[0].uint(), Ok(300));
        assert_eq!(fields[1].value, Value::Fixed32(1f32.to_le_bytes()));
        assert_eq!(fields[2].value, Value::Fixed64(2f64.to_le_bytes()));
        assert_eq!((fields[3].number, fields[3].text()), (400, Ok("ab")));
    }

    #[test]
    fn enums_are_read_packed_or_not() {
        let packed = Writer::build(|w| {
            w.bytes(9, &[9, 0x80, 0x01]);
        });
        let plain = Writer::build(|w| {
            w.uint(9, 9);
        });

        assert_eq!(Fields::of(&packed).next().unwrap().unwrap().uints(), Ok(vec![9, 128]));
        assert_eq!(Fields::of(&plain).next().unwrap().unwrap().uints(), Ok(vec![9]));
    }

    #[test]
    fn broken_bytes_are_an_error() {
        for bytes in [&[0x0a, 5, 1][..], &[0x80; 11], &[0x00, 1], &[0x0b], &[0x09, 1, 2], &[0x08]] {
            assert_eq!(Fields::of(bytes).last(), Some(Err(Malformed)), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Fields::of(&bytes).count() <= bytes.len());
        }
    }
}
