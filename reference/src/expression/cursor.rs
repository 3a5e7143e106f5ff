//! A place in the tokens of an expression: looking ahead, taking, and saying what does not fit.

use super::ExpressionError;
use super::lexer::{Token, TokenKind};

/// The tokens of a text and the one at hand.
pub(super) struct Cursor<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: Vec<Token<'a>>) -> Self {
        Self { text, tokens, at: 0 }
    }

    /// How many tokens were taken.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn token_text(&self) -> &'a str {
        self.peek().map_or("", |token| token.text)
    }

    pub(super) fn next_text(&mut self) -> &'a str {
        let text = self.token_text();
        self.at += 1;
        text
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.token_text() == symbol
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        self.token_text().eq_ignore_ascii_case(keyword)
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    /// A word with a parenthesis behind it, and no keyword.
    pub(super) fn is_call(&self) -> bool {
        let is_word = |it: Token<'_>| it.kind == TokenKind::Word && !is_reserved(it.text);
        self.peek().is_some_and(is_word)
            && self.tokens.get(self.at + 1).is_some_and(|token| token.text == "(")
    }

    /// The token at hand does not fit; shown with its neighbours.
    pub(super) fn syntax_error(&self) -> ExpressionError {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let token = self.tokens.get(self.at);
        let after = self.tokens.get(self.at + 1);
        let shown = [before, token, after].into_iter().flatten();
        let start = shown.clone().map(|it| it.start).min().unwrap_or(0);
        let end = shown.map(Token::end).max().unwrap_or(0);
        ExpressionError::Syntax {
            token: token.map_or("<EOF>", |it| it.text).to_owned(),
            near: self.text[start..end].to_owned(),
        }
    }
}

/// Keywords of the grammar, in any case; they cannot be attribute names.
pub(super) fn is_reserved(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"].iter().any(|it| it.eq_ignore_ascii_case(word))
}
