//! The gRPC face: messages in, messages and statuses out.

use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use tonic::{Code, Request, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, Credential, CredentialKind, CredentialOutcome, CredentialState, CredentialTier,
    EndpointFailure, EndpointState, GetCredentialRequest, GetPoolStatusRequest, Lease,
    ListCredentialsRequest, PoolEndpoint, QuotaPolicy, RenewLeasesRequest, ReportCredentialOutcomeRequest,
};
use warp2api_rpc::Failure;
use warp2api_token_pool::{Kind, NewCredential, PoolConfig, Secret, Tier, TokenPoolService};

use crate::bench::{advance, config, key, pool, refreshable};

fn three() -> TokenPoolService {
    let credentials = vec![
        key(Tier::Shared, "s"),
        refreshable(Tier::Personal, "r"),
        NewCredential {
            tier: Tier::Anonymous,
            kind: Kind::ApiKey,
            display_name: None,
            secret: Secret::new("a"),
        },
    ];
    TokenPoolService::new(pool(config(), credentials))
}

async fn acquire(service: &TokenPoolService, request: AcquireCredentialRequest) -> Result<Lease, Status> {
    Ok(service.acquire_credential(Request::new(request)).await?.into_inner().lease.unwrap())
}

async fn report(
    service: &TokenPoolService,
    request: ReportCredentialOutcomeRequest,
) -> Result<Credential, Status> {
    Ok(service.report_credential_outcome(Request::new(request)).await?.into_inner().credential.unwrap())
}

fn outcome(lease: &Lease, outcome: CredentialOutcome) -> ReportCredentialOutcomeRequest {
    ReportCredentialOutcomeRequest {
        lease_id: lease.lease_id.clone(),
        outcome: outcome.into(),
        ..ReportCredentialOutcomeRequest::default()
    }
}

fn seconds(seconds: i64) -> Option<ProtoDuration> {
    Some(ProtoDuration { seconds, nanos: 0 })
}

