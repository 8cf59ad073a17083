//! Walks through JSON text (RFC 8259), strictly, and gives back its parts. Numbers stay text, so that no digit is lost.

use std::borrow::Cow;

use super::{number, scan};
use crate::error::Problem;
use crate::fault::Fault;

/// A place in a JSON text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// What a value begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The offset in bytes of what comes next, white space passed over.
    pub(crate) fn at(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at
    }

    /// What kind of value comes next.
    pub(crate) fn token(&mut self) -> Result<Token, Fault> {
        match self.next_byte() {
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'"') => Ok(Token::String),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b't' | b'f') => Ok(Token::Bool),
            Some(b'n') => Ok(Token::Null),
            _ => Err(self.syntax("a value is missing")),
        }
    }

    /// Enters an object or array.
    pub(crate) fn open(&mut self, token: Token, expected: &'static str) -> Result<(), Fault> {
        self.require(token, expected)?;
        self.at += 1;
        Ok(())
    }

    /// The next value is of that kind.
    pub(crate) fn require(&mut self, token: Token, expected: &'static str) -> Result<(), Fault> {
        if self.token()? == token { Ok(()) } else { Err(Fault::new(Problem::Expected(expected), self.at)) }
    }

    /// The key of the next member of an object and its offset, or none after the last one.
    pub(crate) fn member(&mut self, first: &mut bool) -> Result<Option<(Cow<'a, str>, usize)>, Fault> {
        if !self.more(first, b'}', "expected a comma or the end of the object")? {
            return Ok(None);
        }
        let at = self.at();
        if self.next_byte() != Some(b'"') {
            return Err(self.syntax("expected a key in quotes"));
        }
        let key = self.string()?;
        if !self.eat(b':') {
            return Err(self.syntax("expected a colon"));
        }
        Ok(Some((key, at)))
    }

    /// Whether another item of an array comes.
    pub(crate) fn item(&mut self, first: &mut bool) -> Result<bool, Fault> {
        self.more(first, b']', "expected a comma or the end of the array")
    }

    /// The string that comes next.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.require(Token::String, "a string")?;
        self.at += 1;
        let plain = self.plain()?;
        if self.eat_here(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.eat_here(b'"') {
                return Ok(Cow::Owned(text));
            }
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
    }

    /// The text of the number that comes next.
    pub(crate) fn number(&mut self) -> Result<&'a str, Fault> {
        self.require(Token::Number, "a number")?;
        let rest = &self.text[self.at..];
        let length = number::length(rest).ok_or_else(|| self.syntax("a number is not well formed"))?;
        self.at += length;
        Ok(&rest[..length])
    }

    /// The truth value that comes next.
    pub(crate) fn bool(&mut self) -> Result<bool, Fault> {
        self.require(Token::Bool, "true or false")?;
        if self.eat_word("true") {
            return Ok(true);
        }
        if self.eat_word("false") { Ok(false) } else { Err(self.syntax("a value is missing")) }
    }

    /// Passes over the null that comes next.
    pub(crate) fn null(&mut self) -> Result<(), Fault> {
        self.require(Token::Null, "null")?;
        if self.eat_word("null") { Ok(()) } else { Err(self.syntax("a value is missing")) }
    }

    /// Passes over any value that is nested at most `depth` levels deep.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        let token = self.token()?;
        let deeper = || depth.checked_sub(1).ok_or_else(|| Fault::new(Problem::TooDeep, self.at));
        let mut first = true;
        match token {
            Token::String => self.string().map(drop),
            Token::Number => self.number().map(drop),
            Token::Bool => self.bool().map(drop),
            Token::Null => self.null(),
            Token::Object => {
                let depth = deeper()?;
                self.open(token, "an object")?;
                while self.member(&mut first)?.is_some() {
                    self.skip(depth)?;
                }
                Ok(())
            }
            Token::Array => {
                let depth = deeper()?;
                self.open(token, "an array")?;
                while self.item(&mut first)? {
                    self.skip(depth)?;
                }
                Ok(())
            }
        }
    }

    /// Nothing comes any more.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        if self.next_byte().is_none() { Ok(()) } else { Err(self.syntax("there is more after the value")) }
    }

    fn more(&mut self, first: &mut bool, close: u8, expected: &'static str) -> Result<bool, Fault> {
        if self.eat(close) {
            return Ok(false);
        }
        if !std::mem::take(first) && !self.eat(b',') {
            return Err(self.syntax(expected));
        }
        Ok(true)
    }

    /// Characters of a string up to its end or an escape.
    fn plain(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.text[self.at..];
        let length = scan::plain(rest.as_bytes());
        match rest.as_bytes().get(length) {
            None => return Err(self.syntax("a string does not end")),
            Some(found) => {
                self.at += length;
                if *found <= 0x1f {
                    return Err(self.syntax("a control character stands unescaped in a string"));
                }
            }
        }
        Ok(&rest[..length])
    }

    fn escape(&mut self) -> Result<char, Fault> {
        const BAD: &str = "an escape in a string is not well formed";
        let start = self.at;
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        let plain = match escape {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode().ok_or_else(|| Fault::new(Problem::Syntax(BAD), start)),
            _ => return Err(Fault::new(Problem::Syntax(BAD), start)),
        };
        Ok(plain)
    }

    /// The character of the digits behind `\u`, and of a second such escape where it takes two.
    fn unicode(&mut self) -> Option<char> {
        let high = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        if !(self.eat_here(b'\\') && self.eat_here(b'u')) {
            return None;
        }
        let low = self.four_digits().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        // The parser of the library would take a plus sign.
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    fn next_byte(&mut self) -> Option<u8> {
        let at = self.at();
        self.text.as_bytes().get(at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.at();
        self.eat_here(byte)
    }

    fn eat_here(&mut self, byte: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn syntax(&self, what: &'static str) -> Fault {
        Fault::new(Problem::Syntax(what), self.at)
    }
}
