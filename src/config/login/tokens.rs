//! Splits a JAAS file into words and symbols.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;
use std::vec::IntoIter;

/// A word, quoted or not, or one of `{ } ; =`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Symbol(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "{word:?}"),
            Token::Symbol(symbol) => write!(f, "{symbol:?}"),
        }
    }
}

/// The tokens of a file with their lines.
pub(super) struct Tokens {
    rest: Peekable<IntoIter<(u32, Token)>>,
    last_line: u32,
}

impl Tokens {
    pub fn read(text: &str) -> Result<Self, (u32, String)> {
        let mut source = Source { rest: text.chars().peekable(), line: 1 };
        let mut tokens = Vec::new();
        while let Some(token) = source.token()? {
            tokens.push(token);
        }
        Ok(Self { last_line: source.line, rest: tokens.into_iter().peekable() })
    }

    pub fn next(&mut self) -> Option<(u32, Token)> {
        self.rest.next()
    }

    /// Takes the next token if it is this symbol.
    pub fn take(&mut self, symbol: char) -> bool {
        self.rest.next_if(|(_, token)| *token == Token::Symbol(symbol)).is_some()
    }

    pub fn at_end(&mut self) -> bool {
        self.rest.peek().is_none()
    }

    pub fn last_line(&self) -> u32 {
        self.last_line
    }
}

struct Source<'a> {
    rest: Peekable<Chars<'a>>,
    line: u32,
}

impl Source<'_> {
    fn token(&mut self) -> Result<Option<(u32, Token)>, (u32, String)> {
        loop {
            let line = self.line;
            let Some(c) = self.advance() else { return Ok(None) };
            return Ok(Some(match c {
                '{' | '}' | ';' | '=' => (line, Token::Symbol(c)),
                '"' | '\'' => (line, Token::Word(self.quoted(c)?)),
                '/' if matches!(self.rest.peek(), Some('/' | '*')) => {
                    self.comment()?;
                    continue;
                }
                _ if c.is_whitespace() => continue,
                _ => (line, Token::Word(self.bare(c))),
            }));
        }
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn bare(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '=' | '"')) {
            word.push(c);
        }
        word
    }

    fn quoted(&mut self, quote: char) -> Result<String, (u32, String)> {
        let line = self.line;
        let mut word = String::new();
        loop {
            match self.advance() {
                Some('\\') => word.extend(self.advance()),
                Some(c) if c == quote => return Ok(word),
                None | Some('\n') => return Err((line, "a quoted value is not closed".into())),
                Some(c) => word.push(c),
            }
        }
    }

    fn comment(&mut self) -> Result<(), (u32, String)> {
        let line = self.line;
        let block = self.advance() == Some('*');
        let mut previous = ' ';
        while let Some(c) = self.advance() {
            if (block && previous == '*' && c == '/') || (!block && c == '\n') {
                return Ok(());
            }
            previous = c;
        }
        if block { Err((line, "a comment is not closed".into())) } else { Ok(()) }
    }
}