#[tokio::test(start_paused = true)]
async fn a_lease_and_its_report_are_carried_over() {
    let service = three();

    let lease =
        acquire(&service, AcquireCredentialRequest { lease_duration: seconds(30), ..Default::default() })
            .await
            .unwrap();

    assert_eq!((lease.credential_display_name.as_str(), lease.bearer.as_str()), ("r", "access-1"));
    assert_eq!((lease.tier(), lease.refreshable), (CredentialTier::Personal, true));
    // The clock began at 1,600,000,000 and the exchange took 200 ms.
    let expires = lease.expire_time.unwrap();
    assert_eq!((expires.seconds, expires.nanos / 1_000_000), (1_600_000_030, 200));

    let request = ReportCredentialOutcomeRequest {
        retry_after: seconds(90),
        detail: "slow down".into(),
        ..outcome(&lease, CredentialOutcome::RateLimited)
    };
    let credential = report(&service, request).await.unwrap();

    assert_eq!(credential.name, lease.credential);
    assert_eq!(credential.state(), CredentialState::CoolingDown);
    assert_eq!(credential.kind(), CredentialKind::RefreshToken);
    assert_eq!(credential.recovery_time.unwrap().seconds, 1_600_000_090);
    assert_eq!(credential.last_granted_time.unwrap().seconds, 1_600_000_000);
    assert_eq!(credential.access_token_expire_time.unwrap().seconds, 1_600_003_600);
    assert_eq!((credential.granted_count, credential.in_flight_count), (1, 0));
    assert_eq!(credential.last_error, "slow down");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_was_tried_is_not_leased_again() {
    let service = three();
    let mut tried = Vec::new();
    for name in ["r", "s"] {
        let request = AcquireCredentialRequest { excluded_credentials: tried.clone(), ..Default::default() };
        let lease = acquire(&service, request).await.unwrap();
        assert_eq!(lease.credential_display_name, name);
        tried.push(lease.credential);
    }

    // An id nobody has any more does no harm.
    tried.push("credentials/00000000".into());
    let last = acquire(
        &service,
        AcquireCredentialRequest { excluded_credentials: tried.clone(), ..Default::default() },
    );
    tried.push(last.await.unwrap().credential);
    let request = AcquireCredentialRequest { excluded_credentials: tried, ..Default::default() };
    let status = acquire(&service, request).await.unwrap_err();

    let failure = Failure::from(&status);
    assert_eq!((status.code(), failure.reason), (Code::Unavailable, ErrorReason::NoCredentialAvailable));
    assert_eq!(failure.metadata, [("cause".to_owned(), "all_excluded".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn wrong_fields_are_named() {
    let service = three();
    let acquiring = AcquireCredentialRequest::default;
    for (request, field) in [
        (AcquireCredentialRequest { lease_duration: seconds(-1), ..acquiring() }, "lease_duration"),
        (AcquireCredentialRequest { max_wait: seconds(-1), ..acquiring() }, "max_wait"),
        (
            AcquireCredentialRequest {
                excluded_credentials: vec!["credentials/0123abcd".into(), "planted".into()],
                ..acquiring()
            },
            "excluded_credentials[1]",
        ),
        (AcquireCredentialRequest { tiers: vec![1, 7], ..acquiring() }, "tiers[1]"),
        (AcquireCredentialRequest { tiers: vec![0], ..acquiring() }, "tiers[0]"),
        (AcquireCredentialRequest { tiers: vec![1; 17], ..acquiring() }, "tiers"),
        (AcquireCredentialRequest { kinds: vec![-1], ..acquiring() }, "kinds[0]"),
        (AcquireCredentialRequest { affinity_key: "planted".repeat(100), ..acquiring() }, "affinity_key"),
        (AcquireCredentialRequest { quota_policy: 9, ..acquiring() }, "quota_policy"),
        (
            AcquireCredentialRequest {
                excluded_credentials: vec!["credentials/0123abcd".into(); 1001],
                ..acquiring()
            },
            "excluded_credentials",
        ),
    ] {
        assert_field(&acquire(&service, request).await.unwrap_err(), field);
    }

    let lease = acquire(&service, acquiring()).await.unwrap();
    let good = outcome(&lease, CredentialOutcome::Success);
    for (request, field) in [
        (ReportCredentialOutcomeRequest { lease_id: String::new(), ..good.clone() }, "lease_id"),
        (ReportCredentialOutcomeRequest { outcome: 0, ..good.clone() }, "outcome"),
        (ReportCredentialOutcomeRequest { outcome: 99, ..good.clone() }, "outcome"),
        (ReportCredentialOutcomeRequest { retry_after: seconds(-5), ..good.clone() }, "retry_after"),
    ] {
        assert_field(&report(&service, request).await.unwrap_err(), field);
    }
    report(&service, good).await.expect("the lease is still out");

    for (page_size, page_token, field) in [(-1, "", "page_size"), (0, "what", "page_token")] {
        let request =
            ListCredentialsRequest { page_size, page_token: page_token.into(), ..Default::default() };
        assert_field(&service.list_credentials(Request::new(request)).await.unwrap_err(), field);
    }
    for name in [
        "",
        "0123abcd",
        "credentials/",
        "credentials/planted!",
        "credentials/Planted",
        "credentials/0123abcd/x",
    ] {
        let request = Request::new(GetCredentialRequest { name: name.into() });
        assert_field(&service.get_credential(request).await.unwrap_err(), "name");
    }
}

fn assert_field(status: &Status, field: &str) {
    let failure = Failure::from(status);
    assert_eq!((status.code(), failure.reason), (Code::InvalidArgument, ErrorReason::InvalidField));
    assert_eq!(failure.violations[0].field, field);
    assert!(!status.message().contains("planted"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_found() {
    let service = three();
    let unknown = Request::new(GetCredentialRequest { name: "credentials/0123abcd".into() });

    let no_credential = service.get_credential(unknown).await.unwrap_err();
    let request = ReportCredentialOutcomeRequest {
        lease_id: "gone".into(),
        outcome: CredentialOutcome::Success.into(),
        ..Default::default()
    };
    let no_lease = report(&service, request).await.unwrap_err();

    for (status, reason) in
        [(no_credential, ErrorReason::CredentialNotFound), (no_lease, ErrorReason::LeaseNotFound)]
    {
        assert_eq!((status.code(), Failure::from(&status).reason), (Code::NotFound, reason));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_best_tier_first() {
    let service = three();
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = Request::new(ListCredentialsRequest { page_size: 2, page_token, ..Default::default() });
        let page = service.list_credentials(request).await.unwrap().into_inner();
        assert!(page.credentials.len() <= 2);
        names.extend(page.credentials.into_iter().map(|credential| credential.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }

    let mut shown = Vec::new();
    for name in &names {
        let request = Request::new(GetCredentialRequest { name: name.clone() });
        let credential = service.get_credential(request).await.unwrap().into_inner().credential.unwrap();
        shown.push(credential.display_name);
    }
    assert_eq!(shown[..2], ["r", "s"]);
    assert_eq!(format!("credentials/{}", shown[2]), names[2], "without a label the id is shown");
}

#[tokio::test(start_paused = true)]
async fn the_status_counts_by_tier_and_says_when_the_first_comes_back() {
    let service = three();
    let status =
        async || service.get_pool_status(Request::new(GetPoolStatusRequest {})).await.unwrap().into_inner();
    let before = status().await;
    assert_eq!((before.total_count, before.active_count, before.in_flight_count), (3, 3, 0));
    assert_eq!(before.tiers.iter().map(|tier| tier.tier).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(before.soonest_recovery_time, None);

    for fate in [CredentialOutcome::QuotaExhausted, CredentialOutcome::RateLimited] {
        let lease = acquire(&service, AcquireCredentialRequest::default()).await.unwrap();
        report(&service, outcome(&lease, fate)).await.unwrap();
    }
    assert_eq!(status().await.soonest_recovery_time, None, "one can still be leased");
    let last = acquire(&service, AcquireCredentialRequest::default()).await.unwrap();
    assert_eq!(status().await.in_flight_count, 1);
    report(&service, outcome(&last, CredentialOutcome::Blocked)).await.unwrap();

    let after = status().await;
    assert_eq!((after.total_count, after.active_count), (3, 0));
    assert_eq!(after.tiers[0].exhausted_count, 1);
    assert_eq!(after.tiers[1].cooling_down_count, 1);
    assert_eq!(after.tiers[2].blocked_count, 1);
    assert_eq!(after.soonest_recovery_time.unwrap().seconds, 1_600_000_030);

    let failure = Failure::from(&acquire(&service, AcquireCredentialRequest::default()).await.unwrap_err());
    assert_eq!(failure.reason, ErrorReason::NoCredentialAvailable);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_credential_is_carried_over_and_so_are_the_endpoints() {
    let credentials = vec![key(Tier::Personal, "p"), key(Tier::Shared, "s")];
    let service = TokenPoolService::new(pool(config(), credentials));
    let request = AcquireCredentialRequest {
        tiers: vec![CredentialTier::Shared.into()],
        kinds: vec![CredentialKind::ApiKey.into()],
        affinity_key: "k".into(),
        quota_policy: QuotaPolicy::Fail.into(),
        ..Default::default()
    };
    let lease = acquire(&service, request).await.unwrap();
    assert_eq!((lease.credential_display_name.as_str(), lease.probe), ("s", false));
    let going_on = ReportCredentialOutcomeRequest {
        lease_continues: true,
        ..outcome(&lease, CredentialOutcome::Success)
    };
    assert_eq!(report(&service, going_on).await.unwrap().in_flight_count, 1);
    report(&service, outcome(&lease, CredentialOutcome::Success)).await.unwrap();

    let endpoints = async || {
        service.get_pool_status(Request::new(GetPoolStatusRequest {})).await.unwrap().into_inner().endpoints
    };
    let before = endpoints().await;
    let names: Vec<_> = before.iter().map(|endpoint| (endpoint.endpoint(), endpoint.state())).collect();
    let closed = EndpointState::Closed;
    assert_eq!(names, [(PoolEndpoint::Chat, closed), (PoolEndpoint::Token, closed)]);
    for _ in 0..7 {
        let Ok(lease) = acquire(&service, AcquireCredentialRequest::default()).await else { break };
        report(&service, outcome(&lease, CredentialOutcome::UpstreamUnavailable)).await.unwrap();
    }

    let chat = endpoints().await.remove(0);
    assert_eq!((chat.state(), chat.failure()), (EndpointState::Open, EndpointFailure::Faults));
    assert_eq!((chat.opening_count, chat.held_credential_count), (1, 2));
    assert_eq!(chat.probe_time.unwrap().seconds, 1_600_000_005);
    let failure = Failure::from(&acquire(&service, AcquireCredentialRequest::default()).await.unwrap_err());
    assert_eq!(
        (failure.reason, failure.retry_after),
        (ErrorReason::UpstreamUnavailable, Some(Duration::from_secs(5)))
    );
    advance(5).await;
    assert_eq!(endpoints().await[0].state(), EndpointState::HalfOpen);
    let probe = acquire(&service, AcquireCredentialRequest::default()).await.unwrap();
    assert!(probe.probe);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slot_ends_with_the_deadline_of_the_call() {
    let config = PoolConfig { max_in_flight: 1, ..config() };
    let service = TokenPoolService::new(pool(config, vec![key(Tier::Personal, "p")]));
    let _held = acquire(&service, AcquireCredentialRequest::default()).await.unwrap();
    let start = tokio::time::Instant::now();
    let mut request = Request::new(AcquireCredentialRequest { max_wait: seconds(30), ..Default::default() });
    request.set_timeout(Duration::from_secs(4));

    let status = service.acquire_credential(request).await.unwrap_err();

    assert_eq!(start.elapsed().as_secs(), 4);
    let failure = Failure::from(&status);
    assert_eq!(
        (failure.reason, failure.retry_after),
        (ErrorReason::Overloaded, Some(Duration::from_secs(1)))
    );
}

#[tokio::test(start_paused = true)]
async fn the_embedded_credential_serves_a_thousand_at_once() {
    let embedded = NewCredential {
        tier: Tier::Personal,
        kind: Kind::Embedded,
        display_name: Some("embedded".into()),
        secret: Secret::new(""),
    };
    let service = TokenPoolService::new(pool(config(), vec![embedded]));

    for _ in 0..1000 {
        let lease = acquire(&service, AcquireCredentialRequest::default()).await.unwrap();
        assert_eq!((lease.bearer.as_str(), lease.refreshable), ("", false));
    }

    advance(900).await;
    let status = service.get_pool_status(Request::new(GetPoolStatusRequest {})).await.unwrap().into_inner();
    assert_eq!(status.in_flight_count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_names_what_is_lost_and_is_refused_if_it_makes_no_sense() {
    let service = three();
    let request = AcquireCredentialRequest { lease_duration: seconds(30), ..Default::default() };
    let held = acquire(&service, request).await.unwrap().lease_id;
    advance(20).await;
    let renewal = |lease_ids: Vec<String>, lease_duration| {
        service.renew_leases(Request::new(RenewLeasesRequest { lease_ids, lease_duration }))
    };

    let answer = renewal(vec![held.clone(), "unheard".into()], seconds(30)).await.unwrap().into_inner();

    assert_eq!(answer.lost_lease_ids, ["unheard"]);
    advance(20).await;
    assert!(renewal(vec![held.clone()], None).await.unwrap().into_inner().lost_lease_ids.is_empty());
    for (ids, duration, field) in [
        (Vec::new(), None, "lease_ids"),
        (vec![String::new(); 10_001], None, "lease_ids"),
        (vec![held], seconds(-1), "lease_duration"),
    ] {
        let status = renewal(ids, duration).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(format!("{:?}", Failure::from(&status)).contains(field), "{status:?}");
    }
}
