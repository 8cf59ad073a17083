//! Responses that are kept: gone on after, read, listed and deleted, by the key that asked for them and no other.

use serde_json::{Value, json};
use warp2api_integration_tests::{House, json_of, received};
use warp2api_upstream_sim::{Finish, Scenario};

use super::messages::events;

const PATH: &str = "/v1/responses";

async fn post(house: &House, key: &str, body: &Value) -> (u16, Value) {
    let request = house.request("POST", PATH).header("x-api-key", key).body(body.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), json_of(response).await)
}

async fn call(house: &House, key: &str, method: &str, path: &str) -> (u16, Value) {
    let request = house.request(method, &format!("{PATH}/{path}")).header("x-api-key", key);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), json_of(response).await)
}

async fn made(house: &House, body: Value) -> Value {
    let (status, response) = post(house, "one", &body).await;
    assert_eq!(status, 200, "{response}");
    response
}

fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

async fn house() -> House {
    House::builder().settings(|s| s.api_token = Some("one,two".into())).start().await
}

#[tokio::test]
async fn a_request_goes_on_after_a_response_streamed_or_whole() {
    let house = house().await;
    let first = made(&house, json!({ "instructions": "Only here.", "input": "say exactly: one" })).await;
    let body = json!({ "previous_response_id": id(&first), "input": "say exactly: two", "stream": true });
    let request = house.request("POST", PATH).header("x-api-key", "one").body(body.to_string());
    let streamed = events(&request.send().await.unwrap().text().await.unwrap());
    let second = streamed.last().unwrap()["response"].clone();
    assert_eq!(second["previous_response_id"], first["id"]);

    let third =
        made(&house, json!({ "previous_response_id": id(&second), "input": "say exactly: three" })).await;

    assert_eq!(third["output"][0]["content"][0]["text"], "three");
    let request = house.last_request();
    assert_eq!(
        received::conversation(&request),
        [
            r#"user "say exactly: one""#,
            r#"assistant "one""#,
            r#"user "say exactly: two""#,
            r#"assistant "two""#,
            r#"=> user "say exactly: three""#,
        ]
    );
    assert_eq!(received::instructions(&request), None, "instructions are not taken over");
    house.close().await;
}

#[tokio::test]
async fn a_tool_loop_goes_on_by_the_id_alone() {
    let house = house().await;
    let tools = json!([{ "type": "custom", "name": "patch" }]);
    let first = json!({ "input": "call the tool patch with {\"input\":\"+ x\"}", "tools": tools });
    let first = made(&house, first).await;
    let call = &first["output"][0];
    assert_eq!((&call["type"], &call["input"]), (&json!("custom_tool_call"), &json!("+ x")));

    let output =
        json!({ "type": "custom_tool_call_output", "call_id": call["call_id"], "output": "patched" });
    made(&house, json!({ "previous_response_id": id(&first), "input": [output], "tools": tools })).await;

    let conversation = received::conversation(&house.last_request());
    let call_id = call["call_id"].as_str().unwrap();
    assert_eq!(conversation[1], format!("call {call_id} patch {{\"input\":\"+ x\"}}"));
    assert_eq!(conversation[2], format!("=> result {call_id} \"patched\""));
    house.close().await;
}

#[tokio::test]
async fn items_are_taken_by_their_id_once_and_by_their_key_only() {
    let house = house().await;
    let asked = json!({ "role": "user", "content": "call the tool run with {\"a\":1}" });
    let tools = json!([{ "type": "function", "name": "run" }]);
    let first = made(&house, json!({ "input": [asked], "tools": tools })).await;
    let call_id = first["output"][0]["call_id"].as_str().unwrap();
    let reference = json!({ "type": "item_reference", "id": first["output"][0]["id"] });
    let output = json!({ "type": "function_call_output", "call_id": call_id, "output": "ran" });

    let body = json!({ "input": [asked, reference, output], "tools": tools });
    let second = made(&house, body.clone()).await;

    let conversation = received::conversation(&house.last_request());
    assert_eq!(conversation[1], format!("call {call_id} run {{\"a\":1}}"));
    assert_eq!(conversation[2], format!("=> result {call_id} \"ran\""));
    let items = call(&house, "one", "GET", &format!("{}/input_items?order=asc", id(&second))).await.1;
    assert_eq!(items["data"][1], first["output"][0], "what is listed is the item itself");

    let twice = json!({ "input": [asked, reference, reference], "tools": tools });
    let unknown = json!({ "input": [{ "type": "item_reference", "id": "msg_0123456789" }] });
    for (key, body, param) in
        [("two", &body, "input[1]"), ("one", &twice, "input[2]"), ("one", &unknown, "input[0]")]
    {
        let (status, error) = post(&house, key, body).await;
        assert_eq!((status, error["error"]["param"].as_str()), (400, Some(param)), "{error}");
    }
    assert_eq!(call(&house, "one", "DELETE", id(&first)).await.0, 200);
    assert_eq!(post(&house, "one", &body).await.0, 400, "it is deleted");
    house.close().await;
}

