//! A credential that an operator gave another secret: the old one is not used any more, and nothing that is still under
//! way with it speaks for or against the new one.

use futures_util::poll;
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Edit, Error, Outcome, Pool, Secret, Tier};

use crate::bench::{
    Answer, Endpoint, acquire, advance, config, key, pool, pool_with, refreshable, report, turn, view,
};

/// A pool with a refresh token that an operator has added.
async fn with_one(endpoint: &Endpoint) -> Pool {
    let pool = pool_with(config(), Vec::new(), endpoint);
    pool.operator("me").add(refreshable(Tier::Personal, "old").into()).await.unwrap();
    pool
}

async fn replace(pool: &Pool, name: &str, secret: &str) {
    let id = view(pool, name).await.id;
    let edit = Edit { secret: Some(Secret::new(secret)), ..Edit::default() };
    pool.operator("me").edit(&id, edit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_access_token_of_the_old_secret_is_dropped_and_the_next_one_is_of_the_new() {
    let endpoint = Endpoint::default();
    let pool = with_one(&endpoint).await;
    let before = acquire(&pool).await.unwrap();
    assert_eq!(before.bearer.expose(), "access-1");

    replace(&pool, "old", "new").await;

    assert_eq!(view(&pool, "old").await.access_token_expire_time, None);
    let key = Edit { secret: Some(Secret::new("wk-1.key")), ..Edit::default() };
    let refused = pool.operator("me").edit(&before.credential, key).await.unwrap_err();
    assert!(refused.to_string().contains("of another kind"), "{refused}");
    // A turn that ran on the old one says nothing about the new one.
    for _ in 0..3 {
        let lease = acquire(&pool).await.unwrap();
        assert_eq!(lease.bearer.expose(), "access-2");
        report(&pool, &lease, Outcome::Success).await;
    }
    let after = report(&pool, &before, Outcome::Rejected).await;
    assert_eq!((after.phase, after.failures, after.in_flight), (Phase::Active, 0, 0));
    assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "access-2");
    assert_eq!(endpoint.requests(), ["old", "new"]);
    advance(7200).await;
    acquire(&pool).await.unwrap();
    assert_eq!(endpoint.requests(), ["old", "new", "new"], "the old one is not exchanged again");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_of_the_old_secret_that_is_under_way_comes_to_nothing() {
    for answer in [Answer::Late(3), Answer::Rotate("old, rotated"), Answer::Error(400, "TOKEN_EXPIRED")] {
        let endpoint = Endpoint::default();
        let pool = with_one(&endpoint).await;
        endpoint.next("old", answer.clone());
        let mut first = Box::pin(acquire(&pool));
        assert!(poll!(&mut first).is_pending());

        replace(&pool, "old", "new").await;
        let second = acquire(&pool).await.unwrap();

        assert_eq!(second.bearer.expose(), "access-2", "{answer:?}");
        if let Ok(lease) = first.await {
            assert_eq!(lease.bearer.expose(), "access-2", "{answer:?}");
        }
        let after = view(&pool, "old").await;
        assert_eq!((after.phase, after.failures), (Phase::Active, 0), "{answer:?}");
        for _ in 0..2 {
            let lease = acquire(&pool).await.unwrap();
            report(&pool, &lease, Outcome::Rejected).await;
        }
        acquire(&pool).await.unwrap();
        assert!(endpoint.requests()[1..].iter().all(|token| token == "new"), "{:?}", endpoint.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_held_against_the_old_secret_is_forgotten_and_both_are_known() {
    let pool = pool(config(), vec![key(Tier::Shared, "s")]);
    let added = pool.operator("me").add(key(Tier::Personal, "old").into()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(turn(&pool, Outcome::Rejected).await, "old");
    }
    assert!(matches!(view(&pool, "old").await.phase, Phase::Tripped { .. }));

    replace(&pool, "old", "new").await;

    let after = view(&pool, "old").await;
    assert_eq!((after.phase, after.failures, after.last_error), (Phase::Active, 0, None));
    assert_eq!(acquire(&pool).await.unwrap().bearer.expose(), "new");
    for secret in ["old", "new"] {
        let again = pool.operator("me").add(key(Tier::Personal, secret).into()).await;
        assert_eq!(again.unwrap_err(), Error::CredentialExists(added.id.clone()), "{secret}");
    }
    let other = pool.operator("me").add(key(Tier::Personal, "other").into()).await.unwrap();
    let taken = Edit { secret: Some(Secret::new("new")), ..Edit::default() };
    let refused = pool.operator("me").edit(&other.id, taken).await.unwrap_err();
    assert_eq!(refused, Error::CredentialExists(added.id.clone()));
    // One that was switched off stays off.
    pool.operator("me").disable(&added.id, "").await.unwrap();
    replace(&pool, "old", "third").await;
    assert_eq!(view(&pool, "old").await.phase, Phase::SwitchedOff);
    let trail = pool.list_audit(None, 9).await.unwrap();
    assert_eq!((trail[0].change.action.as_str(), trail[0].change.detail.as_str()), ("update", "secret"));
}
