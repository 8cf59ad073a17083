use super::*;

const JWT: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";

fn personal(value: &str) -> CredentialSettings {
    CredentialSettings { warp_personal_tokens: Some(value.to_owned()), ..CredentialSettings::default() }
}

/// Tier, kind, label and secret of each credential.
fn shown(credentials: &[NewCredential]) -> Vec<(Tier, Kind, Option<&str>, &str)> {
    credentials.iter().map(|c| (c.tier, c.kind, c.display_name.as_deref(), c.secret.expose())).collect()
}

#[test]
fn lists_are_split_trimmed_and_labelled() {
    use Kind::{ApiKey, RefreshToken, StaticJwt};
    let padded = "abcdefghijklmnopqrstuvwxyz012345==";
    for (value, expected) in [
        ("", vec![]),
        (" , \n ,", vec![]),
        ("a,b", vec![(RefreshToken, None, "a"), (RefreshToken, None, "b")]),
        (" a \r\n b ", vec![(RefreshToken, None, "a"), (RefreshToken, None, "b")]),
        (
            "alice=a, bob smith = b",
            vec![(RefreshToken, Some("alice"), "a"), (RefreshToken, Some("bob smith"), "b")],
        ),
        ("a@b.example=t=1", vec![(RefreshToken, Some("a@b.example"), "t=1")]),
        ("\"alice='a'\"", vec![(RefreshToken, Some("alice"), "a")]),
        ("your_warp_refresh_token_here,me=your_warp_refresh_token_here", vec![]),
        ("wk-1.ab", vec![(ApiKey, None, "wk-1.ab")]),
        (JWT, vec![(StaticJwt, None, JWT)]),
        (padded, vec![(RefreshToken, None, padded)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(k, l, s)| (Tier::Personal, k, l, s)).collect();
        assert_eq!(shown(&parse(&personal(value)).unwrap()), expected, "{value:?}");
    }
}

#[test]
fn every_variable_has_its_tier_and_kind() {
    let set = |text: &str| Some(text.to_owned());
    let settings = CredentialSettings {
        warp_api_key: set("1.abcd"),
        warp_jwt: set("opaque"),
        warp_refresh_token: set("r"),
        warp_personal_tokens: set("p"),
        warp_shared_tokens: set("s"),
        warp_anonymous_token: set("a"),
    };

    let credentials = parse(&settings).unwrap();

    assert_eq!(
        shown(&credentials),
        [
            (Tier::Personal, Kind::ApiKey, None, "wk-1.abcd"),
            (Tier::Personal, Kind::StaticJwt, None, "opaque"),
            (Tier::Personal, Kind::RefreshToken, None, "r"),
            (Tier::Personal, Kind::RefreshToken, None, "p"),
            (Tier::Shared, Kind::RefreshToken, None, "s"),
            (Tier::Anonymous, Kind::RefreshToken, None, "a"),
        ]
    );
}

#[test]
fn a_token_in_two_places_is_one_credential_of_the_highest_tier() {
    let settings = CredentialSettings {
        warp_refresh_token: Some("a".into()),
        warp_personal_tokens: Some("me=a,b".into()),
        warp_shared_tokens: Some("b,c,c".into()),
        warp_anonymous_token: Some("c".into()),
        ..CredentialSettings::default()
    };

    let credentials = parse(&settings).unwrap();

    assert_eq!(
        shown(&credentials),
        [
            (Tier::Personal, Kind::RefreshToken, Some("me"), "a"),
            (Tier::Personal, Kind::RefreshToken, None, "b"),
            (Tier::Shared, Kind::RefreshToken, None, "c"),
        ]
    );
    let worst_first = credentials.into_iter().map(|c| NewCredential { tier: Tier::Anonymous, ..c });
    let mut both: Vec<_> = worst_first.collect();
    both.extend(parse(&settings).unwrap());
    assert_eq!(shown(&without_duplicates(both))[2].0, Tier::Shared);
}

#[test]
fn problems_are_reported_together_and_show_no_value() {
    let long = format!("planted{}", "x".repeat(9000));
    let settings = CredentialSettings {
        warp_api_key: Some("Bearer planted1".into()),
        warp_personal_tokens: Some(format!("good,AMf-planted2=alice,carol=,{}=planted3", "l".repeat(65))),
        warp_shared_tokens: Some(format!("plänted4,{long}")),
        ..CredentialSettings::default()
    };

    let error = parse(&settings).unwrap_err();

    let problems: Vec<_> = error.0.iter().map(|p| (p.variable, p.entry, p.problem)).collect();
    assert_eq!(
        problems,
        [
            ("WARP_API_KEY", 1, Problem::InvalidToken),
            ("WARP_PERSONAL_TOKENS", 2, Problem::TokenAsLabel),
            ("WARP_PERSONAL_TOKENS", 3, Problem::MissingToken),
            ("WARP_PERSONAL_TOKENS", 4, Problem::InvalidLabel),
            ("WARP_SHARED_TOKENS", 1, Problem::InvalidToken),
            ("WARP_SHARED_TOKENS", 2, Problem::TooLong),
        ]
    );
    let shown = format!("{error} {error:?} {settings:?}");
    assert!(!shown.contains("planted") && !shown.contains("plänted"), "{shown}");
}
