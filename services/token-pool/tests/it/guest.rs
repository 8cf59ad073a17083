//! One guest for an installation, whoever asks for it, and however often.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use tonic::{Code, Request, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{
    CreateGuestCredentialRequest, CreateGuestCredentialResponse, CredentialSource, CredentialState,
    CredentialTier, DeleteCredentialRequest, DisableCredentialRequest,
};
use warp2api_rpc::Failure;
use warp2api_token_pool::clock::SystemClock;
use warp2api_token_pool::{Database, KeySource, Kind, Pool, Secret, Store, TokenPoolService};

use crate::account::Upstream;
use crate::bench::{Endpoint, acquire, advance, config, pool_with};
use crate::postgres::TestDatabase;

const CREATE: &str = "CreateAnonymousUser";

async fn guest(service: &TokenPoolService) -> Result<CreateGuestCredentialResponse, Status> {
    let request = Request::new(CreateGuestCredentialRequest {});
    service.create_guest_credential(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_at_once_there_is_one_guest_and_it_stays() {
    let (upstream, endpoint) = (Upstream::default(), Endpoint::default());
    upstream.takes(Duration::from_secs(1));
    let pool = pool_with(config(), Vec::new(), &endpoint);
    let service = upstream.service(&pool);

    let answers = join_all((0..50).map(|_| guest(&service))).await;

    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
    assert!(answers.iter().all(|answer| answer.credential == answers[0].credential));
    let made = answers[0].credential.clone().unwrap();
    assert_eq!((made.name.as_str(), made.display_name.as_str()), ("credentials/guest", "guest"));
    assert_eq!((made.tier(), made.source()), (CredentialTier::Anonymous, CredentialSource::Guest));
    assert_eq!((upstream.asked(), upstream.sign_ins()), (vec![CREATE.to_owned()], 1));

    // It serves by the refresh token it was given.
    assert_eq!(acquire(&pool).await.unwrap().display_name, "guest");
    assert_eq!(endpoint.requests(), ["planted-guest-1"]);
    // It cannot be removed, and one that is switched off is not replaced.
    let name = made.name.clone();
    let request = DeleteCredentialRequest { name: name.clone(), etag: String::new() };
    let refused = service.delete_credential(Request::new(request)).await.unwrap_err();
    assert_eq!(
        (refused.code(), Failure::from(&refused).reason),
        (Code::FailedPrecondition, ErrorReason::CredentialUnsuitable)
    );
    let request = DisableCredentialRequest { name, reason: String::new() };
    service.disable_credential(Request::new(request)).await.unwrap();
    let again = guest(&service).await.unwrap();
    assert_eq!((again.created, again.credential.unwrap().state()), (false, CredentialState::Disabled));
    assert_eq!(upstream.sign_ins(), 1, "the upstream is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_failed_leaves_nothing_and_the_next_one_is_new() {
    let upstream = Upstream::default();
    let pool = pool_with(config(), Vec::new(), &Endpoint::default());
    let service = upstream.service(&pool);
    for (status, body, reason) in [
        (429, "", ErrorReason::UpstreamRateLimited),
        (500, "", ErrorReason::UpstreamUnavailable),
        (200, "{}", ErrorReason::UpstreamMalformed),
        (200, r#"{"errors":[{"message":"guests are not welcome"}]}"#, ErrorReason::UpstreamRejected),
    ] {
        upstream.refuses(status, body);

        let refused = guest(&service).await.unwrap_err();

        assert_eq!(Failure::from(&refused).reason, reason, "{refused:?}");
        assert_eq!(pool.list(None, 9).await.unwrap().0, Vec::new());
    }
    assert!(guest(&service).await.unwrap().created);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_takes_nothing_along() {
    let upstream = Upstream::default();
    upstream.takes(Duration::from_secs(5));
    let pool = pool_with(config(), Vec::new(), &Endpoint::default());
    let service = upstream.service(&pool);
    let mut leaves = Box::pin(guest(&service));
    for _ in 0..6 {
        assert!(poll!(&mut leaves).is_pending());
        advance(1).await;
    }
    drop(leaves);

    assert!(guest(&service).await.unwrap().created, "it goes on where that one was");
    assert_eq!(upstream.asked(), [CREATE], "and does not begin anew");
}

/// A process with the pool of a database.
async fn process(database: &TestDatabase, upstream: &Upstream) -> TokenPoolService {
    let keys = KeySource::Given(KeySource::parse(&database.key).unwrap());
    let store = Store::open(&Database::Postgres(Secret::new(database.url.clone())), keys).await.unwrap();
    let exchange = Endpoint::default().exchange();
    let pool = Pool::with_store(config(), Vec::new(), exchange, Arc::new(SystemClock), store).await;
    upstream.service(&pool.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_share_a_pool_make_one_guest_between_them() {
    let Some(database) = TestDatabase::create().await else { return };
    let upstream = Upstream::default();
    upstream.takes(Duration::from_millis(200));
    // The first that asks gets no answer that is one; the next one takes its place.
    upstream.refuses(503, "");
    let processes = join_all((0..3).map(|_| process(&database, &upstream))).await;

    let answers = join_all(processes.iter().chain(&processes).map(guest)).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!((1..=2).contains(&refused.len()), "those of one process had one answer: {refused:?}");
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|answer| answer.created).count(), 1, "{made:?}");
    assert!(made.iter().all(|answer| answer.credential.as_ref().unwrap().name == "credentials/guest"));
    assert_eq!((upstream.asked().len(), upstream.sign_ins()), (2, 1), "nobody else signed in");
    for process in &processes {
        assert!(!guest(process).await.unwrap().created);
    }
}

/// A process on the embedded upstream makes no guest of it that would be there for good.
#[tokio::test(start_paused = true)]
async fn a_process_that_has_no_use_for_a_guest_signs_nobody_in() {
    let upstream = Upstream::default();
    let mut own = config();
    own.only = Some(Kind::Embedded);
    let pool = pool_with(own, Vec::new(), &Endpoint::default());

    let refused = guest(&upstream.service(&pool)).await.unwrap_err();

    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().contains("embedded upstream"), "{refused:?}");
    assert!(upstream.asked().is_empty());
}
