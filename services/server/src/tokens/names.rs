//! Which credential a word means. Pure. A word is repeated only if it cannot be a secret in the wrong place.

use warp2api_proto::token_pool::v1::Credential;

use super::failure::Failure;

const COLLECTION: &str = "credentials/";
/// Tokens are longer than this.
const MAX_SHOWN: usize = 32;

/// The id of a credential, as people write it.
pub(super) fn id(credential: &Credential) -> &str {
    credential.name.strip_prefix(COLLECTION).unwrap_or(&credential.name)
}

/// The credentials of these words, in their order, each once.
pub(super) fn find<'a>(all: &'a [Credential], words: &[String]) -> Result<Vec<&'a Credential>, Failure> {
    let mut found: Vec<&Credential> = Vec::new();
    for word in words {
        let one = find_one(all, word)?;
        if !found.iter().any(|other| other.name == one.name) {
            found.push(one);
        }
    }
    Ok(found)
}

/// The credential with this id or resource name, or else the one with this label.
pub(super) fn find_one<'a>(all: &'a [Credential], word: &str) -> Result<&'a Credential, Failure> {
    let wanted = word.strip_prefix(COLLECTION).unwrap_or(word);
    if let Some(found) = all.iter().find(|credential| id(credential) == wanted) {
        return Ok(found);
    }
    let mut labelled = all.iter().filter(|credential| credential.display_name == word);
    match (labelled.next(), labelled.next()) {
        (Some(found), None) => Ok(found),
        (None, _) => Err(Failure::Name(format!("no credential has the id or name {}", shown(word)))),
        (Some(_), Some(_)) => {
            let ids: Vec<_> = all.iter().filter(|c| c.display_name == word).map(id).collect();
            let words = format!("{} credentials are called {word}, say which: {}", ids.len(), ids.join(", "));
            Err(Failure::Name(words))
        }
    }
}

fn shown(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " ._-@+/".contains(c);
    let looks_secret = ["wk-", "eyJ", "AMf-", "1//"].iter().any(|start| word.starts_with(start));
    if word.chars().count() <= MAX_SHOWN && word.chars().all(plain) && !looks_secret {
        format!("`{word}`")
    } else {
        "that was given".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Vec<Credential> {
        [("a1", "work"), ("b2", "spare"), ("c3", "spare"), ("work", "d4")]
            .map(|(id, label)| Credential {
                name: format!("credentials/{id}"),
                display_name: label.to_owned(),
                ..Credential::default()
            })
            .into()
    }

    #[test]
    fn a_credential_is_found_by_id_before_label() {
        let all = pool();
        for (word, expected) in [
            ("a1", Ok("a1")),
            ("credentials/b2", Ok("b2")),
            ("work", Ok("work")),
            ("d4", Ok("work")),
            ("spare", Err("2 credentials are called spare, say which: b2, c3")),
            ("nobody", Err("no credential has the id or name `nobody`")),
            ("wk-planted", Err("no credential has the id or name that was given")),
        ] {
            match (find_one(&all, word), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(id(found), expected, "{word}"),
                (Err(error), Err(words)) => {
                    let said = error.to_string();
                    assert_eq!(said, format!("{words}; `warp2api tokens list` shows all"), "{word}");
                }
                (found, _) => panic!("{word}: {found:?}"),
            }
        }
    }

    #[test]
    fn one_that_is_named_twice_is_meant_once() {
        let all = pool();
        let words = ["a1", "b2", "credentials/a1"].map(str::to_owned);
        let ids: Vec<_> = find(&all, &words).unwrap().into_iter().map(id).collect();
        assert_eq!(ids, ["a1", "b2"]);
    }
}
