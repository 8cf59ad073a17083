//! The names of what a request asked for and does not get, for the `x-warp2api-ignored` header.

/// How many names are kept, so that a header stays a header.
const MAX_NAMES: usize = 32;

/// Names in the order they were met, each once.
#[derive(Debug, Default)]
pub(crate) struct Ignored(Vec<String>);

impl Ignored {
    /// Notes a name of ours or of the caller. Characters that do not belong into a header become `_`.
    pub(crate) fn note(&mut self, name: &str) {
        let tame = |c: char| if c.is_ascii_alphanumeric() || "._-[]".contains(c) { c } else { '_' };
        let name: String = name.chars().take(64).map(tame).collect();
        if self.0.len() < MAX_NAMES && !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Notes the name if it applies.
    pub(crate) fn note_if(&mut self, applies: bool, name: &str) {
        if applies {
            self.note(name);
        }
    }

    /// The names.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_tame_and_not_repeated() {
        let mut ignored = Ignored::default();

        ignored.note("seed");
        ignored.note("seed");
        ignored.note("x\r\ninjected: \u{e9}");
        for n in 0..100 {
            ignored.note(&format!("field{n}"));
        }

        let names = ignored.into_names();
        assert_eq!(names[..2], ["seed", "x__injected___"]);
        assert_eq!(names.len(), MAX_NAMES);
    }
}
