//! The calls of an answer: ids that are unique, since clients key maps by them, and arguments that can be parsed.

use std::collections::HashSet;

/// The calls of an answer so far.
#[derive(Debug)]
pub(crate) struct CallIds {
    answer: String,
    count: usize,
    ids: HashSet<String>,
}

impl CallIds {
    /// The calls of the answer that is called `answer`, which no other is. Calls that come without an id are called
    /// after it, since a client keeps the calls of all answers in one list.
    pub(crate) fn of(answer: &str) -> Self {
        Self::beside(answer, HashSet::new())
    }

    /// The same in a conversation that has these calls already.
    pub(crate) fn beside(answer: &str, ids: HashSet<String>) -> Self {
        Self { answer: answer.to_owned(), count: 0, ids }
    }

    /// How many calls there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The index and the id of the next call. An id is kept where it is unique.
    pub(crate) fn admit(&mut self, id: &str) -> (usize, String) {
        let index = self.count;
        self.count += 1;
        let named = if id.is_empty() { format!("call_{}_{index}", self.answer) } else { id.to_owned() };
        let mut unique = named.clone();
        let mut attempt = index;
        while self.ids.contains(&unique) {
            unique = format!("{named}_{attempt}");
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
        let mut calls = CallIds::of("x7");

        let ids: Vec<_> = ["a", "", "a", "a_2", ""].iter().map(|id| calls.admit(id)).collect();

        let expected = [(0, "a"), (1, "call_x7_1"), (2, "a_2"), (3, "a_2_3"), (4, "call_x7_4")];
        assert_eq!(ids, expected.map(|(index, id)| (index, id.to_owned())));
    }

    #[test]
    fn a_name_that_the_conversation_has_is_not_given_again() {
        let mut calls = CallIds::beside("x7", ["call_x7_0".to_owned()].into());

        assert_eq!(calls.admit("").1, "call_x7_0_0");
    }
}
