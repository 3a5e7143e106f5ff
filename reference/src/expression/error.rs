//! Why an expression is refused, in Amazon's words where they are known. Those about key
//! conditions are the ones that dynalite, tested against the live service, gives.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{NESTING_MAX, OPERAND_BYTES_MAX, OPERATORS_MAX};
use crate::item::{AttributeType, ValidationError};

/// A refusal of one of a request's expressions, or of the placeholders that come with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidExpression {
    /// The parameter that holds the expression; `None` where the placeholders are at fault.
    pub parameter: Option<String>,
    /// What is wrong.
    pub why: ExpressionError,
}

impl InvalidExpression {
    pub(super) fn in_parameter(parameter: &str, why: ExpressionError) -> Self {
        Self { parameter: Some(parameter.to_owned()), why }
    }
}

impl From<ExpressionError> for InvalidExpression {
    /// A refusal of placeholders, or one whose text names its parameter.
    fn from(why: ExpressionError) -> Self {
        Self { parameter: None, why }
    }
}

impl fmt::Display for InvalidExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parameter {
            Some(parameter) => write!(f, "Invalid {parameter}: {}", self.why),
            None => write!(f, "{}", self.why),
        }
    }
}

impl std::error::Error for InvalidExpression {}

/// What is wrong with an expression or with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ExpressionError {
    /// The text does not follow the grammar.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax {
        /// The token that does not fit, or `<EOF>`.
        token: String,
        /// The token with its neighbours.
        near: String,
    },
    /// The text is empty.
    #[error("The expression can not be empty;")]
    Empty,
    /// The text has more than [`super::TEXT_BYTES_MAX`] bytes; the payload says how many.
    #[error(
        "Expression size has exceeded the maximum allowed size; \
         expression size: {0}"
    )]
    TooLong(usize),
    /// More operators and functions than [`OPERATORS_MAX`]. The text is ours.
    #[error(
        "The expression contains too many operators; \
         maximum: {OPERATORS_MAX}"
    )]
    TooManyOperators,
    /// Names and values of more than [`OPERAND_BYTES_MAX`]. The text is ours.
    #[error(
        "The names and values in the expressions are too long; \
         maximum: {OPERAND_BYTES_MAX} bytes"
    )]
    OperandsTooLong,
    /// Parentheses and NOT nested deeper than [`NESTING_MAX`]. The text is ours.
    #[error("The expression is nested too deeply; maximum: {NESTING_MAX}")]
    TooDeep,
    /// More operands of IN than [`super::IN_OPERANDS_MAX`]; the payload says how many.
    #[error(
        "The IN operator is provided with too many operands; \
         number of operands: {0}"
    )]
    TooManyInOperands(usize),
    /// A pair of parentheses around nothing but another pair.
    #[error("The expression has redundant parentheses;")]
    RedundantParentheses,
    /// `#name` that is not in ExpressionAttributeNames.
    #[error(
        "An expression attribute name used in the document path is \
         not defined; attribute name: {0}"
    )]
    UndefinedName(String),
    /// `:value` that is not in ExpressionAttributeValues.
    #[error(
        "An expression attribute value used in expression is not \
         defined; attribute value: {0}"
    )]
    UndefinedValue(String),
    /// No function has this name.
    #[error("Invalid function name; function: {0}")]
    UnknownFunction(String),
    /// A condition where a value is wanted, or the other way about.
    #[error(
        "The function is not allowed to be used this way in an \
         expression; function: {0}"
    )]
    MisusedFunction(String),
    /// A function with too few or too many operands.
    #[error(
        "Incorrect number of operands for operator or function; \
         operator or function: {function}, number of operands: {count}"
    )]
    OperandCount {
        /// The function.
        function: String,
        /// How many operands it was given.
        count: usize,
    },
    /// A value of a type that the operator or function cannot take.
    #[error(
        "Incorrect operand type for operator or function; \
         operator or function: {operator}, operand type: {operand_type}"
    )]
    OperandType {
        /// The operator or function.
        operator: String,
        /// The type of the value.
        operand_type: AttributeType,
    },
    /// A value where only a path makes sense.
    #[error(
        "Operator or function requires a document path; \
         operator or function: {0}"
    )]
    PathRequired(String),
    /// `attribute_type` with a type that does not exist.
    #[error(
        "Invalid attribute type name found; type: {0}, \
         valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
    )]
    UnknownType(String),
    /// BETWEEN with literal bounds of different types, each printed.
    #[error(
        "The BETWEEN operator requires same data type for lower and \
         upper bounds; lower bound operand: AttributeValue: {{{0}}}, \
         upper bound operand: AttributeValue: {{{1}}}"
    )]
    BetweenTypes(String, String),
    /// BETWEEN with a literal lower bound above the upper one, each printed.
    #[error(
        "The BETWEEN operator requires upper bound to be greater than \
         or equal to lower bound; lower bound operand: AttributeValue: {{{0}}}, \
         upper bound operand: AttributeValue: {{{1}}}"
    )]
    BetweenOrder(String, String),
    /// A path compared with itself.
    #[error(
        "The first operand must be distinct from the remaining \
         operands for this operator or function; operator: {operator}, operand: {operand}"
    )]
    SameOperands {
        /// The operator or function.
        operator: String,
        /// The path, printed.
        operand: String,
    },
    /// A list index beyond what fits.
    #[error("List index is not within the allowable range; index: [{0}]")]
    IndexRange(String),
    /// A section of an update expression that stands in it twice.
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    SectionTwice(String),
    /// Two actions of an update on one attribute; the payload is its path, printed.
    #[error(
        "Two document paths overlap with each other; must remove or rewrite one of these paths; \
         path one: {0}, path two: {0}"
    )]
    Overlap(String),
    /// A path into a list or a map, printed, where this service knows attributes only. The text
    /// is ours.
    #[error("Paths into lists and maps are not supported here; path: {0}")]
    NestedPath(String),
    /// ADD or DELETE with a value of a type that it cannot take.
    #[error(
        "Incorrect operand type for operator or function; operator: {action}, \
         operand type: {operand_type}, typeSet: ALLOWED_FOR_{action}_OPERAND"
    )]
    ActionType {
        /// The section.
        action: String,
        /// The type, by its long name.
        operand_type: String,
    },
    /// Something in a key condition that only other conditions may hold.
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    KeyOperator(String),
    /// A key condition about no attribute, about several, or about what an attribute holds.
    #[error("Invalid condition in KeyConditionExpression: {0}")]
    KeyOperands(String),
    /// A key condition on a place within an attribute.
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    KeyNested,
    /// A key condition that calls `size`.
    #[error("KeyConditionExpressions cannot contain nested operations")]
    KeyOperation,
    /// Two key conditions on one attribute.
    #[error("KeyConditionExpressions must only contain one condition per key")]
    KeyTwice,
    /// A key of ExpressionAttributeNames (or Values) that is no placeholder.
    #[error("{parameter} contains invalid key: Syntax error; key: \"{key}\"")]
    PlaceholderSyntax {
        /// The parameter of the request.
        parameter: String,
        /// The key.
        key: String,
    },
    /// A value that no item may hold.
    #[error("ExpressionAttributeValues contains invalid value: {why} for key {key}")]
    PlaceholderValue {
        /// The placeholder.
        key: String,
        /// What is wrong with the value.
        why: ValidationError,
    },
    /// Names that the expression does not use, joined by commas.
    #[error("Value provided in ExpressionAttributeNames unused in expressions: keys: {{{0}}}")]
    UnusedNames(String),
    /// Values that the expression does not use, joined by commas.
    #[error("Value provided in ExpressionAttributeValues unused in expressions: keys: {{{0}}}")]
    UnusedValues(String),
}

impl From<InvalidExpression> for ValidationError {
    fn from(error: InvalidExpression) -> Self {
        Self::new(error.to_string())
    }
}