#[tokio::test]
async fn the_turns_before_are_listed_with_the_input() {
    let house = house().await;
    let first = made(&house, json!({ "input": "say exactly: one" })).await;
    let second = json!({ "previous_response_id": id(&first), "input": "say exactly: two" });
    let second = made(&house, second).await;
    let texts = |items: &Value| -> Vec<String> {
        let items = items["data"].as_array().unwrap().iter();
        items.map(|item| item["content"][0]["text"].as_str().unwrap().to_owned()).collect()
    };

    let (_, all) = call(&house, "one", "GET", &format!("{}/input_items", id(&second))).await;
    assert_eq!(texts(&all), ["say exactly: two", "one", "say exactly: one"]);

    let after = all["data"][1]["id"].as_str().unwrap();
    let page = format!("{}/input_items?order=asc&after={after}", id(&second));
    assert_eq!(texts(&call(&house, "one", "GET", &page).await.1), ["say exactly: two"]);
    house.close().await;
}

#[tokio::test]
async fn a_response_is_read_listed_and_deleted_by_its_key_only() {
    let house = house().await;
    let body = json!({ "input": [{ "role": "user", "content": "a" }, { "role": "user", "content": "b" }] });
    let response = made(&house, body).await;
    let id = id(&response);

    assert_eq!(call(&house, "one", "GET", id).await, (200, response.clone()));
    let (status, items) = call(&house, "one", "GET", &format!("{id}/input_items?order=asc&limit=1")).await;
    assert_eq!(status, 200);
    assert_eq!((&items["data"][0]["content"][0]["text"], &items["has_more"]), (&json!("a"), &json!(true)));
    let after = format!("{id}/input_items?order=asc&after={}", items["last_id"].as_str().unwrap());
    assert_eq!(call(&house, "one", "GET", &after).await.1["data"][0]["content"][0]["text"], "b");
    let (status, wrong) = call(&house, "one", "GET", &format!("{id}/input_items?limit=1000")).await;
    assert_eq!((status, &wrong["error"]["param"]), (400, &json!("limit")));
    let (status, cancelled) = call(&house, "one", "POST", &format!("{id}/cancel")).await;
    assert_eq!((status, &cancelled["error"]["type"]), (400, &json!("invalid_request_error")));
    assert_eq!(call(&house, "one", "GET", &format!("{id}?stream=true")).await.0, 400);

    let items = format!("{id}/input_items");
    for (method, path) in
        [("GET", id), ("DELETE", id), ("POST", &format!("{id}/cancel")), ("GET", items.as_str())]
    {
        let (status, error) = call(&house, "two", method, path).await;
        assert_eq!((status, &error["error"]["code"]), (404, &json!("response_not_found")), "{method} {path}");
    }
    let stolen = post(&house, "two", &json!({ "previous_response_id": id, "input": "hi" })).await;
    assert_eq!((stolen.0, &stolen.1["error"]["code"]), (400, &json!("previous_response_not_found")));
    assert_eq!(stolen.1["error"]["param"], "previous_response_id");

    let deleted = json!({ "id": id, "object": "response", "deleted": true });
    assert_eq!(call(&house, "one", "DELETE", id).await, (200, deleted));
    assert_eq!(call(&house, "one", "DELETE", id).await.0, 404);
    assert_eq!(post(&house, "one", &json!({ "previous_response_id": id, "input": "hi" })).await.0, 400);
    house.close().await;
}

#[tokio::test]
async fn only_what_ended_well_and_was_not_declined_is_kept() {
    let house = house().await;
    let declined = made(&house, json!({ "input": "hi", "store": false })).await;
    assert_eq!(declined["store"], false);
    assert_eq!(call(&house, "one", "GET", id(&declined)).await.0, 404);

    house.simulator.enqueue(Scenario::text("some").finishing(Finish::Other));
    let request = house.request("POST", PATH).header("x-api-key", "one");
    let body = json!({ "input": "hi", "stream": true }).to_string();
    let failed = events(&request.body(body).send().await.unwrap().text().await.unwrap());
    let failed = &failed.last().unwrap()["response"];
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("upstream_failed")));
    assert_eq!(failed["output"][0]["status"], "incomplete");
    assert_eq!(call(&house, "one", "GET", id(failed)).await.0, 404);
    house.close().await;
}

#[tokio::test]
async fn limits_of_what_is_kept_are_settings() {
    let few = House::builder().settings(|s| s.responses_count = Some("1".into())).start().await;
    let first = made(&few, json!({ "input": "a" })).await;
    let second = made(&few, json!({ "input": "b" })).await;
    assert_eq!(call(&few, "", "GET", id(&first)).await.0, 404);
    assert_eq!(call(&few, "", "GET", id(&second)).await.0, 200);
    few.close().await;

    let none = House::builder().settings(|s| s.responses_ttl = Some("0".into())).start().await;
    let response = made(&none, json!({ "input": "a" })).await;
    assert_eq!(response["store"], false);
    assert_eq!(call(&none, "", "GET", id(&response)).await.0, 404);
    let asked = none.request("POST", PATH).body(json!({ "input": "a", "store": true }).to_string());
    assert_eq!(asked.send().await.unwrap().headers()["x-warp2api-ignored"], "store");
    none.close().await;
}
