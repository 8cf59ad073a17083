//! The query of a URL: pairs of names and values, decoded.

use percent_encoding::percent_decode_str;

/// How many parameters a query may have. A list of names is long at a hundred.
const MAX_PARAMETERS: usize = 1024;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Its value; empty if it has none.
    pub(crate) value: String,
}

/// Why a query cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// A name or a value is not UTF-8 once it is decoded.
    #[error("the query is not UTF-8")]
    NotText,
    /// There are too many parameters.
    #[error("the query has more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

/// The parameters of a query in their order. A plus sign is a space, as forms write it.
///
/// # Errors
/// When the query is not UTF-8 or has too many parameters.
pub(crate) fn parse(query: &str) -> Result<Vec<Parameter>, QueryError> {
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if parameters.len() == MAX_PARAMETERS {
            return Err(QueryError::TooMany);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push(Parameter { name: decode(name)?, value: decode(value)? });
    }
    Ok(parameters)
}

fn decode(text: &str) -> Result<String, QueryError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| QueryError::NotText)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        parse(query).unwrap().into_iter().map(|one| (one.name, one.value)).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn queries_are_read_as_forms_write_them() {
        for (query, expected) in [
            ("", vec![]),
            ("&&", vec![]),
            ("a=1&b=2", vec![pair("a", "1"), pair("b", "2")]),
            ("a=1&a=2", vec![pair("a", "1"), pair("a", "2")]),
            ("a", vec![pair("a", "")]),
            ("a=b=c", vec![pair("a", "b=c")]),
            ("a.b=x+y%2B%C3%A9", vec![pair("a.b", "x y+é")]),
            ("a=%zz%", vec![pair("a", "%zz%")]),
        ] {
            assert_eq!(pairs(query), expected, "{query}");
        }
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused() {
        assert_eq!(parse("a=%ff"), Err(QueryError::NotText));
        assert_eq!(parse("%ff=a"), Err(QueryError::NotText));
        assert_eq!(parse(&"a&".repeat(MAX_PARAMETERS)).map(|all| all.len()), Ok(MAX_PARAMETERS));
        assert_eq!(parse(&"a&".repeat(MAX_PARAMETERS + 1)), Err(QueryError::TooMany));
    }

    proptest! {
        #[test]
        fn whatever_was_encoded_is_read_back(given in prop::collection::vec(("\\PC{1,8}", "\\PC{0,8}"), 0..6)) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let query: Vec<_> =
                given.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();

            prop_assert_eq!(pairs(&query.join("&")), given);
        }

        #[test]
        fn no_text_makes_it_stumble(query in "\\PC{0,40}") {
            if let Ok(parameters) = parse(&query) {
                prop_assert!(parameters.len() <= query.split('&').count());
            }
        }
    }
}
