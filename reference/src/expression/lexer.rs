//! Cuts the text of an expression into tokens. What they mean together is the parser's.

use winnow::ascii::{digit1, multispace0};
use winnow::combinator::alt;
use winnow::prelude::*;
use winnow::token::{one_of, take_while};

use super::ExpressionError;

/// What a token is, by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, a function or an attribute's own name.
    Word,
    /// `#name`.
    Name,
    /// `:value`.
    Value,
    /// A list index.
    Digits,
    /// An operator, a bracket, a point or a comma.
    Symbol,
}

/// A token and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// All tokens of a text, white space left out.
///
/// # Errors
/// The first character that begins no token.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = text;
    loop {
        space(&mut rest).expect("no white space is fine, too");
        let start = text.len() - rest.len();
        let Some(stranger) = rest.chars().next() else {
            return Ok(tokens);
        };
        let Ok((kind, token)) = token(&mut rest) else {
            let from = tokens.last().map_or(start, |it| it.start);
            let near = text[from..start + stranger.len_utf8()].to_owned();
            return Err(ExpressionError::Syntax { token: stranger.to_string(), near });
        };
        tokens.push(Token { kind, text: token, start });
    }
}

/// Whether the whole text is one placeholder of this kind.
pub(super) fn is_placeholder(mut text: &str, wanted: TokenKind) -> bool {
    matches!(token(&mut text), Ok((kind, _)) if kind == wanted) && text.is_empty()
}

fn space(input: &mut &str) -> ModalResult<()> {
    multispace0.void().parse_next(input)
}

fn token<'a>(input: &mut &'a str) -> ModalResult<(TokenKind, &'a str)> {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    alt((
        digit1.map(|text| (TokenKind::Digits, text)),
        (one_of(|c: char| c.is_ascii_alphabetic()), take_while(0.., is_name_char))
            .take()
            .map(|text| (TokenKind::Word, text)),
        ('#', take_while(1.., is_name_char)).take().map(|text| (TokenKind::Name, text)),
        (':', take_while(1.., is_name_char)).take().map(|text| (TokenKind::Value, text)),
        alt(("<>", "<=", ">=")).map(|text| (TokenKind::Symbol, text)),
        one_of(['=', '<', '>', '+', '-', '(', ')', ',', '.', '[', ']'])
            .take()
            .map(|text| (TokenKind::Symbol, text)),
    ))
    .parse_next(input)
}
