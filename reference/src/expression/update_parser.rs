//! From tokens to an update: sections SET, REMOVE, ADD and DELETE, each a list of actions.
//!
//! Texts and types of refusals are those that dynalite, tested against the live service, gives.

use std::collections::BTreeSet;

use super::ExpressionError;
use super::parser::Parser;
use super::placeholders::Placeholders;
use super::update::{Action, Change, Term, Update, Value};
use crate::item::{AttributeType, AttributeValue};

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Parses a whole update expression.
pub(super) fn parse(
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Update, ExpressionError> {
    let mut parser = Parser::new(text, placeholders)?;
    let (mut actions, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(section) = section_at_hand(&parser) {
        parser.cursor.next_text();
        if !seen.insert(section) {
            parser.refuse(ExpressionError::SectionTwice(section.to_owned()));
        }
        actions.push(parser.action(section)?);
        while parser.cursor.take_symbol(",") {
            actions.push(parser.action(section)?);
        }
    }
    let mut attributes = BTreeSet::new();
    for Action { attribute, .. } in &actions {
        if !attributes.insert(attribute) {
            parser.refuse(ExpressionError::Overlap(format!("[{attribute}]")));
        }
    }
    if seen.is_empty() {
        return Err(parser.cursor.syntax_error());
    }
    parser.finish(Update { actions })
}

fn section_at_hand(parser: &Parser<'_, '_>) -> Option<&'static str> {
    SECTIONS.into_iter().find(|it| parser.cursor.is_keyword(it))
}

impl Parser<'_, '_> {
    fn action(&mut self, section: &str) -> Result<Action, ExpressionError> {
        let attribute = self.attribute()?;
        let change = match section {
            "SET" => {
                self.cursor.expect("=")?;
                Change::Set(self.value()?)
            }
            "REMOVE" => Change::Remove,
            "ADD" => Change::Add(self.addend(section)?),
            _ => Change::Delete(self.addend(section)?),
        };
        Ok(Action { attribute, change })
    }

    /// A path that is one name.
    fn attribute(&mut self) -> Result<String, ExpressionError> {
        if section_at_hand(self).is_some() {
            return Err(self.cursor.syntax_error());
        }
        let path = self.path()?;
        if !path.steps.is_empty() {
            self.refuse(ExpressionError::NestedPath(path.to_string()));
        }
        Ok(path.root)
    }

    /// What ADD adds, or DELETE takes away.
    fn addend(&mut self, section: &str) -> Result<AttributeValue, ExpressionError> {
        let Some(value) = self.literal() else { return Err(self.cursor.syntax_error()) };
        use AttributeType::{B, BS, Bool, L, M, N, NS, Null, S, SS};
        let operand_type = match value.attribute_type() {
            SS | NS | BS => None,
            N if section == "ADD" => None,
            N => Some("NUMBER"),
            S => Some("STRING"),
            B => Some("BINARY"),
            Bool => Some("BOOLEAN"),
            Null => Some("NULL"),
            L => Some("LIST"),
            M => Some("MAP"),
        };
        if let Some(operand_type) = operand_type {
            let (action, operand_type) = (section.to_owned(), operand_type.to_owned());
            self.refuse(ExpressionError::ActionType { action, operand_type });
        }
        Ok(value)
    }

    /// The right side of a SET: one operand, or the sum or difference of two.
    fn value(&mut self) -> Result<Value, ExpressionError> {
        if !self.cursor.take_symbol("(") {
            return self.computed(None);
        }
        // Either the whole right side stands in parentheses, or only its first operand.
        let inner = self.nested(Self::value)?;
        self.cursor.expect(")")?;
        match inner {
            Value::Term(term) => self.computed(Some(term)),
            whole => Ok(whole),
        }
    }

    fn computed(&mut self, first: Option<Term>) -> Result<Value, ExpressionError> {
        let left = match first {
            Some(term) => term,
            None => self.term()?,
        };
        let operator = self.cursor.token_text();
        let join = match operator {
            "+" => Value::Sum,
            "-" => Value::Difference,
            _ => return Ok(Value::Term(left)),
        };
        self.cursor.next_text();
        self.count_operator()?;
        let right = self.term()?;
        self.check_literals(operator, AttributeType::N, [&left, &right]);
        Ok(join(left, right))
    }

    fn term(&mut self) -> Result<Term, ExpressionError> {
        if self.cursor.take_symbol("(") {
            let inner = self.nested(Self::term)?;
            self.cursor.expect(")")?;
            return Ok(inner);
        }
        if self.cursor.is_call() {
            return self.call();
        }
        match self.literal() {
            Some(value) => Ok(Term::Literal(value)),
            None => self.attribute().map(Term::Attribute),
        }
    }

    fn call(&mut self) -> Result<Term, ExpressionError> {
        let function = self.cursor.next_text();
        self.count_operator()?;
        let terms = self.nested(Self::terms)?;
        let count = terms.len();
        match (function, <[Term; 2]>::try_from(terms)) {
            ("if_not_exists", Ok([Term::Attribute(name), otherwise])) => {
                return Ok(Term::IfNotExists(name, Box::new(otherwise)));
            }
            ("if_not_exists", Ok(_)) => {
                self.refuse(ExpressionError::PathRequired(function.to_owned()));
            }
            ("list_append", Ok([first, second])) => {
                self.check_literals(function, AttributeType::L, [&first, &second]);
                return Ok(Term::ListAppend(Box::new(first), Box::new(second)));
            }
            ("if_not_exists" | "list_append", Err(_)) => {
                let function = function.to_owned();
                self.refuse(ExpressionError::OperandCount { function, count });
            }
            _ => self.refuse(ExpressionError::UnknownFunction(function.to_owned())),
        }
        Ok(Term::Literal(AttributeValue::Null))
    }

    /// One or more terms between parentheses, separated by commas.
    fn terms(&mut self) -> Result<Vec<Term>, ExpressionError> {
        self.cursor.expect("(")?;
        let mut terms = vec![self.term()?];
        while self.cursor.take_symbol(",") {
            terms.push(self.term()?);
        }
        self.cursor.expect(")")?;
        Ok(terms)
    }

    fn check_literals(&mut self, operator: &str, wanted: AttributeType, terms: [&Term; 2]) {
        for term in terms {
            if let Term::Literal(value) = term
                && value.attribute_type() != wanted
            {
                let (operator, operand_type) = (operator.to_owned(), value.attribute_type());
                self.refuse(ExpressionError::OperandType { operator, operand_type });
            }
        }
    }
}
