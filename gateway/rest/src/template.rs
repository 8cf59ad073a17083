//! The path templates of `google.api.http`: `/v1/{name=messageTypes/*}:encode`.
//!
//! A template is matched against the path as it came, percent-encoded, so that an encoded slash or colon inside a
//! segment is content and not structure; what is captured is decoded. A segment is never empty. Which of several
//! templates wins is not decided here.

use percent_encoding::percent_decode_str;

/// A path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
    variables: Vec<Variable>,
}

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text.
    Literal(String),
    /// `*`: any one segment.
    One,
    /// `**`: any number of segments, none included. Only at the end.
    Rest,
}

/// A part of the path that fills a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The field, names joined by dots.
    pub(crate) field: String,
    /// The first of its segments.
    start: usize,
    /// The segment after its last.
    end: usize,
}

/// What a path says of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The field, names joined by dots.
    pub field: String,
    /// Its value, decoded.
    pub value: String,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin with a slash.
    #[error("does not begin with `/`")]
    Root,
    /// Braces do not close, or stand inside each other.
    #[error("has a brace without its counterpart")]
    Brace,
    /// A segment or a name is empty.
    #[error("has an empty segment or name")]
    Empty,
    /// `**` is not the last segment.
    #[error("has `**` before its end")]
    Rest,
    /// A wildcard stands beside other text.
    #[error("has a wildcard inside a segment")]
    Wildcard,
}

/// A path has a segment that is not UTF-8 once it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path is not UTF-8")]
pub struct NotText;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.strip_prefix('/').ok_or(TemplateError::Root)?;
        // The verb comes after the last brace and the last slash.
        let tail = text.rfind(['/', '}']).map_or(0, |place| place + 1);
        let (text, verb) = match text[tail..].find(':') {
            Some(colon) => (&text[..tail + colon], Some(&text[tail + colon + 1..])),
            None => (text, None),
        };
        if verb.is_some_and(str::is_empty) {
            return Err(TemplateError::Empty);
        }
        let mut template =
            Self { segments: Vec::new(), verb: verb.map(str::to_owned), variables: Vec::new() };
        for piece in pieces(text)? {
            template.add(piece)?;
        }
        let rest = template.segments.iter().position(|segment| *segment == Segment::Rest);
        if rest.is_some_and(|place| place + 1 != template.segments.len()) {
            return Err(TemplateError::Rest);
        }
        Ok(template)
    }

    fn add(&mut self, piece: &str) -> Result<(), TemplateError> {
        let Some(variable) = piece.strip_prefix('{') else {
            self.segments.push(segment(piece)?);
            return Ok(());
        };
        let variable = variable.strip_suffix('}').ok_or(TemplateError::Brace)?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        if field.split('.').any(str::is_empty) {
            return Err(TemplateError::Empty);
        }
        let start = self.segments.len();
        for piece in pattern.split('/') {
            self.segments.push(segment(piece)?);
        }
        self.variables.push(Variable { field: field.to_owned(), start, end: self.segments.len() });
        Ok(())
    }

    /// What `path` says, or `None` if it is another path. The path is percent-encoded and has no query.
    ///
    /// # Errors
    /// When it is the path of this template, and not UTF-8.
    pub fn matches(&self, path: &str) -> Option<Result<Vec<Captured>, NotText>> {
        let mut path = path.strip_prefix('/')?;
        if let Some(verb) = &self.verb {
            path = path.strip_suffix(verb.as_str())?.strip_suffix(':')?;
        }
        let given: Vec<_> = path.split('/').collect();
        let fixed = self.segments.iter().filter(|segment| **segment != Segment::Rest).count();
        let open = fixed < self.segments.len();
        if given.len() < fixed || !open && given.len() > fixed || given.iter().any(|one| one.is_empty()) {
            return None;
        }
        for (segment, given) in self.segments.iter().zip(&given) {
            if let Segment::Literal(literal) = segment
                && percent_decode_str(given).ne(literal.bytes())
            {
                return None;
            }
        }
        Some(self.variables.iter().map(|variable| self.capture(variable, &given)).collect())
    }

    fn capture(&self, variable: &Variable, given: &[&str]) -> Result<Captured, NotText> {
        let open = self.segments[variable.start..variable.end].contains(&Segment::Rest);
        let end = if open { given.len() } else { variable.end };
        let mut value = String::new();
        for (place, segment) in given[variable.start..end].iter().enumerate() {
            if place > 0 {
                value.push('/');
            }
            value.push_str(&percent_decode_str(segment).decode_utf8().map_err(|_| NotText)?);
        }
        Ok(Captured { field: variable.field.clone(), value })
    }

    /// The segments in order.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The verb after the colon.
    pub(crate) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The fields that the path fills.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.field.as_str())
    }

    /// Whether both match the same paths.
    pub(crate) fn is_same_path(&self, other: &Self) -> bool {
        (&self.segments, &self.verb) == (&other.segments, &other.verb)
    }

    /// How much a match says: a verb first, then literals.
    pub(crate) fn weight(&self) -> (bool, usize) {
        let literal = |segment: &&Segment| matches!(segment, Segment::Literal(_));
        (self.verb.is_some(), self.segments.iter().filter(literal).count())
    }
}

/// Cuts at the slashes that are not inside braces.
fn pieces(text: &str) -> Result<Vec<&str>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            '{' if !inside && place == start => inside = true,
            '}' if inside => inside = false,
            '{' | '}' => return Err(TemplateError::Brace),
            '/' if !inside => {
                pieces.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(TemplateError::Brace);
    }
    pieces.push(&text[start..]);
    Ok(pieces)
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    match text {
        "" => Err(TemplateError::Empty),
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        _ if text.contains('*') => Err(TemplateError::Wildcard),
        _ if text.contains(['{', '}', '=']) => Err(TemplateError::Brace),
        _ => Ok(Segment::Literal(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
