//! Spreads JSON over lines. Changes white space only: no number, no order of keys. Pure.

/// The same JSON, indented. `json` is what the codec writes: JSON, without white space between its parts.
pub(super) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut parts = json.char_indices();
    while let Some((at, part)) = parts.next() {
        match part {
            '\\' if in_string => {
                out.push(part);
                out.extend(parts.next().map(|(_, escaped)| escaped));
                continue;
            }
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => {
                // What is empty stays together.
                if let Some(close @ (b'}' | b']')) = json.as_bytes().get(at + 1) {
                    out.extend([part, char::from(*close)]);
                    parts.next();
                    continue;
                }
                depth += 1;
                out.push(part);
                indent(&mut out, depth);
                continue;
            }
            '}' | ']' => {
                depth -= 1;
                indent(&mut out, depth);
            }
            ',' => {
                out.push(part);
                indent(&mut out, depth);
                continue;
            }
            ':' => {
                out.push_str(": ");
                continue;
            }
            _ => {}
        }
        out.push(part);
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_is_as_another_printer_has_it() {
        for value in [
            json!({}),
            json!([]),
            json!({"a": [], "b": {}, "c": [1, [2, {"d": null}]], "e": "{[\"\\:,"}),
            json!("\\\"{"),
            json!([[[]]]),
        ] {
            assert_eq!(pretty(&value.to_string()), format!("{value:#}"));
        }
        let exact = r#"{"n":1e400,"m":0.10}"#;
        assert_eq!(pretty(exact), "{\n  \"n\": 1e400,\n  \"m\": 0.10\n}");
        assert!(serde_json::from_str::<Value>(&pretty(r#"{"é":"🦊"}"#)).is_ok());
    }
}
