//! Quotas: read on demand and in the background, never oftener than needed, and never by a model call.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{CheckCredentialRequest, CredentialFinding, GetPoolStatusRequest};
use warp2api_token_pool::state::Phase;
use warp2api_token_pool::{Accounts, Finding, Kind, Outcome, Tier};

use crate::account::Upstream;
use crate::bench::{Endpoint, advance, config, key, pool, pool_with, refreshable, turn, view};

/// Runs `test` beside the background task.
async fn beside<T>(accounts: &Accounts, test: impl Future<Output = T>) -> T {
    let stop = CancellationToken::new();
    let (result, ()) = tokio::join!(
        async {
            let result = test.await;
            stop.cancel();
            result
        },
        accounts.clone().run(stop.clone())
    );
    result
}

#[tokio::test(start_paused = true)]
async fn in_the_background_only_what_is_used_is_asked_about_and_seldom() {
    let upstream = Upstream::default();
    upstream.uses(30, None);
    let pool = pool(config(), vec![key(Tier::Personal, "used"), key(Tier::Shared, "idle")]);
    let accounts = upstream.accounts(&pool);

    beside(&accounts, async {
        advance(3600).await;
        assert_eq!(upstream.asked(), [""; 0], "nobody used any");
        turn(&pool, Outcome::Success).await;
        advance(5).await;
        assert_eq!(upstream.bearers(), ["used"]);
        assert_eq!(view(&pool, "used").await.quota.unwrap().remaining(), 70);
        for _ in 0..80 {
            turn(&pool, Outcome::Success).await;
            advance(10).await;
        }
        assert_eq!(upstream.asked().len(), 1, "what is known is young enough");
        for _ in 0..20 {
            turn(&pool, Outcome::Success).await;
            advance(10).await;
        }
        assert_eq!(upstream.asked().len(), 2, "after a quarter of an hour it is not");
        advance(24 * 3600).await;
        assert_eq!(upstream.asked().len(), 3, "once more for what was used last, and no more");
    })
    .await;

    assert!(upstream.asked().iter().all(|operation| operation == "GetRequestLimitInfo"), "no model is asked");
    assert_eq!(view(&pool, "idle").await.quota, None);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_a_turn_found_used_up_is_read_soon_and_says_when_it_comes_back() {
    let upstream = Upstream::default();
    // The clock began at 1,600,000,000, 2020-09-13T12:26:40Z.
    upstream.uses(100, Some("2020-09-13T15:26:40Z"));
    let pool = pool(config(), vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")]);
    let accounts = upstream.accounts(&pool);

    beside(&accounts, async {
        turn(&pool, Outcome::QuotaExhausted).await;
        advance(6).await;
        let spent = view(&pool, "p").await;
        let Phase::Exhausted { until } = spent.phase else { panic!("{spent:?}") };
        let since = until.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_600_000_000 + 3 * 3600, "what the account says, not a guess");
        assert_eq!(turn(&pool, Outcome::Success).await, "s");

        // Somebody buys credits.
        upstream.uses(10, Some("2020-09-13T15:26:40Z"));
        advance(3700).await;
        assert_eq!(view(&pool, "p").await.phase, Phase::Active);
        assert_eq!(turn(&pool, Outcome::Success).await, "p");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_check_shows_the_quota_in_list_and_status() {
    let upstream = Upstream::default();
    upstream.uses(58, None);
    let endpoint = Endpoint::default();
    let pool = pool_with(config(), vec![refreshable(Tier::Personal, "r")], &endpoint);
    let service = upstream.service(&pool);
    let name = format!("credentials/{}", view(&pool, "r").await.id);

    let request = Request::new(CheckCredentialRequest { name });
    let checked = service.check_credential(request).await.unwrap().into_inner();

    assert_eq!(checked.finding(), CredentialFinding::Good, "{checked:?}");
    assert_eq!(checked.credential.unwrap().quota.unwrap().remaining, 42);
    assert_eq!(view(&pool, "r").await.quota.unwrap().remaining(), 42);
    let status = service.get_pool_status(Request::new(GetPoolStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.tiers[0].remaining_quota, status.tiers[0].known_quota_count), (42, 1));
    assert_eq!((endpoint.requests().len(), upstream.bearers()), (1, vec!["access-1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_about_one_credential_share_a_question_and_few_are_asked_about_at_once() {
    let upstream = Upstream::default();
    upstream.takes(Duration::from_secs(1));
    let names: Vec<_> = (0..12).map(|number| format!("k{number}")).collect();
    let pool = pool(config(), names.iter().map(|name| key(Tier::Personal, name)).collect());
    let accounts = upstream.accounts(&pool);
    let ids: Vec<_> = pool.list(None, 99).await.unwrap().0.into_iter().map(|view| view.id).collect();

    let one = join_all((0..50).map(|_| accounts.check(&ids[0]))).await;
    assert!(one.into_iter().all(|found| matches!(found, Ok(Finding::Taken(_)))));
    assert_eq!(upstream.asked().len(), 1);
    join_all(ids.iter().map(|id| accounts.check(id))).await;

    assert_eq!((upstream.asked().len(), upstream.most_at_once()), (13, 4));
}

#[tokio::test(start_paused = true)]
async fn a_process_on_the_embedded_upstream_asks_about_nobody() {
    let upstream = Upstream::default();
    let mut own = config();
    own.only = Some(Kind::Embedded);
    let endpoint = Endpoint::default();
    let pool = pool_with(own, vec![key(Tier::Personal, "k"), refreshable(Tier::Shared, "r")], &endpoint);
    let accounts = upstream.accounts(&pool);

    beside(&accounts, async {
        for name in ["k", "r"] {
            let id = view(&pool, name).await.id;
            assert!(accounts.check(&id).await.is_err());
        }
        let id = view(&pool, "r").await.id;
        assert!(pool.operator("me").renew(&id).await.is_err());
        assert!(pool.acquire(warp2api_token_pool::Acquire::default()).await.is_err());
        advance(3600).await;
    })
    .await;

    assert_eq!((upstream.asked(), endpoint.requests()), (Vec::new(), Vec::new()));
    assert!(pool.list(None, 9).await.unwrap().0.iter().all(|view| view.failures == 0));
    assert_eq!(pool.status().await.unwrap().unused, 2);
}
