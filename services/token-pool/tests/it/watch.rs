//! Watching the credentials: everything once, then what changes; and whoever does not read holds up nobody.

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::watch_credentials_response::Event;
use warp2api_proto::token_pool::v1::{WatchCredentialsRequest, WatchCredentialsResponse};
use warp2api_token_pool::{Outcome, Pool, Tier, TokenPoolService};

use crate::bench::{advance, config, key, pool, turn, view};

type Watch = BoxStream<'static, Result<WatchCredentialsResponse, Status>>;

async fn watch(pool: &Pool, stop: &CancellationToken) -> Watch {
    let service = TokenPoolService::new(pool.clone()).until(stop.clone());
    service.watch_credentials(Request::new(WatchCredentialsRequest {})).await.unwrap().into_inner()
}

/// The next event, in a word.
async fn next(watch: &mut Watch) -> String {
    match watch.next().await.unwrap().unwrap().event.unwrap() {
        Event::Changed(credential) => {
            format!(
                "{} {} {}",
                credential.display_name,
                credential.state().as_str_name(),
                credential.granted_count
            )
        }
        Event::Removed(name) => format!("removed {name}"),
        Event::Synced(_) => "synced".to_owned(),
        Event::Heartbeat(_) => "heartbeat".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_everything_once_and_then_what_changes() {
    let pool = pool(config(), vec![key(Tier::Shared, "s")]);
    let stop = CancellationToken::new();
    let mut watch = watch(&pool, &stop).await;
    assert_eq!(next(&mut watch).await, "s CREDENTIAL_STATE_ACTIVE 0");
    assert_eq!(next(&mut watch).await, "synced");

    let added = pool.operator("me").add(key(Tier::Personal, "p").into()).await.unwrap();
    assert_eq!(next(&mut watch).await, "p CREDENTIAL_STATE_ACTIVE 0");
    turn(&pool, Outcome::RateLimited).await;
    assert_eq!(next(&mut watch).await, "p CREDENTIAL_STATE_COOLING_DOWN 1");
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(next(&mut watch).await, "heartbeat", "nothing has happened");
    }
    // Its time comes without anybody doing anything.
    assert_eq!(next(&mut watch).await, "p CREDENTIAL_STATE_ACTIVE 1");
    assert!(began.elapsed().as_secs() <= 33);
    pool.operator("me").remove(&added.id, None).await.unwrap();
    assert_eq!(next(&mut watch).await, format!("removed credentials/{}", added.id));

    stop.cancel();
    let end = watch.next().await.unwrap().unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_holds_up_nobody_and_misses_steps_but_never_the_last() {
    let pool = pool(config(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let stop = CancellationToken::new();
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut watch = watch(&pool, &stop).await;
        for _ in 0..3 {
            next(&mut watch).await;
        }
        stalled.push(watch);
    }
    let began = Instant::now();
    for _ in 0..5000 {
        // It is ready at once: nobody waits for those who do not read.
        assert_eq!(turn(&pool, Outcome::Success).now_or_never().as_deref(), Some("p"));
    }
    let id = view(&pool, "s").await.id;
    for _ in 0..100 {
        pool.operator("me").disable(&id, "").await.unwrap();
        pool.operator("me").enable(&id).await.unwrap();
    }
    pool.operator("me").disable(&id, "").await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 0);

    for watch in &mut stalled {
        assert_eq!(next(watch).await, "p CREDENTIAL_STATE_ACTIVE 5000");
        assert_eq!(next(watch).await, "s CREDENTIAL_STATE_DISABLED 0");
        assert_eq!(next(watch).await, "heartbeat", "there is no queue of what was missed");
    }
    advance(1).await;
}
