//! The paths of the Python bridge that this service replaces: one table, from which docs/compatibility.md is made, and
//! a test that asks every row.

mod ask;
mod table;

pub(crate) use table::markdown;

use warp2api_integration_tests::{House, json_of};

/// Every method and path of the table.
pub(crate) fn paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::ROWS.iter().map(|row| (row.method, row.path))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_of_the_original_answers_as_the_table_says() {
    let house = House::start().await;
    for row in table::ROWS {
        for example in row.examples {
            ask::hold(&house, row, example).await;
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_asked_as_the_table_says_is_refused_in_the_originals_words() {
    let house = House::start().await;
    let url = format!("http://{}/api/encode", house.codec);

    let wrong_method = house.http.get(&url).send().await.unwrap();
    assert_eq!(
        (wrong_method.status().as_u16(), &wrong_method.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let not_json =
        house.http.post(&url).header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!(not_json.status(), 415);
    for refused in [wrong_method, not_json] {
        let body = json_of(refused).await;
        assert!(body["detail"].is_string() && body["error"]["code"].is_u64(), "{body}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_touches_credentials_wants_the_admin_key_and_nothing_else_does() {
    let house =
        House::builder().settings(|settings| settings.admin_key = Some("right".to_owned())).start().await;
    for row in table::ROWS {
        for example in row.examples {
            let (status, _) = ask::send(&house, row, example, &[]).await;
            assert_eq!(status == 401, row.admin, "{} {}", row.method, row.path);
            if row.admin {
                let (status, _) = ask::send(&house, row, example, &[("x-admin-key", "right")]).await;
                assert_eq!(status, example.status, "{} {}", row.method, row.path);
            }
        }
    }
    house.close().await;
}
