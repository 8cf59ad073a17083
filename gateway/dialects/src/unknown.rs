//! Fields of a request that its dialect's reference does not know: passed over, and named to the caller.

use serde::de::{IgnoredAny, MapAccess};

/// How many are remembered by name.
const MOST: usize = 32;
/// How many characters of a name.
const NAME_CHARS: usize = 64;

/// The names, in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct Unknown(Vec<String>);

impl Unknown {
    /// Passes over the value of a field. It is not remembered where that is null: nothing was asked for.
    ///
    /// # Errors
    /// When the value is not JSON.
    pub(crate) fn pass_over<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if map.next_value::<Option<IgnoredAny>>()?.is_some() {
            self.note(name);
        }
        Ok(())
    }

    /// Remembers a field by name.
    pub(crate) fn note(&mut self, name: &str) {
        if self.0.len() < MOST {
            self.0.push(name.chars().take(NAME_CHARS).collect());
        }
    }

    /// The names.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}
