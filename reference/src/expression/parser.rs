//! From tokens to a predicate, by recursive descent, one function per precedence.
//!
//! From loose to tight: OR, AND, NOT, then comparisons, BETWEEN, IN, functions and parentheses.
//! A text that breaks the grammar is refused for that before anything else; of the other
//! refusals the first in the text is told.

use std::collections::BTreeMap;

use super::ast::{Comparator, Operand, Path, Predicate, Step};
use super::lexer::{Token, TokenKind, tokens};
use super::placeholders::Placeholders;
use super::{
    ExpressionError, IN_OPERANDS_MAX, NESTING_MAX, OPERATORS_MAX, TEXT_BYTES_MAX, functions,
};
use crate::item::{AttributeType, AttributeValue};

/// Parses a whole condition.
pub(super) fn parse(
    text: &str,
    names: &BTreeMap<String, String>,
    values: &BTreeMap<String, AttributeValue>,
) -> Result<Predicate, ExpressionError> {
    if text.trim_ascii().is_empty() {
        return Err(ExpressionError::Empty);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExpressionError::TooLong(text.len()));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        operators: 0,
        last_group: None,
        placeholders: Placeholders::new(names, values)?,
        refusal: None,
    };
    let predicate = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.syntax_error());
    }
    match parser.refusal {
        Some(refusal) => Err(refusal),
        None => parser.placeholders.finish().map(|()| predicate),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    operators: usize,
    /// The first and last token of the parentheses that were closed last.
    last_group: Option<(usize, usize)>,
    placeholders: Placeholders<'a>,
    /// The first thing that is wrong with a text that follows the grammar.
    refusal: Option<ExpressionError>,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Predicate, ExpressionError> {
        self.joined("OR", Self::and, Predicate::Or)
    }

    fn and(&mut self) -> Result<Predicate, ExpressionError> {
        self.joined("AND", Self::not, Predicate::And)
    }

    fn joined(
        &mut self,
        keyword: &str,
        tighter: fn(&mut Self) -> Result<Predicate, ExpressionError>,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Result<Predicate, ExpressionError> {
        let first = tighter(self)?;
        if !self.is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_keyword(keyword) {
            self.count_operator()?;
            parts.push(tighter(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Result<Predicate, ExpressionError> {
        if !self.take_keyword("NOT") {
            return self.primary();
        }
        self.count_operator()?;
        let inner = self.nested(Self::not)?;
        Ok(Predicate::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Predicate, ExpressionError> {
        if self.is_symbol("(") {
            return self.group();
        }
        if self.is_call() && self.token_text() != "size" {
            return self.function();
        }
        let start = self.at;
        let left = self.operand()?;
        match self.peek().and_then(|token| Comparator::parse(token.text)) {
            Some(comparator) => self.comparison(left, comparator),
            None if self.take_keyword("BETWEEN") => self.between(left),
            None if self.take_keyword("IN") => self.is_in(left),
            None if matches!(left, Operand::Size(_)) => {
                let name = self.tokens[start].text.to_owned();
                self.refuse(ExpressionError::MisusedFunction(name));
                Ok(Predicate::And(Vec::new()))
            }
            None => Err(self.syntax_error()),
        }
    }

    fn group(&mut self) -> Result<Predicate, ExpressionError> {
        let open = self.at;
        self.at += 1;
        let inner = self.nested(Self::or)?;
        if self.last_group == Some((open + 1, self.at - 1)) {
            self.refuse(ExpressionError::RedundantParentheses);
        }
        self.last_group = Some((open, self.at));
        self.expect(")")?;
        Ok(inner)
    }

    fn comparison(
        &mut self,
        left: Operand,
        comparator: Comparator,
    ) -> Result<Predicate, ExpressionError> {
        let operator = self.next_text();
        self.count_operator()?;
        let right = self.operand()?;
        self.check_distinct(operator, &left, [&right]);
        if comparator.orders() {
            self.check_orderable(operator, [&left, &right]);
        }
        Ok(Predicate::Compare(left, comparator, right))
    }

    fn between(&mut self, value: Operand) -> Result<Predicate, ExpressionError> {
        self.count_operator()?;
        let lower = self.operand()?;
        if !self.take_keyword("AND") {
            return Err(self.syntax_error());
        }
        let upper = self.operand()?;
        self.check_distinct("BETWEEN", &value, [&lower, &upper]);
        self.check_orderable("BETWEEN", [&value, &lower, &upper]);
        if let Some(refusal) = functions::wrong_bounds(&lower, &upper) {
            self.refuse(refusal);
        }
        Ok(Predicate::Between {
            value,
            lower,
            upper,
        })
    }

    fn is_in(&mut self, value: Operand) -> Result<Predicate, ExpressionError> {
        self.count_operator()?;
        let list = self.operands()?;
        if list.is_empty() {
            return Err(self.syntax_error());
        }
        if list.len() > IN_OPERANDS_MAX {
            self.refuse(ExpressionError::TooManyInOperands(list.len()));
        }
        self.check_distinct("IN", &value, &list);
        Ok(Predicate::In(value, list))
    }

    fn function(&mut self) -> Result<Predicate, ExpressionError> {
        let function = self.next_text();
        self.count_operator()?;
        let operands = self.operands()?;
        if let [first, rest @ ..] = operands.as_slice() {
            self.check_distinct(function, first, rest);
        }
        Ok(
            functions::predicate(function, operands).unwrap_or_else(|refusal| {
                self.refuse(refusal);
                Predicate::And(Vec::new())
            }),
        )
    }

    /// Operands between parentheses, separated by commas.
    fn operands(&mut self) -> Result<Vec<Operand>, ExpressionError> {
        self.expect("(")?;
        let mut operands = Vec::new();
        while !self.is_symbol(")") {
            if !operands.is_empty() {
                self.expect(",")?;
            }
            operands.push(self.operand()?);
        }
        self.expect(")")?;
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, ExpressionError> {
        if self.is_call() {
            return self.call_as_operand();
        }
        let Some(Token {
            kind: TokenKind::Value,
            text,
            ..
        }) = self.peek()
        else {
            return self.path().map(Operand::Path);
        };
        self.at += 1;
        let value = self.placeholders.value(text);
        Ok(Operand::Literal(
            self.or_refuse(value).unwrap_or(AttributeValue::Null),
        ))
    }

    /// Only `size` may stand where a value is wanted.
    fn call_as_operand(&mut self) -> Result<Operand, ExpressionError> {
        let function = self.next_text();
        self.count_operator()?;
        let operands = self.nested(Self::operands)?;
        Ok(
            functions::operand(function, operands).unwrap_or_else(|refusal| {
                self.refuse(refusal);
                Operand::Literal(AttributeValue::Null)
            }),
        )
    }

    fn path(&mut self) -> Result<Path, ExpressionError> {
        let root = self.field()?;
        let mut steps = Vec::new();
        loop {
            if self.take_symbol(".") {
                steps.push(Step::Field(self.field()?));
            } else if self.take_symbol("[") {
                steps.push(Step::Index(self.index()?));
                self.expect("]")?;
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    fn field(&mut self) -> Result<String, ExpressionError> {
        match self.peek() {
            Some(Token {
                kind: TokenKind::Name,
                text,
                ..
            }) => {
                self.at += 1;
                let name = self.placeholders.name(text);
                Ok(self.or_refuse(name).unwrap_or_default())
            }
            Some(Token {
                kind: TokenKind::Word,
                text,
                ..
            }) if !is_reserved(text) => {
                self.at += 1;
                Ok(text.to_owned())
            }
            _ => Err(self.syntax_error()),
        }
    }

    fn index(&mut self) -> Result<u32, ExpressionError> {
        let Some(Token {
            kind: TokenKind::Digits,
            text,
            ..
        }) = self.peek()
        else {
            return Err(self.syntax_error());
        };
        self.at += 1;
        let index = text
            .parse()
            .map_err(|_| ExpressionError::IndexRange(text.to_owned()));
        Ok(self.or_refuse(index).unwrap_or_default())
    }

    /// Parses something one level deeper, or refuses to: the bound on all recursion.
    fn nested<T>(
        &mut self,
        inner: fn(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth == NESTING_MAX {
            return Err(ExpressionError::TooDeep);
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    fn count_operator(&mut self) -> Result<(), ExpressionError> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(ExpressionError::TooManyOperators);
        }
        Ok(())
    }

    fn check_distinct<'o>(
        &mut self,
        operator: &str,
        first: &Operand,
        rest: impl IntoIterator<Item = &'o Operand>,
    ) {
        if let (Operand::Path(path), true) = (first, rest.into_iter().any(|it| it == first)) {
            let (operator, operand) = (operator.to_owned(), path.to_string());
            self.refuse(ExpressionError::SameOperands { operator, operand });
        }
    }

    fn check_orderable<const N: usize>(&mut self, operator: &str, operands: [&Operand; N]) {
        for operand in operands {
            if let Operand::Literal(value) = operand {
                let operand_type = value.attribute_type();
                use AttributeType::{B, N as Number, S};
                if !matches!(operand_type, S | Number | B) {
                    let operator = operator.to_owned();
                    self.refuse(ExpressionError::OperandType {
                        operator,
                        operand_type,
                    });
                }
            }
        }
    }

    fn refuse(&mut self, refusal: ExpressionError) {
        self.refusal.get_or_insert(refusal);
    }

    fn or_refuse<T>(&mut self, result: Result<T, ExpressionError>) -> Option<T> {
        result.map_err(|refusal| self.refuse(refusal)).ok()
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn token_text(&self) -> &'a str {
        self.peek().map_or("", |token| token.text)
    }

    fn next_text(&mut self) -> &'a str {
        let text = self.token_text();
        self.at += 1;
        text
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        self.token_text() == symbol
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.token_text().eq_ignore_ascii_case(keyword)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    /// A word with a parenthesis behind it, and no keyword.
    fn is_call(&self) -> bool {
        let is_word = |it: Token<'_>| it.kind == TokenKind::Word && !is_reserved(it.text);
        self.peek().is_some_and(is_word)
            && self
                .tokens
                .get(self.at + 1)
                .is_some_and(|token| token.text == "(")
    }

    /// The token at hand does not fit; shown with its neighbours.
    fn syntax_error(&self) -> ExpressionError {
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
fn is_reserved(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(word))
}
