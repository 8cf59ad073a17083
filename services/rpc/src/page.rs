//! Pages of a list (AIP-158): sizes with a default and a bound, and opaque tokens.
//!
//! For lists that are short and kept in order: a token is the place where the next page begins.

use warp2api_proto::error::v1::ErrorReason;

use crate::reason::Failure;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    start: usize,
    size: usize,
}

impl Page {
    /// Reads `page_size` and `page_token` of a request.
    ///
    /// # Errors
    /// INVALID_FIELD when the size is negative or the token is none of ours.
    pub fn parse(page_size: i32, page_token: &str, default: usize, most: usize) -> Result<Self, Failure> {
        let size =
            usize::try_from(page_size).map_err(|_| Failure::invalid("page_size", "must not be negative"))?;
        let start = match page_token {
            "" => 0,
            token => token.strip_prefix("p").and_then(|place| place.parse().ok()).ok_or_else(|| {
                let words = "is not a token of an earlier page";
                Failure::new(ErrorReason::InvalidField, format!("page_token: {words}"))
                    .with_field("page_token", words)
            })?,
        };
        Ok(Self { start, size: if size == 0 { default } else { size.min(most) } })
    }

    /// The items of the page and the token of the next one, empty if this is the last.
    pub fn cut<T>(self, items: impl IntoIterator<Item = T>) -> (Vec<T>, String) {
        let mut rest = items.into_iter().skip(self.start);
        let page: Vec<_> = rest.by_ref().take(self.size).collect();
        let token = match rest.next() {
            Some(_) => format!("p{}", self.start + self.size),
            None => String::new(),
        };
        (page, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let (page, next) = Page::parse(3, &token, 100, 1000).unwrap().cut(0..8);
            seen.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn sizes_have_a_default_and_a_bound_and_tokens_are_checked() {
        assert_eq!(Page::parse(0, "", 2, 3).unwrap().cut(0..9).0.len(), 2);
        assert_eq!(Page::parse(7, "", 2, 3).unwrap().cut(0..9).0.len(), 3);
        assert_eq!(Page::parse(-1, "", 2, 3).unwrap_err().violations[0].field, "page_size");
        assert_eq!(Page::parse(1, "x", 2, 3).unwrap_err().violations[0].field, "page_token");
    }
}
