//! Which URLs may be fetched at all, by what they say themselves. Where a name leads is the resolver's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::error::FetchError;
use crate::config::RemoteImages;

/// The longest URL in bytes.
pub(crate) const MAX_URL_BYTES: usize = 8192;

/// Reads the URL of an image.
///
/// # Errors
/// When it is not to be fetched.
pub(crate) fn parse(url: &str, policy: RemoteImages) -> Result<Url, FetchError> {
    if url.len() > MAX_URL_BYTES {
        return Err(FetchError::Url);
    }
    check(Url::parse(url).map_err(|_| FetchError::Url)?, policy)
}

/// Reads where a server sends us instead; the location may be relative.
///
/// # Errors
/// When it is not to be fetched.
pub(crate) fn redirected(from: &Url, location: &str, policy: RemoteImages) -> Result<Url, FetchError> {
    if location.len() > MAX_URL_BYTES {
        return Err(FetchError::Url);
    }
    check(from.join(location).map_err(|_| FetchError::Url)?, policy)
}

fn check(url: Url, policy: RemoteImages) -> Result<Url, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Url);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Userinfo);
    }
    let host = url.host_str().ok_or(FetchError::Url)?;
    match literal(host) {
        Some(address) if !policy.permits(address) => Err(FetchError::Address),
        _ => Ok(url),
    }
}

