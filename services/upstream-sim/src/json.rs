//! JSON objects as `google.protobuf.Struct`, keys in their order.

use serde_json::{Map, Value};

use crate::wire::writer::Writer;

/// The deepest nesting that is sent. Protobuf readers refuse about a hundred nested messages, and one level of JSON
/// takes three.
pub(crate) const MAX_DEPTH: usize = 30;

/// Whether `object` nests no deeper than [`MAX_DEPTH`].
pub(crate) fn fits(object: &Map<String, Value>) -> bool {
    object.values().all(|value| value_fits(value, MAX_DEPTH - 1))
}

/// Writes the fields of a Struct.
pub(crate) fn write_struct(writer: &mut Writer, object: &Map<String, Value>) {
    for (key, value) in object {
        writer.message(1, |entry| {
            entry.string(1, key).message(2, |w| write_value(w, value));
        });
    }
}

fn write_value(writer: &mut Writer, value: &Value) {
    match value {
        Value::Null => writer.uint(1, 0),
        Value::Number(number) => writer.double(2, number.as_f64().unwrap_or_default()),
        Value::String(text) => writer.string(3, text),
        Value::Bool(flag) => writer.uint(4, u64::from(*flag)),
        Value::Object(object) => writer.message(5, |w| write_struct(w, object)),
        Value::Array(items) => writer.message(6, |list| {
            for item in items {
                list.message(1, |w| write_value(w, item));
            }
        }),
    };
}

fn value_fits(value: &Value, levels: usize) -> bool {
    let mut children: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(object) => Box::new(object.values()),
        Value::Array(items) => Box::new(items.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return true,
    };
    levels > 0 && children.all(|child| value_fits(child, levels - 1))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use warp2api_proto::value;

    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_contract_reads_what_is_written_in_its_order() {
        for text in [
            "{}",
            r#"{"zebra":1,"apple":{"y":[],"x":{}},"mango":"","none":null,"flag":false}"#,
            r#"{"list":[1.5,"a",[true,null]],"n":-3}"#,
        ] {
            let bytes = Writer::build(|w| write_struct(w, &object(text)));

            let read = Map::from(value::Struct::decode(&bytes[..]).unwrap());

            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| object(&format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)));

        assert!(fits(&nested(MAX_DEPTH)));
        assert!(!fits(&nested(MAX_DEPTH + 1)));
        let bytes = Writer::build(|w| write_struct(w, &nested(MAX_DEPTH)));
        assert!(value::Struct::decode(&bytes[..]).is_ok());
    }
}
