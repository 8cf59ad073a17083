//! The items that a response was made of, page by page: those of the turns before it, which it goes on after, then its
//! own input. What came as a string is a message, and every item has an id, by which its response can be found again.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::raw::Json;
use crate::rejection::Rejection;

/// The page that is asked for, as its query says.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// How many items at most: 1 to 100, else 20.
    pub limit: Option<String>,
    /// The id of the item before the first one.
    pub after: Option<String>,
    /// `asc` as they came, or `desc`, the default: the last one first.
    pub order: Option<String>,
}

/// A turn that is kept.
#[derive(Debug, Clone, Copy)]
pub struct KeptTurn<'a> {
    /// The id of its response.
    pub response_id: &'a str,
    /// The input as it came, with what it only referred to.
    pub input: &'a Json,
    /// The items of the output, in an array.
    pub output: &'a Json,
}

impl KeptTurn<'_> {
    /// All items of the turn, each with its id.
    pub(super) fn items(&self) -> Vec<Value> {
        let mut items = inputs(self.response_id, self.input);
        items.extend(serde_json::from_str::<Vec<Value>>(self.output.get()).unwrap_or_default());
        items
    }
}

/// The id of the response that an item belongs to, if the item has got its id here.
pub(super) fn response_of(item_id: &str) -> Option<String> {
    let (_, rest) = item_id.rsplit_once('_')?;
    let unique = rest.get(..rest.len().checked_sub(PLACE_DIGITS)?)?;
    let unique = unique.strip_suffix(OF_INPUT).unwrap_or(unique);
    Some(format!("resp_{unique}"))
}

/// How many digits at the end of an item's id are its place.
const PLACE_DIGITS: usize = 4;
/// Stands before the place where it is that in the input.
const OF_INPUT: char = 'i';

/// The body of `GET /v1/responses/{id}/input_items`: the items of the turns before, and the input of the last one.
///
/// # Errors
/// When the query makes no sense.
pub fn item_list(turns: &[KeptTurn<'_>], page: &Page) -> Result<Vec<u8>, Rejection> {
    let limit = match &page.limit {
        None => 20,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| Rejection::invalid("limit", "expected an integer from 1 to 100"))?,
    };
    let mut items = Vec::new();
    if let Some((last, before)) = turns.split_last() {
        items.extend(before.iter().flat_map(KeptTurn::items));
        items.extend(inputs(last.response_id, last.input));
    }
    match page.order.as_deref() {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(_) => return Err(Rejection::invalid("order", "expected asc or desc")),
    }
    let start = match &page.after {
        None => 0,
        Some(after) => {
            let place = items.iter().position(|item| item["id"] == **after);
            place.ok_or_else(|| Rejection::invalid("after", "no item has that id"))? + 1
        }
    };
    let shown = &items[start..items.len().min(start + limit)];
    let id = |item: Option<&Value>| item.and_then(|item| item["id"].as_str()).map(str::to_owned);
    let list = List {
        object: "list",
        data: shown,
        first_id: id(shown.first()),
        last_id: id(shown.last()),
        has_more: start + shown.len() < items.len(),
    };
    Ok(serde_json::to_vec(&list).expect("writing to memory does not fail"))
}

#[derive(Debug, Serialize)]
struct List<'a> {
    object: &'a str,
    data: &'a [Value],
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

fn inputs(response_id: &str, input: &Json) -> Vec<Value> {
    let unique = response_id.strip_prefix("resp_").unwrap_or(response_id);
    let input = serde_json::from_str(input.get()).unwrap_or_default();
    let items = match input {
        Value::Array(items) => items,
        text => vec![json!({ "role": "user", "content": text })],
    };
    let items = items.into_iter().enumerate().map(|(index, item)| match item {
        Value::Object(item) => Value::Object(whole(item, &format!("{unique}{OF_INPUT}{index:04x}"))),
        other => other,
    });
    items.collect()
}

