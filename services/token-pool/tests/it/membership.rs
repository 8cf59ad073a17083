//! Credentials come and go while the pool runs.

use warp2api_token_pool::{Acquire, Edit, Error, Outcome, Report, Source, Tier};

use crate::bench::{acquire, config, key, pool, turn, view};

#[tokio::test(start_paused = true)]
async fn what_is_added_serves_in_its_tier_and_what_is_removed_no_longer() {
    let pool = pool(config(), vec![key(Tier::Shared, "s")]);

    let added = pool.operator("me").add(key(Tier::Personal, "p").into()).await.unwrap();
    assert_eq!((added.source, view(&pool, "s").await.source), (Source::Admin, Source::Settings));
    assert_eq!(turn(&pool, Outcome::Success).await, "p");
    let again = pool.operator("me").add(key(Tier::Anonymous, "p").into()).await;
    assert_eq!(again.unwrap_err(), Error::CredentialExists(added.id.clone()));

    let change = Edit { tier: Some(Tier::Anonymous), display_name: Some("last".into()), ..Edit::default() };
    pool.operator("me").edit(&added.id, change).await.unwrap();
    assert_eq!(turn(&pool, Outcome::Success).await, "s");
    let names: Vec<_> = pool.list(None, 9).await.unwrap().0.into_iter().map(|v| v.display_name).collect();
    assert_eq!(names, ["s", "last"]);

    let lease =
        pool.acquire(Acquire { preferred: Some(added.id.clone()), ..Acquire::default() }).await.unwrap();
    assert_eq!(pool.operator("me").remove(&added.id, None).await.unwrap().in_flight, 1);
    let late = Report {
        lease: lease.id,
        continues: false,
        outcome: Outcome::Success,
        retry_after: None,
        detail: None,
    };
    assert_eq!(pool.report(late).await.unwrap_err(), Error::LeaseNotFound);
    assert_eq!(pool.get(&added.id).await.unwrap_err(), Error::CredentialNotFound(added.id));
    assert_eq!(acquire(&pool).await.unwrap().display_name, "s");
}

#[tokio::test(start_paused = true)]
async fn every_change_leaves_a_trail() {
    let pool = pool(config(), Vec::new());
    let added = pool.operator("me").add(key(Tier::Personal, "p").into()).await.unwrap();
    let change = Edit { tier: Some(Tier::Shared), ..Edit::default() };
    pool.operator("me").edit(&added.id, change).await.unwrap();
    pool.operator("me").remove(&added.id, None).await.unwrap();
    pool.operator("me").remove(&added.id, None).await.unwrap_err();

    let trail = pool.list_audit(None, 9).await.unwrap();

    let told: Vec<_> = trail.iter().map(|event| event.change.action.as_str()).collect();
    assert_eq!(told, ["delete", "update", "create"]);
    assert!(trail.iter().all(|e| e.change.actor == "me" && e.change.credential == Some(added.id.clone())));
    let older = pool.list_audit(Some(trail[1].id.clone()), 9).await.unwrap();
    assert_eq!(older, trail[2..]);
}
