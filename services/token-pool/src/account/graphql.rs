//! The GraphQL operations, and what their answers mean. Pure.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::{AccountError, Client};
use crate::credential::Secret;
use crate::facts::Quota;

const MAX_WORDS: usize = 200;

/// An operation, ready to be sent.
pub(crate) struct Query {
    pub(crate) operation: &'static str,
    pub(crate) body: Value,
}

const REQUEST_LIMIT: &str = "query GetRequestLimitInfo($requestContext: RequestContext!) {
  user(requestContext: $requestContext) {
    __typename
    ... on UserOutput {
      user {
        requestLimitInfo { isUnlimited requestLimit requestsUsedSinceLastRefresh nextRefreshTime }
        bonusGrants { requestCreditsRemaining expiration }
        workspaces { bonusGrantsInfo { grants { requestCreditsRemaining expiration } } }
      }
    }
    ... on UserFacingError { error { message } }
  }
}";

const CREATE_GUEST: &str =
    "mutation CreateAnonymousUser($input: CreateAnonymousUserInput!, $requestContext: RequestContext!) {
  createAnonymousUser(input: $input, requestContext: $requestContext) {
    __typename
    ... on CreateAnonymousUserOutput { idToken }
    ... on UserFacingError { error { message } }
  }
}";

/// Asks what the account may still use.
pub(crate) fn request_limit(client: &Client) -> Query {
    query("GetRequestLimitInfo", REQUEST_LIMIT, json!({ "requestContext": context(client) }))
}

/// Asks for a guest account without an end.
pub(crate) fn create_guest(client: &Client) -> Query {
    let input = json!({
        "anonymousUserType": "NATIVE_CLIENT_ANONYMOUS_USER_FEATURE_GATED",
        "expirationType": "NO_EXPIRATION",
        "referralCode": null,
    });
    query("CreateAnonymousUser", CREATE_GUEST, json!({ "input": input, "requestContext": context(client) }))
}

fn query(operation: &'static str, text: &str, variables: Value) -> Query {
    Query { operation, body: json!({ "query": text, "variables": variables, "operationName": operation }) }
}

fn context(client: &Client) -> Value {
    json!({
        "clientContext": { "version": client.version },
        "osContext": {
            "category": client.os_category,
            "linuxKernelVersion": null,
            "name": client.os_name,
            "version": client.os_version,
        },
    })
}

/// The data of an answer.
pub(crate) fn data(answer: &[u8]) -> Result<Value, AccountError> {
    let mut answer: Value = serde_json::from_slice(answer).map_err(|_| AccountError::Malformed)?;
    let first_error = answer.pointer("/errors/0/message").and_then(Value::as_str);
    if let Some(words) = first_error {
        // An account that was disabled or deleted.
        let gone = words.contains("User not in context");
        return Err(if gone { AccountError::Rejected } else { AccountError::Refused(cut(words)) });
    }
    match answer.get_mut("data").map(Value::take) {
        Some(data) if data.is_object() => Ok(data),
        _ => Err(AccountError::Malformed),
    }
}

/// What an account may still use, read at `now`.
pub(crate) fn read_request_limit(data: &Value, now: SystemTime) -> Result<Quota, AccountError> {
    let user = output(&data["user"])?;
    let user: User = serde_json::from_value(user["user"].clone()).map_err(|_| AccountError::Malformed)?;
    let limit = user.request_limit_info;
    let grants = user.workspaces.into_iter().flatten().filter_map(|workspace| workspace.bonus_grants_info);
    let grants = user.bonus_grants.into_iter().flatten().chain(grants.flat_map(|info| info.grants));
    let alive = grants.filter(|grant| grant.expiration.as_deref().and_then(time).is_none_or(|end| end > now));
    Ok(Quota {
        limit: whole(limit.request_limit),
        used: whole(limit.requests_used_since_last_refresh),
        bonus: alive.map(|grant| whole(grant.request_credits_remaining)).fold(0, u64::saturating_add),
        unlimited: limit.is_unlimited,
        refresh: limit.next_refresh_time.as_deref().and_then(time),
        read: now,
    })
}

/// The custom token of a new guest. The upstream calls it an id token.
pub(crate) fn read_guest(data: &Value) -> Result<Secret, AccountError> {
    let created = output(&data["createAnonymousUser"])?;
    token(&created["idToken"])
}

/// The refresh token in the answer to a sign-in.
pub(crate) fn read_sign_in(answer: &[u8]) -> Result<Secret, AccountError> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| AccountError::Malformed)?;
    token(&answer["refreshToken"])
}

/// The result of an operation, unless it is an error for people.
fn output(result: &Value) -> Result<&Value, AccountError> {
    match result["__typename"].as_str() {
        Some("UserFacingError") => {
            let words = result.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
            Err(AccountError::Refused(cut(words)))
        }
        _ if result.is_object() => Ok(result),
        _ => Err(AccountError::Malformed),
    }
}

