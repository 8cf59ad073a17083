use super::*;

const JWT: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";

/// Place, line, and tier, kind, label and secret or the reason, of each entry.
fn shown(entries: &[Entry]) -> Vec<(String, Option<usize>, String)> {
    let words = |found: &Result<Found, String>| match found {
        Ok(Found { new, id, max_in_flight }) => format!(
            "{:?} {:?} {} {} {} {}",
            new.tier,
            new.kind,
            new.display_name.as_deref().unwrap_or("-"),
            new.secret.expose(),
            id.as_ref().map_or("-", CredentialId::as_str),
            max_in_flight.unwrap_or_default()
        ),
        Err(reason) => reason.clone(),
    };
    entries.iter().map(|entry| (entry.place.clone(), entry.line, words(&entry.found))).collect()
}

#[test]
fn entries_of_variables_say_which_variable_and_which_entry() {
    let variables = CredentialSettings {
        warp_api_key: Some("wk-1".into()),
        warp_personal_tokens: Some("a, me=b, two words".into()),
        warp_shared_tokens: Some("your_warp_refresh_token_here,a".into()),
        ..CredentialSettings::default()
    };

    let entries = from_variables(&variables);

    let expected = [
        ("WARP_API_KEY, entry 1", "Personal ApiKey - wk-1 - 0"),
        ("WARP_PERSONAL_TOKENS, entry 1", "Personal RefreshToken - a - 0"),
        ("WARP_PERSONAL_TOKENS, entry 2", "Personal RefreshToken me b - 0"),
        ("WARP_PERSONAL_TOKENS, entry 3", "has spaces or other characters that no token has"),
        ("WARP_SHARED_TOKENS, entry 2", "Shared RefreshToken - a - 0"),
    ];
    let expected: Vec<_> = expected.map(|(place, words)| (place.to_owned(), None, words.to_owned())).into();
    assert_eq!(shown(&entries), expected);
    assert_eq!(entries[1].variable, Some("WARP_PERSONAL_TOKENS"));
    assert_eq!(duplicates(&entries), HashMap::from([(4, 1)]), "the better tier counts");
}

#[test]
fn lists_of_every_shape_are_read_with_their_lines() {
    let text = format!(
        r#"{{"note": [1,
 2], "accounts": [
  "token-1", {{"refresh_token": "token-2", "email": "a@b.example", "tier": "shared"}},
  {{"name": "credentials/work", "displayName": "work", "tier": "CREDENTIAL_TIER_ANONYMOUS",
    "kind": "CREDENTIAL_KIND_STATIC_JWT", "maxInFlight": 3, "secret": "{JWT}"}},
  {{"api_key": "1.key", "kind": "api-key"}}, {{"secret": ""}},

  {{"secret": "***"}}, {{"secret": "x", "tier": "gold"}}, {{"secret": "wk-x", "kind": "static_jwt"}}, 7
]}}"#
    );

    let entries = from_json(text.as_bytes(), Tier::Shared).unwrap();

    let expected = [
        ("accounts[0]", 3, "Shared RefreshToken - token-1 - 0".to_owned()),
        ("accounts[1]", 3, "Shared RefreshToken a@b.example token-2 - 0".to_owned()),
        ("accounts[2]", 4, format!("Anonymous StaticJwt work {JWT} work 3")),
        ("accounts[3]", 6, "Shared ApiKey - wk-1.key - 0".to_owned()),
        ("accounts[4]", 6, "has no secret: an export holds none, fill it in as `secret`".to_owned()),
        ("accounts[5]", 8, "stands for a secret and is none".to_owned()),
        ("accounts[6]", 8, "has a tier that is none of personal, shared, anonymous".to_owned()),
        ("accounts[7]", 8, "is no JWT, but the entry says so".to_owned()),
        ("accounts[8]", 8, "has no secret: an export holds none, fill it in as `secret`".to_owned()),
    ];
    let expected: Vec<_> = expected.map(|(place, line, words)| (place.to_owned(), Some(line), words)).into();
    assert_eq!(shown(&entries), expected);
}

#[test]
fn one_secret_counts_once_and_in_its_best_tier() {
    let text =
        r#"[{"secret":"a","tier":"shared"},{"secret":"b"},{"secret":"a"},{"secret":"a"},{"secret":""}]"#;

    let entries = from_json(text.as_bytes(), Tier::Personal).unwrap();

    assert_eq!(duplicates(&entries), HashMap::from([(0, 2), (3, 2)]));
}

#[test]
fn what_is_no_list_is_refused_and_quotes_nothing() {
    for (text, expected) in [
        ("[\n\"planted", ImportError::NoJson { line: 2 }),
        ("", ImportError::NoJson { line: 1 }),
        ("7", ImportError::NoList),
        (r#"{"planted": []}"#, ImportError::NoList),
    ] {
        let error = from_json(text.as_bytes(), Tier::Personal).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("planted"));
    }
    let long = format!("[{}\"a\"]", "\"a\",".repeat(MAX_ENTRIES));
    assert_eq!(from_json(long.as_bytes(), Tier::Personal).unwrap_err(), ImportError::TooLong);
    let single = from_json(br#"{"secret": "a"}"#, Tier::Personal).unwrap();
    assert_eq!(shown(&single)[0].0, "the entry");
}
