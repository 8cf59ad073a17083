//! The credentials in a `.env` file, with the lines they stand in. Pure. Values may be quoted and then go on over lines;
//! what cannot be read is told by its line and not repeated. Nothing is taken from the environment, nothing expanded.

use std::collections::HashMap;

use warp2api_token_pool::settings::CredentialSettings;

/// What a file says about credentials.
#[derive(Debug, Default)]
pub(super) struct EnvFile {
    pub(super) variables: CredentialSettings,
    /// In which line each of them is set.
    pub(super) lines: HashMap<&'static str, usize>,
    /// Lines that cannot be read, and why.
    pub(super) problems: Vec<(usize, String)>,
}

const NAMES: [&str; 6] = [
    "WARP_API_KEY",
    "WARP_JWT",
    "WARP_REFRESH_TOKEN",
    "WARP_PERSONAL_TOKENS",
    "WARP_SHARED_TOKENS",
    "WARP_ANONYMOUS_TOKEN",
];

/// Reads a file. A variable that is set again counts as it is set last.
pub(super) fn read(text: &str) -> EnvFile {
    let mut file = EnvFile::default();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name.trim())) else {
            file.problems.push((number, "is no NAME=value".to_owned()));
            continue;
        };
        let rest = lines.by_ref().map(|(_, line)| line);
        match read_value(value.trim(), rest) {
            Ok(value) => file.set(name.trim(), value, number),
            Err(words) => file.problems.push((number, words.to_owned())),
        }
    }
    file
}

impl EnvFile {
    fn set(&mut self, name: &str, value: String, line: usize) {
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else { return };
        let variables = &mut self.variables;
        let place = match name {
            "WARP_API_KEY" => &mut variables.warp_api_key,
            "WARP_JWT" => &mut variables.warp_jwt,
            "WARP_REFRESH_TOKEN" => &mut variables.warp_refresh_token,
            "WARP_PERSONAL_TOKENS" => &mut variables.warp_personal_tokens,
            "WARP_SHARED_TOKENS" => &mut variables.warp_shared_tokens,
            _ => &mut variables.warp_anonymous_token,
        };
        *place = Some(value);
        if let Some(earlier) = self.lines.insert(name, line) {
            self.problems.push((earlier, format!("{name} is set again in line {line}, which counts")));
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

/// A value that begins with `first` and may go on in the `rest` of the lines.
fn read_value<'a>(first: &'a str, rest: impl Iterator<Item = &'a str>) -> Result<String, &'static str> {
    let Some(quote) = first.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        // A comment begins after a space.
        let end = first.find(" #").or_else(|| first.find("\t#")).unwrap_or(first.len());
        return Ok(first[..end].trim_end().to_owned());
    };
    let mut value = String::new();
    for (index, line) in std::iter::once(&first[1..]).chain(rest).enumerate() {
        if index > 0 {
            value.push('\n');
        }
        let mut letters = line.char_indices();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                let after = line[at + 1..].trim_start();
                let ends = after.is_empty() || after.starts_with('#');
                return if ends { Ok(value) } else { Err("has something after the closing quote") };
            }
            match letter {
                '\\' if quote == '"' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                other => value.push(other),
            }
        }
    }
    Err("opens a quote that is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_shells_and_the_original_read_them() {
        for (text, expected) in [
            ("WARP_JWT=a", "a"),
            ("  export WARP_JWT = a # why", "a"),
            ("WARP_JWT=a#b", "a#b"),
            ("WARP_JWT='a # b' # why", "a # b"),
            ("WARP_JWT=\"a,\\nb\"", "a,\nb"),
            ("WARP_JWT=\"a,\nb\"\nHOST=x", "a,\nb"),
            ("WARP_JWT=\r\n", ""),
            ("\u{feff}WARP_JWT=a=b==", "a=b=="),
            ("WARP_JWT=$HOME", "$HOME"),
        ] {
            let file = read(text);
            assert_eq!(file.variables.warp_jwt.as_deref(), Some(expected), "{text:?}");
            assert_eq!((file.lines["WARP_JWT"], file.problems), (1, vec![]), "{text:?}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_told_by_number_and_not_repeated() {
        let text =
            "# a\n\nplanted\nHOST=::1\nWARP_JWT=one\n7A=planted\nWARP_JWT='two\nWARP_API_KEY=planted\n";

        let file = read(text);

        let problems = [
            (3, "is no NAME=value".to_owned()),
            (6, "is no NAME=value".to_owned()),
            (7, "opens a quote that is never closed".to_owned()),
        ];
        assert_eq!(file.problems, problems);
        assert_eq!(file.variables.warp_jwt.as_deref(), Some("one"));

        let twice = read("WARP_JWT=planted\nWARP_JWT=b\nWARP_API_KEY=\"a\" planted");
        assert_eq!(twice.variables.warp_jwt.as_deref(), Some("b"));
        let problems = [
            (1, "WARP_JWT is set again in line 2, which counts".to_owned()),
            (3, "has something after the closing quote".to_owned()),
        ];
        assert_eq!(twice.problems, problems);
    }
}
