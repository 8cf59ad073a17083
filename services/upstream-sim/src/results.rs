//! What the result of a call says, as a sentence can quote it.

use crate::tools::{self, CANCELLED};
use crate::turn::{ResultOfCall, each, first_text};
use crate::wire::reader::Malformed;

/// The result of a call, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The texts of a result, one a line.
    Text(String),
    /// The message of an error.
    Error(String),
    /// The call was cancelled.
    Cancelled,
    /// A result of one of the upstream's own tools.
    Other,
}

/// What `result` says.
pub(crate) fn said(result: &ResultOfCall<'_>, in_history: bool) -> Result<Said, Malformed> {
    if in_history && result.number == CANCELLED {
        return Ok(Said::Cancelled);
    }
    let number = if in_history { tools::MCP_RESULT_IN_HISTORY } else { tools::MCP_RESULT_IN_REQUEST };
    if result.number != number {
        return Ok(Said::Other);
    }
    let mut said = Said::Text(String::new());
    each(result.content, |field| {
        match field.number {
            1 => said = Said::Text(success(field.bytes()?)?),
            2 => said = Said::Error(first_text(field.bytes()?)?.to_owned()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(said)
}

fn success(success: &[u8]) -> Result<String, Malformed> {
    let mut lines = Vec::new();
    each(success, |field| {
        each(field.bytes()?, |kind| {
            lines.push(match kind.number {
                1 => first_text(kind.bytes()?)?,
                2 => "(an image)",
                3 => resource(kind.bytes()?)?,
                _ => "(something)",
            });
            Ok(())
        })
    })?;
    Ok(lines.join("\n"))
}

fn resource(resource: &[u8]) -> Result<&str, Malformed> {
    let mut text = "(a file)";
    each(resource, |field| {
        if field.number == 2 {
            text = first_text(field.bytes()?)?;
        }
        Ok(())
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::writer::Writer;

    #[test]
    fn each_kind_of_result_is_told() {
        let texts = Writer::build(|w| {
            w.message(1, |success| {
                success
                    .message(1, |result| _ = result.message(1, |w| _ = w.string(1, "one")))
                    .message(1, |result| _ = result.message(2, |w| _ = w.bytes(1, b"aGk=")))
                    .message(1, |result| {
                        result.message(3, |w| {
                            w.string(1, "file:///a").message(2, |w| _ = w.string(1, "two"));
                        });
                    });
            });
        });
        let error = Writer::build(|w| {
            w.message(2, |w| _ = w.string(1, "no"));
        });
        let nothing = vec![];
        let result = |number, content| ResultOfCall { call_id: "a", number, content };

        for (number, content, in_history, expected) in [
            (12, &texts, false, Said::Text("one\n(an image)\ntwo".to_owned())),
            (16, &texts, true, Said::Text("one\n(an image)\ntwo".to_owned())),
            (12, &error, false, Said::Error("no".to_owned())),
            (12, &texts, true, Said::Other),
            (14, &nothing, true, Said::Cancelled),
            (2, &nothing, false, Said::Other),
        ] {
            assert_eq!(said(&result(number, content), in_history), Ok(expected));
        }
        assert_eq!(said(&result(12, &[0x0a, 9]), false), Err(Malformed));
    }
}
