//! One house or five parts of it: the same answers, the same requests to the upstream.

use serde_json::{Value, json};
use warp2api_integration_tests::sse::Live;
use warp2api_integration_tests::{House, Topology, ask, received, wait};
use warp2api_upstream_sim::{Cut, Refusal, Scenario};

fn with_tool(question: &str) -> Value {
    let mut body = ask(question);
    body["messages"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "role": "system", "content": "  be exact\n" }));
    body["tools"] = json!([{
        "type": "function",
        "function": { "name": "add", "parameters": { "type": "object", "properties": { "z": {}, "a": {} } } },
    }]);
    body
}

/// What a caller sees of a few chats, ids and times left out.
async fn seen(house: &House) -> Vec<Value> {
    let mut seen = Vec::new();
    for body in [
        ask("say exactly: the same everywhere"),
        with_tool(
            r#"call the tool add with {"z":1,"a":""} and call the tool add with {"n":9007199254740991}"#,
        ),
        json!({ "messages": [] }),
        json!({ "model": "auto", "messages": [{ "role": "user", "content": "x" }], "stop": ["a", ""] }),
    ] {
        let (status, mut answer) = house.chat(&body).await;
        for key in ["id", "created"] {
            answer.as_object_mut().unwrap().remove(key);
        }
        let calls = answer.pointer_mut("/choices/0/message/tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            call.as_object_mut().unwrap().remove("id");
        }
        seen.push(json!({ "status": status, "answer": answer }));
        if status == 200 {
            let frames = house.stream(&body).await;
            let calls: Vec<_> =
                frames.calls().into_iter().map(|(_, name, arguments)| (name, arguments)).collect();
            seen.push(json!([frames.text(), calls, frames.finish_reason(), frames.done]));
        }
    }
    house.simulator.enqueue(Scenario::text("broken off").cut_after(8, Cut::Error));
    let frames = house.stream(&ask("cut")).await;
    seen.push(json!([frames.error().map(|error| &error["code"]), frames.done]));

    // Last: afterwards the credential rests.
    house.simulator.enqueue(Scenario::refuse(Refusal::out_of_credits()));
    let (status, answer) = house.chat(&ask("out of credits")).await;
    seen.push(json!([status, answer["error"]["code"]]));
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_and_the_upstream_cannot_tell_how_the_house_is_divided() {
    let mut expected = None;
    for topology in Topology::ALL {
        let house = House::builder().topology(*topology).start().await;

        let seen = seen(&house).await;
        let requests: Vec<_> = house
            .record()
            .chats()
            .iter()
            .map(|chat| chat.request().unwrap())
            .map(|request| {
                (
                    received::conversation(&request),
                    received::instructions(&request).map(str::to_owned),
                    received::tools(&request),
                )
            })
            .collect();

        match &expected {
            None => expected = Some((seen, requests)),
            Some(expected) => assert_eq!(&(seen, requests), expected, "{topology:?}"),
        }
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_reaches_the_upstream_in_every_topology() {
    for topology in Topology::ALL {
        let house = House::builder().topology(*topology).start().await;
        let mut body = ask("stream 1000 chunks of 8 bytes every 20 ms");
        body["stream"] = json!(true);

        let mut live = Live::new(house.post(&body).await);
        live.first_text().await;
        drop(live);

        wait::until("the upstream sees it leave", || house.record().abandoned() == 1).await;
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_upstream_is_named_however_far_away_it_is() {
    for topology in Topology::ALL {
        let house = House::builder().topology(*topology).start().await;

        let response = house.post(&ask("hello")).await;

        assert_eq!(response.headers()["x-warp2api-upstream"], "embedded", "{topology:?}");
        house.close().await;
    }
}