fn token(value: &Value) -> Result<Secret, AccountError> {
    let text = value.as_str().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()));
    text.map(Secret::new).ok_or(AccountError::Malformed)
}

fn cut(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// Credits may come in fractions; less than one buys nothing for sure.
fn whole(credits: Option<f64>) -> u64 {
    // Saturates, and makes nothing of what is no number.
    credits.unwrap_or_default() as u64
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<prost_types::Timestamp>().ok().and_then(|time| SystemTime::try_from(time).ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    request_limit_info: Limit,
    bonus_grants: Option<Vec<Grant>>,
    workspaces: Option<Vec<Workspace>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    #[serde(default)]
    is_unlimited: bool,
    request_limit: Option<f64>,
    requests_used_since_last_refresh: Option<f64>,
    next_refresh_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workspace {
    bonus_grants_info: Option<GrantsInfo>,
}

#[derive(Deserialize)]
struct GrantsInfo {
    #[serde(default)]
    grants: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    request_credits_remaining: Option<f64>,
    expiration: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn limit(user: &Value) -> Result<Quota, AccountError> {
        read_request_limit(
            &json!({ "user": { "__typename": "UserOutput", "user": user } }),
            at(1_700_000_000),
        )
    }

    #[test]
    fn a_limit_is_read_with_what_was_granted_besides() {
        let info = |more: Value| {
            let mut info =
                json!({ "isUnlimited": false, "requestLimit": 150, "requestsUsedSinceLastRefresh": 20.7 });
            info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            info
        };
        let quota = |bonus, refresh| Quota {
            limit: 150,
            used: 20,
            bonus,
            unlimited: false,
            refresh,
            read: at(1_700_000_000),
        };
        let grants = json!([
            { "requestCreditsRemaining": 5, "expiration": "2030-01-01T00:00:00Z" },
            { "requestCreditsRemaining": 7, "expiration": "2020-01-01T00:00:00Z" },
            { "requestCreditsRemaining": 2, "expiration": null },
        ]);
        for (user, expected) in [
            (json!({ "requestLimitInfo": info(json!({})) }), quota(0, None)),
            (
                json!({ "requestLimitInfo": info(json!({ "nextRefreshTime": "2023-11-21T22:13:20.5Z" })),
                        "bonusGrants": [], "workspaces": [] }),
                quota(0, Some(at(1_700_604_800) + Duration::from_millis(500))),
            ),
            (json!({ "requestLimitInfo": info(json!({})), "bonusGrants": grants }), quota(7, None)),
            (
                json!({ "requestLimitInfo": info(json!({ "nextRefreshTime": "soon" })),
                        "workspaces": [{ "bonusGrantsInfo": { "grants": grants } }, { "bonusGrantsInfo": null }] }),
                quota(7, None),
            ),
        ] {
            assert_eq!(limit(&user), Ok(expected), "{user}");
        }
    }

    #[test]
    fn what_is_no_limit_is_not_taken_for_one() {
        for user in [json!(null), json!({}), json!({ "requestLimitInfo": 1 }), json!([])] {
            assert_eq!(limit(&user), Err(AccountError::Malformed), "{user}");
        }
        let odd =
            json!({ "requestLimitInfo": { "requestLimit": -3, "requestsUsedSinceLastRefresh": 1e300 } });
        assert_eq!(limit(&odd).map(|quota| (quota.limit, quota.used)), Ok((0, u64::MAX)));
    }

    #[test]
    fn errors_are_told_apart() {
        let long = "x".repeat(500);
        for (answer, expected) in [
            (
                r#"{"errors":[{"message":"User not in context: Not found"}],"data":null}"#.to_owned(),
                AccountError::Rejected,
            ),
            (format!(r#"{{"errors":[{{"message":"{long}"}}]}}"#), AccountError::Refused("x".repeat(200))),
            ("<html>".to_owned(), AccountError::Malformed),
            ("{}".to_owned(), AccountError::Malformed),
        ] {
            assert_eq!(data(answer.as_bytes()), Err(expected), "{answer}");
        }
        let refused = json!({ "createAnonymousUser": { "__typename": "UserFacingError", "error": { "message": "no\nmore" } } });
        assert_eq!(read_guest(&refused).unwrap_err(), AccountError::Refused("nomore".to_owned()));
    }

    #[test]
    fn a_sign_in_without_a_refresh_token_is_none() {
        for answer in ["{}", r#"{"refreshToken":""}"#, r#"{"refreshToken":"a b"}"#, "x"] {
            assert!(read_sign_in(answer.as_bytes()).is_err(), "{answer}");
        }
        assert_eq!(read_sign_in(br#"{"idToken":"i","refreshToken":"r"}"#), Ok(Secret::new("r")));
    }
}
