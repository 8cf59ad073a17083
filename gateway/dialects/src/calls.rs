//! The calls of an answer: ids that are unique, since clients key maps by them, and arguments that can be parsed.

use std::collections::HashSet;

/// The calls of an answer so far.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    count: usize,
    ids: HashSet<String>,
}

impl CallIds {
    /// The calls of an answer in a conversation that has these already.
    pub(crate) fn beside(ids: HashSet<String>) -> Self {
        Self { count: 0, ids }
    }

    /// How many calls there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The index and the id of the next call. An id is kept where it is unique.
    pub(crate) fn admit(&mut self, id: &str) -> (usize, String) {
        let index = self.count;
        self.count += 1;
        let mut unique = id.to_owned();
        let mut attempt = index;
        while unique.is_empty() || self.ids.contains(&unique) {
            let stem = if id.is_empty() { "call" } else { id };
            unique = format!("{stem}_{attempt}");
            attempt += 1;
        }
        self.ids.insert(unique.clone());
        (index, unique)
    }
}

/// Arguments as a client can parse them: a call without any has an empty object.
pub(crate) fn arguments(arguments_json: &str) -> &str {
    if arguments_json.is_empty() { "{}" } else { arguments_json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_calls_are_unique_and_kept_where_they_are() {
        let mut calls = CallIds::default();

        let ids: Vec<_> = ["a", "", "a", "a_2", ""].iter().map(|id| calls.admit(id)).collect();

        let expected = [(0, "a"), (1, "call_1"), (2, "a_2"), (3, "a_2_3"), (4, "call_4")];
        assert_eq!(ids, expected.map(|(index, id)| (index, id.to_owned())));
    }
}