/// An item with what callers may leave out.
fn whole(mut item: Map<String, Value>, unique: &str) -> Map<String, Value> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let (prefix, with_status) = match kind.as_str() {
        "message" => ("msg", true),
        "function_call" => ("fc", true),
        "function_call_output" => ("fco", true),
        "custom_tool_call" => ("ctc", false),
        "custom_tool_call_output" => ("ctco", false),
        "reasoning" => ("rs", false),
        _ => ("item", false),
    };
    let mut whole = Map::new();
    let id =
        item.remove("id").filter(Value::is_string).unwrap_or_else(|| format!("{prefix}_{unique}").into());
    whole.insert("id".to_owned(), id);
    whole.insert("type".to_owned(), kind.as_str().into());
    if with_status {
        whole.insert("status".to_owned(), "completed".into());
    }
    if let Some(Value::String(text)) = item.get("content").filter(|_| kind == "message") {
        let said = item.get("role").and_then(Value::as_str) == Some("assistant");
        let part = match said {
            true => json!({ "type": "output_text", "annotations": [], "text": text }),
            false => json!({ "type": "input_text", "text": text }),
        };
        item.insert("content".to_owned(), json!([part]));
    }
    item.remove("type");
    whole.extend(item);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(input: &Value, page: &Page) -> Result<Value, Rejection> {
        let (input, output) = (Json::of(input), Json::of(&["not listed"]));
        let turn = KeptTurn { response_id: "resp_1", input: &input, output: &output };
        item_list(&[turn], page).map(|body| serde_json::from_slice(&body).unwrap())
    }

    fn asked(limit: &str, after: &str, order: &str) -> Page {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Page { limit: some(limit), after: some(after), order: some(order) }
    }

    #[test]
    fn a_string_is_a_message_of_the_person() {
        let item = json!({
            "id": "msg_1i0000", "type": "message", "status": "completed", "role": "user",
            "content": [{ "type": "input_text", "text": "hi" }],
        });
        let expected = json!({
            "object": "list", "data": [item], "first_id": "msg_1i0000", "last_id": "msg_1i0000", "has_more": false,
        });

        assert_eq!(list(&json!("hi"), &Page::default()).unwrap(), expected);
    }

    #[test]
    fn turns_before_are_listed_with_what_was_answered() {
        let (inputs, output) = ([Json::of("a"), Json::of("b")], Json::of(&[json!({ "id": "msg_10000" })]));
        let turns = [("resp_1", &inputs[0]), ("resp_2", &inputs[1])];
        let turns = turns.map(|(response_id, input)| KeptTurn { response_id, input, output: &output });

        let list: Value = serde_json::from_slice(&item_list(&turns, &Page::default()).unwrap()).unwrap();

        let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, ["msg_2i0000", "msg_10000", "msg_1i0000"]);
    }

    #[test]
    fn an_id_leads_to_its_response() {
        for (item, response) in [
            ("msg_1f0000", "resp_1f"),
            ("msg_1fi0000", "resp_1f"),
            ("a_b_c0123", "resp_c"),
            ("x_0123", "resp_"),
        ] {
            assert_eq!(response_of(item).as_deref(), Some(response));
        }
        for item in ["", "msg", "msg_", "msg_123", "msg_\u{e9}\u{e9}x"] {
            assert_eq!(response_of(item), None, "{item}");
        }
    }

    #[test]
    fn items_keep_what_they_have() {
        let call =
            json!({ "type": "function_call", "id": "fc_9", "call_id": "c", "name": "f", "arguments": "{}" });
        let input = json!([{ "role": "assistant", "content": "a" }, call]);

        let list = list(&input, &asked("", "", "asc")).unwrap();

        assert_eq!(list["data"][0]["content"][0]["type"], "output_text");
        assert_eq!(list["data"][1]["id"], "fc_9");
        assert_eq!(list["data"][1]["arguments"], "{}");
    }

    #[test]
    fn pages_follow_each_other_in_either_order() {
        let input: Value = (0..5).map(|n| json!({ "role": "user", "content": format!("{n}") })).collect();
        for (order, expected) in [("asc", ["0", "1", "2", "3", "4"]), ("desc", ["4", "3", "2", "1", "0"])] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = list(&input, &asked("2", &after, order)).unwrap();
                let items = page["data"].as_array().unwrap().clone();
                seen.extend(items.iter().map(|item| item["content"][0]["text"].as_str().unwrap().to_owned()));
                after = page["last_id"].as_str().unwrap().to_owned();
                if page["has_more"] == false {
                    break;
                }
            }
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_query_that_makes_no_sense_is_named() {
        let cases = [
            ("0", "", "", "limit"),
            ("x", "", "", "limit"),
            ("", "no", "", "after"),
            ("", "", "up", "order"),
        ];
        for (limit, after, order, param) in cases {
            let rejection = list(&json!("hi"), &asked(limit, after, order)).unwrap_err();
            assert_eq!(rejection.param.as_deref(), Some(param));
        }
    }
}
