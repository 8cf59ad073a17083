//! Reads `application/x-www-form-urlencoded`.

/// The fields of a form in their order. None if a `%` is not followed by two hex digits or a value is no text.
pub(crate) fn parse(form: &[u8]) -> Option<Vec<(String, String)>> {
    form.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            Some((decode(parts.next()?)?, decode(parts.next().unwrap_or_default())?))
        })
        .collect()
}

fn decode(text: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                hex(digits[0])? << 4 | hex(digits[1])?
            }
            other => *other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (form, expected) in [
            ("", Some(vec![])),
            ("a=1&b=x+y%2B%E2%82%AC&&c", Some(vec![field("a", "1"), field("b", "x y+€"), field("c", "")])),
            ("a=b=c", Some(vec![field("a", "b=c")])),
            ("a=%2", None),
            ("a=%zz", None),
            ("a=%ff", None),
        ] {
            assert_eq!(parse(form.as_bytes()), expected, "{form}");
        }
    }
}
