//! The document says what the contract says, and refers to nothing that is not in it.

use std::collections::BTreeSet;

use super::*;
use crate::route::routes;

fn document() -> Value {
    let routes = routes(warp2api_proto::descriptors::pool()).unwrap();
    Document {
        routes,
        edge: true,
        edge_at: Some("http://127.0.0.1:28889".to_owned()),
        version: "1.2.3",
        ..Document::default()
    }
    .json()
}

/// Every `$ref` in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_an_operation_with_a_description() {
    let document = document();
    let routes = routes(warp2api_proto::descriptors::pool()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<_> = paths.values().flat_map(|item| item.as_object().unwrap().values()).collect();

    for route in &routes {
        let path = route.grpc_path.as_str();
        let found: Vec<_> =
            operations.iter().filter(|operation| operation["x-grpc-method"] == path).collect();
        assert!(!found.is_empty(), "{path}");
        assert!(found.iter().all(|operation| !operation["summary"].as_str().unwrap().is_empty()), "{path}");
    }
    let ids: BTreeSet<_> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "every operation has an id of its own");
}

#[test]
fn what_is_referred_to_is_there() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[test]
fn a_method_is_described_as_it_is_called() {
    let document = document();

    let encode = &document["paths"]["/v1/messageTypes/{messageType}:encode"]["post"];
    let schema = &encode["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(encode["parameters"][0]["name"], "messageType");
    assert!(schema["properties"]["name"].is_null(), "the name is in the path");
    assert_eq!(schema["required"], json!(["json"]));
    assert_eq!(schema["additionalProperties"], false);

    let list = &document["paths"]["/v1/credentials"]["get"];
    let names: Vec<_> = list["parameters"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert!(names.contains(&json!("pageSize")) && names.contains(&json!("pageToken")), "{names:?}");
    assert!(list["responses"]["401"].is_object());
    assert_eq!(list["security"][1], json!({ "adminKey": [] }));

    let chat = &document["paths"]["/v1/chatModels/{chatModel}:streamChat"]["post"];
    let item = &chat["responses"]["200"]["content"]["text/event-stream"]["x-item-schema"];
    assert_eq!(item, &json!({ "$ref": "#/components/schemas/StreamChatResponse" }));
    let event = &chat["responses"]["200"]["content"]["text/event-stream"]["schema"];
    assert_eq!(&event["properties"]["data"]["contentSchema"], item);
    assert!(chat["servers"].is_null());

    let part = &document["components"]["schemas"]["Part"];
    assert_eq!((&part["maxProperties"], &part["additionalProperties"]), (&json!(1), &json!(false)));
    let role = &document["components"]["schemas"]["Role"];
    assert!(role["description"].as_str().unwrap().contains("- `ROLE_USER`: The person."));
}

#[test]
fn the_edge_is_described_by_its_own_tables() {
    let document = document();

    let chat = &document["paths"]["/v1/chat/completions"]["post"];
    let properties = &chat["requestBody"]["content"]["application/json"]["schema"]["properties"];
    assert_eq!(properties["stream"]["type"], json!(["boolean"]));
    assert!(properties["n"]["description"].as_str().unwrap().starts_with("*refused*"));
    assert_eq!(chat["servers"][0]["url"], "http://{host}:28889");
    let references = warp2api_dialects::parameters::references();
    assert!(references.iter().all(|reference| document["paths"][reference.path]["post"].is_object()));
}

#[test]
fn only_what_is_served_is_described() {
    let routes = routes(warp2api_proto::descriptors::pool()).unwrap();
    let without_edge = Document { routes, version: "1", ..Document::default() }.json();
    let only_edge = Document { edge: true, version: "1", ..Document::default() }.json();

    assert!(without_edge["paths"]["/v1/models"].is_null());
    assert!(only_edge["paths"]["/v1/credentials"].is_null());
    assert!(only_edge["paths"]["/v1/models"].is_object());
}
