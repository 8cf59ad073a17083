//! Where a web page comes from that has a browser send a request. Programs that are no browsers name no origin.

use http::HeaderMap;
use http::header::ORIGIN;

/// Whether a request is sent for a web page that is not this machine's: one from the network, or one that hides where
/// it is from. Pages of programs, such as an editor's, have schemes of their own and are not meant.
pub fn is_foreign_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    match origin.to_str().ok().and_then(|origin| origin.split_once("://")) {
        Some(("http" | "https", authority)) => !is_this_machine(authority),
        Some(_) => false,
        None => true,
    }
}

/// Whether a host, perhaps with a port, is this machine under a name that cannot be another's.
pub(crate) fn is_this_machine(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_from_elsewhere_are_told_from_programs_and_pages_from_here() {
        for (origin, foreign) in [
            ("http://localhost:5173", false),
            ("http://127.0.0.1", false),
            ("https://[::1]:28888", false),
            ("vscode-webview://0a1b", false),
            ("https://evil.example", true),
            ("http://localhost.evil.example", true),
            ("http://10.0.0.5:28889", true),
            ("http://", true),
            ("null", true),
            ("", true),
        ] {
            let headers = HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
            assert_eq!(is_foreign_page(&headers), foreign, "{origin}");
        }
        assert!(!is_foreign_page(&HeaderMap::new()), "a program");
    }
}
