//! Finds a message type by what a person writes: the full name, or as much of its end as tells it from others. Pure.

use warp2api_codec::{MessageType, Schema};

use super::failure::Failure;

/// Where a short name is looked up first.
const HOME: &str = "warp.multi_agent.v1";
/// How many names a hint has at most.
const HINTS: usize = 5;

/// The message type that is meant.
pub(super) fn resolve(name: &str) -> Result<&'static MessageType, Failure> {
    let schema = Schema::global();
    let full_name = name.strip_prefix("messageTypes/").unwrap_or(name);
    let at_home = format!("{HOME}.{full_name}");
    if let Ok(found) = schema.message_type(full_name).or_else(|_| schema.message_type(&at_home)) {
        return Ok(found);
    }
    let end = format!(".{full_name}");
    let found: Vec<_> = schema.message_types().filter(|known| known.full_name().ends_with(&end)).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::NoSuchType { name: name.to_owned(), like: similar(full_name) }),
        _ => Err(Failure::Ambiguous { name: name.to_owned(), like: some(found.into_iter()) }),
    }
}

/// Names that have the last part of this one in them, whatever its case and underscores.
fn similar(name: &str) -> Vec<String> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name.rsplit('.').next().unwrap_or(name));
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut like: Vec<_> = Schema::global()
        .message_types()
        .filter(|known| {
            known.full_name().rsplit('.').next().is_some_and(|last| plain(last).contains(&wanted))
        })
        .collect();
    like.sort_by_key(|known| known.full_name().len());
    some(like.into_iter())
}

fn some<'a>(types: impl Iterator<Item = &'a MessageType>) -> Vec<String> {
    types.take(HINTS).map(|known| known.full_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_as_much_of_its_name_as_tells_it_from_others() {
        for (name, expected) in [
            ("warp.multi_agent.v1.Request", "warp.multi_agent.v1.Request"),
            ("messageTypes/warp.multi_agent.v1.Request", "warp.multi_agent.v1.Request"),
            ("Request", "warp.multi_agent.v1.Request"),
            ("Request.Input", "warp.multi_agent.v1.Request.Input"),
            ("StreamFinished", "warp.multi_agent.v1.ResponseEvent.StreamFinished"),
            ("google.protobuf.Struct", "google.protobuf.Struct"),
            ("Timestamp", "google.protobuf.Timestamp"),
        ] {
            assert_eq!(resolve(name).unwrap().full_name(), expected);
        }
    }

    #[test]
    fn who_errs_is_helped() {
        let words = |name: &str| resolve(name).unwrap_err().to_string();

        assert!(words("response_event").contains("did you mean `warp.multi_agent.v1.ResponseEvent`?"));
        assert!(words("Success").contains("`Success` could be any of "));
        assert_eq!(words("no.Such"), "there is no message type `no.Such`; `warp2api types` lists all");
        assert_eq!(words(""), "there is no message type ``; `warp2api types` lists all");
    }
}
