//! Where a secret comes from: a variable that is named, a pipe, or a prompt that shows nothing of it. Never an argument.

use std::io::{IsTerminal as _, Read as _};

use super::failure::Failure;

/// Longer than any secret; the pool says more about those that are too long for it.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads a secret.
pub(super) fn read(variable: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = variable {
        return of_variable(name);
    }
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("secret (it is not shown): ");
        return one_line(&typed.map_err(input)?);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text).map_err(input)?;
    one_line(&text)
}

fn input(source: std::io::Error) -> Failure {
    Failure::Input { name: "standard input".to_owned(), source }
}

#[expect(clippy::disallowed_methods, reason = "the variable is named on the command line")]
fn of_variable(name: &str) -> Result<String, Failure> {
    let value = std::env::var(name).unwrap_or_default();
    if value.trim().is_empty() {
        // The name may be a secret in the wrong place.
        let words = "the variable that --secret-env names is not set, or is empty";
        return Err(Failure::Usage(words.to_owned()));
    }
    one_line(&value)
}

/// The secret in a text. Pure.
fn one_line(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let words = if text.is_empty() {
        "there is no secret on standard input; pipe it in, or name its variable with --secret-env"
    } else if text.contains(['\n', '\r']) {
        "a secret has one line, and there are more; `warp2api tokens import` reads files"
    } else {
        return Ok(text.to_owned());
    };
    Err(Failure::Usage(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_is_not_repeated() {
        assert_eq!(one_line(" wk-planted\r\n").unwrap(), "wk-planted");
        for text in ["", " \n", "planted\nplanted"] {
            let failure = one_line(text).unwrap_err();
            assert_eq!(failure.exit_code(), 64);
            assert!(!failure.to_string().contains("planted"), "{failure}");
        }
    }
}
