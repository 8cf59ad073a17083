//! `google.protobuf.FieldMask` as JSON has it: paths in camelCase with commas between.

/// The text of a mask, or none if a path would not come back from camelCase as it was.
pub(crate) fn print(paths: Vec<&str>) -> Option<String> {
    let paths: Option<Vec<_>> = paths.into_iter().map(to_camel_case).collect();
    Some(paths?.join(","))
}

/// The paths of a text. Paths in snake_case, as in the schema, are taken as they are.
pub(crate) fn parse(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(to_snake_case).collect()
}

fn to_camel_case(path: &str) -> Option<String> {
    let mut camel = String::with_capacity(path.len());
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        camel.push(match letter {
            'a'..='z' | '0'..='9' | '.' => letter,
            '_' => letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase(),
            _ => return None,
        });
    }
    (!camel.is_empty()).then_some(camel)
}

fn to_snake_case(path: &str) -> Option<String> {
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let both = path.contains('_') && path.contains(|c: char| c.is_ascii_uppercase());
    if path.is_empty() || both || !path.chars().all(of_a_path) {
        return None;
    }
    let mut snake = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    Some(snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_as_they_were() {
        for (paths, text) in [
            (vec![], ""),
            (vec!["agent_output.text"], "agentOutput.text"),
            (vec!["a", "b_c.d_e"], "a,bC.dE"),
            (vec!["_private"], "Private"),
        ] {
            assert_eq!(print(paths.clone()).as_deref(), Some(text));
            assert_eq!(parse(text).unwrap(), paths);
        }
    }

    #[test]
    fn paths_of_the_schema_are_read_too() {
        assert_eq!(parse("agent_output.text,id").unwrap(), ["agent_output.text", "id"]);
    }

    #[test]
    fn a_path_that_camel_case_cannot_say_has_no_text() {
        for path in ["", "Upper", "a__b", "a_1", "a_", "a,b", "a b", "\u{e9}"] {
            assert_eq!(print(vec![path]), None, "{path}");
        }
        for text in [",", "a,", "a b", "aB_c", "\u{e9}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
