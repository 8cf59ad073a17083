//! The methods of admins to the letter: pages, masks, etags and ids of requests.

use std::collections::BTreeMap;

use prost_types::FieldMask;
use tonic::{Code, Request, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_server::TokenPool as _;
use warp2api_proto::token_pool::v1::{
    AcquireCredentialRequest, CreateCredentialRequest, Credential, CredentialState, CredentialTier,
    DeleteCredentialRequest, DisableCredentialRequest, GetCredentialRequest, ListAuditEventsRequest,
    ListCredentialsRequest, ListCredentialsResponse, RecoverCredentialRequest, UpdateCredentialRequest,
};
use warp2api_rpc::Failure;
use warp2api_token_pool::{Tier, TokenPoolService};

use crate::bench::{advance, config, key, pool};

fn service(credentials: usize) -> TokenPoolService {
    let tier = |number: usize| Tier::ALL[number % 3];
    let credentials = (0..credentials).map(|number| key(tier(number), &format!("k{number}")));
    TokenPoolService::new(pool(config(), credentials.collect()))
}

async fn list(
    service: &TokenPoolService,
    request: ListCredentialsRequest,
) -> Result<ListCredentialsResponse, Status> {
    service.list_credentials(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn create(service: &TokenPoolService, request: CreateCredentialRequest) -> Result<Credential, Status> {
    let created = service.create_credential(Request::new(request)).await?;
    Ok(created.into_inner().credential.unwrap())
}

async fn update(
    service: &TokenPoolService,
    credential: Credential,
    paths: &[&str],
) -> Result<Credential, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(FieldMask { paths });
    let request = UpdateCredentialRequest { credential: Some(credential), update_mask };
    let updated = service.update_credential(Request::new(request)).await?;
    Ok(updated.into_inner().credential.unwrap())
}

fn new(secret: &str, request_id: &str) -> CreateCredentialRequest {
    let credential = Credential { secret: secret.to_owned(), ..Credential::default() };
    CreateCredentialRequest {
        credential: Some(credential),
        credential_id: String::new(),
        request_id: request_id.to_owned(),
        validate_only: false,
    }
}

fn refused(status: &Status) -> (ErrorReason, Vec<String>) {
    let failure = Failure::from(status);
    (failure.reason, failure.violations.into_iter().map(|violation| violation.field).collect())
}

#[tokio::test(start_paused = true)]
async fn pages_show_everything_once_whatever_comes_and_goes_between_them() {
    let service = service(9);
    let page = |page_token: String| ListCredentialsRequest { page_size: 2, page_token, ..Default::default() };
    let (mut seen, mut page_token, mut number) = (Vec::new(), String::new(), 0);
    loop {
        let shown = list(&service, page(page_token)).await.unwrap();
        assert!(shown.credentials.len() <= 2);
        seen.extend(shown.credentials.into_iter().map(|credential| credential.display_name));
        page_token = shown.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // One comes into the last tier, which is yet to be shown.
        let mut request = new(&format!("wk-1.more{number}"), "");
        request.credential.as_mut().unwrap().tier = CredentialTier::Anonymous.into();
        request.credential.as_mut().unwrap().display_name = format!("more{number}");
        number += 1;
        if number < 4 {
            create(&service, request).await.unwrap();
        }
    }

    let all = "k0 k3 k6 k1 k4 k7 k2 k5 k8 more0 more1 more2";
    assert_eq!(seen.join(" "), all);
}

#[tokio::test(start_paused = true)]
async fn a_page_goes_on_after_what_was_shown_last_even_if_that_is_gone() {
    let service = service(0);
    let mut names = Vec::new();
    for number in 0..5 {
        names.push(create(&service, new(&format!("wk-1.{number}"), "")).await.unwrap().name);
    }
    let page = |page_token: String| ListCredentialsRequest { page_size: 2, page_token, ..Default::default() };
    let first = list(&service, page(String::new())).await.unwrap();
    for name in &names[..2] {
        let request = DeleteCredentialRequest { name: name.clone(), etag: String::new() };
        service.delete_credential(Request::new(request)).await.unwrap();
    }

    let second = list(&service, page(first.next_page_token)).await.unwrap();
    let third = list(&service, page(second.next_page_token)).await.unwrap();

    let shown = [second.credentials, third.credentials].concat();
    assert_eq!(shown.into_iter().map(|credential| credential.name).collect::<Vec<_>>(), names[2..]);
    assert_eq!(third.next_page_token, "");
}

#[tokio::test(start_paused = true)]
async fn sizes_of_pages_have_bounds_and_tokens_are_of_one_list() {
    let service = service(1002);
    for (page_size, shown) in [(0, 100), (1, 1), (1000, 1000), (1001, 1000), (i32::MAX, 1000)] {
        let request = ListCredentialsRequest { page_size, ..Default::default() };
        assert_eq!(list(&service, request).await.unwrap().credentials.len(), shown, "{page_size}");
    }
    let shared =
        ListCredentialsRequest { page_size: 1, tier: CredentialTier::Shared.into(), ..Default::default() };
    let page_token = list(&service, shared.clone()).await.unwrap().next_page_token;
    for other in [
        ListCredentialsRequest { tier: CredentialTier::Personal.into(), ..shared.clone() },
        ListCredentialsRequest { tier: 0, ..shared.clone() },
        ListCredentialsRequest { state: CredentialState::Active.into(), ..shared.clone() },
    ] {
        let request = ListCredentialsRequest { page_token: page_token.clone(), ..other };
        let status = list(&service, request).await.unwrap_err();
        assert_eq!(refused(&status), (ErrorReason::InvalidField, vec!["page_token".to_owned()]));
    }
    let next = list(&service, ListCredentialsRequest { page_token, ..shared }).await.unwrap();
    assert_eq!(next.credentials[0].display_name, "k4", "k1 was on the page before");
    for (tier, state) in [(9, 0), (0, 9), (-1, 0)] {
        let request = ListCredentialsRequest { tier, state, ..Default::default() };
        let field = if state == 0 { "tier" } else { "state" };
        let status = list(&service, request).await.unwrap_err();
        assert_eq!(refused(&status), (ErrorReason::InvalidField, vec![field.to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_trail_comes_in_pages_newest_first_whatever_is_added_to_it() {
    let service = service(0);
    let mut names = Vec::new();
    for number in 0..4 {
        let name = create(&service, new(&format!("wk-1.{number}"), "")).await.unwrap().name;
        let request = DisableCredentialRequest { name: name.clone(), reason: String::new() };
        service.disable_credential(Request::new(request)).await.unwrap();
        names.push(name);
    }
    for (credential, expected) in
        [(String::new(), 8), (names[1].clone(), 2), ("credentials/nobody".into(), 0)]
    {
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListAuditEventsRequest { page_size: 1, page_token, credential: credential.clone() };
            let page = service.list_audit_events(Request::new(request)).await.unwrap().into_inner();
            seen.extend(page.audit_events.into_iter().map(|event| (event.credential, event.action)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
            // What comes later is on no later page.
            let request = RecoverCredentialRequest { name: names[3].clone() };
            service.recover_credential(Request::new(request)).await.unwrap();
        }
        seen.retain(|(_, action)| action != "recover");
        assert_eq!(seen.len(), expected, "{credential}: {seen:?}");
        if expected > 0 {
            assert_eq!((seen[0].1.as_str(), seen[expected - 1].1.as_str()), ("disable", "create"));
        }
    }
    for (page_token, credential, field) in [("?", "", "page_token"), ("", "nobody", "credential")] {
        let (page_token, credential) = (page_token.to_owned(), credential.to_owned());
        let request = ListAuditEventsRequest { page_size: 0, page_token, credential };
        let status = service.list_audit_events(Request::new(request)).await.unwrap_err();
        assert_eq!(refused(&status).1, [field]);
    }
}

/// What an update changes: what its mask names, or what is set where it names nothing.
#[tokio::test(start_paused = true)]
async fn a_mask_says_what_changes_and_nothing_else_does() {
    let wanted = Credential {
        display_name: "new".to_owned(),
        tier: CredentialTier::Shared.into(),
        max_in_flight: 7,
        secret: "wk-1.new".to_owned(),
        ..Credential::default()
    };
    let bare = Credential { secret: String::new(), ..wanted.clone() };
    let nothing = Credential::default();
    for (paths, sent, changed) in [
        (&["display_name"] as &[_], &wanted, "display_name"),
        (&["displayName", "tier"], &wanted, "display_name, tier"),
        (&["max_in_flight"], &wanted, "max_in_flight"),
        (&["maxInFlight"], &wanted, "max_in_flight"),
        (&["secret"], &wanted, "secret"),
        (&["*"], &wanted, "display_name, tier, max_in_flight, secret"),
        (&["*"], &bare, "display_name, tier, max_in_flight"),
        (&[], &bare, "display_name, tier, max_in_flight"),
        (&[], &wanted, "display_name, tier, max_in_flight, secret"),
        (&["display_name", "max_in_flight"], &nothing, "display_name, max_in_flight"),
        (&[], &nothing, ""),
    ] {
        let service = service(0);
        let mut request = new("wk-1.old", "");
        request.credential.as_mut().unwrap().display_name = "old".to_owned();
        request.credential.as_mut().unwrap().max_in_flight = 3;
        let before = create(&service, request).await.unwrap();

        let sent = Credential { name: before.name.clone(), ..sent.clone() };
        let after = update(&service, sent.clone(), paths).await.unwrap();

        let has = |field: &str| changed.split(", ").any(|name| name == field);
        let id = before.name.strip_prefix("credentials/").unwrap();
        let name = if sent.display_name.is_empty() { id } else { sent.display_name.as_str() };
        assert_eq!(after.display_name, if has("display_name") { name } else { "old" }, "{paths:?}");
        let tier = if has("tier") { CredentialTier::Shared } else { CredentialTier::Personal };
        assert_eq!(after.tier(), tier, "{paths:?}");
        assert_eq!(
            after.max_in_flight,
            if has("max_in_flight") { sent.max_in_flight } else { 3 },
            "{paths:?}"
        );
        assert_eq!(after.etag == before.etag, changed.is_empty(), "{paths:?}");
        let trail = ListAuditEventsRequest { page_size: 1, ..Default::default() };
        let trail = service.list_audit_events(Request::new(trail)).await.unwrap().into_inner().audit_events;
        let told = (trail[0].action.as_str(), trail[0].detail.as_str());
        assert_eq!(
            told,
            if changed.is_empty() { ("create", "old") } else { ("update", changed) },
            "{paths:?}"
        );
        let lease = service
            .acquire_credential(Request::new(AcquireCredentialRequest::default()))
            .await
            .unwrap()
            .into_inner()
            .lease
            .unwrap();
        assert_eq!(lease.bearer, if has("secret") { "wk-1.new" } else { "wk-1.old" }, "{paths:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_wrong_changes_nothing() {
    let service = service(0);
    let before = create(&service, new("wk-1.old", "")).await.unwrap();
    let sent = Credential { name: before.name.clone(), ..Credential::default() };
    let with = |change: fn(&mut Credential)| {
        let mut sent = sent.clone();
        change(&mut sent);
        sent
    };
    for (sent, paths, field) in [
        (sent.clone(), &["state"] as &[_], "update_mask"),
        (sent.clone(), &["display_name", "granted_count"], "update_mask"),
        (sent.clone(), &["tier"], "credential.tier"),
        (sent.clone(), &["secret"], "credential.secret"),
        (with(|c| c.tier = 77), &["tier"], "credential.tier"),
        (with(|c| c.max_in_flight = -1), &["max_in_flight"], "credential.max_in_flight"),
        (with(|c| c.max_in_flight = 10_001), &["max_in_flight"], "credential.max_in_flight"),
        (with(|c| c.secret = "***".to_owned()), &["secret"], "credential.secret"),
        (with(|c| c.display_name = "x".repeat(65)), &["display_name"], "credential.display_name"),
        (with(|c| c.name = "nobody".to_owned()), &["display_name"], "credential.name"),
    ] {
        let status = update(&service, sent, paths).await.unwrap_err();
        assert_eq!(refused(&status), (ErrorReason::InvalidField, vec![field.to_owned()]), "{paths:?}");
    }
    let renamed = with(|c| c.display_name = "new".to_owned());
    let stale = Credential { etag: "stale".to_owned(), ..renamed.clone() };
    let aborted = update(&service, stale, &[]).await.unwrap_err();
    assert_eq!((aborted.code(), refused(&aborted).0), (Code::Aborted, ErrorReason::CredentialChanged));
    let get = GetCredentialRequest { name: before.name.clone() };
    let still = service.get_credential(Request::new(get)).await.unwrap().into_inner().credential;
    assert_eq!(still, Some(before.clone()));

    let etag = before.etag.clone();
    let after = update(&service, Credential { etag, ..renamed.clone() }, &[]).await.unwrap();
    assert_ne!(after.etag, before.etag);
    let again = update(&service, Credential { etag: before.etag, ..renamed }, &[]).await.unwrap_err();
    assert_eq!(again.code(), Code::Aborted, "an etag serves once");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_sent_again_makes_nothing_twice() {
    let service = service(0);
    let first = create(&service, new("wk-1.one", "request-1")).await.unwrap();

    // Whatever else it says, it is the same call.
    let mut again = new("wk-1.one", "request-1");
    again.credential_id = "another".to_owned();
    assert_eq!(create(&service, again).await.unwrap(), first);
    let other = create(&service, new("wk-1.two", "request-1")).await.unwrap_err();
    assert_eq!(refused(&other), (ErrorReason::InvalidField, vec!["request_id".to_owned()]));
    let known = create(&service, new("wk-1.one", "request-2")).await.unwrap_err();
    assert_eq!((known.code(), refused(&known).0), (Code::AlreadyExists, ErrorReason::CredentialExists));
    let because = |status: &Status| {
        let metadata = Failure::from(status).metadata.into_iter().collect::<BTreeMap<_, _>>();
        (metadata["cause"].clone(), metadata["credential"].clone())
    };
    assert_eq!(because(&known), ("secret_known".to_owned(), first.name.clone()));
    let long = create(&service, new("wk-1.two", &"r".repeat(129))).await.unwrap_err();
    assert_eq!(refused(&long).1, ["request_id"]);
    let mut taken = new("wk-1.two", "request-2");
    taken.credential_id = first.name.strip_prefix("credentials/").unwrap().to_owned();
    let taken = create(&service, taken).await.unwrap_err();
    assert_eq!((taken.code(), because(&taken).0), (Code::AlreadyExists, "id_taken".to_owned()));

    // It is still known after a change, and no longer once its credential is gone.
    let renamed =
        Credential { name: first.name.clone(), display_name: "new".to_owned(), ..Default::default() };
    let renamed = update(&service, renamed, &[]).await.unwrap();
    assert_eq!(create(&service, new("wk-1.one", "request-1")).await.unwrap(), renamed);
    let all = list(&service, ListCredentialsRequest::default()).await.unwrap().credentials;
    assert_eq!(all.len(), 1);
    let request = DeleteCredentialRequest { name: first.name.clone(), etag: renamed.etag };
    service.delete_credential(Request::new(request)).await.unwrap();
    advance(1).await;
    let anew = create(&service, new("wk-1.one", "request-1")).await.unwrap();
    assert_eq!((&anew.name, anew.etag == first.etag), (&first.name, false));
}
