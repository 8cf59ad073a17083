//! What callers get to hear about JSON that is not as it should be, and what is taken all the same.

use super::*;

#[derive(Debug, Default)]
struct Sample<'a> {
    flag: Option<Flag>,
    count: Option<Integer>,
    name: Option<Text<'a>>,
    items: Option<List<Real>>,
}

entries!(Sample<'de> {
    "flag" => flag,
    "count" => count,
    "name" => name,
    "items" => items,
});

fn sample(json: &str) -> Result<Sample<'_>, ReadError> {
    read::<Object<Sample<'_>>>(json.as_bytes()).map(|object| object.0)
}

#[test]
fn wrong_types_are_named_with_their_path_and_without_their_value() {
    let cases = [
        ("7", "", "expected an object, got a number"),
        ("[1]", "", "expected an object, got an array"),
        ("null", "", "expected an object, got null"),
        (r#"{"flag":"secret"}"#, "flag", "expected a boolean, got a string"),
        (r#"{"count":{"a":[1]}}"#, "count", "expected an integer, got an object"),
        (r#"{"count":1.5}"#, "count", "expected an integer, got a fraction"),
        (r#"{"name":["secret"]}"#, "name", "expected a string, got an array"),
        (r#"{"items":[1,2.5,true]}"#, "items[2]", "expected a number, got a boolean"),
        (r#"{"items":{}}"#, "items", "expected an array, got an object"),
    ];
    for (json, path, message) in cases {
        let expected = ReadError::Shape { path: path.to_owned(), message: message.to_owned() };
        assert_eq!(sample(json).unwrap_err(), expected, "{json}");
    }
}

#[test]
fn what_is_not_json_is_located_and_not_repeated() {
    for json in ["", "{", "{\"name\": secret}", "{}{}", "{\"name\":\"secret", "\u{1}"] {
        let ReadError::Syntax(message) = sample(json).unwrap_err() else { panic!("{json}") };
        assert!(message.contains("line 1 column"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn null_unknown_keys_and_repeated_keys_are_taken() {
    let read = sample(r#"{"flag":null,"other":{"deep":[{}]},"count":5.0,"name":"a","name":"b"}"#).unwrap();

    assert!(read.flag.is_none());
    assert_eq!(read.count.unwrap().0, 5);
    assert_eq!(read.name.unwrap().as_str(), "b");
}

#[test]
fn nesting_without_end_does_not_exhaust_the_stack() {
    let deep = format!(r#"{{"other":{}1{},"flag":true}}"#, "[".repeat(200_000), "]".repeat(200_000));

    assert!(sample(&deep).unwrap().flag.unwrap().0);
}
