//! Why an expression is refused, in Amazon's words where they are known.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{NESTING_MAX, OPERATORS_MAX};
use crate::item::{AttributeType, ValidationError};

/// A refusal of a condition expression or of the placeholders that come with it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ExpressionError {
    /// The text does not follow the grammar.
    #[error("Invalid ConditionExpression: Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax {
        /// The token that does not fit, or `<EOF>`.
        token: String,
        /// The token with its neighbours.
        near: String,
    },
    /// The text is empty.
    #[error("Invalid ConditionExpression: The expression can not be empty;")]
    Empty,
    /// The text has more than [`super::TEXT_BYTES_MAX`] bytes; the payload says how many.
    #[error(
        "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; \
         expression size: {0}"
    )]
    TooLong(usize),
    /// More operators and functions than [`OPERATORS_MAX`]. The text is ours.
    #[error(
        "Invalid ConditionExpression: The expression contains too many operators; \
         maximum: {OPERATORS_MAX}"
    )]
    TooManyOperators,
    /// Parentheses and NOT nested deeper than [`NESTING_MAX`]. The text is ours.
    #[error(
        "Invalid ConditionExpression: The expression is nested too deeply; maximum: {NESTING_MAX}"
    )]
    TooDeep,
    /// More operands of IN than [`super::IN_OPERANDS_MAX`]; the payload says how many.
    #[error(
        "Invalid ConditionExpression: The IN operator is provided with too many operands; \
         number of operands: {0}"
    )]
    TooManyInOperands(usize),
    /// A pair of parentheses around nothing but another pair.
    #[error("Invalid ConditionExpression: The expression has redundant parentheses;")]
    RedundantParentheses,
    /// `#name` that is not in ExpressionAttributeNames.
    #[error(
        "Invalid ConditionExpression: An expression attribute name used in the document path is \
         not defined; attribute name: {0}"
    )]
    UndefinedName(String),
    /// `:value` that is not in ExpressionAttributeValues.
    #[error(
        "Invalid ConditionExpression: An expression attribute value used in expression is not \
         defined; attribute value: {0}"
    )]
    UndefinedValue(String),
    /// No function has this name.
    #[error("Invalid ConditionExpression: Invalid function name; function: {0}")]
    UnknownFunction(String),
    /// A condition where a value is wanted, or the other way about.
    #[error(
        "Invalid ConditionExpression: The function is not allowed to be used this way in an \
         expression; function: {0}"
    )]
    MisusedFunction(String),
    /// A function with too few or too many operands.
    #[error(
        "Invalid ConditionExpression: Incorrect number of operands for operator or function; \
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
        "Invalid ConditionExpression: Incorrect operand type for operator or function; \
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
        "Invalid ConditionExpression: Operator or function requires a document path; \
         operator or function: {0}"
    )]
    PathRequired(String),
    /// `attribute_type` with a type that does not exist.
    #[error(
        "Invalid ConditionExpression: Invalid attribute type name found; type: {0}, \
         valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
    )]
    UnknownType(String),
    /// BETWEEN with literal bounds of different types, each printed.
    #[error(
        "Invalid ConditionExpression: The BETWEEN operator requires same data type for lower and \
         upper bounds; lower bound operand: AttributeValue: {{{0}}}, \
         upper bound operand: AttributeValue: {{{1}}}"
    )]
    BetweenTypes(String, String),
    /// BETWEEN with a literal lower bound above the upper one, each printed.
    #[error(
        "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than \
         or equal to lower bound; lower bound operand: AttributeValue: {{{0}}}, \
         upper bound operand: AttributeValue: {{{1}}}"
    )]
    BetweenOrder(String, String),
    /// A path compared with itself.
    #[error(
        "Invalid ConditionExpression: The first operand must be distinct from the remaining \
         operands for this operator or function; operator: {operator}, operand: {operand}"
    )]
    SameOperands {
        /// The operator or function.
        operator: String,
        /// The path, printed.
        operand: String,
    },
    /// A list index beyond what fits.
    #[error(
        "Invalid ConditionExpression: List index is not within the allowable range; index: [{0}]"
    )]
    IndexRange(String),
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

impl From<ExpressionError> for ValidationError {
    fn from(error: ExpressionError) -> Self {
        Self::new(error.to_string())
    }
}
