use super::*;

const SOON: Duration = Duration::from_secs(5);

fn chat(body: &'static str) -> Received {
    let mut received = Received::new(Endpoint::Chat, HeaderMap::new());
    received.body = Bytes::from_static(body.as_bytes());
    received
}

fn numbers(record: &Record) -> Vec<u64> {
    record.chats().iter().map(|received| received.number).collect()
}

#[test]
fn the_oldest_entries_go_first() {
    let record = Record::new(2, 1000);
    for _ in 0..3 {
        record.add(chat("x")).finish();
    }

    assert_eq!((numbers(&record), record.received(), record.finished()), (vec![2, 3], 3, 3));
}

#[test]
fn bodies_have_a_budget_and_the_newest_is_kept() {
    let record = Record::new(100, 5);
    for body in ["123", "45", "678", "123456"] {
        record.add(chat(body)).finish();
    }

    assert_eq!(numbers(&record), [4]);
    record.clear();
    record.add(chat("1")).finish();
    record.add(chat("2345")).finish();
    assert_eq!(numbers(&record), [5, 6]);
}

#[test]
fn an_answer_has_one_fate() {
    let record = Record::new(10, 10);
    let (sent, left) = (record.add(chat("")), record.add(chat("")));
    assert_eq!((record.running(), record.most_running()), (2, 2));

    sent.finish();
    sent.finish();
    drop((sent, left));

    assert_eq!((record.running(), record.finished(), record.abandoned()), (0, 1, 1));
    let fates: Vec<_> = record.chats().iter().map(|received| received.fate()).collect();
    assert_eq!(fates, [Fate::Finished, Fate::Abandoned]);
}

#[test]
fn only_answers_of_the_ai_endpoint_are_counted() {
    let record = Record::new(10, 10);
    drop(record.add(Received::new(Endpoint::Exchange, HeaderMap::new())));
    drop(record.add(Received::new(Endpoint::GraphQl("GetUser".to_owned()), HeaderMap::new())));

    assert_eq!((record.received(), record.abandoned()), (0, 0));
    assert_eq!(
        (record.exchanges().len(), record.graphql().len(), record.last_chat().is_none()),
        (1, 1, true)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_level_or_the_time() {
    let record = Record::new(10, 10);
    let running = record.add(chat(""));
    assert_eq!(record.wait_until(|record| record.running() == 1, SOON).await, Ok(()));
    assert_eq!(record.wait_until(|record| record.finished() == 1, SOON).await, Err(NotInTime));

    let (waited, ()) = tokio::join!(record.wait_until(|record| record.finished() == 1, SOON), async {
        tokio::task::yield_now().await;
        running.finish();
    });

    assert_eq!(waited, Ok(()));
}

#[test]
fn debug_shows_no_content() {
    let mut received = chat("planted-secret");
    received.headers.insert("x-secret", http::HeaderValue::from_static("planted-secret"));

    assert!(!format!("{received:?}").contains("planted-secret"));
}

#[test]
fn a_request_is_read_in_both_forms() {
    let body = crate::testing::request().asking("hi").build();
    let mut received = chat("");
    received.body = body.into();

    let request = received.request().unwrap();
    assert_eq!(request.settings.unwrap().supported_tools, [9]);
    let json = received.json().unwrap();
    assert_eq!(json["input"]["user_inputs"]["inputs"][0]["user_query"]["query"], "hi");
    assert_eq!(json["settings"]["model_config"]["base"], "auto");
}

#[test]
fn a_body_that_is_no_request_is_an_error() {
    let received = chat("\u{a}\u{7f}");

    assert!(received.request().is_err());
    assert_eq!(received.json(), Err(Unreadable));
}
