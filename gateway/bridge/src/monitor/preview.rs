//! A short look at a JSON value that is JSON itself: long strings, lists and objects are cut, and say so. Pure.

use serde_json::{Map, Value};

/// The most characters of a preview.
pub(crate) const MOST_CHARACTERS: usize = 200;

/// JSON text of `value`, at most [`MOST_CHARACTERS`] long.
pub(crate) fn preview(value: &Value) -> String {
    // From generous to curt; the last one always fits.
    for (string, items, depth) in [(150, 20, 8), (60, 8, 6), (30, 4, 4), (20, 3, 3), (10, 2, 2)] {
        let text = cut(value, string, items, depth).to_string();
        if text.chars().count() <= MOST_CHARACTERS {
            return text;
        }
    }
    match value {
        Value::Object(object) => format!(r#"{{"…":{}}}"#, object.len()),
        Value::Array(array) => format!("[{}]", array.len()),
        _ => r#""…""#.to_owned(),
    }
}

fn cut(value: &Value, string: usize, items: usize, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(cut_text(text, string)),
        Value::Array(array) if depth == 0 && !array.is_empty() => {
            Value::String(format!("{} items", array.len()))
        }
        Value::Object(object) if depth == 0 && !object.is_empty() => {
            Value::String(format!("{} fields", object.len()))
        }
        Value::Array(array) => {
            let mut short: Vec<_> =
                array.iter().take(items).map(|item| cut(item, string, items, depth - 1)).collect();
            if array.len() > items {
                short.push(Value::String(format!("… {} more", array.len() - items)));
            }
            Value::Array(short)
        }
        Value::Object(object) => {
            let fields = object.iter().take(items);
            let mut short: Map<_, _> = fields
                .map(|(key, value)| (cut_text(key, string), cut(value, string, items, depth - 1)))
                .collect();
            if object.len() > items {
                short.insert("…".to_owned(), Value::from(object.len() - items));
            }
            Value::Object(short)
        }
        other => other.clone(),
    }
}

fn cut_text(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,300}".prop_map(Value::from),
            "[\\x00-\\x1f\"\\\\]{0,100}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 30, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,40}", inner), 0..30)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_preview_is_short_json_of_the_same_kind(value in any_json()) {
            let text = preview(&value);

            prop_assert!(text.chars().count() <= MOST_CHARACTERS);
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.is_object(), value.is_object());
            prop_assert_eq!(read.is_array(), value.is_array());
        }
    }

    #[test]
    fn what_is_short_is_shown_whole() {
        let value = json!({"a": [1, "zwei", null], "b": {"c": 0.5}});
        assert_eq!(preview(&value), value.to_string());
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let text = preview(&json!({"list": (0..1000).collect::<Vec<_>>()}));
        assert!(text.contains("more"), "{text}");
    }
}
