//! Sends a row's example and holds the answer to it.

use serde_json::Value;
use warp2api_integration_tests::House;

use super::table::{Answer, Example, Row};

/// The status and the body of an answer.
pub(crate) async fn send(
    house: &House,
    row: &Row,
    example: &Example,
    headers: &[(&str, &str)],
) -> (u16, Vec<u8>) {
    let url = format!("http://{}{}{}", house.codec, row.path, example.query);
    let mut request = house.http.request(row.method.parse().unwrap(), url);
    if !example.body.is_empty() {
        request = request.header("content-type", "application/json").body(example.body);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    assert!(response.headers().contains_key("x-request-id"), "{}", row.path);
    (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
}

/// Asks, and compares.
pub(crate) async fn hold(house: &House, row: &Row, example: &Example) {
    let (status, body) = send(house, row, example, &[]).await;
    let what = format!(
        "{} {}{} {} gave {status} {}",
        row.method,
        row.path,
        example.query,
        example.body,
        String::from_utf8_lossy(&body)
    );
    assert_eq!(status, example.status, "{what}");
    match example.answer {
        Answer::Bytes(expected) => assert_eq!(body, expected, "{what}"),
        Answer::Json(expected) => {
            let expected: Value = serde_json::from_str(expected).expect("the table holds JSON");
            let given: Value =
                serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {what}"));
            assert!(fits(&expected, &given), "{what}\n\nis not {expected}");
        }
        Answer::Events(expected) => {
            let text = String::from_utf8(body).expect("text");
            assert!(text.contains(expected) && text.ends_with("data: [DONE]\n\n"), "{what}");
        }
    }
}

/// Whether what is given has what is expected, key by key. `"*"` stands for anything but null, `"..."` in a list for
/// any further items.
fn fits(expected: &Value, given: &Value) -> bool {
    match (expected, given) {
        (Value::String(any), given) if any == "*" => !given.is_null(),
        (Value::Object(expected), Value::Object(given)) => {
            expected.iter().all(|(key, value)| given.get(key).is_some_and(|given| fits(value, given)))
        }
        (Value::Array(expected), Value::Array(given)) => {
            let (expected, open) = match expected.split_last() {
                Some((last, rest)) if last == "..." => (rest, true),
                _ => (expected.as_slice(), false),
            };
            (expected.len() == given.len() || open && expected.len() < given.len())
                && expected.iter().zip(given).all(|(expected, given)| fits(expected, given))
        }
        _ => expected == given,
    }
}
