//! Keys of the edge: of the settings and of the file, on every route.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use warp2api_gateway::{KeyFile, KeyLimits, KeyRecord, Scope};
use warp2api_integration_tests::{House, ask, json_of};

/// Adds a key to the file.
pub(super) fn add(path: &Path, key: &str, name: &str, change: impl FnOnce(&mut KeyRecord)) {
    let mut file = KeyFile::load(path).unwrap();
    let mut record = KeyRecord {
        name: name.to_owned(),
        sha256: String::new(),
        scopes: vec![Scope::Chat],
        limits: KeyLimits::default(),
        created: 1,
        expires: None,
        revoked: None,
    };
    change(&mut record);
    file.add(key, record).unwrap();
    file.save(path).unwrap();
}

/// Every route by every method that it takes, with what a key must be for.
fn routes() -> Vec<(&'static str, String, Scope)> {
    let methods = |path: &str| match path {
        "/responses/{id}" => &["GET", "DELETE"][..],
        "/responses/{id}/input_items" | "/models" | "/models/{*id}" => &["GET"],
        _ => &["POST"],
    };
    let below = |path: &str| path.replace("{id}", "resp_1").replace("{*id}", "auto");
    let all = warp2api_gateway::paths().flat_map(|(path, scope)| {
        methods(path).iter().flat_map(move |method| {
            [format!("/v1{}", below(path)), below(path), format!("/v1{}/", below(path))]
                .into_iter()
                .map(move |path| (*method, path, scope))
        })
    });
    // What is below `/models/` may end in a slash itself.
    all.filter(|(_, path, _)| path != "/v1/models/auto/").collect()
}

#[tokio::test]
async fn every_route_wants_a_key_that_is_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    add(&path, "chats", "app", |_| {});
    add(&path, "models", "look", |record| record.scopes = vec![Scope::Models]);
    add(&path, "revoked", "gone", |record| record.revoked = Some(2));
    add(&path, "expired", "late", |record| record.expires = Some(2));
    let file = path.display().to_string();
    let house = House::builder()
        .settings(|settings| {
            settings.keys_file = Some(file);
            settings.api_token = Some("ops=configured".to_owned());
        })
        .start()
        .await;
    assert!(routes().len() >= 30, "every route is looked at");

    for (method, path, scope) in routes() {
        for (key, expected) in [
            (None, Some(401)),
            (Some("wrong"), Some(401)),
            (Some("revoked"), Some(401)),
            (Some("expired"), Some(401)),
            (Some("models"), if scope == Scope::Chat { Some(403) } else { None }),
            (Some("chats"), None),
            (Some("configured"), None),
        ] {
            for by_header in [false, true] {
                let request = house.request(method, &path);
                let request = match key {
                    Some(key) if by_header => request.header("x-api-key", key),
                    Some(key) => request.bearer_auth(key),
                    None => request,
                };
                let response = request.send().await.unwrap();
                let status = response.status().as_u16();
                let what = format!("{method} {path} with {key:?}: {status}");
                match expected {
                    Some(expected) => {
                        assert_eq!(status, expected, "{what}");
                        assert!(!response.headers().contains_key("retry-after"), "{what}");
                        assert_eq!(response.headers()["x-should-retry"], "false", "{what}");
                        let kind = if status == 401 { "authentication_error" } else { "permission_error" };
                        let body = json_of(response).await;
                        let anthropic = path.contains("/messages");
                        assert_eq!(body["error"]["type"], kind, "{what}");
                        assert_eq!(body.get("type").is_some(), anthropic, "{what}: in the caller's words");
                    }
                    // The body is empty, the response not kept: that is for the route to say.
                    None => assert!([200, 400, 404].contains(&status), "{what}"),
                }
            }
        }
    }
    assert!(house.record().chats().is_empty());
    house.close().await;
}

async fn status(house: &House, key: &str) -> u16 {
    house.request("GET", "/v1/models").bearer_auth(key).send().await.unwrap().status().as_u16()
}

async fn becomes(house: &House, key: &str, expected: u16) {
    let waiting = async {
        while status(house, key).await != expected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the file was not read again");
}

#[tokio::test]
async fn a_key_that_is_added_or_taken_back_counts_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let house = House::builder().kept_in(folder.path()).start().await;
    assert_eq!(status(&house, "whatever").await, 200, "nobody has set a key");

    add(&path, "first", "app", |_| {});
    becomes(&house, "whatever", 401).await;
    assert_eq!(status(&house, "first").await, 200);

    let mut file = KeyFile::load(&path).unwrap();
    file.rotate("app", "second").unwrap();
    file.save(&path).unwrap();
    becomes(&house, "second", 200).await;
    assert_eq!(status(&house, "first").await, 401);

    file.revoke("app", 1).unwrap();
    file.save(&path).unwrap();
    becomes(&house, "second", 401).await;
    std::fs::write(&path, r#"{"keys": []}"#).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(status(&house, "whatever").await, 401, "it does not open because the last key is gone");
    house.close().await;
}

#[tokio::test]
async fn what_is_kept_for_a_key_is_there_after_it_was_rotated_and_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    add(&path, "first", "app", |_| {});
    add(&path, "other", "other", |_| {});
    let house = House::builder().kept_in(folder.path()).start().await;
    let body = json!({"model": "auto", "input": "say exactly: kept"});
    let made = house
        .request("POST", "/v1/responses")
        .bearer_auth("first")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let made: Value = json_of(made).await;
    let get = async |key: &str| {
        let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
        house.request("GET", &path).bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    assert_eq!((get("first").await, get("other").await), (200, 404));

    let mut file = KeyFile::load(&path).unwrap();
    file.rotate("app", "second").unwrap();
    file.save(&path).unwrap();
    becomes(&house, "second", 200).await;

    assert_eq!((get("first").await, get("second").await), (401, 200));
    house.close().await;
}

#[tokio::test]
async fn pages_on_the_list_may_use_the_edge_from_a_browser_and_no_others() {
    let house = House::builder()
        .settings(|settings| settings.cors_origins = Some("https://app.example".to_owned()))
        .start()
        .await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let asked = house.request("OPTIONS", "/v1/chat/completions").header("origin", origin);
        let asked = asked
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-stainless-lang");
        let beforehand = asked.send().await.unwrap();
        let chat = house
            .request("POST", "/v1/chat/completions")
            .header("origin", origin)
            .body(ask("hello").to_string());
        let answer = chat.send().await.unwrap();

        assert_eq!(beforehand.status().as_u16(), if allowed { 204 } else { 405 }, "{origin}");
        assert_eq!(answer.status().as_u16(), if allowed { 200 } else { 401 }, "{origin}");
        for response in [&beforehand, &answer] {
            let told = response.headers().get("access-control-allow-origin");
            assert_eq!(told.is_some_and(|told| told == origin), allowed, "{origin}");
            let exposed = response.headers().get("access-control-expose-headers");
            let exposed = exposed.map_or("", |exposed| exposed.to_str().unwrap());
            for name in ["x-request-id", "traceparent", "retry-after"] {
                assert_eq!(exposed.split(", ").any(|exposed| exposed == name), allowed, "{name}: {exposed}");
            }
        }
        let headers = beforehand.headers().get("access-control-allow-headers");
        assert_eq!(
            headers.is_some_and(|headers| headers.to_str().unwrap().contains("authorization")),
            allowed
        );
    }
    house.close().await;
}
