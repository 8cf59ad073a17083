//! Walks through encoded bytes. Offsets count from the beginning of the whole message, also in a nested one.

use prost::encoding::WireType;

use crate::error::Problem;
use crate::fault::Fault;

/// The largest field number.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// A place in encoded bytes, and where they end.
pub(crate) struct Cursor<'a> {
    /// The whole message up to the end of the part that is read.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The bytes from an earlier offset to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// The number and wire type of the next field.
    pub(crate) fn key(&mut self) -> Result<(u32, WireType), Fault> {
        let start = self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3)
            .ok()
            .filter(|&number| number > 0 && u64::from(number) <= MAX_FIELD_NUMBER)
            .ok_or_else(|| Fault::new(Problem::FieldNumber, start))?;
        let wire_type = WireType::try_from(key & 7).map_err(|_| Fault::new(Problem::WireType, start))?;
        Ok((number, wire_type))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        // Most fit in a byte.
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let start = self.at;
        let mut value = 0;
        for place in 0..10 {
            let [byte] = self.take().map_err(|fault| fault.moved_to(start))?;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::new(Problem::Overlong, start))
    }

    pub(crate) fn fixed32(&mut self) -> Result<[u8; 4], Fault> {
        self.take()
    }

    pub(crate) fn fixed64(&mut self) -> Result<[u8; 8], Fault> {
        self.take()
    }

    /// A cursor over the bytes of a length-delimited value; this one goes on behind them.
    pub(crate) fn delimited(&mut self) -> Result<Self, Fault> {
        let start = self.at;
        let length = self.varint()?;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .filter(|&end| end <= self.bytes.len())
            .ok_or_else(|| Fault::new(Problem::Truncated, start))?;
        let inner = Self { bytes: &self.bytes[..end], at: self.at };
        self.at = end;
        Ok(inner)
    }

    /// The rest.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Passes over the value of a field.
    pub(crate) fn skip(&mut self, number: u32, wire_type: WireType, depth: usize) -> Result<(), Fault> {
        let start = self.at;
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::SixtyFourBit => self.fixed64().map(drop),
            WireType::ThirtyTwoBit => self.fixed32().map(drop),
            WireType::LengthDelimited => self.delimited().map(drop),
            WireType::EndGroup => Err(Fault::new(Problem::Group, start)),
            WireType::StartGroup => {
                let depth = depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, start))?;
                loop {
                    let start = self.at;
                    match self.key()? {
                        (inner, WireType::EndGroup) if inner == number => return Ok(()),
                        (_, WireType::EndGroup) => return Err(Fault::new(Problem::Group, start)),
                        (inner, wire_type) => self.skip(inner, wire_type, depth)?,
                    }
                }
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.rest().first_chunk().ok_or_else(|| Fault::new(Problem::Truncated, self.at))?;
        self.at += N;
        Ok(*taken)
    }
}