/// The address that a host is. A parsed URL has every form of an IPv4 address in four decimal numbers, and every
/// IPv6 address in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_hosts_pass_in_every_form() {
        let cases = [
            ("http://example.com", "http://example.com/"),
            ("HTTPS://EXAMPLE.com:8443/a b?c#d", "https://example.com:8443/a%20b?c#d"),
            ("https://example.com:443/", "https://example.com/"),
            ("  https://example.com/a.png\n", "https://example.com/a.png"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://8.8.8.8/", "http://8.8.8.8/"),
            ("http://134744072/", "http://8.8.8.8/"),
            ("http://0x8.010.2056/", "http://8.8.8.8/"),
            ("http://[2606:4700::1]:8080/", "http://[2606:4700::1]:8080/"),
            ("http://[::ffff:8.8.8.8]/", "http://[::ffff:808:808]/"),
            // The host ends before what looks like another one.
            ("http://example.com/@127.0.0.1", "http://example.com/@127.0.0.1"),
            ("http://example.com#@127.0.0.1/", "http://example.com/#@127.0.0.1/"),
            ("http://example.com?@127.0.0.1/", "http://example.com/?@127.0.0.1/"),
        ];
        for (url, read) in cases {
            assert_eq!(parse(url, RemoteImages::Public).map(String::from).as_deref(), Ok(read), "{url}");
        }
    }

    #[test]
    fn no_form_of_an_address_that_is_not_public_passes() {
        let cases = [
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://127.1",
            "http://127.0.1",
            "http://2130706433",
            "http://0x7f000001",
            "http://0X7F.0x0.0x0.0x1",
            "http://017700000001",
            "http://0177.0.0.1",
            "http://0177.0x0.1",
            "http://00000177.1",
            "http://%31%32%37.0.0.1/",
            "http://127%2e0%2e0%2e1/",
            "http://127。0。0。1/",
            "http://①②⑦.⓪.⓪.①/",
            "http://１２７.0.0.1/",
            "http:127.0.0.1",
            "http:/127.0.0.1",
            "http:///127.0.0.1",
            "http:\\\\127.0.0.1\\",
            "http://12\t7.0.\n0.1/",
            "http://0",
            "http://0.0.0.0",
            "http://10.1.2.3",
            "http://167838211",
            "http://100.100.100.200/latest",
            "http://169.254.169.254/latest/meta-data",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://0251.0376.0251.0376/",
            "http://192.168.0.1:8080",
            "https://172.16.0.1",
            "http://255.255.255.255",
            "http://[::]",
            "http://[::1]",
            "http://[0:0:0:0:0:0:0:1]:80",
            "http://[::127.0.0.1]",
            "http://[::ffff:127.0.0.1]",
            "http://[::ffff:7f00:1]",
            "http://[::ffff:0xa9fea9fe]",
            "http://[64:ff9b::127.0.0.1]",
            "http://[64:ff9b::a9fe:a9fe]",
            "http://[2002:7f00:1::]",
            "http://[fc00::1]",
            "http://[fd00:ec2::254]",
            "http://[fe80::1]",
            "http://[fe80::1%25eth0]",
            "http://[ff02::1]",
        ];
        for url in cases {
            let error = parse(url, RemoteImages::Public).unwrap_err();
            // Some of these forms are no URL to begin with.
            assert!(matches!(error, FetchError::Address | FetchError::Url), "{url}: {error}");
        }
        let unreadable = ["http://[::ffff:0xa9fea9fe]", "http://[fe80::1%25eth0]"];
        for url in cases.into_iter().filter(|url| !unreadable.contains(url)) {
            assert_eq!(parse(url, RemoteImages::Public), Err(FetchError::Address), "{url}");
        }
    }

    #[test]
    fn user_names_and_passwords_are_refused() {
        for url in [
            "http://user@example.com/",
            "http://user:word@example.com/",
            "http://:word@example.com/",
            "http://example.com@127.0.0.1/",
            "http://example.com:80@127.0.0.1/",
            "http://127.0.0.1%2f@example.com/",
        ] {
            assert_eq!(parse(url, RemoteImages::Public), Err(FetchError::Userinfo), "{url}");
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        let long = format!("http://example.com/{}", "a".repeat(MAX_URL_BYTES));
        for url in [
            "",
            "example.com/a.png",
            "//example.com/a.png",
            "http://",
            "http://?",
            "http://exa mple.com/",
            "http://256.256.256.256/",
            "http://1.2.3.4.5/",
            "http://example.com:99999/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
            "unix:/run/docker.sock",
            "data:image/gif;base64,R0lGODlh",
            "javascript:alert(1)",
            "blob:http://example.com/1",
            &long,
        ] {
            assert_eq!(parse(url, RemoteImages::Public), Err(FetchError::Url), "{url}");
        }
    }

    #[test]
    fn a_redirect_is_checked_like_a_url() {
        let from = parse("https://example.com/a/b.png?q", RemoteImages::Public).unwrap();
        let to = |location: &str| redirected(&from, location, RemoteImages::Public).map(String::from);

        assert_eq!(to("c.png").as_deref(), Ok("https://example.com/a/c.png"));
        assert_eq!(to("//other.example/c").as_deref(), Ok("https://other.example/c"));
        assert_eq!(to("http://other.example").as_deref(), Ok("http://other.example/"));
        assert_eq!(to("//127.1/c"), Err(FetchError::Address));
        assert_eq!(to("\\\\0x7f.1\\c"), Err(FetchError::Address));
        assert_eq!(to("http://169.254.169.254/"), Err(FetchError::Address));
        assert_eq!(to("//user@other.example/"), Err(FetchError::Userinfo));
        assert_eq!(to("file:///etc/passwd"), Err(FetchError::Url));
        assert_eq!(to(&"a".repeat(MAX_URL_BYTES + 1)), Err(FetchError::Url));
    }

    #[test]
    fn only_the_policy_for_tests_lets_loopback_in() {
        for url in ["http://127.0.0.1:1/", "http://[::1]:1/"] {
            assert!(parse(url, RemoteImages::PublicAndLoopback).is_ok());
            assert_eq!(parse(url, RemoteImages::Public), Err(FetchError::Address));
            assert_eq!(parse(url, RemoteImages::Off), Err(FetchError::Address));
        }
        assert_eq!(parse("http://10.0.0.1/", RemoteImages::PublicAndLoopback), Err(FetchError::Address));
        assert_eq!(parse("http://8.8.8.8/", RemoteImages::Off), Err(FetchError::Address));
    }
}
