use serde_json::json;

use super::super::json as proto_json;
use super::*;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// A moment that the credentials of these tests are shown at.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn pool() -> Vec<Credential> {
    vec![
        Credential {
            name: "credentials/1a2b3c4d".into(),
            display_name: "work".into(),
            tier: CredentialTier::Personal.into(),
            kind: CredentialKind::ApiKey.into(),
            state: CredentialState::Active.into(),
            source: CredentialSource::Admin.into(),
            in_flight_count: 2,
            max_in_flight: 8,
            granted_count: 1041,
            last_granted_time: at(1_699_999_990),
            quota: Some(CredentialQuota {
                limit: 150,
                used: 38,
                remaining: 122,
                bonus: 10,
                refresh_time: at(1_700_100_000),
                read_time: at(1_699_999_000),
                ..CredentialQuota::default()
            }),
            create_time: at(1_690_000_000),
            etag: "e1".into(),
            ..Credential::default()
        },
        Credential {
            name: "credentials/guest".into(),
            display_name: "guest".into(),
            tier: CredentialTier::Anonymous.into(),
            kind: CredentialKind::RefreshToken.into(),
            state: CredentialState::CoolingDown.into(),
            source: CredentialSource::Guest.into(),
            recovery_time: at(1_700_000_250),
            last_error: "rate limited: \u{1b}[31mtoo many requests, and many more words of the upstream's"
                .into(),
            quota: Some(CredentialQuota { unlimited: true, ..CredentialQuota::default() }),
            ..Credential::default()
        },
        Credential {
            name: "credentials/ffff0000".into(),
            display_name: "ffff0000".into(),
            tier: CredentialTier::Shared.into(),
            kind: CredentialKind::StaticJwt.into(),
            state: CredentialState::Disabled.into(),
            ..Credential::default()
        },
    ]
}

#[test]
fn credentials_are_a_table() {
    let shown = credentials(&pool(), now());

    let expected = "\
ID        NAME  TIER       KIND           STATE         BACK       IN FLIGHT  GRANTS  QUOTA LEFT  LAST FAILURE
1a2b3c4d  work  personal   api-key        active        -          2 of 8     1041    122 of 160  -
guest     -     anonymous  refresh-token  cooling-down  in 4m 10s  0          0       unlimited   rate limited:  [31mtoo many requests, and many more words of...
ffff0000  -     shared     static-jwt     disabled      by hand    0          0       -           -
";
    assert_eq!(shown, expected);
}

#[test]
fn a_credential_is_shown_whole() {
    let expected = "\
id                  1a2b3c4d
name                work
tier                personal
kind                api-key
from                an operator
state               active
back                -
failures in a row   0
last failure        -
in flight           2 of 8
grants              1041
last granted        2023-11-14T22:13:10Z
access token until  -
quota left          122 of 160, read 2023-11-14T21:56:40Z, new 2023-11-16T02:00:00Z
added               2023-07-22T04:26:40Z
changed             -
etag                e1
";
    assert_eq!(credential(&pool()[0], now()), expected);
}

#[test]
fn credentials_are_json_as_the_contract_has_it() {
    let shown = proto_json::messages("Credential", &pool()[1..2]);

    let expected = json!([{
        "name": "credentials/guest",
        "displayName": "guest",
        "tier": "CREDENTIAL_TIER_ANONYMOUS",
        "kind": "CREDENTIAL_KIND_REFRESH_TOKEN",
        "state": "CREDENTIAL_STATE_COOLING_DOWN",
        "recoveryTime": "2023-11-14T22:17:30Z",
        "lastError": "rate limited: \u{1b}[31mtoo many requests, and many more words of the upstream's",
        "source": "CREDENTIAL_SOURCE_GUEST",
        "quota": {"unlimited": true}
    }]);
    assert_eq!(shown, expected);
    assert_eq!(proto_json::messages::<Credential>("Credential", []), json!([]));
}

#[test]
fn findings_and_the_trail_are_tables() {
    let found = CheckCredentialResponse {
        credential: Some(pool().remove(0)),
        finding: CredentialFinding::Good.into(),
        detail: "the upstream takes it, and 122 credits are left".into(),
    };
    let event = AuditEvent {
        name: "auditEvents/1".into(),
        event_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 5 }),
        actor: "local:alice".into(),
        action: "disable".into(),
        credential: "credentials/1a2b3c4d".into(),
        detail: "on holiday".into(),
    };

    let expected = "\
ID        NAME  FINDING  IN WORDS
1a2b3c4d  work  good     the upstream takes it, and 122 credits are left
";
    assert_eq!(findings(&[found]), expected);
    let expected = "\
TIME                  WHO          WHAT     CREDENTIAL  DETAIL
2023-11-14T22:13:20Z  local:alice  disable  1a2b3c4d    on holiday
";
    assert_eq!(trail(&[event]), expected);
}

#[test]
fn the_pool_is_counted_and_says_when_it_is_back() {
    let tier = TierStatus {
        tier: CredentialTier::Personal.into(),
        total_count: 2,
        cooling_down_count: 1,
        disabled_count: 1,
        known_quota_count: 1,
        remaining_quota: 7,
        ..TierStatus::default()
    };
    let endpoint = EndpointStatus {
        endpoint: PoolEndpoint::Token.into(),
        state: EndpointState::Open.into(),
        probe_time: at(1_700_000_005),
        ..EndpointStatus::default()
    };
    let counted = GetPoolStatusResponse {
        total_count: 2,
        tiers: vec![tier],
        endpoints: vec![
            endpoint,
            EndpointStatus { state: EndpointState::Closed.into(), ..EndpointStatus::default() },
        ],
        soonest_recovery_time: at(1_700_007_260),
        ..GetPoolStatusResponse::default()
    };

    let expected = "\
TIER      ALL  ACTIVE  COOLING DOWN  EXHAUSTED  DISABLED  BLOCKED  QUOTA LEFT
personal  2    0       1             0          1         0        7
0 in flight
the upstream's token endpoint fails with every credential and is left alone, tried again in 5s
none can serve now; the first is back in 2h 1m
";
    assert_eq!(status(&counted, now()), expected);
    let by_hand = GetPoolStatusResponse { soonest_recovery_time: None, endpoints: Vec::new(), ..counted };
    assert!(
        status(&by_hand, now()).ends_with("none comes back on its own; `warp2api tokens list` says why\n")
    );
    let empty = status(&GetPoolStatusResponse::default(), now());
    assert!(empty.ends_with("the pool is empty; `warp2api tokens add` adds a credential\n"), "{empty}");
}

#[test]
fn spans_have_two_units() {
    for (milliseconds, expected) in
        [(1, "1s"), (59_000, "59s"), (60_000, "1m 0s"), (3_599_001, "1h 0m"), (200_000_000, "2d 7h")]
    {
        assert_eq!(span(Duration::from_millis(milliseconds)), expected);
    }
}
