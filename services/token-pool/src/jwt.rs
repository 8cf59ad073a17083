//! The little the pool wants to know of a JWT: whether a text is one, and when it expires. Nothing is verified;
//! that is the upstream's business.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// Whether the text has the form of a JWT: three parts, the first an encoded JSON object.
pub(crate) fn has_form(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    parts.len() == 3 && parts[0].starts_with("eyJ") && !parts[1].is_empty()
}

/// The time in the `exp` claim, if the text is a JWT that has one.
pub(crate) fn expiry(text: &str) -> Option<SystemTime> {
    let payload = text.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&bytes).ok()?;
    let since_epoch = Duration::try_from_secs_f64(claims.exp).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_expiry_is_the_exp_claim() {
        for (text, expected) in [
            (jwt(r#"{"exp":1700000000,"sub":"x"}"#), Some(1_700_000_000)),
            (jwt(r#"{"exp":1.7e9}"#), Some(1_700_000_000)),
            (jwt(r#"{"exp":-1}"#), None),
            (jwt(r#"{"exp":1e300}"#), None),
            (jwt(r#"{"exp":"1700000000"}"#), None),
            (jwt("{}"), None),
            (jwt("no json"), None),
            ("a.b.c".to_owned(), None),
            ("wk-1.abc".to_owned(), None),
            (String::new(), None),
        ] {
            let expected = expected.map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
            assert_eq!(expiry(&text), expected, "{text}");
        }
    }

    #[test]
    fn refresh_tokens_and_keys_have_not_the_form_of_a_jwt() {
        assert!(has_form(&jwt("{}")));
        for text in ["AMf-vBx.y.z", "wk-1.abc", "1//0abc", "eyJ.a", ""] {
            assert!(!has_form(text), "{text}");
        }
    }
}
