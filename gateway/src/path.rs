//! What callers make of a base URL: put together by hand it has slashes and `/v1` twice. Pure.

use http::Uri;
use http::uri::PathAndQuery;

/// The same address with each run of slashes as one, and `/v1` once at the beginning. `None` if it is so already.
pub(crate) fn merged(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && !path.starts_with("/v1/v1/") {
        return None;
    }
    let mut merged = String::with_capacity(path.len());
    path.chars().for_each(|c| {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    });
    // Taken out at once: a path that is nothing else is as long as a head may be.
    let mut root = 0;
    while merged[root..].starts_with("/v1/v1/") {
        root += "/v1".len();
    }
    merged.drain(..root);
    if let Some(query) = uri.query() {
        merged.push('?');
        merged.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(merged).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_the_root_count_once() {
        for (given, expected) in [
            ("/v1//chat/completions", Some("/v1/chat/completions")),
            ("//v1/models?a=//b", Some("/v1/models?a=//b")),
            ("/v1/v1/messages", Some("/v1/messages")),
            ("/v1//v1/v1/messages", Some("/v1/messages")),
            ("http://host:1/v1//models", Some("http://host:1/v1/models")),
            ("///", Some("/")),
            ("/v1/chat/completions", None),
            ("/v1/models/a/v1/v1", None),
            ("/v1?x=//", None),
            ("/", None),
        ] {
            let merged = merged(&given.parse().unwrap());
            assert_eq!(merged.map(|uri| uri.to_string()), expected.map(str::to_owned), "{given}");
        }
        let long = format!("{}/models", "/v1".repeat(20_000));
        assert_eq!(merged(&long.parse().unwrap()).unwrap(), "/v1/models");
    }
}
