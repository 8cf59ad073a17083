//! How long a caller waits for a slot after another process has left it: between processes that share a PostgreSQL.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use warp2api_token_pool::{Acquire, Outcome, Report};

use crate::places;
use crate::postgres::TestDatabase;

/// Measures so many times and prints what it found, if there is a PostgreSQL.
pub(crate) async fn report(count: usize) {
    let Some(database) = TestDatabase::create().await else { return };
    // Two pools know of each other only through the database, as two processes do.
    let here = places::in_postgres(&database, 1, 1).await;
    let there = places::in_postgres(&database, 1, 1).await;
    let mut waits = Vec::new();
    for _ in 0..count {
        let lease = here.acquire(Acquire::default()).await.unwrap().id;
        let mut waiting = JoinSet::new();
        let pool = there.clone();
        waiting.spawn(async move {
            let patient = Acquire { max_wait: Duration::from_secs(60), ..Acquire::default() };
            (pool.acquire(patient).await.unwrap().id, Instant::now())
        });
        // It is in the queue by then, or it waits for less than is printed.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let left = Instant::now();
        here.report(ended(lease)).await.unwrap();
        let stored = Instant::now();
        let (lease, served) = waiting.join_next().await.unwrap().unwrap();
        waits.push((served - left, stored - left));
        there.report(ended(lease)).await.unwrap();
    }
    waits.sort();
    let (median, most) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("a slot that another process left, by LISTEN/NOTIFY of PostgreSQL");
    println!(
        "  {:.1} ms after the report began (median; {:.1} at most), which itself took {:.1} ms",
        median.0.as_secs_f64() * 1e3,
        most.0.as_secs_f64() * 1e3,
        median.1.as_secs_f64() * 1e3
    );
}

fn ended(lease: warp2api_token_pool::LeaseId) -> Report {
    Report { lease, continues: false, outcome: Outcome::Success, retry_after: None, detail: None }
}
