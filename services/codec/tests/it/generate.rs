//! Messages of any type with any content, as bytes, out of a string of choices.
//!
//! Writes the wire format on its own, so that a mistake of the codec's writer is not made twice. The bytes are in the
//! codec's normal form: fields by number, unknown ones last, no defaults that need not be there.

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// What may be in a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    /// Fields that the schema does not have.
    pub(crate) unknown: bool,
    /// Times, spans and masks that have no string in JSON, floats that are no numbers, minus zero, and numbers
    /// with so many digits that not every implementation writes and reads them to the last bit.
    pub(crate) odd: bool,
}

/// The bytes of a message of that type.
pub(crate) fn message(descriptor: &MessageDescriptor, choices: &[u8], content: Content) -> Vec<u8> {
    let mut out = Vec::new();
    Generator { choices, content }.message(descriptor, 4, &mut out);
    out
}

struct Generator<'a> {
    /// When they run out, the smallest choice is made, so that messages end and shrink.
    choices: &'a [u8],
    content: Content,
}

impl Generator<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        first
    }

    fn choose(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize, out: &mut Vec<u8>) {
        let name = descriptor.full_name().strip_prefix("google.protobuf.").unwrap_or_default();
        match name {
            "Timestamp" | "Duration" => self.time(out),
            "FieldMask" => self.paths(out),
            "Value" => self.json_value(descriptor, depth, out),
            _ => self.fields(descriptor, depth, out),
        }
        let keeps = !matches!(name, "Value" | "Struct" | "ListValue");
        if self.content.unknown && keeps && self.choose(4) == 1 {
            self.unknown(out, 2);
        }
    }

    fn fields(&mut self, descriptor: &MessageDescriptor, depth: usize, out: &mut Vec<u8>) {
        let mut fields: Vec<_> = descriptor.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        let chosen: Vec<_> = descriptor
            .oneofs()
            .map(|oneof| {
                let members: Vec<_> = oneof.fields().map(|field| field.number()).collect();
                members[self.choose(members.len())]
            })
            .collect();
        // Types with many fields would use up the choices before the later ones have their turn.
        let skip = self.choose(fields.len().max(1));
        for field in &fields[skip.min(fields.len())..] {
            let eligible = field.containing_oneof().is_none() || chosen.contains(&field.number());
            if eligible && self.choose(3) > 0 {
                self.field(field, depth, out);
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize, out: &mut Vec<u8>) {
        let (number, kind) = (field.number(), field.kind());
        if depth == 0 && kind.as_message().is_some() {
            return;
        }
        if field.is_map() {
            return self.map(field, depth, out);
        }
        if field.is_list() && field.is_packed() {
            let mut packed = Vec::new();
            (0..=self.choose(3)).for_each(|_| self.value(&kind, depth, &mut packed));
            return delimited(number, &packed, out);
        }
        for _ in 0..if field.is_list() { 1 + self.choose(3) } else { 1 } {
            let mut value = Vec::new();
            self.value(&kind, depth, &mut value);
            let is_default = value.iter().all(|&byte| byte == 0);
            if field.is_list() || field.supports_presence() || !is_default {
                encode_key(number, kind.wire_type(), out);
                out.extend_from_slice(&value);
            }
        }
    }

    fn map(&mut self, field: &FieldDescriptor, depth: usize, out: &mut Vec<u8>) {
        let Kind::Message(entry) = field.kind() else { panic!("entries of a map are messages") };
        let value_field = entry.map_entry_value_field();
        for index in 0..self.choose(4) {
            // Keys in no order, none twice.
            let key = format!("{}{index}", self.text());
            let mut bytes = Vec::new();
            match entry.map_entry_key_field().kind() {
                Kind::String => delimited(1, key.as_bytes(), &mut bytes),
                kind => panic!("the schema has no map with keys of {kind:?}"),
            }
            encode_key(2, value_field.kind().wire_type(), &mut bytes);
            self.value(&value_field.kind(), depth, &mut bytes);
            delimited(field.number(), &bytes, out);
        }
    }

    fn value(&mut self, kind: &Kind, depth: usize, out: &mut Vec<u8>) {
        match kind {
            Kind::Message(descriptor) => {
                let mut bytes = Vec::new();
                self.message(descriptor, depth.saturating_sub(1), &mut bytes);
                encode_varint(bytes.len() as u64, out);
                out.extend_from_slice(&bytes);
            }
            Kind::String => {
                let text = self.text();
                encode_varint(text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Bytes => {
                let bytes: Vec<_> = (0..self.choose(6)).map(|_| self.byte()).collect();
                encode_varint(bytes.len() as u64, out);
                out.extend_from_slice(&bytes);
            }
            Kind::Bool => out.push(self.byte() & 1),
            Kind::Double => out.extend_from_slice(&self.double().to_le_bytes()),
            Kind::Float => {
                let number = self.double() as f32;
                out.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Int32 | Kind::Enum(_) => encode_varint(i64::from(self.integer() as i32) as u64, out),
            Kind::Uint32 => encode_varint(u64::from(self.integer() as u32), out),
            Kind::Int64 | Kind::Uint64 => encode_varint(self.integer() as u64, out),
            other => panic!("the schema has no {other:?}"),
        }
    }

    fn time(&mut self, out: &mut Vec<u8>) {
        let (seconds, nanos) = match self.integer() {
            any if self.content.odd => (any, self.integer() as i32),
            any => (any.rem_euclid(250_000_000_000), (self.integer() as i32).rem_euclid(1_000_000_000)),
        };
        for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
            if value != 0 {
                encode_key(number, WireType::Varint, out);
                encode_varint(value as u64, out);
            }
        }
    }

    fn paths(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.choose(4) {
            let odd = ["", "a_1", "a__b", "Upper", "a,b"];
            let plain = ["agent_output.text", "id", "x_y.z_z", "a.b"];
            let path = if self.content.odd && self.choose(4) == 1 {
                odd[self.choose(5)]
            } else {
                plain[self.choose(4)]
            };
            delimited(1, path.as_bytes(), out);
        }
    }

    fn json_value(&mut self, descriptor: &MessageDescriptor, depth: usize, out: &mut Vec<u8>) {
        let count = if depth == 0 { 4 } else { 6 };
        let number = 1 + self.choose(count) as u32;
        let kind = descriptor.get_field(number).unwrap().kind();
        encode_key(number, kind.wire_type(), out);
        match number {
            1 => out.push(0),
            2 => {
                let number = self.double();
                out.extend_from_slice(&(if number.is_finite() { number } else { 0.25 }).to_le_bytes());
            }
            _ => self.value(&kind, depth, out),
        }
    }

    /// Fields with numbers that no message has, of every wire type.
    fn unknown(&mut self, out: &mut Vec<u8>, depth: usize) {
        let number = [5_000, 100_000, (1 << 29) - 1][self.choose(3)];
        match self.choose(if depth == 0 { 4 } else { 5 }) {
            0 => {
                encode_key(number, WireType::Varint, out);
                encode_varint(self.integer() as u64, out);
            }
            1 => delimited(number, self.text().as_bytes(), out),
            2 => {
                encode_key(number, WireType::SixtyFourBit, out);
                out.extend_from_slice(&self.integer().to_le_bytes());
            }
            3 => {
                encode_key(number, WireType::ThirtyTwoBit, out);
                out.extend_from_slice(&(self.integer() as i32).to_le_bytes());
            }
            _ => {
                encode_key(number, WireType::StartGroup, out);
                (0..self.choose(3)).for_each(|_| self.unknown(out, depth - 1));
                encode_key(number, WireType::EndGroup, out);
            }
        }
    }

    fn integer(&mut self) -> i64 {
        match self.choose(5) {
            0 => i64::from(self.byte()),
            1 => -i64::from(self.byte()),
            2 => [i64::MAX, i64::MIN, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 53][self.choose(5)],
            _ => i64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn double(&mut self) -> f64 {
        let finite = [0.0, 1.0, -0.0, 0.1, -1e300, 1.5e-9, 9_007_199_254_740_993.0, 5e-324];
        match self.choose(3) {
            0 if self.content.odd => finite[self.choose(8)],
            1 if self.content.odd => {
                let any = f64::from_le_bytes(std::array::from_fn(|_| self.byte()));
                // The payload of a NaN is no content.
                if any.is_nan() { f64::NAN } else { any }
            }
            _ => f64::from(self.integer() as i16) / 8.0,
        }
    }

    fn text(&mut self) -> String {
        let parts = [
            "",
            "a",
            "\"",
            "\\",
            "\n",
            "\u{0}",
            "\u{1f}",
            "\u{7f}",
            "\u{e9}",
            "\u{2028}",
            "\u{1f980}",
            "@unknown",
        ];
        (0..self.choose(4)).map(|_| parts[self.choose(parts.len())]).collect()
    }
}

fn delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
