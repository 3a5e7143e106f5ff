//! From tokens to a predicate, by recursive descent, one function per precedence.
//!
//! From loose to tight: OR, AND, NOT, then comparisons, BETWEEN, IN, functions and parentheses.
//! A text that breaks the grammar is refused for that before anything else; of the other
//! refusals the first in the text is told.

use super::ast::{Comparator, Operand, Path, Predicate, Step};
use super::cursor::{Cursor, is_reserved};
use super::lexer::{Token, TokenKind, tokens};
use super::placeholders::Placeholders;
use super::{
    ExpressionError, IN_OPERANDS_MAX, NESTING_MAX, OPERATORS_MAX, TEXT_BYTES_MAX, functions,
};
use crate::item::{AttributeType, AttributeValue};

/// Parses a whole condition.
pub(super) fn parse(
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Predicate, ExpressionError> {
    let mut parser = Parser::new(text, placeholders)?;
    let predicate = parser.or()?;
    parser.finish(predicate)
}

/// What reads one expression; how an update is read stands in [`super::update_parser`].
pub(super) struct Parser<'a, 'p> {
    pub(super) cursor: Cursor<'a>,
    depth: usize,
    operators: usize,
    /// The first and last token of the parentheses that were closed last.
    last_group: Option<(usize, usize)>,
    placeholders: &'a mut Placeholders<'p>,
    /// The first thing that is wrong with a text that follows the grammar.
    refusal: Option<ExpressionError>,
}

impl<'a, 'p> Parser<'a, 'p> {
    pub(super) fn new(
        text: &'a str,
        placeholders: &'a mut Placeholders<'p>,
    ) -> Result<Self, ExpressionError> {
        if text.trim_ascii().is_empty() {
            return Err(ExpressionError::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(ExpressionError::TooLong(text.len()));
        }
        Ok(Self {
            cursor: Cursor::new(text, tokens(text)?),
            depth: 0,
            operators: 0,
            last_group: None,
            placeholders,
            refusal: None,
        })
    }

    /// What was parsed, if nothing follows it and nothing is wrong with it.
    pub(super) fn finish<T>(self, parsed: T) -> Result<T, ExpressionError> {
        if self.cursor.peek().is_some() {
            return Err(self.cursor.syntax_error());
        }
        self.refusal.map_or(Ok(parsed), Err)
    }

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
        if !self.cursor.is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.cursor.take_keyword(keyword) {
            self.count_operator()?;
            parts.push(tighter(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Result<Predicate, ExpressionError> {
        if !self.cursor.take_keyword("NOT") {
            return self.primary();
        }
        self.count_operator()?;
        let inner = self.nested(Self::not)?;
        Ok(Predicate::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Predicate, ExpressionError> {
        if self.cursor.is_symbol("(") {
            return self.group();
        }
        let name = self.cursor.token_text();
        if self.cursor.is_call() && name != "size" {
            let predicate = self.function()?;
            if !self.at_operator() {
                return Ok(predicate);
            }
            self.refuse(ExpressionError::MisusedFunction(name.to_owned()));
            return self.operation(Operand::Literal(AttributeValue::Null));
        }
        let left = self.operand()?;
        if matches!(left, Operand::Size(_)) && !self.at_operator() {
            self.refuse(ExpressionError::MisusedFunction(name.to_owned()));
            return Ok(Predicate::And(Vec::new()));
        }
        self.operation(left)
    }

    fn at_operator(&self) -> bool {
        Comparator::parse(self.cursor.token_text()).is_some()
            || self.cursor.is_keyword("BETWEEN")
            || self.cursor.is_keyword("IN")
    }

    fn operation(&mut self, left: Operand) -> Result<Predicate, ExpressionError> {
        match Comparator::parse(self.cursor.token_text()) {
            Some(comparator) => self.comparison(left, comparator),
            None if self.cursor.take_keyword("BETWEEN") => self.between(left),
            None if self.cursor.take_keyword("IN") => self.is_in(left),
            None => Err(self.cursor.syntax_error()),
        }
    }

    fn group(&mut self) -> Result<Predicate, ExpressionError> {
        let open = self.cursor.position();
        self.cursor.expect("(")?;
        let inner = self.nested(Self::or)?;
        let close = self.cursor.position();
        self.cursor.expect(")")?;
        if self.last_group == Some((open + 1, close - 1)) {
            self.refuse(ExpressionError::RedundantParentheses);
        }
        self.last_group = Some((open, close));
        Ok(inner)
    }

    fn comparison(
        &mut self,
        left: Operand,
        comparator: Comparator,
    ) -> Result<Predicate, ExpressionError> {
        let operator = self.cursor.next_text();
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
        if !self.cursor.take_keyword("AND") {
            return Err(self.cursor.syntax_error());
        }
        let upper = self.operand()?;
        self.check_distinct("BETWEEN", &value, [&lower, &upper]);
        self.check_orderable("BETWEEN", [&value, &lower, &upper]);
        if let Some(refusal) = functions::wrong_bounds(&lower, &upper) {
            self.refuse(refusal);
        }
        Ok(Predicate::Between { value, lower, upper })
    }

    fn is_in(&mut self, value: Operand) -> Result<Predicate, ExpressionError> {
        self.count_operator()?;
        let list = self.operands()?;
        if list.len() > IN_OPERANDS_MAX {
            self.refuse(ExpressionError::TooManyInOperands(list.len()));
        }
        self.check_distinct("IN", &value, &list);
        Ok(Predicate::In(value, list))
    }

    fn function(&mut self) -> Result<Predicate, ExpressionError> {
        let function = self.cursor.next_text();
        self.count_operator()?;
        let operands = self.operands()?;
        if let [first, rest @ ..] = operands.as_slice() {
            self.check_distinct(function, first, rest);
        }
        Ok(functions::predicate(function, operands).unwrap_or_else(|refusal| {
            self.refuse(refusal);
            Predicate::And(Vec::new())
        }))
    }

    /// One or more operands between parentheses, separated by commas.
    fn operands(&mut self) -> Result<Vec<Operand>, ExpressionError> {
        self.cursor.expect("(")?;
        let mut operands = vec![self.operand()?];
        while self.cursor.take_symbol(",") {
            operands.push(self.operand()?);
        }
        self.cursor.expect(")")?;
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, ExpressionError> {
        if self.cursor.is_call() {
            return self.call_as_operand();
        }
        match self.literal() {
            Some(value) => Ok(Operand::Literal(value)),
            None => self.path().map(Operand::Path),
        }
    }

    /// The value behind `:value`, if that is at hand.
    pub(super) fn literal(&mut self) -> Option<AttributeValue> {
        let Some(Token { kind: TokenKind::Value, text, .. }) = self.cursor.peek() else {
            return None;
        };
        self.cursor.next_text();
        let value = self.placeholders.value(text);
        Some(self.or_refuse(value).unwrap_or(AttributeValue::Null))
    }

    /// Only `size` may stand where a value is wanted.
    fn call_as_operand(&mut self) -> Result<Operand, ExpressionError> {
        let function = self.cursor.next_text();
        self.count_operator()?;
        let operands = self.nested(Self::operands)?;
        Ok(functions::operand(function, operands).unwrap_or_else(|refusal| {
            self.refuse(refusal);
            Operand::Literal(AttributeValue::Null)
        }))
    }

    pub(super) fn path(&mut self) -> Result<Path, ExpressionError> {
        let root = self.field()?;
        let mut steps = Vec::new();
        loop {
            if self.cursor.take_symbol(".") {
                steps.push(Step::Field(self.field()?));
            } else if self.cursor.take_symbol("[") {
                steps.push(Step::Index(self.index()?));
                self.cursor.expect("]")?;
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    fn field(&mut self) -> Result<String, ExpressionError> {
        match self.cursor.peek() {
            Some(Token { kind: TokenKind::Name, text, .. }) => {
                self.cursor.next_text();
                let name = self.placeholders.name(text);
                Ok(self.or_refuse(name).unwrap_or_default())
            }
            Some(Token { kind: TokenKind::Word, text, .. }) if !is_reserved(text) => {
                self.cursor.next_text();
                Ok(text.to_owned())
            }
            _ => Err(self.cursor.syntax_error()),
        }
    }

    fn index(&mut self) -> Result<u32, ExpressionError> {
        let Some(Token { kind: TokenKind::Digits, text, .. }) = self.cursor.peek() else {
            return Err(self.cursor.syntax_error());
        };
        self.cursor.next_text();
        let index = text.parse().map_err(|_| ExpressionError::IndexRange(text.to_owned()));
        Ok(self.or_refuse(index).unwrap_or_default())
    }

    /// Parses something one level deeper, or refuses to: the bound on all recursion.
    pub(super) fn nested<T>(
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

    pub(super) fn count_operator(&mut self) -> Result<(), ExpressionError> {
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
                    self.refuse(ExpressionError::OperandType { operator, operand_type });
                }
            }
        }
    }

    pub(super) fn refuse(&mut self, refusal: ExpressionError) {
        self.refusal.get_or_insert(refusal);
    }

    pub(super) fn or_refuse<T>(&mut self, result: Result<T, ExpressionError>) -> Option<T> {
        result.map_err(|refusal| self.refuse(refusal)).ok()
    }
}
