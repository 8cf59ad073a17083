//! Leaves out of a text what looks like a key or a token, wherever it stands: a net and no promise. Pure.
//!
//! Keys are known by what they begin with, private keys by their first line. A key that has no such beginning, a password
//! above all, looks like any other word and stays.

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// What keys and tokens begin with, and how long they are at least.
const BEGINNINGS: [(&str, usize); 31] = [
    // This house's own, and the upstream's.
    ("w2a-", 16),
    ("wk-", 8),
    // JSON Web Tokens, refresh tokens of Google's and Firebase's among others.
    ("eyJ", 20),
    // Of those who serve models.
    ("sk-", 16),
    ("hf_", 20),
    ("gsk_", 20),
    ("xai-", 20),
    // GitHub, GitLab, npm, PyPI.
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("ghu_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("npm_", 20),
    ("pypi-", 20),
    // Google, Amazon.
    ("AIza", 30),
    ("ya29.", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    // Slack.
    ("xoxa-", 15),
    ("xoxb-", 15),
    ("xoxe-", 15),
    ("xoxo-", 15),
    ("xoxp-", 15),
    ("xoxr-", 15),
    ("xoxs-", 15),
    // Stripe.
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("whsec_", 16),
];

/// The first and the last line of a private key in PEM begin so.
const PEM: (&[u8], &[u8]) = (b"-----BEGIN ", b"-----END ");
const DASHES: &[u8] = b"-----";
/// The longest label between the dashes, with some room.
const MOST_LABEL: usize = 64;

/// How much of a text must be there for every secret that begins in it to be known.
pub(crate) const ENOUGH: usize = 64;

/// The text without what looks like a secret.
pub(crate) fn redacted(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut kept) = (0, 0);
    while at < bytes.len() {
        // What is found begins and ends with ASCII, so that no character is cut.
        let Some(length) = private_key(&bytes[at..]).or_else(|| token(&bytes[..at], &bytes[at..])) else {
            at += 1;
            continue;
        };
        out.push_str(&text[kept..at]);
        out.push_str(REDACTED);
        at += length;
        kept = at;
    }
    out.push_str(&text[kept..]);
    out
}

/// The length of the token that `rest` begins with, if it does.
fn token(before: &[u8], rest: &[u8]) -> Option<usize> {
    let begun = BEGINNINGS.iter().filter(|(beginning, _)| rest.starts_with(beginning.as_bytes()));
    let least = begun.map(|(_, least)| *least).min().filter(|_| may_begin(before))?;
    let in_token = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'_' | b'.');
    let length = rest.iter().take_while(in_token).count();
    (length >= least).then_some(length)
}

/// Whether a token may begin here: not in the middle of a word, but for the end of what stands for another character in
/// JSON, in code or in a URL.
fn may_begin(before: &[u8]) -> bool {
    let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match before {
        [] => true,
        [.., last] if !last.is_ascii_alphanumeric() => true,
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a' | b'e' | b'0'] => true,
        [.., b'\\', b'x', a, b] | [.., b'%', a, b] => hex(&[*a, *b]),
        [.., b'\\', b'u', a, b, c, d] => hex(&[*a, *b, *c, *d]),
        _ => false,
    }
}

/// The length of the private key in PEM that `rest` begins with, if it does: to its last line, or to the end if that is
/// missing.
fn private_key(rest: &[u8]) -> Option<usize> {
    let (first, last) = PEM;
    if !rest.starts_with(first) {
        return None;
    }
    let label = &rest[first.len()..rest.len().min(first.len() + MOST_LABEL)];
    let label = &label[..find(label, DASHES)?];
    find(label, b"PRIVATE KEY")?;
    let Some(end) = find(rest, last) else { return Some(rest.len()) };
    let end = end + last.len();
    let closing = &rest[end..rest.len().min(end + MOST_LABEL)];
    Some(find(closing, DASHES).map_or(end, |dashes| end + dashes + DASHES.len()))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &[&str] = &[
        "w2a-0123456789abcdefghijklmnop",
        "wk-12345678",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-bmF0_dXJl",
        "sk-proj-0123456789abcdef",
        "sk-ant-api03-0123456789_abcdef-AA",
        "hf_0123456789abcdefghij",
        "gsk_0123456789abcdefghij",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "gho_0123456789abcdefghij",
        "ghs_0123456789abcdefghij",
        "ghr_0123456789abcdefghij",
        "github_pat_0123456789_abcdefghij",
        "glpat-0123456789abcdefghij",
        "AIzaSy0123456789-abcdefghij_0123456789a",
        "AKIA0123456789ABCDEF",
        "ASIA0123456789ABCDEF",
        "xoxa-0123456789-abc",
        "xoxb-0123456789-0123456789-abc",
        "xoxp-0123456789-0123456789-abc",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg+/=\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\n\\nMIIE\\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3BlbnNzaC1rZXk\r\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----",
    ];
    const SURROUNDINGS: &[(&str, &str)] = &[
        ("", ""),
        (" ", " "),
        ("\n", "\n"),
        ("my key is ", ", keep it"),
        ("Bearer ", "\r\n"),
        ("{\"key\":\"", "\"}"),
        ("{\\\"key\\\":\\\"", "\\\"}"),
        ("line\\n", "\\nline"),
        ("line\\r\\n", "\\r\\n"),
        ("tab\\t", "\\t"),
        ("line\\u000a", "\\u000a"),
        ("line\\u000A", ""),
        ("line\\x0a", "\\x0a"),
        ("?key=", "&more=1"),
        ("?q=a%20", "%20b"),
        ("_", " "),
        ("key_", " "),
        (".", " "),
        ("x.", " "),
        ("-", " "),
        ("$", ""),
        ("(", ")"),
        ("['", "']"),
        ("<b>", "</b>"),
        ("ü", "ü"),
        ("\u{5bc6}\u{94a5}", "\u{3002}"),
        ("https://user:", "@host"),
    ];

    #[test]
    fn every_secret_is_left_out_wherever_it_stands_and_nothing_else() {
        for secret in SECRETS {
            for (before, after) in SURROUNDINGS {
                let text = format!("{before}{secret}{after}");
                assert_eq!(redacted(&text), format!("{before}[redacted]{after}"), "{text}");
                // Two in one text.
                let twice = format!("{text} {text}");
                assert_eq!(redacted(&twice), format!("{0} {0}", redacted(&text)), "{twice}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "a wk-end, an eyJ and sk-y",
            "a task-that-is-rather-long and a disk-that-is-larger",
            "the module surveyJavascriptLibraries",
            "naskeyJabcdefghijklmnopqrstuvwxyz",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "----- BEGIN PRIVATE KEY",
            "-----BEGIN ",
            "C:\\users\\%",
            "\u{fc}\u{5bc6}\u{1f511}",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn a_private_key_without_an_end_is_left_out_to_the_end() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nMIIE planted",
            "-----BEGIN EC PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIE planted\n-----END ",
        ] {
            assert_eq!(redacted(&format!("see: {text}")), "see: [redacted]");
        }
    }
}
